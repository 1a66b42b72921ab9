"""Import with `--allow-opaque`: the smallest parts that archc can't say become `module` entries, the rest layers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from shell import Shell

import archc
from archc.problems import SpecError

MODULES = """
import torch
from torch import Tensor, nn


class Mix(nn.Module):
    def __init__(self, channels: int, groups: int = 1, act: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, groups=groups)
        self.act = act()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(torch.cumsum(self.conv(x), dim=2))


class Down(nn.Module):
    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 3, padding=1, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cumsum(self.conv(x), 2)


class Block(nn.Module):
    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, out, 1)
        self.mix = Mix(out)
        self.down = Down(out, 2 * out)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.mix(self.conv(x)))


class Net(nn.Module):
    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.a = Block(8, 8)
        self.b = Block(16, 12)
        self.c = Block(24, 16)
        self.fc = nn.Linear(32, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.c(self.b(self.a(self.stem(x))))
        return self.fc(x.mean((2, 3)))


class One(nn.Module):
    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 1)
        self.part = part

    def forward(self, x: Tensor) -> Tensor:
        return self.part(self.conv(x))


class Pair(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.cumsum(x + y, 2)


class Around(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 1)
        self.pair = Pair()

    def forward(self, x: Tensor) -> Tensor:
        return self.pair(x, self.conv(x))


class Scaled(nn.Module):
    def __init__(self, numbers: list[int]) -> None:
        super().__init__()
        self.total = sum(numbers)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cumsum(x, 2) * self.total


class Own(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cumsum(x, 2)


def mix() -> nn.Module:
    return One(Mix(8))


def around() -> nn.Module:
    return One(Around(8))


def chosen() -> nn.Module:
    return One(Mix(8, act=nn.Tanh))


def unknown() -> nn.Module:
    return One(Scaled([1, 2]))


def local() -> nn.Module:
    class Local(Own):
        pass

    return One(Local())
"""

pytestmark = pytest.mark.usefixtures("kinds_of_this_test")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "opaque_modules.py").write_text(MODULES, "utf-8")
    return tmp_path


def imported(name: str, *, allow: bool = True) -> str:
    found = archc.import_(f"opaque_modules.py:{name}", (3, 8, 8), allow_opaque=allow)
    return found.text


def test_parts_without_a_layer_type_become_classes(sh: Shell) -> None:
    """The blocks and their arguments are found as ever, and the arguments of the classes are expressions."""
    assert sh("import", "opaque_modules.py:Net", "--input", "3x16x16")[0] == 1
    code, text, err = sh("import", "opaque_modules.py:Net", "--input", "3x16x16", "--allow-opaque")
    assert code == 0
    assert "verified: largest difference 0 of" in err
    assert "mix: {module: {target: opaque_modules.Mix, arguments: {channels: $out}}}" in text
    assert "shape: [$(out * 2), $(height // 2), $(width // 2)]" in text
    assert re.search(r"# Parts .* are classes: opaque_modules\.Down, opaque_modules\.Mix\.", text)


def test_the_spec_is_the_module(sh: Shell) -> None:
    """With its weights, it computes the same; so does the emitted class."""
    arguments = ("opaque_modules.py:Net", "--input", "3x16x16", "--allow-opaque")
    assert sh("import", *arguments, "-o", "net.yaml", "--weights", "w.safetensors")[0] == 0
    architecture = archc.load("net.yaml", allow_modules=True)
    assert sh("build", "net.yaml", "--weights", "w.safetensors", "--allow-modules")[0] == 0
    names: dict[str, type[torch.nn.Module]] = {}
    exec(architecture.emit(), names)
    built, emitted = architecture.build().eval(), names["Net"]().eval()
    emitted.load_state_dict(built.state_dict())
    x = torch.randn(2, 3, 16, 16)
    assert torch.equal(built(x), emitted(x))


def test_the_smallest_part_is_taken() -> None:
    assert "conv: {conv2d:" in imported("mix")
    assert "part: {module: {target: opaque_modules.Mix, arguments: {channels: 8}}}" in imported("mix")


def test_a_part_with_several_inputs_is_within_a_larger_one() -> None:
    assert "part: {module: {target: opaque_modules.Around, arguments: {width: 8}}}" in imported("around")


def test_a_network_of_layers_is_imported_as_ever() -> None:
    source = "torchvision.models:squeezenet1_1"
    found = [archc.import_(source, (3, 64, 64), weights=False, allow_opaque=allow).text for allow in (False, True)]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("chosen", "`part` can't be a `module`: the argument `act` of `Mix` is type"),
        ("local", "`part` can't be a `module`: `opaque_modules.local.<locals>.Local` can't be imported"),
    ],
)
def test_what_cannot_be_created_is_the_error(name: str, reason: str) -> None:
    with pytest.raises(SpecError) as caught:
        imported(name)
    (problem,) = caught.value.problems
    assert problem.code == "E0801"
    assert "`torch.cumsum`" in problem.message
    assert reason in problem.message


def test_arguments_of_a_module_that_exists_are_its_attributes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(folder)
    import opaque_modules

    for part, reason in ((opaque_modules.Scaled([1, 2]), "the argument `numbers` of `Scaled` isn't known"),):
        with pytest.raises(SpecError) as caught:
            archc.import_(opaque_modules.One(part), (3, 8, 8), allow_opaque=True)
        assert reason in str(caught.value)
    text = archc.import_(opaque_modules.One(opaque_modules.Own()), (3, 8, 8), allow_opaque=True).text
    assert "part: {module: opaque_modules.Own}" in text


def test_commands_that_import_keep_parts_if_modules_are_allowed(sh: Shell) -> None:
    code = ("opaque_modules.py:Net", "--input", "3x16x16")
    assert "error[E0801]" in sh("summary", *code)[2]
    assert "Mix" in sh("summary", *code, "--depth", "all", "--allow-modules")[1]
    assert ">Mix<" in sh("draw", *code, "-o", "-", "--format", "svg", "--all", "--allow-modules")[1]


def test_the_spec_needs_permission(sh: Shell) -> None:
    (Path("net.yaml")).write_text(imported("mix"), "utf-8")
    assert "error[E0230]" in sh("check", "net.yaml")[2]
    assert sh("check", "net.yaml", "--allow-modules")[0] == 0
