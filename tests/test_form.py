"""The form of emitted files: what formatter, linter and type checker say, and what torch's own compilers take."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from parity import emitted_class, seeded
from torch import nn

import archc
from archc.library import bundled
from archc.testing import Draft, specs
from archc.testing.agreement import run

pytestmark = pytest.mark.usefixtures("one_thread")

ROOT = Path(__file__).parent.parent
TYPES = ["mypy", "--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache")]
"""mypy as the gate runs it, strictly: with other options, it would analyze torch anew, which takes half a minute."""

SMALL = {  # by the smallest input that takes little time
    "alexnet": (3, 64, 64),
    "densenet121": (3, 32, 32),
    "efficientnet_b0": (3, 32, 32),
    "googlenet": (3, 64, 64),
    "inception_module": None,
    "mnasnet1_0": (3, 32, 32),
    "mobilenet_v2": (3, 32, 32),
    "mobilenet_v3_small": (3, 32, 32),
    "regnet_y_400mf": (3, 32, 32),
    "resnet18": (3, 32, 32),
    "shufflenet_v2_x1_0": (3, 32, 32),
    "small_convnet": None,
    "squeezenet1_1": (3, 64, 64),
    "stack_3x3": None,
    "yolov8n_cls": (3, 32, 32),
}
QUICK = {"googlenet", "inception_module", "mobilenet_v3_small", "resnet18", "shufflenet_v2_x1_0", "stack_3x3"}
"""Heads, branches, squeeze-and-excitation, residuals, splits and a plain chain; the others are in the slow profile."""

SPECS = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.slow, id=name) for name in SMALL if name in bundled()
]


def tool(*arguments: str, cwd: Path) -> str:
    """What a tool says of the files of a folder; nothing if it accepts them."""
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def test_emitted_files_of_drawn_specs_have_a_good_form(tmp_path: Path) -> None:
    """The formatter changes none, the linter finds nothing, and their types hold strictly."""
    files: dict[str, str] = {}

    @settings(max_examples=settings().max_examples)
    @given(specs(most=40, shares=True))
    def draw(draft: Draft) -> None:
        name = f"net{len(files)}.py"
        files[name] = draft.text
        (tmp_path / name).write_text(draft.load().emit(), "utf-8")

    draw()
    found = tool("ruff", "format", "--isolated", "--line-length", "120", "--diff", ".", cwd=tmp_path)
    found += tool("ruff", "check", "--isolated", ".", cwd=tmp_path)
    found += tool(*TYPES, ".", cwd=tmp_path)
    blamed = [text for name, text in files.items() if name in found]
    assert found == "", f"{found[:3000]}\n{min(blamed, key=len, default='')}"


def test_a_local_that_is_first_the_result_of_a_module_has_no_type(tmp_path: Path) -> None:
    """Unlike an argument of `forward` with the same name: here `x` is none."""
    text = """
name: Net
input: [2, 8, 8]
blocks:
  Unit:
    inputs: [kept, other]
    layers:
      shuffled: {channel_shuffle: {groups: 2}}
      sum: {add: [kept, shuffled]}
      product: {multiply: [sum, other]}
layers: {unit: {Unit: , from: [input, input]}}
"""
    (tmp_path / "net.py").write_text(archc.loads(text).emit(), "utf-8")
    assert tool(*TYPES, "net.py", cwd=tmp_path) == ""


def emitted(name: str) -> tuple[nn.Module, torch.Tensor]:
    """The emitted network of a bundled spec, and a small batch for it."""
    architecture = archc.load(name).configure(SMALL.get(name))
    x = torch.rand(2, *architecture.input, generator=torch.Generator().manual_seed(3))
    return seeded(emitted_class(architecture)), x


def assert_alike(module: nn.Module, other: nn.Module, x: torch.Tensor, *, training: bool) -> None:
    """Equal names and outputs, from equal weights and statistics."""
    state = copy.deepcopy(module.state_dict())
    expected = run(module, x, training=training)
    module.load_state_dict(state)
    found = run(other, x, training=training)
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("name", SPECS)
def test_emitted_networks_script(name: str) -> None:
    """`torch.jit.script` takes them in both modes."""
    module, x = emitted(name)
    for training in (True, False):
        assert_alike(module, torch.jit.script(module.train(training)), x, training=training)


@pytest.mark.parametrize("name", SPECS)
def test_emitted_networks_export(name: str) -> None:
    """`torch.export.export` takes them in eval mode."""
    module, x = emitted(name)
    program = torch.export.export(module.eval(), (x,)).module()
    with torch.no_grad():
        one, other = module(x), program(x)
    pairs = zip(one.values(), other.values(), strict=True) if isinstance(one, dict) else [(one, other)]
    for expected, found in pairs:
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("training", [False, True], ids=["eval", "training"])
def test_emitted_networks_compile_to_one_graph(name: str, training: bool) -> None:
    """`torch.compile(fullgraph=True)` takes them, heads included."""
    module, x = emitted(name)
    torch.compiler.reset()
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    assert_alike(module, compiled, x, training=training)


def test_auxiliary_heads_are_among_the_small_networks() -> None:
    """Their outputs exist in training alone, so that both modes are different graphs."""
    module, x = emitted("googlenet")
    assert len(run(module, x, training=True)) > len(run(module, x, training=False))
