"""Layer types of the user's own, from the command line and from installed packages, without a change of archc."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from editor import CURSOR, Editor
from shell import Shell

import archc
from archc.kinds import KINDS
from archc.kinds.plugins import installed, load_plugin
from archc.problems import SpecError

PLUGIN = '''
from typing import Any, ClassVar

from archc.kinds import Inputs, Kind, Role, State, register
from archc.kinds.types import Positive


@register
class Rescale(Kind):
    """x times a learned number for each channel."""

    kind: ClassVar[str] = "rescale"
    torch: ClassVar[str] = "my_modules.Rescale"
    positional: ClassVar[tuple[str, ...]] = ("channels",)
    state: ClassVar[dict[str, State]] = {"weight": State()}
    role: ClassVar[Role] = "norm"

    start: Positive = 1.0
    """The number at first."""

    def derived(self, inputs: Inputs) -> dict[str, Any]:
        return {"channels": inputs[0][0]}

    def shapes(self, inputs: Inputs) -> dict[str, tuple[int, ...]]:
        return {"weight": (inputs[0][0],)}
'''
MODULES = """
import torch
from torch import Tensor, nn


class Rescale(nn.Module):
    def __init__(self, channels: int, start: float = 1.0) -> None:
        super().__init__()
        self.start = start
        self.weight = nn.Parameter(torch.full((channels,), start))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight[:, None, None]
"""
SPEC = """\
name: Net
input: [3, 8, 8]
blocks:
  Unit:
    arguments: {width: }
    layers:
      conv: {conv2d: {out_channels: $width, kernel_size: 3}}
      scale: {rescale: {start: 0.5}, when: $(width > 4)}
layers:
  a: {Unit: 4}
  b: {Unit: 8}
  flatten: flatten
  head: {linear: 10}
"""

pytestmark = pytest.mark.usefixtures("kinds_of_this_test")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "my_layers.py").write_text(PLUGIN, "utf-8")
    (tmp_path / "lib" / "my_modules.py").write_text(MODULES, "utf-8")
    (tmp_path / "net.yaml").write_text(SPEC, "utf-8")
    return tmp_path


HERE = ("--plugin", "lib/my_layers.py")


def test_every_command_knows_the_layer_types_of_a_file(sh: Shell, folder: Path) -> None:
    assert sh("check", "net.yaml")[0] == 1
    assert sh("check", "net.yaml", *HERE)[0] == 0
    layers = json.loads(sh("summary", "net.yaml", "--format", "json", *HERE)[1])["layers"]
    assert [row["parameters"] for row in layers if row["kind"] == "rescale"] == [8]
    assert "rescale" in sh("schema", *HERE)[1]
    assert "x times a learned number" in sh("explain", "rescale", *HERE)[1]
    assert "rescale" in sh("list", "--kinds", *HERE)[1]
    assert "rescale" in sh("draw", "net.yaml", "-o", "-", "--format", "svg", "--all", *HERE)[1]
    assert sh("diff", "net.yaml", "net.yaml", *HERE)[0] == 0
    assert sh("build", "net.yaml", *HERE)[0] == 0


def test_the_source_imports_the_class_and_is_the_module(sh: Shell, folder: Path) -> None:
    code, source, _ = sh("emit", "net.yaml", "-o", "-", *HERE)
    assert code == 0
    assert "from my_modules import Rescale\nfrom torch import Tensor, nn\n" in source
    assert "self.scale = Rescale(width, start=0.5)" in source
    architecture = archc.load("net.yaml")
    names: dict[str, type[torch.nn.Module]] = {}
    exec(source, names)
    torch.manual_seed(0)
    emitted = names["Net"]().eval()
    torch.manual_seed(0)
    built = architecture.build().eval()
    assert list(emitted.state_dict()) == list(built.state_dict())
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(emitted(x), built(x))


def test_a_block_may_have_the_name_of_the_class(sh: Shell, folder: Path) -> None:
    (folder / "net.yaml").write_text(SPEC.replace("Unit", "Rescale"), "utf-8")
    code, source, _ = sh("emit", "net.yaml", "-o", "-", *HERE)
    assert code == 0
    assert "from my_modules import Rescale as MyModulesRescale\n" in source
    assert "self.scale = MyModulesRescale(width, start=0.5)" in source
    names: dict[str, type[torch.nn.Module]] = {}
    exec(source, names)
    assert names["Net"]()(torch.ones(1, 3, 8, 8)).shape == (1, 10)


def test_a_rule_of_init_sets_its_weights(sh: Shell, folder: Path) -> None:
    (folder / "net.yaml").write_text(f"{SPEC}init: [{{match: rescale, weight: 0.25}}]\n", "utf-8")
    source = sh("emit", "net.yaml", "-o", "-", *HERE)[1]
    assert "if isinstance(module, Rescale):" in source
    model = archc.load("net.yaml").build()
    assert torch.equal(model.b.scale.weight, torch.full((8,), 0.25))


def test_import_finds_the_layer_again(sh: Shell, folder: Path) -> None:
    source = sh("emit", "net.yaml", "-o", "-", *HERE)[1]
    (folder / "emitted.py").write_text(source, "utf-8")
    code, out, err = sh("import", "emitted.py:Net", "--input", "3x8x8", *HERE)
    assert code == 0, err
    assert "rescale: {start: 0.5}" in out
    assert archc.diff(archc.loads(out), archc.load("net.yaml")).equal


def test_training_and_its_run(sh: Shell, folder: Path) -> None:
    (folder / "net.yaml").write_text(
        SPEC.replace("input: [3, 8, 8]", "input: [1, 28, 28]\narguments: {num_classes: 10}").replace(
            "linear: 10", "linear: $num_classes"
        ),
        "utf-8",
    )
    common = ("--limit", "20", "--epochs", "1", "--batch-size", "10", "-o", "run")
    assert sh("train", "net.yaml", *common, *HERE)[0] == 0
    assert sh("eval", "run", *HERE)[0] == 0


def test_the_language_server_knows_them(folder: Path) -> None:
    load_plugin(folder / "lib" / "my_layers.py")
    with Editor(folder, here=True) as editor:
        offered = editor.completion("a.yaml", f"input: [3, 8, 8]\nlayers: {{a: {CURSOR}}}\n")
        assert "rescale" in [item.label for item in offered]


# Nothing else runs a file


def test_a_file_runs_once_and_only_if_it_is_named(sh: Shell, folder: Path) -> None:
    plugin = folder / "lib" / "my_layers.py"
    plugin.write_text(f"{PLUGIN}\nprint('running')\n", "utf-8")
    assert "running" not in "".join(map(str, sh("check", "net.yaml")))
    code, out, err = sh("check", "net.yaml", *HERE)
    assert (code, err) == (0, "running\n")  # not on stdout, where a document may be
    assert "running" not in out
    assert sh("check", "net.yaml", *HERE)[2] == ""


def problem_of(path: str) -> archc.Problem:
    with pytest.raises(SpecError) as caught:
        load_plugin(Path(path))
    (problem,) = caught.value.problems
    assert problem.code == "E0109"
    return problem


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("x = 1\nraise KeyError('a')\n", 2, "KeyError: 'a'"),
        ("def f(:\n", 1, "SyntaxError"),
        ("import nowhere_at_all\n", 1, "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("import sys\n\nsys.exit(3)\n", 3, "SystemExit: 3"),
        (PLUGIN.replace('"rescale"', '"relu"'), 8, "is registered as `relu` already"),
        (PLUGIN.replace("    torch: ", "    torches: "), 8, "needs a class attribute `torch`"),
        (PLUGIN.replace('    """x times a learned number for each channel."""\n', ""), 8, "needs a docstring"),
        (PLUGIN.replace(": Positive", ": 'Positve'"), 9, "Positve"),
        ("x = 1\n", None, "registers no layer type"),
    ],
)
def test_what_is_wrong_with_a_file_is_shown_at_its_line(
    folder: Path, text: str, line: int | None, message: str
) -> None:
    (folder / "wrong_layers.py").write_text(text, "utf-8")
    before = dict(KINDS)
    problem = problem_of("wrong_layers.py")
    assert message in problem.message
    assert (problem.mark and problem.mark.line) == line
    assert problem.file == "wrong_layers.py"
    assert dict(KINDS) == before
    (folder / "wrong_layers.py").write_text(PLUGIN, "utf-8")
    load_plugin(Path("wrong_layers.py"))  # a fixed file loads


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere.py", "no such file"),
        ("lib", "a plugin is a Python file"),
        ("net.yaml", "a plugin is a Python file"),
        ("lib/json.py", "has the name of the module `json`"),
        ("lib/bytes.py", "it is not UTF-8 text"),
    ],
)
def test_what_is_not_a_plugin(folder: Path, path: str, message: str) -> None:
    (folder / "lib" / "json.py").write_text(PLUGIN, "utf-8")
    (folder / "lib" / "bytes.py").write_bytes(b"\xff\xfe")
    assert message in problem_of(path).message


def test_a_wrong_file_ends_the_command_without_a_traceback(sh: Shell) -> None:
    code, out, err = sh("check", "net.yaml", "--plugin", "nowhere.py")
    assert (code, out) == (1, "")
    assert err.startswith("error[E0109]")


def test_a_method_that_fails_is_an_error_at_its_line(sh: Shell, folder: Path) -> None:
    text = PLUGIN.replace('return {"weight": (inputs[0][0],)}', 'return {"weight": (inputs[0][9],)}')
    (folder / "lib" / "my_layers.py").write_text(text, "utf-8")
    code, _, err = sh("check", "net.yaml", *HERE)
    assert code == 1
    assert "error[E0109]: the plugin `lib/my_layers.py` failed: IndexError: tuple index out of range" in err
    assert "inputs[0][9]" in err


# Installed packages


@pytest.fixture
def package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with the layer type, and one that can't be imported."""
    info = folder / "lib" / "archc_extras-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: archc-extras\nVersion: 1.0\n", "utf-8")
    points = "rescale = my_layers:Rescale\nbroken = nowhere_at_all:Broken\nother = my_modules:Rescale\n"
    (info / "entry_points.txt").write_text(f"[archc.kinds]\n{points}", "utf-8")
    monkeypatch.syspath_prepend(folder / "lib")
    return info


def test_a_spec_that_names_the_layer_type_of_a_package_loads_it(package: Path) -> None:
    archc.loads("input: [3, 8, 8]\nlayers: [relu]\n")
    assert "my_layers" not in sys.modules
    assert archc.load("net.yaml").cost.parameters > 0
    assert "my_layers" in sys.modules
    assert "my_modules" not in sys.modules  # only a network that is built needs it


def test_commands_that_list_layer_types_load_all(package: Path, sh: Shell) -> None:
    (package / "entry_points.txt").write_text("[archc.kinds]\nrescale = my_layers:Rescale\n", "utf-8")
    assert "rescale" in sh("list", "--kinds")[1]


def test_a_package_that_fails_is_an_error(package: Path, sh: Shell) -> None:
    for name, message in (
        ("broken", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("other", "is not registered by its entry point"),
    ):
        (package.parents[1] / "net.yaml").write_text(f"input: [3, 8, 8]\nlayers: [{name}]\n", "utf-8")
        code, _, err = sh("check", "net.yaml")
        assert code == 1
        assert "error[E0109]" in err
        assert f"the layer type `{name}` of the package `archc-extras`" in err
        assert message in err


def test_the_class_is_only_imported_to_build(sh: Shell, folder: Path) -> None:
    (folder / "lib" / "my_modules.py").unlink()
    assert sh("check", "net.yaml", *HERE)[0] == 0
    assert sh("emit", "net.yaml", "-o", "-", *HERE)[0] == 0
    code, _, err = sh("build", "net.yaml", *HERE)
    assert code == 1
    assert "error[E0507]: `my_modules.Rescale` cannot be created: ModuleNotFoundError" in err


def test_a_check_without_plugins_does_not_look_for_packages(sh: Shell) -> None:
    """The search takes a tenth of the time of a check."""
    assert sh("check", "resnet18")[0] == 0
    assert installed.cache_info().currsize == 0
    assert sh("check", "net.yaml")[0] == 1
    assert installed.cache_info().currsize == 1
