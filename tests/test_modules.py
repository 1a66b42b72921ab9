"""Any nn.Module of a package as a layer: only if it is allowed, and then it is like every other layer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from editor import Editor
from shell import Shell
from torch import nn

import archc
from archc.build import inspect
from archc.kinds import KINDS, Kind
from archc.kinds.module import Inspection, Module, _allowed
from archc.problems import SpecError
from archc.testing.arguments import kinds_for, reads_integers, repaired

MODULES = """
import torch
from torch import Tensor, nn

print("imported")


class Gate(nn.Module):
    def __init__(self, channels: int, hidden: int = 4, mode: str = "sigmoid", scale: float = 1.0) -> None:
        super().__init__()
        self.down = nn.Conv2d(channels, hidden, 1)
        self.norm = nn.BatchNorm2d(hidden)
        self.up = nn.Conv2d(hidden, channels, 1)
        self.scale = scale * torch.tensor(1.0).item()  # not on the meta device

    def forward(self, x: Tensor) -> Tensor:
        return x * self.up(self.norm(self.down(x.mean((2, 3), keepdim=True)))).sigmoid() * self.scale


class Halve(nn.Conv2d):
    def __init__(self, channels: int, out: int) -> None:
        super().__init__(channels, out, 3, stride=2, padding=1)


class Windows(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] % self.size or x.shape[-2] % self.size:
            raise ValueError(f"{tuple(x.shape[-2:])} is not a multiple of {self.size}")
        return x


class Two(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


class Loud(nn.Module):
    def __init__(self) -> None:
        raise SystemExit(3)


class Tied(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = self.first

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


def function(x: int) -> int:
    return x
"""
SPEC = """\
name: Net
input: [3, 16, 16]
blocks:
  Unit:
    arguments: {out: , hidden: 4}
    layers:
      conv: {conv2d: {out_channels: $out, kernel_size: 3, padding: same}}
      gate:
        module: {target: own_modules.Gate, arguments: {channels: $out, hidden: $hidden, mode: relu}}
        when: $(hidden > 0)
      down:
        module:
          target: own_modules.Halve
          arguments: {channels: $channels, out: $(2 * out)}
          shape: [$(2 * out), $((height + 1) // 2), $((width + 1) // 2)]
      last: {conv2d: {out_channels: $out, kernel_size: 1}}
layers:
  a: {Unit: 8}
  b: {Unit: {out: 16, hidden: 2}}
  c: {Unit: {out: 16, hidden: 0}}
  flatten: flatten
  head: {linear: 10}
init:
  - {match: conv2d, weight: 0.5, bias: 0.25}
"""

pytestmark = pytest.mark.usefixtures("kinds_of_this_test")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_modules.py").write_text(MODULES, "utf-8")
    (tmp_path / "net.yaml").write_text(SPEC, "utf-8")
    yield tmp_path
    sys.modules.pop("own_modules", None)


def load() -> archc.Architecture:
    return archc.load("net.yaml", allow_modules=True)


def emitted(architecture: archc.Architecture) -> type[nn.Module]:
    names: dict[str, Any] = {}
    exec(architecture.emit(), names)
    found = names[architecture.name]
    assert issubclass(found, nn.Module)
    return found


def one(entry: str, shape: str = "[8, 12, 12]") -> archc.Architecture:
    return archc.loads(f"input: {shape}\nlayers:\n  - module: {entry}\n", allow_modules=True)


def refused(entry: str, shape: str = "[8, 12, 12]") -> archc.Problem:
    with pytest.raises(SpecError) as caught:
        one(entry, shape)
    (problem,) = caught.value.problems
    assert problem.mark is not None
    assert problem.help
    return problem


# Permission


def test_nothing_is_imported_unless_it_is_allowed(sh: Shell, folder: Path) -> None:
    for action in (lambda: archc.load("net.yaml"), lambda: archc.loads(SPEC)):
        with pytest.raises(SpecError) as caught:
            action()
        assert {problem.code for problem in caught.value.problems} == {"E0230"}
    for command in ("check", "summary", "build", "emit", "train"):
        code, out, err = sh(command, "net.yaml")
        assert code == 1
        assert "error[E0230]" in err
        assert "--allow-modules" in err
        assert "imported" not in out + err
    assert "own_modules" not in sys.modules


def test_a_command_that_allows_it_prints_only_its_own_output(folder: Path) -> None:
    command = [sys.executable, "-m", "archc", "summary", "net.yaml", "--format", "json"]
    done = subprocess.run([*command, "--allow-modules"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "imported\n")
    assert json.loads(done.stdout)["parameters"] == load().cost.parameters


def test_permission_is_for_one_spec(folder: Path) -> None:
    load()
    with pytest.raises(SpecError):
        archc.load("net.yaml")


def test_another_configuration_keeps_it() -> None:
    assert load().configure((3, 32, 32)).outputs == {"output": (10,)}


# The layer is what its class says


def test_module_and_source_are_the_same_network() -> None:
    architecture = load()
    torch.manual_seed(0)
    built = architecture.build()
    torch.manual_seed(0)
    source = emitted(architecture)()
    state, other = built.state_dict(), source.state_dict()
    assert list(state) == list(other)
    assert all(torch.equal(state[key], other[key]) for key in state)
    x = torch.randn(2, 3, 16, 16)
    assert torch.equal(built.eval()(x), source.eval()(x))


def test_arguments_are_expressions_in_the_source() -> None:
    source = load().emit()
    assert "from own_modules import Gate, Halve\nfrom torch import Tensor, nn\n" in source
    assert 'Gate(channels=out, hidden=hidden, mode="relu")' in source
    assert "self.down = Halve(channels=out, out=2 * out)" in source


def test_the_emitted_class_takes_other_arguments() -> None:
    """The class of the block serves all arguments, and all sizes that follow from the declared shapes."""
    names: dict[str, Any] = {}
    exec(load().emit(), names)
    unit = names["Unit"](5, out=6, hidden=3).eval()
    assert unit(torch.zeros(1, 5, 20, 20)).shape == (1, 6, 10, 10)


def test_parameters_and_multiply_adds_are_those_of_the_class() -> None:
    from own_modules import Gate, Halve

    layers = {layer.path: layer for layer in load().summary().layers}
    for path, module in (("b.gate", Gate(16, 2)), ("b.down", Halve(16, 32))):
        assert layers[path].parameters == sum(tensor.numel() for tensor in module.parameters())
    assert layers["b.gate"].macs == 2 * 16 * 2
    assert layers["b.down"].macs == 32 * 16 * 9 * 4 * 4
    assert layers["a.down"].output == (16, 8, 8)


def test_tied_weights_count_once() -> None:
    architecture = one("{target: own_modules.Tied, arguments: {width: 6}}", "[6]")
    assert architecture.cost.parameters == 42
    assert architecture.cost.macs == 2 * 36


def test_a_class_of_torch_is_written_as_usual() -> None:
    source = one("{target: torch.nn.PixelShuffle, arguments: {upscale_factor: 2}, shape: [2, 24, 24]}").emit()
    assert "nn.PixelShuffle(upscale_factor=2)" in source
    assert "from torch.nn" not in source


def test_rules_of_init_leave_its_layers_alone() -> None:
    """They are its constructor's; the layers of the spec have the values of the rule."""
    for model in (load().build(), emitted(load())()):
        assert (model.a.conv.weight == 0.5).all()
        assert (model.a.last.bias == 0.25).all()
        assert not (model.a.gate.up.weight == 0.5).any()
        assert not (model.a.down.weight == 0.5).any()


def test_random_generators_do_not_change() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    load().summary()
    assert torch.equal(torch.rand(3), expected)


def test_other_sizes_are_run_again() -> None:
    architecture = one("{target: own_modules.Windows, arguments: {size: 4}}")
    assert architecture.summary((8, 20, 8)).layers[0].output == (8, 20, 8)
    with pytest.raises(SpecError) as caught:
        architecture.configure((8, 10, 8))
    assert "(10, 8) is not a multiple of 4" in caught.value.problems[0].message
    assert architecture.min_input == (4, 4)


def test_every_back_end_knows_it(sh: Shell, folder: Path) -> None:
    allowed = ("net.yaml", "--allow-modules")
    assert ">Gate<" in sh("draw", *allowed, "-o", "-", "--format", "svg", "--all")[1]
    assert "Halve" in sh("summary", *allowed, "--depth", "all")[1]
    assert sh("diff", "net.yaml", *allowed)[0] == 0
    (folder / "other.yaml").write_text(SPEC.replace("mode: relu", "mode: tanh"), "utf-8")
    code, out, _ = sh("diff", "other.yaml", *allowed)
    assert code == 1
    assert "mode" in out
    assert sh("build", *allowed, "--save", "w.safetensors")[0] == 0
    assert sh("build", *allowed, "--weights", "w.safetensors")[0] == 0
    assert sh("fmt", "net.yaml")[0] == 0
    assert sh("check", *allowed)[0] == 0
    assert "opaque" not in sh("explain", "module")[1]


def test_training_its_run_and_export(sh: Shell, folder: Path) -> None:
    (folder / "net.yaml").write_text(
        SPEC.replace("input: [3, 16, 16]", "input: [1, 28, 28]\narguments: {num_classes: 10}").replace(
            "linear: 10", "linear: $num_classes"
        ),
        "utf-8",
    )
    common = ("--limit", "20", "--epochs", "1", "--batch-size", "10", "--allow-modules")
    assert sh("train", "net.yaml", "-o", "run", *common)[0] == 0
    assert sh("eval", "run", "--allow-modules")[0] == 0
    _allowed.clear()
    with pytest.raises(SpecError) as caught:
        archc.load_run("run")
    assert caught.value.problems[0].code == "E0230"
    model = archc.load("run/spec.yaml", allow_modules=True).build()
    assert archc.load_run("run", model=model).score().loss > 0
    assert sh("export", "net.yaml", "-o", "net.pt2", "--allow-modules")[0] == 0


def test_a_shared_module_has_one_set_of_weights() -> None:
    text = """
input: [3, 8, 8]
layers:
  gate: {module: {target: own_modules.Gate, arguments: {channels: 3}}}
  again: {share: gate, from: input}
  sum: {add: [gate, again]}
"""
    architecture = archc.loads(text, allow_modules=True)
    assert architecture.cost.parameters == archc.loads(
        text.replace("  again: {share: gate, from: input}\n", "").replace("again]", "input]"), allow_modules=True
    ).cost.parameters  # fmt: skip
    x = torch.ones(2, 3, 8, 8)
    assert architecture.build()(x).shape == emitted(architecture)()(x).shape


# Errors


@pytest.mark.parametrize(
    ("entry", "code", "message"),
    [
        ("nowhere_at_all.Layer", "E0507", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("own_modules.Missing", "E0507", "AttributeError"),
        ("own_modules.function", "E0507", "is not a class of nn.Module"),
        ("own_modules.Gate", "E0507", "missing 1 required positional argument: 'channels'"),
        ("{target: own_modules.Gate, arguments: {channel: 8}}", "E0507", "unexpected keyword argument 'channel'"),
        ("own_modules.Loud", "E0507", "it ends the program with 3"),
        ("{target: own_modules.Gate, arguments: {channels: 4}}", "E0318", "does not accept 8×12×12"),
        ("{target: own_modules.Windows, arguments: {size: 5}}", "E0318", "is not a multiple of 5"),
        ("own_modules.Two", "E0318", "returns `tuple` for two images"),
        ("{target: own_modules.Halve, arguments: {channels: 8, out: 4}}", "E0318", "gives 4×6×6 for 8×12×12"),
        ("{target: own_modules.Gate, arguments: {channels: 8}, shape: [8, 12]}", "E0318", "not 8×12"),
    ],
)
def test_what_a_class_does_wrong_is_an_error_at_its_entry(entry: str, code: str, message: str) -> None:
    problem = refused(entry)
    assert problem.code == code
    assert message in problem.message


def test_the_language_server_imports_nothing(folder: Path) -> None:
    with Editor(folder, here=True) as editor:
        found = editor.check("net.yaml", SPEC)
        assert {diagnostic.code for diagnostic in found} == {"E0230"}
    assert "own_modules" not in sys.modules


# Against archc's own layers

OWN = [
    kind
    for kind in KINDS.values()
    if kind.torch.startswith("nn.") and not (kind.torch == "nn.Module" or kind.bare or reads_integers(kind))
]
"""Those whose class a `module` can name, which reads numbers."""


@pytest.mark.parametrize("kind", OWN, ids=lambda kind: kind.kind)
def test_a_class_that_archc_knows_is_found_to_be_the_same(kind: type[Kind]) -> None:
    """Output, tensors, parameters and the multiply-adds of convolutions and linear layers are those of the rules."""
    compared = 0
    for x in ((4, 12, 12), (8,), (4, 12), (4, 12, 12, 12)):
        arguments = repaired(kind, {}, x) if kind in kinds_for(x) else None
        if arguments is None:
            continue
        layer = kind(**arguments)
        if isinstance(layer.output((x,)), dict):
            continue
        call = layer.call((x,))
        given = dict(zip(kind.positional, call.positional, strict=False)) | dict(call.keywords)
        module = Module(target=f"torch.{call.target}", arguments=given)
        found = inspect(module, (x,))
        assert isinstance(found, Inspection), found
        assert found.output == layer.output((x,))
        own = {name: (tensor.shape, tensor.trained, tensor.integers) for name, tensor in layer.tensors((x,)).items()}
        assert {name: (t.shape, t.trained, t.integers) for name, t in found.tensors.items()} == own
        assert found.parameters == layer.parameters((x,))
        if kind.role in ("conv", "linear"):
            assert found.macs == layer.macs((x,), layer.output((x,)))
        compared += 1
    assert compared or kind.many or kind.features_last
