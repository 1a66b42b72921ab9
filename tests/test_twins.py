"""The bundled specs against torchvision: keys, weights, outputs and published figures."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch
import torchvision.models as tv
from parity import assert_is_its_reference, emitted_class, images, seeded, weights_of
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.regnet import BlockParams

import archc
from archc.library import bundled, families, is_row
from archc.testing.agreement import run

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = [name for name in tv.list_models(module=tv) if name in bundled()]
"""Networks that classify images."""
FAST = (  # of each family a small network, which is run at once; the others are in the slow profile
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "efficientnet_v2_s",
    "googlenet",
    "inception_v3",
    "maxvit_t",
    "mnasnet0_5",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "regnet_x_400mf",
    "regnet_y_400mf",
    "resnet18",
    "resnet50",
    "resnext50_32x4d",
    "shufflenet_v2_x0_5",
    "squeezenet1_0",
    "squeezenet1_1",
    "swin_t",
    "swin_v2_t",
    "vgg11",
    "vit_b_32",
)
HEADS = {  # ours and torchvision's, in training mode
    "googlenet": {"aux1": "aux_logits1", "aux2": "aux_logits2"},
    "inception_v3": {"AuxLogits": "aux_logits"},
}
SMALLEST = {  # where torchvision's figure is not the smallest size at which its network runs
    "efficientnet_v2_s": 1,
    **dict.fromkeys(("swin_t", "swin_s", "swin_b"), 4),  # its 224 is the size of its images
    **dict.fromkeys(("swin_v2_t", "swin_v2_s", "swin_v2_b"), 4),
    "maxvit_t": 221,  # the smallest whose maps are those of 224
    "efficientnet_v2_m": 1,
    "efficientnet_v2_l": 1,
}
SMALL_IMAGES = (64, 96)


@dataclass(frozen=True)
class Twin:
    """A bundled spec and torchvision's model of the same network."""

    spec: str

    @property
    def weights(self) -> Any:
        """The weights that torchvision takes for the best, with their published figures."""
        weights = tv.get_model_weights(self.spec)
        return weights.IMAGENET1K_SWAG_LINEAR_V1 if self.spec == "vit_h_14" else weights.DEFAULT  # for 224×224

    @property
    def ordered(self) -> bool:
        """Whether torchvision makes layers in the order in which they run; blocks of Swin v2 make norm1 before attn."""
        return not self.spec.startswith("swin_v2")

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Two sizes of images for forward passes: of Inception v3 the smallest at which its head can be trained."""
        if self.spec.startswith(("vit", "maxvit")):
            return [(224, 224), (224, 224)]  # one embedding for each patch; maps of fixed sizes
        return [(299, 299), (75, 107)] if self.spec == "inception_v3" else [SMALL_IMAGES, (80, 80)]

    def torchvision(self, **changes: Any) -> nn.Module:
        options = {"init_weights": True, **changes} if self.spec in HEADS else changes
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return tv.get_model(self.spec, weights=None, **options)

    def outputs(self, model: nn.Module, x: Tensor, training: bool) -> dict[str, Tensor]:
        """What torchvision's model gives, by the names of the spec."""
        found = run(model, x, training=training)
        result: Any = found["output"]
        if isinstance(result, Tensor):
            return found
        return {"output": result.logits, **{ours: getattr(result, name) for ours, name in HEADS[self.spec].items()}}


TWINS = [Twin(name) for name in NAMES]
EACH = [pytest.param(twin, marks=() if twin.spec in FAST else pytest.mark.slow) for twin in TWINS]
GOOGLENET, INCEPTION = Twin("googlenet"), Twin("inception_v3")


def by_name(twin: Twin) -> str:
    return twin.spec


@cache
def architecture(name: str) -> archc.Architecture:
    return archc.load(name)


@cache
def emitted(name: str) -> type[nn.Module]:
    return emitted_class(architecture(name))


def shapes_of(state: dict[str, Tensor]) -> list[tuple[str, torch.Size]]:
    return [(key, value.shape) for key, value in state.items()]


@contextmanager
def regnets_on_meta() -> Iterator[None]:
    """torchvision computes a RegNet's widths with tensors, whose values it needs."""
    compute = BlockParams.from_init_params

    def on_cpu(**arguments: Any) -> BlockParams:
        with torch.device("cpu"):
            return compute(**arguments)

    BlockParams.from_init_params = on_cpu
    try:
        yield
    finally:
        BlockParams.from_init_params = compute


def on_meta(make: Callable[[], nn.Module]) -> nn.Module:
    """A module without memory for its weights: to be given another's."""
    with regnets_on_meta(), torch.device("meta"):
        return make()


def with_state(make: Callable[[], nn.Module], state: dict[str, Tensor]) -> nn.Module:
    """A module with its own copy of a state dict, which must fit exactly."""
    model = on_meta(make)
    model.load_state_dict({key: value.clone() for key, value in state.items()}, strict=True, assign=True)
    return model


def test_the_zoo_is_whole() -> None:
    """Every network of torchvision's that classifies images, and of each family one that is run at once."""
    assert tv.list_models(module=tv) == NAMES
    assert len(NAMES) == 80
    for first, others in families().items():
        members = {first, *others}.intersection(NAMES)
        assert not members or members.intersection(FAST), first


def test_a_family_is_one_spec_and_rows() -> None:
    """A row has at most 8 lines, comments apart; one with blocks of its own is another architecture."""
    for name, path in bundled().items():
        lines = [line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#")]
        assert len(lines) <= 8 or not is_row(path), name


@pytest.mark.parametrize("twin", TWINS, ids=by_name)
def test_keys_shapes_and_figures_are_torchvisions(twin: Twin) -> None:
    """The state dict's keys in order and their shapes; parameters, multiply-adds and smallest input as published."""
    ours, meta = architecture(twin.spec), twin.weights.meta
    theirs = on_meta(twin.torchvision)
    keys, known = (shapes_of(state) for state in (on_meta(ours.build).state_dict(), weights_of(theirs)))
    if not twin.ordered:
        keys, known = sorted(keys), sorted(known)
    assert keys == known
    summary = ours.summary()
    # Of GoogLeNet's heads torchvision publishes no weights, of Inception v3's it does.
    counted = summary.training_parameters if twin.spec == "inception_v3" else summary.parameters
    assert counted == meta["num_params"]
    assert list(ours.input[1:]) == twin.weights.transforms().crop_size * 2
    assert round(summary.macs / 1e9, 3) == round(meta["_ops"], 3)
    side = SMALLEST.get(twin.spec, meta["min_size"][0])
    assert summary.min_input == (side, side)
    if twin.spec in SMALLEST:
        assert theirs.eval()(torch.empty(1, 3, side, side, device="meta")).shape == (1, 1000)


@pytest.mark.parametrize("twin", EACH, ids=by_name)
def test_a_network_is_torchvisions(twin: Twin) -> None:
    """Built and emitted have torchvision's initial weights and training outputs under one seed, and its outputs.

    Everything is equal bit for bit: the training outputs with dropout, stochastic depth and auxiliary heads, the
    statistics after it, and the outputs in evaluation mode for weights that are loaded strictly, at two sizes.
    """
    first, second = twin.sizes[0], twin.sizes[-1]
    batches = images(2, 3, *first), images(1, 3, *second)
    assert_is_its_reference(
        architecture(twin.spec), twin.torchvision, *batches, outputs=twin.outputs, ordered=twin.ordered
    )


SEGMENTING = [name for name in tv.list_models(module=tv.segmentation) if name in bundled()]


def segmenting(name: str) -> nn.Module:
    """torchvision's network with the heads that its published weights have."""
    options = {"aux_loss": True} if "resnet" in name else {}
    return tv.get_model(name, weights=None, weights_backbone=None, **options)


@pytest.mark.parametrize("name", SEGMENTING)
def test_a_segmentation_network_has_torchvisions_keys_and_figures(name: str) -> None:
    """The state dict's keys in order and their shapes; parameters and multiply-adds as published."""
    ours, meta = architecture(name), tv.get_model_weights(name).DEFAULT.meta
    assert shapes_of(on_meta(ours.build).state_dict()) == shapes_of(on_meta(lambda: segmenting(name)).state_dict())
    summary = ours.summary()
    assert summary.parameters == meta["num_params"]
    assert round(summary.macs / 1e9, 3) == round(meta["_ops"], 3)
    assert summary.min_input == meta["min_size"]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if "resnet" in name else ()) for name in SEGMENTING]
)
def test_a_segmentation_network_is_torchvisions(name: str) -> None:
    """With the same weights, built and emitted give torchvision's outputs bit for bit, in both modes."""
    ours, theirs = architecture(name), segmenting(name)
    state = {key: value.clone() for key, value in theirs.state_dict().items()}
    x = images(2, 3, 65, 97)
    for training in (False, True):
        theirs.load_state_dict(state)
        expected = run(theirs, x, training=training, seed=1)
        for make in (ours.build, emitted(name)):
            found = run(with_state(make, state), x, training=training, seed=1)
            assert list(found) == list(expected)
            assert all(torch.equal(value, found[key]) for key, value in expected.items())


@pytest.mark.parametrize("twin", [GOOGLENET, INCEPTION], ids=by_name)
def test_networks_without_their_heads(twin: Twin) -> None:
    """With `aux_logits` off, keys and outputs are those of torchvision's network without heads, also in training."""
    ours = architecture(twin.spec)
    theirs = twin.torchvision(aux_logits=False)
    state = {key: value.clone() for key, value in theirs.state_dict().items()}
    x = torch.rand(2, *ours.input, generator=torch.Generator().manual_seed(5))
    whole = emitted_class(ours)
    makers: list[Callable[[], nn.Module]] = [
        lambda: ours.build(aux_logits=False),
        emitted_class(ours, aux_logits=False),
        lambda: whole(aux_logits=False),
    ]
    for training in (False, True):
        theirs.load_state_dict(state)
        expected = run(theirs, x, training=training)["output"]
        for make in makers:
            model = with_state(make, state)
            outputs = run(model, x, training=training)
            assert list(outputs) == ["output"]
            assert torch.equal(outputs["output"], expected)


@pytest.mark.parametrize(
    ("spec", "settings", "make", "options"),
    [
        (
            "densenet121",
            {
                "growth_rate": 12,
                "block_config": [2, 3],
                "num_init_features": 24,
                "bn_size": 2,
                "drop_rate": 0.1,
                "num_classes": 10,
            },
            tv.DenseNet,
            {},
        ),
        ("efficientnet_b0", {"num_classes": 10, "stochastic_depth_prob": 0.5}, tv.efficientnet_b0, {}),
        ("mobilenet_v2", {"width_mult": 0.35, "dropout": 0.5}, tv.mobilenet_v2, {}),
        ("mobilenet_v3_small", {"width_mult": 0.35, "dropout": 0.1}, tv.mobilenet_v3_small, {}),
        (
            "resnet50",
            {"num_classes": 10, "depths": [1, 2, 1, 1], "groups": 2, "width_per_group": 32},
            tv.ResNet,
            {
                "block": tv.resnet.Bottleneck,
                "layers": [1, 2, 1, 1],
                "num_classes": 10,
                "groups": 2,
                "width_per_group": 32,
            },
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_parameters_are_torchvisions_arguments(
    spec: str, settings: dict[str, Any], make: Callable[..., nn.Module], options: dict[str, Any]
) -> None:
    """With other values of its parameters, a spec is the network that torchvision makes with these arguments.

    `options` are torchvision's arguments if it makes that network under another name.
    """
    theirs = seeded(lambda: make(**(options or settings)))
    ours = seeded(lambda: architecture(spec).build(**settings))
    state = weights_of(theirs)
    assert list(ours.state_dict()) == list(state)
    assert all(torch.equal(value, state[key]) for key, value in ours.state_dict().items())
    x = torch.rand(2, 3, *SMALL_IMAGES, generator=torch.Generator().manual_seed(5))
    for training in (False, True):
        expected = run(theirs, x, training=training, seed=1)["output"]
        assert torch.equal(run(ours, x, training=training, seed=1)["output"], expected)


@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in NAMES),
        "alexnet_paper",
        "googlenet_paper",
        "inception_module",
        "yolov8n_cls",
    ],
)
def test_multiply_adds_are_half_of_torchs_flop_count(name: str) -> None:
    """Multiply-adds equal half of what torch.utils.flop_counter counts for one image."""
    ours = architecture(name)
    model = on_meta(ours.build).eval().requires_grad_(False)
    x = torch.empty(1, *ours.input, device="meta")
    torch.backends.mha.set_fastpath_enabled(False)  # of fused attention torch counts nothing
    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        model(x)
    torch.backends.mha.set_fastpath_enabled(True)
    assert 2 * ours.summary().macs == counter.get_total_flops()


def test_smallest_input_is_where_torch_stops() -> None:
    """One pixel below the smallest height or width, the real network raises; at it, it runs."""
    for spec in ("alexnet", "googlenet", "squeezenet1_1", "densenet121"):
        ours = architecture(spec)
        height, width = ours.min_input
        model = ours.build().eval()
        with torch.no_grad():
            result = model(torch.zeros(1, 3, height, width))
            assert isinstance(result, Tensor)
            with pytest.raises(RuntimeError):
                model(torch.zeros(1, 3, height - 1, ours.input[2]))
            with pytest.raises(RuntimeError):
                model(torch.zeros(1, 3, ours.input[1], width - 1))


@pytest.mark.parametrize(
    "spec", ["efficientnet_b0", "mobilenet_v2", "mobilenet_v3_small", "regnet_y_400mf", "resnet18", "yolov8n_cls"]
)
def test_networks_that_run_on_a_single_pixel(spec: str) -> None:
    """Padded convolutions and global pooling take images of any size."""
    ours = architecture(spec)
    assert ours.min_input == (1, 1)
    assert run(ours.build(), torch.zeros(1, 3, 1, 1))["output"].shape == (1, 1000)


def test_published_figures_of_the_papers() -> None:
    """AlexNet of 2012 with two groups, and GoogLeNet's Table 1 with and without its heads."""
    assert architecture("alexnet_paper").summary().parameters == 60_965_224
    paper = architecture("googlenet_paper").summary()
    assert (paper.parameters, paper.training_parameters) == (6_998_552, 13_378_280)
    googlenet = architecture("googlenet").summary()
    assert (googlenet.parameters, googlenet.training_parameters) == (6_624_904, 13_004_888)


def test_three_3x3_against_one_7x7() -> None:
    """The notebook's argument: 27C² weights against 49C², and the same receptive field of 7."""
    stack, single = architecture("stack_3x3").summary(), architecture("conv_7x7").summary()
    channels = 64
    assert (stack.parameters, single.parameters) == (27 * channels**2, 49 * channels**2)
    assert stack.layers[-1].receptive_field == single.layers[-1].receptive_field == (7, 7)


def test_the_notebooks_own_cases() -> None:
    """AlexNet with 10 classes on 1×3×128×128 gives [1, 10]; the inception module gives [1, 128, 128, 128]."""
    alexnet = architecture("alexnet").build(num_classes=10, input=(3, 128, 128)).eval()
    assert alexnet(torch.rand(1, 3, 128, 128)).shape == (1, 10)
    module = architecture("inception_module").build()
    assert module(torch.rand(1, 3, 128, 128)).shape == (1, 128, 128, 128)


def test_yolov8n_cls_computes_what_ultralytics_does() -> None:
    """Built and emitted give, under ultralytics' keys, what C2f gives as it was published: a list, joined once."""
    ours = architecture("yolov8n_cls")
    assert ours.summary().parameters == 2_719_288
    x = torch.rand(2, 3, *SMALL_IMAGES, generator=torch.Generator().manual_seed(5))
    for make in (ours.build, emitted("yolov8n_cls")):
        model = seeded(make).eval()
        state = model.state_dict()

        def conv(x: Tensor, name: str, stride: int = 1, state: dict[str, Tensor] = state) -> Tensor:
            weight = state[f"{name}.conv.weight"]
            x = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
            statistics = (state[f"{name}.bn.{key}"] for key in ("running_mean", "running_var", "weight", "bias"))
            return F.silu(F.batch_norm(x, *statistics))

        out = conv(x, "model.0", stride=2)
        for stage, depth in ((1, 1), (3, 2), (5, 2), (7, 1)):
            out = conv(out, f"model.{stage}", stride=2)
            features = list(conv(out, f"model.{stage + 1}.cv1").chunk(2, dim=1))
            for i in range(depth):
                bottleneck = f"model.{stage + 1}.m.{i}"
                features.append(features[-1] + conv(conv(features[-1], f"{bottleneck}.cv1"), f"{bottleneck}.cv2"))
            out = conv(torch.cat(features, dim=1), f"model.{stage + 1}.cv2")
        out = conv(out, "model.9.conv").mean(dim=(2, 3))
        expected = F.linear(out, state["model.9.linear.weight"], state["model.9.linear.bias"])
        assert torch.equal(run(model, x, training=False)["output"], expected)
