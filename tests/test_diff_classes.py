"""`archc diff` of classes: what changed in `forward` is found, and the numbers are those of the whole computation."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from shell import Shell
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import archc

pytestmark = pytest.mark.usefixtures("one_thread")

NET = """
import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Unit(nn.Module):
    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = nn.Conv2d(in_channels, width, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.shortcut(x))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.unit1 = Unit(8, 8)
        self.unit2 = Unit(8, 16, 2)
        self.left = nn.Conv2d(16, 8, 1)
        self.right = nn.Conv2d(16, 8, 3, padding=1)
        self.gate1 = nn.Linear(16, 16)
        self.gate2 = nn.Linear(16, 16)
        self.drop = nn.Dropout(0.1)
        self.fc = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.stem(x)), 2)
        x = self.unit2(self.unit1(x))
        x = torch.cat([self.left(x), self.right(x)], 1)
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)
        x = F.silu(self.gate2(F.silu(self.gate1(x))))
        return self.fc(self.drop(x))
"""

OTHER_STRIDE = ("self.unit2 = Unit(8, 16, 2)", "self.unit2 = Unit(8, 16, 1)")
PLANTED = {
    "a stride": (OTHER_STRIDE, ["unit2: changed conv1 stride", "unit2: changed shortcut stride"]),
    "a swapped branch": (
        ("torch.cat([self.left(x), self.right(x)], 1)", "torch.cat([self.right(x), self.left(x)], 1)"),
        ["changed joined reads left, right → right, left"],
    ),
    "a dropped activation": (
        ("out = F.relu(self.bn1(self.conv1(x)))", "out = self.bn1(self.conv1(x))"),
        ["unit1, unit2: removed relu"],
    ),
    "another activation": (("F.relu(self.stem(x))", "F.gelu(self.stem(x))"), ["changed relu → gelu"]),
    "a widened layer": (
        ("self.gate1 = nn.Linear(16, 16)\n        self.gate2 = nn.Linear(16, 16)",
         "self.gate1 = nn.Linear(16, 24)\n        self.gate2 = nn.Linear(24, 16)"),
        ["changed gate1 out_features"],
    ),
    "a kernel": (("self.right = nn.Conv2d(16, 8, 3, padding=1)", "self.right = nn.Conv2d(16, 8, 5, padding=2)"),
                 ["changed right kernel_size padding"]),
    "a layer more": (("return self.fc(self.drop(x))", "return self.fc(self.drop(x)).sigmoid()"), ["added sigmoid"]),
    "another join": (("F.relu(out + self.shortcut(x))", "F.relu(out * self.shortcut(x))"),
                     ["unit1, unit2: changed sum → scale"]),
    "another pool": (("F.max_pool2d(F.relu(self.stem(x)), 2)", "F.avg_pool2d(F.relu(self.stem(x)), 2)"),
                     ["changed max_pool2d → avg_pool2d"]),
    "a dropout": (("self.drop = nn.Dropout(0.1)", "self.drop = nn.Dropout(0.5)"), ["changed drop p"]),
}  # fmt: skip


def told(found: archc.Difference) -> list[str]:
    """Every change in a few words, with the parts that it is in."""
    lines = []
    for section in found.sections:
        parts = ", ".join(use.before for use in section.uses)
        for change in section.changes:
            names = dict.fromkeys(name for name in (change.before, change.after) if name)
            words = [change.sort, " → ".join(names), *(argument.name for argument in change.arguments)]
            if change.reads:
                words.append("reads " + " → ".join(map(", ".join, change.reads)))
            lines.append(f"{parts}: {' '.join(words)}" if parts else " ".join(words))
    return lines


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_change_is_named_and_nothing_else(name: str, tmp_path: Path) -> None:
    """In classes whose functions have no names, and in a class that is used twice."""
    (old, new), expected = PLANTED[name]
    assert NET.count(old) == 1
    (tmp_path / "one.py").write_text(NET)
    (tmp_path / "two.py").write_text(NET.replace(old, new))
    found = archc.diff(f"{tmp_path}/one.py:Net", f"{tmp_path}/two.py:Net", input=(3, 16, 16))
    assert not found.before.untraced
    assert not found.after.untraced
    assert not found.equal
    assert told(found) == expected


def test_a_class_is_equal_to_itself_and_its_reverse_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(NET)
    assert archc.diff(f"{tmp_path}/one.py:Net", f"{tmp_path}/one.py:Net", input=(3, 16, 16)).equal
    old, new = OTHER_STRIDE
    (tmp_path / "two.py").write_text(NET.replace(old, new))
    back = archc.diff(f"{tmp_path}/two.py:Net", f"{tmp_path}/one.py:Net", input=(3, 16, 16))
    assert told(back) == PLANTED["a stride"][1]


class Thrice(nn.Module):
    """A convolution that is called three times, one that is a function, one that a crop follows, and a layer unused."""

    def __init__(self, crop: int = 5) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.kernel = nn.Parameter(torch.rand(4, 3, 3, 3))
        self.unused = nn.Linear(10, 10)
        self.crop = crop

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(self.conv(self.conv(x)))
        return F.conv2d(x, self.kernel)[..., : self.crop, : self.crop]


class Attention(nn.Module):
    """Attention with weights of its own, and a matrix product by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(16, 48)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x.flatten(2)).unflatten(2, (3, 16)).unbind(2)
        return F.scaled_dot_product_attention(q, k, v) @ x.flatten(2).transpose(1, 2)


def counted(model: nn.Module, shape: tuple[int, ...]) -> int:
    """The multiply-adds that PyTorch counts for one image."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model.eval()(torch.rand(1, *shape))
    return counter.get_total_flops() // 2


@pytest.mark.parametrize(("model", "shape"), [(Thrice(), (3, 8, 8)), (Attention(), (6, 4, 4))])
def test_multiply_adds_are_all_that_pytorch_counts(model: nn.Module, shape: tuple[int, ...]) -> None:
    """However a layer is called, and how often; what is not traced is reported."""
    found = archc.diff(model, model, input=shape)
    assert found.before.figures["macs"] == counted(model, shape) > 0
    assert found.equal
    assert "is not known, so its modules and outputs are compared" in str(found)
    assert found.to_dict()["before"]["untraced"]


def test_layers_that_nothing_uses_are_not_heads() -> None:
    found = archc.diff(Thrice(), Thrice(), input=(3, 8, 8)).before
    assert found.figures["parameters"] == 84 + 108
    assert "training_parameters" not in found.figures  # of a module that is not traced it is not known
    traced = archc.diff(Idle(), Idle(), input=(3, 8, 8)).before
    assert not traced.untraced
    assert [traced.figures[name] for name in ("parameters", "training_parameters", "unused_parameters")] == [
        84,
        84,
        110,
    ]


class Idle(nn.Sequential):
    """A convolution, and a layer that `forward` doesn't use."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 3, 3))
        self.unused = nn.Linear(10, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self[0](x)  # type: ignore[no-any-return]


def test_a_vision_transformer_counts_its_attention() -> None:
    """As many multiply-adds as PyTorch counts; the hooks of modules don't see the attention."""
    torchvision = pytest.importorskip("torchvision")
    model = torchvision.models.VisionTransformer(32, 8, 1, 4, 64, 128)
    found = archc.diff(model, model, input=(3, 32, 32)).before
    assert not found.untraced
    assert found.figures["macs"] == counted(model, (3, 32, 32))


def test_outputs_of_another_size_are_different(sh: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = archc.diff(Thrice(), Thrice(crop=4), input=(3, 8, 8))
    assert not found.equal
    assert "outputs have other shapes for an image: 4×5×5 → 4×4×4" in str(found)
    assert "outputs have other shapes" in str(found._repr_markdown_()).lower()
    assert found.to_dict()["run"] == {"same": False, "difference": None}


def test_a_branch_that_starts_at_zero_is_compared() -> None:
    """Initial weights would hide that it adds another function."""

    class Scaled(nn.Module):
        def __init__(self, function: str) -> None:
            super().__init__()
            self.gamma = nn.Parameter(torch.zeros(3, 1, 1))
            self.function = function

        def forward(self, x: Tensor) -> Tensor:
            return x[:, :3] + self.gamma * torch.special.expit(x) * (2 if self.function == "twice" else 1)

    assert archc.diff(Scaled("once"), Scaled("once"), input=(3, 8, 8)).equal
    assert not archc.diff(Scaled("once"), Scaled("twice"), input=(3, 8, 8)).equal


def test_a_shared_layer_made_separate_is_found() -> None:
    class Shared(nn.Module):
        def __init__(self, separate: bool) -> None:
            super().__init__()
            self.a = nn.Conv2d(3, 3, 1)
            self.b = nn.Conv2d(3, 3, 1) if separate else self.a

        def forward(self, x: Tensor) -> Tensor:
            return self.b(F.relu(self.a(x)))  # type: ignore[no-any-return]

    assert archc.diff(Shared(False), Shared(False), input=(3, 4, 4)).equal
    assert not archc.diff(Shared(False), Shared(True), input=(3, 4, 4)).equal


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "mobilenet_v3_small"])
def test_a_bundled_spec_is_torchvisions_class(name: str) -> None:
    """By its layers and its wiring, though the class calls functions and its blocks have other parameters."""
    pytest.importorskip("torchvision")
    found = archc.diff(name, f"torchvision.models:{name}", input=(3, 64, 64))
    assert not found.after.untraced
    assert found.equal, str(found)
