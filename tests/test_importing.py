"""Importing modules: specs have the module's keys and outputs, blocks are found, what can't be said is listed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

import archc
from archc.cli.main import main
from archc.formatting import format_text
from archc.graph import walk
from archc.importing.functions import translate
from archc.problems import SpecError


def imported(model: nn.Module, *input: int) -> tuple[archc.Imported, dict[str, Any]]:
    """A module's import and the blocks and layers of its spec, by name; keys and outputs are those of the module."""
    training = [module.training for module in model.modules()]
    before = {key: value.clone() for key, value in model.state_dict().items()}
    found = archc.import_(model, input)
    assert "largest difference 0 " in found.report
    assert [module.training for module in model.modules()] == training
    built = archc.loads(found.text).build()
    built.load_state_dict({key: before[source] for key, source in found.keys.items()})
    model.load_state_dict(before)
    x = torch.randn(2, *input)
    with torch.no_grad():
        one, other = built.eval()(x), model.eval()(x)
    outputs = list(zip(one.values(), other.values(), strict=True)) if isinstance(one, dict) else [(one, other)]
    assert all(bool(torch.equal(a, b)) for a, b in outputs)
    assert format_text(found.text, "imported") == found.text
    spec = archc.loads(found.text).network.spec
    return found, {name: block.parameters for name, block in spec.blocks.items()}


class Unit(nn.Module):
    """A residual unit as in ResNet, with a functional activation."""

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, width, 3, stride, 1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.downsample = (
            nn.Sequential(nn.Conv2d(in_channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))
            if stride != 1 or in_channels != width
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        out = F.relu(self.bn(self.conv(x)))
        out += shortcut
        return F.relu(out)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.layers = nn.ModuleList([Unit(8, 8), Unit(8, 8), Unit(8, 16, 2), Unit(16, 16), Unit(16, 12), Unit(12, 12)])
        self.fc = nn.Linear(12, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for layer in self.layers:
            x = layer(x)
        x = F.adaptive_avg_pool2d(x, 1).view(x.size(0), -1)
        return self.fc(F.dropout(x, 0.2, self.training))


def test_a_residual_network_has_its_keys_and_outputs_and_a_block_for_its_unit() -> None:
    """The class becomes a block, and what varies its parameter."""
    found, blocks = imported(Residual(), 3, 16, 16)
    assert set(found.keys) == set(found.keys.values()) == set(Residual().state_dict())
    assert all(name.startswith("Unit") for name in blocks)
    assert "out_channels" in {parameter for parameters in blocks.values() for parameter in parameters}


def test_the_module_is_neither_run_nor_changed() -> None:
    """Running statistics, weights and hooks of the module are as they were, and its forward never sees real values."""

    class Seen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.bn = nn.BatchNorm2d(4)

        def forward(self, x: Tensor) -> Tensor:
            return self.bn(self.conv(x))

    model = Seen().train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    archc.import_(model, (3, 8, 8))
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert model.training
    assert model.bn.training


class Dense(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 4, 3, padding=1)

    def forward(self, features: list[Tensor]) -> Tensor:
        return self.conv(torch.cat(features, 1))


class DenseBlock(nn.ModuleDict):
    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        for number in range(depth):
            self.add_module(f"dense{number + 1}", Dense(channels + 4 * number))

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.values():
            features.append(layer(features))
        return torch.cat(features, 1)


def test_a_dense_block_is_a_loop_of_layers_that_append_to_their_input() -> None:
    """Layers that take all features before them have one input, once each appends its own."""
    found, blocks = imported(nn.Sequential(nn.Conv2d(3, 8, 1), DenseBlock(8, 4), nn.ReLU()), 3, 8, 8)
    assert blocks == {"Dense": {}}
    assert "dense$(i + 1): {Dense: , repeat: 4, index: i}" in found.text
    assert "concat: [input, conv]" in found.text


class Shuffle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1, groups=4)

    def forward(self, x: Tensor) -> Tensor:
        one, other = x.chunk(2, dim=1)
        x = torch.cat((one, self.conv(other)), dim=1)
        n, c, h, w = x.size()
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


def test_a_shuffle_written_with_views_is_channel_shuffle() -> None:
    found, _ = imported(nn.Sequential(Shuffle(), Shuffle(), Shuffle()), 8, 6, 6)
    assert "channel_shuffle: {channel_shuffle: 2}" in found.text
    assert "groups: 4" in found.text
    assert "repeat: 3" in found.text


class WithHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 2)
        self.aux = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
        self.conv2 = nn.Conv2d(8, 8, 3)
        self.fc = nn.Linear(8, 5)
        self.spare = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Any:
        x = self.conv1(x)
        aux = self.aux(x) if self.training else None
        x = self.fc(self.conv2(x).mean([2, 3]))
        return (x, aux) if self.training else x


def test_parts_that_only_training_uses_are_auxiliary_and_unused_ones_are_named() -> None:
    model = WithHead()
    found = archc.import_(model, (3, 12, 12))
    assert "auxiliary: true" in found.text
    assert "The forward pass never uses spare." in found.text
    assert set(found.keys) == {key for key in model.state_dict() if not key.startswith("spare.")}
    torch.manual_seed(0)
    built = archc.loads(found.text).build().train()
    built.load_state_dict(dict(found.weights))
    x = torch.randn(2, 3, 12, 12)
    outputs, (main_output, aux) = built(x), model.train()(x)
    assert torch.equal(outputs["output"], main_output)
    assert torch.equal(outputs["aux"], aux)


class Outputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.low = nn.Conv2d(3, 4, 3, padding=1)
        self.high = nn.Conv2d(4, 4, 3, 2, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        low = torch.tanh(self.low(x))
        return {"low": low, "high": F.interpolate(self.high(low), scale_factor=2)}


def test_a_dict_of_outputs_keeps_its_names() -> None:
    found, _ = imported(Outputs(), 3, 8, 8)
    assert archc.loads(found.text).outputs == {"low": (4, 8, 8), "high": (4, 8, 8)}


def test_names_that_no_spec_can_have_are_changed_and_weights_follow() -> None:
    class Hyphen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.add_module("block1-0", nn.Conv2d(3, 4, 1))
            self.add_module("größe", nn.Conv2d(4, 4, 1))
            self.add_module("input", nn.Conv2d(4, 4, 1))

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.children():
                x = layer(x)
            return x

    found, _ = imported(Hyphen(), 3, 4, 4)
    assert found.keys["block1-0.weight"] == "block1-0.weight"
    assert "Names that are not valid in a spec were changed: größe is gr__e, input is input_." in found.text
    assert set(found.weights) == set(found.keys)


class Unsayable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).cumsum(2).cumsum(3)
        return torch.fft.fft(x).abs()


def test_every_operation_without_a_layer_type_is_listed_with_its_count_and_lines() -> None:
    with pytest.raises(SpecError) as caught:
        archc.import_(Unsayable(), (3, 8, 8))
    problems = caught.value.problems
    assert {problem.code for problem in problems} == {"E0801"}
    assert [problem.message for problem in problems] == [
        "archc has no layer type for `torch.Tensor.cumsum` (2 times)",
        "archc has no layer type for `torch.fft.fft`",
        "archc has no layer type for `torch.Tensor.abs`",
    ]
    assert all("tests/test_importing.py:" in problem.note for problem in problems)


class Level(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.out = nn.Conv2d(width, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.relu(self.norm(self.conv(x))))  # type: ignore[no-any-return]


class Levels(nn.Module):
    """A head on two levels, a layer that runs three times, and a layer with two names."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Conv2d(3, 4, 3, padding=1)
        self.step = nn.Conv2d(4, 4, 3, padding=1)
        self.coarse = nn.MaxPool2d(2)
        self.head = Level(4)
        self.other = self.head

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.fine(x)
        for _ in range(3):
            x = self.step(x)
        return self.head(x), self.other(self.coarse(x))


def test_modules_that_run_more_than_once_are_shared() -> None:
    model = Levels()
    found = archc.import_(model, (3, 8, 8))
    assert "step2: {share: step}" in found.text
    assert "head2: {share: head}" in found.text
    assert "never uses" not in found.text
    mine = archc.loads(found.text).build()
    mine.load_state_dict(found.weights)
    x = torch.randn(2, 3, 8, 8)
    for ours, theirs in zip(mine.eval()(x).values(), model.eval()(x), strict=True):
        assert torch.equal(ours, theirs)


def test_a_layer_that_runs_in_two_parts_is_an_error() -> None:
    class Part(nn.Module):
        def __init__(self, conv: nn.Conv2d) -> None:
            super().__init__()
            self.conv = conv

        def forward(self, x: Tensor) -> Tensor:
            return F.relu(self.conv(x))

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            conv = nn.Conv2d(4, 4, 3, padding=1)
            self.one, self.two = Part(conv), Part(conv)

        def forward(self, x: Tensor) -> Tensor:
            return self.two(self.one(x))  # type: ignore[no-any-return]

    with pytest.raises(SpecError, match="Conv2d with shared weights"):
        archc.import_(Twice(), (4, 8, 8))


def test_a_network_that_is_not_the_spec_is_found() -> None:
    """A network that is random in evaluation mode differs from any spec, and nothing is returned."""

    class Random(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return F.dropout(self.conv(x), 0.5, True)

    with pytest.raises(SpecError) as caught:
        archc.import_(Random(), (3, 4, 4))
    assert [problem.code for problem in caught.value.problems] == ["E0803"]


@pytest.mark.parametrize(
    ("call", "kind", "arguments"),
    [
        (lambda x: F.max_pool2d(x, 3, 2, 1), "max_pool2d", {"kernel_size": 3, "stride": 2, "padding": 1}),
        (lambda x: F.avg_pool2d(x, 2, ceil_mode=True), "avg_pool2d", {"kernel_size": 2, "ceil_mode": True}),
        (lambda x: F.leaky_relu(x, 0.2), "leaky_relu", {"negative_slope": 0.2}),
        (lambda x: F.gelu(x, approximate="tanh"), "gelu", {"approximate": "tanh"}),
        (lambda x: x.split([1, 3], dim=1)[1], "split", {"sections": [1, 3]}),
        (lambda x: torch.tanh(x.chunk(1, dim=1)[0]), "chunk", {"chunks": 1}),
        (lambda x: F.pad(x, (1, 0, 2, 0)), "pad", {"padding": [1, 0, 2, 0]}),
        (lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"), "pad", {"padding": 1, "mode": "reflect"}),
        (lambda x: F.local_response_norm(x, 3, k=2.0), "local_response_norm", {"size": 3, "k": 2.0}),
        (lambda x: F.pad(x, (1, 1), value=2.0), "pad", {"padding": [1, 1, 0, 0], "value": 2.0}),
        (lambda x: F.pad(x, (-1, -1, -1, -1)), "pad", {"padding": -1}),
        (lambda x: F.pad(x, (0, 0, 1, 0, 2, 2)), "pad", {"padding": [0, 0, 1, 0], "channels": 2}),
        (lambda x: F.pixel_shuffle(x, 2), "pixel_shuffle", {"upscale_factor": 2}),
        (lambda x: F.channel_shuffle(x, 2), "channel_shuffle", {"groups": 2}),
        (lambda x: x.mean((2, 3), keepdim=True), "mean", {"keepdim": True}),
        (lambda x: x.softmax(1), "softmax", {}),
        (lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)), "multiply", None),
        (lambda x: F.adaptive_max_pool2d(x, (2, 1)), "adaptive_max_pool2d", {"output_size": [2, 1]}),
        (lambda x: F.hardswish(x).squeeze(), "hardswish", {}),
        (lambda x: x * 2, "scale", {"factor": 2.0}),
        (lambda x: torch.cat([x, x.relu()], dim=-1), "concat", {"dim": 3}),
        (lambda x: x.transpose(2, -1), "permute", {"dims": [0, 1, 3, 2]}),
        (lambda x: torch.swapaxes(x, 1, 2), "permute", {"dims": [0, 2, 1, 3]}),
        (lambda x: x.permute(0, 2, 3, 1), "permute", {"dims": [0, 2, 3, 1]}),
        (lambda x: x.view(x.shape[0], 2, 2, 8, 8), "unflatten", {"dim": 1, "unflattened_size": [2, 2]}),
        (lambda x: x.reshape(x.shape[0], 4, 2, 4, 8), "unflatten", {"dim": 2, "unflattened_size": [2, 4]}),
        (lambda x: x.flatten(2), "flatten", {"start_dim": 2}),
        (lambda x: x[:, :, :1].flatten(2, 3), "flatten", {"start_dim": 2, "end_dim": -1}),
        (lambda x: x[:, :, :1].flatten(1, 2), "flatten", {"start_dim": 1, "end_dim": 2}),
        (lambda x: x.unflatten(-1, (1, -1)), "unflatten", {"dim": 3, "unflattened_size": [1, -1]}),
        (lambda x: torch.unflatten(x, 1, (4, 1)), "unflatten", {"dim": 1, "unflattened_size": [4, 1]}),
        (lambda x: torch.unflatten(x, 2, (1, 8)), "unflatten", {"dim": 2, "unflattened_size": [1, 8]}),
        (lambda x: x.mean((2, 3)).unsqueeze(-1), "unflatten", {"dim": 1, "unflattened_size": [4, 1]}),
        (lambda x: x[:, :, 3], "select", {"dim": 2, "index": 3}),
        (lambda x: x.select(-1, 2), "select", {"dim": 3, "index": 2}),
        (lambda x: x + x.mean((2, 3), keepdim=True), "add", None),
        (lambda x: x - x.relu(), "subtract", None),
        (lambda x: torch.maximum(x, x.sigmoid()), "maximum", None),
        (lambda x: x.mean(1), "mean", {"dim": 1, "keepdim": False}),
        (lambda x: x.amax((1, 3), keepdim=True), "amax", {"dim": [1, 3], "keepdim": True}),
        (lambda x: x.softmax(-1), "softmax", {"dim": 3}),
        (lambda x: F.normalize(x, dim=-1), "normalize", {"p": 2.0, "dim": 3}),
        (lambda x: x[:, ::2], "slice", {"dim": 1, "start": 0, "end": None, "step": 2}),
        (lambda x: x[..., 1:-1, 2:20], "slice", {"dim": 2, "start": 1, "end": 7}),
        (lambda x: x.narrow(-1, 2, 3), "slice", {"dim": 3, "start": 2, "end": 5}),
        (lambda x: torch.roll(x, (1, -2), (2, -1)), "roll", {"shifts": [1, -2], "dims": [2, 3]}),
        (lambda x: x.mean((2, 3), keepdim=True).expand(-1, -1, 8, 8), "expand", {"sizes": [-1, 8, 8]}),
        (lambda x: x @ x.transpose(2, 3), "matmul", None),
        (
            lambda x: F.scaled_dot_product_attention(x, x.relu(), x, is_causal=True),
            "scaled_dot_product_attention",
            {"is_causal": True, "scale": None},
        ),
    ],
)
def test_functions_are_layers(call: Any, kind: str, arguments: dict[str, Any] | None) -> None:
    """Each function call is the layer type of the same meaning, with the same arguments."""

    class One(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = call(x)
            return result

    found, _ = imported(One(), 4, 8, 8)
    layers = [node.element for node in archc.loads(found.text).network.graph.nodes]
    named = [layer for layer in layers if getattr(layer, "kind", "") == kind]
    assert named
    if arguments is not None:
        wanted = {name: tuple(value) if isinstance(value, list) else value for name, value in arguments.items()}
        assert all(getattr(named[0], name) == value for name, value in wanted.items())


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_lists_of_equal_sizes_are_one_size(rank: int) -> None:
    """PyTorch's modules hold tuples, and a spec may list the sizes: all mean the same."""
    modules: list[Any] = [getattr(nn, f"{name}{rank}d") for name in ("Conv", "MaxPool", "AvgPool", "AdaptiveAvgPool")]
    model = nn.Sequential(modules[0](2, 3, 3, padding=1), modules[1](3, 1, 1), modules[2](3, padding=1), modules[3](2))
    found, _ = imported(model, 2, *(9,) * rank)
    assert not re.search(r"[a-z]_size: \[|padding: \[|stride: \[|pool[123]d: \[", found.text)
    three, one, two = [3] * rank, [1] * rank, [2] * rank
    listed = f"""
input: {[2, *(9,) * rank]}
layers:
  - conv{rank}d: {{out_channels: 3, kernel_size: {three}, padding: {one}}}
  - max_pool{rank}d: {{kernel_size: {three}, stride: {one}, padding: {one}}}
  - avg_pool{rank}d: {{kernel_size: {three}, padding: {one}}}
  - adaptive_avg_pool{rank}d: {two}
"""
    assert archc.diff(archc.loads(listed), archc.loads(found.text)).equal


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.mean((0, 1)).unsqueeze(0),
        lambda x: x + 1,
        lambda x: torch.cat([x, x], dim=0),
        lambda x: x.chunk(2, dim=2)[0],
        lambda x: x.transpose(0, 1),
        lambda x: x.softmax(0),
        lambda x: F.pad(x, (1, 1, 0, 0, 1, 0)),
        lambda x: x.view(4, 2, 8, 8),
        lambda x: x[1:],
        lambda x: x.roll(1),
        lambda x: F.normalize(x, dim=0),
        lambda x: F.scaled_dot_product_attention(x, x, x, dropout_p=0.1),
        lambda x: x[:, None],
        lambda x: torch.add(x, x, alpha=2),
        lambda x: x + x.mean((2, 3)).sum(),
    ],
)
def test_functions_that_no_layer_describes_are_refused(call: Any) -> None:
    """Calls that look like a layer's but compute something else are listed, not guessed."""

    class One(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = call(x)
            return result

    with pytest.raises(SpecError) as caught:
        archc.import_(One(), (4, 8, 8))
    assert {problem.code for problem in caught.value.problems} == {"E0801"}


def test_unknown_functions_have_no_translation() -> None:
    x = torch.ones(1, 2)
    assert translate(torch.cumsum, (x, 1), {}, x) is None


tv = torchvision.models
TOKENS: dict[str, tuple[Callable[[], nn.Module], tuple[int, int, int], set[str]]] = {
    "vit": (
        lambda: tv.VisionTransformer(32, 16, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=5),
        (3, 32, 32),
        {"multihead_attention", "parameter", "select"},
    ),
    "swin": (
        lambda: tv.SwinTransformer([4, 4], 8, [2, 1], [2, 4], [3, 3], num_classes=5),
        (3, 40, 32),
        {"window_attention", "patch_merging"},
    ),
    "swin_v2": (
        lambda: tv.SwinTransformer(
            [4, 4],
            8,
            [2, 1],
            [2, 4],
            [3, 3],
            num_classes=5,
            block=tv.swin_transformer.SwinTransformerBlockV2,
            downsample_layer=tv.swin_transformer.PatchMergingV2,
        ),
        (3, 40, 32),
        {"window_attention_v2", "patch_merging_v2"},
    ),
    "maxvit": (
        lambda: tv.MaxVit((32, 32), 8, 2, [8, 16], [1, 2], 4, 0.2, num_classes=5),
        (3, 32, 32),
        {"relative_attention", "unflatten"},
    ),
    "convnext": (
        lambda: tv.ConvNeXt(
            [tv.convnext.CNBlockConfig(8, 16, 2), tv.convnext.CNBlockConfig(16, None, 1)], 0.1, num_classes=5
        ),
        (3, 32, 32),
        {"layer_norm2d", "parameter"},
    ),
}


@pytest.mark.parametrize("name", TOKENS)
def test_a_transformer_has_its_keys_and_outputs(name: str) -> None:
    """Attention, learned tensors and moved axes are layers; keys are the module's."""
    make, input, kinds = TOKENS[name]
    found, _ = imported(make(), *input)
    assert found.keys == {key: key for key in make().state_dict()}
    assert kinds <= {layer.kind.kind for layer in walk(found.network.graph)}


def test_attention_of_other_keys_and_weights_that_leave_it_are_refused() -> None:
    class Attention(nn.Module):
        def __init__(self, weights: bool) -> None:
            super().__init__()
            self.weights = weights
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            if self.weights:
                return self.attention(x, x, x)[1]
            return self.attention(x, F.relu(x), x, need_weights=False)[0]

    for weights in (False, True):
        with pytest.raises(SpecError) as caught:
            archc.import_(Attention(weights), (4, 8))
        assert {problem.code for problem in caught.value.problems} == {"E0801"}


class Recurrent(nn.Module):
    """Recurrent layers of PyTorch, whose states after the last step are dropped unless `last` reads them."""

    def __init__(self, batch_first: bool = True, proj_size: int = 0, *, last: bool = False) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 6, 2, batch_first=batch_first, bidirectional=True, proj_size=proj_size)
        self.gru = nn.GRU(2 * (proj_size or 6), 3, bias=False, batch_first=True)
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        x, _ = self.lstm(x)
        x, states = self.gru(x)
        return states[-1] if self.last else x


def test_recurrent_layers_have_their_keys_and_outputs() -> None:
    found, _ = imported(Recurrent(), 5, 4)
    assert found.keys == {key: key for key in Recurrent().state_dict()}
    assert [layer.kind.kind for layer in walk(found.network.graph)] == ["lstm", "gru"]


@pytest.mark.parametrize(
    ("model", "code"),
    [
        (Recurrent(batch_first=False), "E0801"),
        (Recurrent(proj_size=2), "E0801"),
        (Recurrent(last=True), "E0802"),
    ],
    ids=["steps first", "projected", "the last state"],
)
def test_other_calls_of_recurrent_layers_are_refused(model: nn.Module, code: str) -> None:
    with pytest.raises(SpecError) as caught:
        archc.import_(model, (5, 4))
    assert code in {problem.code for problem in caught.value.problems}


@pytest.mark.parametrize("name", ["squeezenet1_1", "shufflenet_v2_x0_5", "mobilenet_v3_small"])
def test_a_network_of_torchvision_has_its_keys_and_outputs(name: str) -> None:
    model = torchvision.models.get_model(name, num_classes=10)
    found, _ = imported(model, 3, 64, 64)
    assert set(found.keys) == set(model.state_dict())


def test_the_command_writes_the_spec_and_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The class of a file, made with `--set`; its weights load into the built spec."""
    monkeypatch.chdir(tmp_path)
    source = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, width: int = 4) -> None:
        super().__init__(nn.Conv2d(3, width, 3), nn.ReLU(), nn.Flatten(), nn.Linear(width * 36, 2))
"""
    Path("net.py").write_text(source, "utf-8")
    command = ["import", "net.py:Net", "--input", "3x8x8", "--set", "width=6", "-o", "out.yaml"]
    assert main([*command, "--weights", "net.safetensors", "--name", "Wide"]) == 0
    assert "verified: largest difference 0 " in capsys.readouterr().out
    assert archc.load("out.yaml").name == "Wide"
    assert main(["build", "out.yaml", "--weights", "net.safetensors"]) == 0
    assert main(command) == 1
    assert "error[E0601]" in capsys.readouterr().err
    assert main(["import", "net.py:Net", "--input", "3x8x8"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("# Imported from net.py:Net.\nname: Net\n")
    assert "verified" in printed.err


def test_a_function_that_would_download_weights_is_called_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    source = """
from torch import nn

def net(weights: str | None = "DEFAULT") -> nn.Module:
    assert weights is None, "this would download"
    return nn.Sequential(nn.Conv2d(3, 4, 3))
"""
    Path("remote.py").write_text(source, "utf-8")
    assert main(["import", "remote.py:net", "--input", "3x8x8"]) == 0
    assert "conv2d" in capsys.readouterr().out


# Blocks


class Activated(nn.Sequential):
    def __init__(self, in_channels: int, width: int, kernel_size: int, act: type[nn.Module] | None, stride: int = 1):
        layers = [nn.Conv2d(in_channels, width, kernel_size, stride, kernel_size // 2), nn.BatchNorm2d(width)]
        super().__init__(*layers, *([act()] if act else []))


class Inverted(nn.Module):
    def __init__(self, in_channels: int, expand: int, out_channels: int, act: type[nn.Module], stride: int = 1) -> None:
        super().__init__()
        hidden = in_channels * expand
        first = [Activated(in_channels, hidden, 1, act)] if expand != 1 else []
        self.block = nn.Sequential(
            *first, Activated(hidden, hidden, 3, act, stride), Activated(hidden, out_channels, 1, None)
        )
        self.shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.block(x)
        if self.shortcut:
            result += x
        return result


def test_instances_with_optional_parts_are_one_block() -> None:
    """A missing expansion, a missing shortcut and other activations are conditions on parameters, found again."""
    units = [
        Inverted(8, 1, 8, nn.ReLU),
        Inverted(8, 4, 12, nn.ReLU, 2),
        Inverted(12, 4, 12, nn.ReLU),
        Inverted(12, 4, 16, nn.Hardswish),
        Inverted(16, 4, 16, nn.Hardswish),
        Inverted(16, 4, 16, nn.Hardswish, 2),
    ]
    found, blocks = imported(nn.Sequential(nn.Conv2d(3, 8, 1), *units), 3, 8, 8)
    assert list(blocks) == ["Activated", "Inverted"]
    assert "activation" in blocks["Activated"]
    assert "when: $(activation == 'relu')" in found.text
    assert "when: $(in_channels != hidden_channels)" in found.text
    assert "shortcut: {identity: , when: $(stride == 1 and in_channels == out_channels)}" in found.text
    assert "join: add" in found.text


def test_a_shortcut_that_some_instances_project_is_optional() -> None:
    """Six units of three sorts are one block; the projection depends on the channels."""
    found, blocks = imported(Residual(), 3, 16, 16)
    assert list(blocks) == ["Unit"]
    assert set(blocks["Unit"]) == {"out_channels", "stride"}
    assert "when: $(in_channels != out_channels)" in found.text


class Alternating(nn.Module):
    """Takes one of two branches, which no condition of a spec can join."""

    def __init__(self, first: bool) -> None:
        super().__init__()
        self.a = nn.Conv2d(8, 8, 1)
        self.b = nn.Conv2d(8, 8, 3, padding=1)
        self.first = first

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.b(self.a(x)) if self.first else self.a(x) + self.b(x)
        return result


def test_instances_with_other_wiring_are_blocks_of_their_own() -> None:
    units = [Alternating(True), Alternating(False), Alternating(True), Alternating(False)]
    _, blocks = imported(nn.Sequential(*units), 8, 4, 4)
    assert list(blocks) == ["Alternating", "Alternating2"]


def test_a_number_of_classes_is_a_parameter(tmp_path: Path) -> None:
    """The constructor's argument for the size of the output is a parameter of the spec."""
    found = archc.import_("torchvision.models:squeezenet1_1", (3, 64, 64), settings={"num_classes": 7}, weights=False)
    assert "arguments: {num_classes: 7}" in found.text
    assert archc.loads(found.text).configure(num_classes=3).outputs == {"output": (3,)}


def test_a_layer_that_overwrites_the_input_is_imported_without() -> None:
    found, _ = imported(nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 4, 1)), 3, 4, 4)
    assert "inplace" not in found.text.replace("in place", "")
    assert "Layers don't work in place as they do in the source" in found.text


class Summed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + F.relu(x) + torch.tanh(x)


def test_a_sum_of_several_values_is_one_join() -> None:
    found, _ = imported(Summed(), 4, 8, 8)
    assert "sum: {add: [input, relu, tanh]}" in found.text
    assert found.text.count("add") == 1


class Gate(nn.Module):
    """What a decoder of an attention U-Net does with the features of its encoder."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.skip = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        return x * torch.sigmoid(self.skip(features))


class Gated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3, padding=1)
        self.narrow = nn.Conv2d(8, 4, 1)
        self.first = Gate(8)
        self.second = Gate(4)

    def forward(self, x: Tensor) -> Tensor:
        down = self.down(x)
        narrow = self.narrow(down)
        up = self.first(features=F.relu(down), x=down)
        return self.second(self.second(narrow, self.narrow(up)), narrow)


def test_a_module_that_is_called_with_several_tensors_is_a_block_with_several_inputs() -> None:
    """The inputs have the names of the arguments of `forward`; a call with others is a share."""
    found, blocks = imported(Gated(), 3, 6, 6)
    assert list(blocks) == ["Gate"]
    assert "inputs: [x, features]" in found.text
    assert "first: {Gate: , from: [down, relu]}" in found.text
    assert "second2: {share: second, from: [second, narrow]}" in found.text
    assert set(found.keys) == set(found.keys.values())


class Halves(nn.Module):
    """Several results under names."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 1)
        self.gate = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor, other: Tensor) -> dict[str, Tensor]:
        return {"values": self.conv(x), "gates": torch.sigmoid(self.gate(other))}


class Split(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.parts = nn.ModuleList([Halves(4), Halves(4)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for part in self.parts:
            found = part(x, F.relu(x))
            x = found["values"] * found["gates"]
        return x


def test_results_in_a_dict_are_outputs_of_the_block_with_their_names() -> None:
    found, blocks = imported(nn.Sequential(Split()), 3, 6, 6)
    assert list(blocks) == ["Halves"]
    assert "outputs: {values: conv, gates: sigmoid}" in found.text
    assert set(found.keys) == set(found.keys.values())  # the numbers of the list among them, although it is no chain


class Hiding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.other = nn.Conv2d(4, 4, 1)
        self.inner = nn.ModuleDict({"stem": nn.Conv2d(4, 4, 1), "more": nn.Conv2d(4, 4, 1)})

    def forward(self, x: Tensor) -> Tensor:
        stem = self.stem(x)
        y = self.inner["stem"](self.other(stem))
        return self.inner["more"](y + stem)


def test_a_layer_may_have_the_name_of_an_outer_one_that_is_read_beside_it() -> None:
    found, _ = imported(Hiding(), 3, 6, 6)
    assert set(found.keys) == set(found.keys.values())
    assert "whole: {identity: , from: stem}" in found.text


# Other commands


@pytest.mark.parametrize(
    ("command", "printed"),
    [
        (["summary", "net.py:Net", "--input", "3x8x8", "--set", "width=8"], "parameters      802"),
        (["check", "net.py"], ""),
        (["draw", "net.py", "--input", "3x8x8", "-o", "-", "--format", "mmd"], "conv"),
        (["emit", "net.py", "--input", "3x8x8", "--out", "."], "net.py"),
    ],
)
def test_commands_take_classes_as_specs(
    command: list[str],
    printed: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(
        "from torch import nn\n\n\n"
        "class Net(nn.Sequential):\n"
        "    def __init__(self, width: int = 4) -> None:\n"
        "        super().__init__(nn.Conv2d(3, width, 3), nn.ReLU(), nn.Flatten(), nn.Linear(width * 36, 2))\n",
        "utf-8",
    )
    status = main(command)
    output = capsys.readouterr()
    if command[0] in ("check", "emit"):  # a check is of specs; the file that the source would go to is somebody's
        assert status == 1
        assert "error[E" in output.err
    else:
        assert status == 0
        assert printed in output.out


class Parallel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.views = nn.ModuleList([nn.Conv2d(4, 2, 1), nn.Sequential(nn.Conv2d(4, 2, 3, padding=1), nn.ReLU())])

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([view(x) for view in self.views], 1)


def test_a_list_of_modules_whose_results_are_joined_is_a_list_of_branches() -> None:
    found, _ = imported(nn.Sequential(Parallel(), Parallel(), Parallel()), 4, 6, 6)
    assert set(found.keys) == set(found.keys.values())
    assert "branches:" in found.text
    assert "join: concat" in found.text
