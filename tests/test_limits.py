"""The bounds on specs: each refuses what is one beyond it, tells how it is raised, and is raised that way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import archc.limits

HEAD = "input: [3, 8, 8]\nlayers: "
FILE = f"{HEAD}[relu]\n"

# What just fits a bound of so much, and the code that it gets where the bound is one less.
CASES: dict[str, tuple[str, int, str]] = {
    "MAX_FILE_BYTES": (FILE, len(FILE), "E0108"),
    "MAX_FILE_DEPTH": (f"{HEAD}[B]\nimport: {{parts.yaml: [B]}}", 2, "E0107"),
    "MAX_YAML_DEPTH": (f"{HEAD}[[[relu]]]", 4, "E0107"),
    "MAX_BLOCK_DEPTH": (f"{HEAD}[[[relu]]]", 3, "E0107"),
    "MAX_LAYERS": (f"{HEAD}[relu, relu, relu, relu]", 4, "E0220"),
    "MAX_INTEGER": (f"{HEAD}[{{conv2d: {{out_channels: {2**40}, kernel_size: 1}}}}]", 2**40, "E0203"),
    "MAX_EXPRESSION": (f"{HEAD}[flatten, {{linear: $({'1 + ' * 200}1)}}]", 801, "E0211"),
    "MAX_EXPONENT": (f"{HEAD}[flatten, {{linear: $(1 ** 1000)}}]", 1000, "E0213"),
    "MAX_OUTPUTS": ("input: [5000, 1, 1]\nlayers: {a: {chunk: 5000}, b: {relu: , from: a.0}}", 5000, "E0203"),
}

CFG = """[net]
channels=1
height=4
width=4
[convolutional]
filters=2
size=1
activation=linear
[convolutional]
filters=3
size=1
activation=linear
"""

IMPORTED: dict[str, tuple[int, str]] = {
    "MAX_IMPORTED": (2, "E0805"),
    "MAX_IMPORTED_TEXT": (len(CFG), "E0108"),
    "MAX_IMPORTED_PARAMETERS": ((1 + 1) * 2 + (2 + 1) * 3, "E0805"),
    "MAX_IMPORTED_MACS": ((1 * 2 + 2 * 3) * 4 * 4, "E0805"),
    "MAX_IMPORTED_VALUES": ((1 + 2 + 3) * 4 * 4, "E0805"),
}
"""What just fits a bound on files to import, as CASES."""


def run(code: str, *words: str, **environment: object) -> subprocess.CompletedProcess[str]:
    settings = {f"ARCHC_{name}": str(value) for name, value in environment.items()}
    return subprocess.run(
        [sys.executable, "-c", code, *words], env={**os.environ, **settings}, capture_output=True, text=True
    )


ARCHC = "import sys; from archc.cli.main import main; sys.exit(main(sys.argv[1:]))"


def test_every_bound_is_tried() -> None:
    source = Path(archc.limits.__file__).read_text("utf-8")
    bounds = {name for name in vars(archc.limits) if f'_bound("{name}"' in source}
    assert bounds == {*CASES, *IMPORTED, "MAX_IMAGE_PIXELS"}  # the bound on images has its own test


READ_IMAGE = """
import pathlib, sys
from archc.training.data.decode import read_pixels
read_pixels(pathlib.Path(sys.argv[1]), 3)
"""


def test_the_bound_on_images_is_met_exactly_and_can_be_set(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.new("L", (20, 5)).save(path)
    refused = run(READ_IMAGE, str(path), MAX_IMAGE_PIXELS=99)
    assert "it has 20×5 pixels, at most 99 are read" in refused.stderr
    assert "ARCHC_MAX_IMAGE_PIXELS=…" in refused.stderr
    assert run(READ_IMAGE, str(path), MAX_IMAGE_PIXELS=100).returncode == 0


@pytest.mark.parametrize("name", CASES)
def test_a_bound_is_met_exactly_and_can_be_set(name: str, tmp_path: Path) -> None:
    text, bound, code = CASES[name]
    path = tmp_path / "net.yaml"
    path.write_text(text, "utf-8")
    (tmp_path / "parts.yaml").write_text("blocks: {B: {layers: [relu]}}", "utf-8")
    refused = run(ARCHC, "check", str(path), **{name: bound - 1})
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"error[{code}]")
    assert refused.stderr.rstrip().endswith(f"raise the limit: `ARCHC_{name}=…` in the environment")
    accepted = run(ARCHC, "check", str(path), **{name: bound})
    assert (accepted.returncode, accepted.stderr) == (0, "")


@pytest.mark.parametrize("name", IMPORTED)
def test_a_bound_on_imports_is_met_exactly_and_can_be_set(name: str, tmp_path: Path) -> None:
    bound, code = IMPORTED[name]
    path = tmp_path / "net.cfg"
    path.write_text(CFG, "utf-8")
    refused = run(ARCHC, "import", str(path), **{name: bound - 1})
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"error[{code}]")
    assert refused.stderr.rstrip().endswith(f"raise the limit: `ARCHC_{name}=…` in the environment")
    assert run(ARCHC, "import", str(path), **{name: bound}).returncode == 0


@pytest.mark.parametrize("value", ["0", "-1", "many", "1e3", "٣", "9" * 5000, "97"])
def test_a_bound_that_is_none_is_wrong_usage(value: str) -> None:
    done = run(ARCHC, "check", "googlenet", MAX_YAML_DEPTH=value)
    assert (done.returncode, done.stdout) == (2, "")
    assert "ARCHC_MAX_YAML_DEPTH must be a number from 1 to 96" in done.stderr
    assert "Traceback" not in done.stderr
    assert run("import archc; archc.load('googlenet')", MAX_YAML_DEPTH=value).returncode == 1


DEEPEST = """
import torch, archc
chain = "[" * 93 + "{conv2d: {out_channels: 3, kernel_size: 1}}" + "]" * 93
steps = [f"  B{i}: {{branches: {{a: B{i + 1}, b: relu}}, join: add}}" for i in range(94)]
blocks = "\\n".join(["blocks:", *steps, "  B94: {layers: [relu]}", "layers: [B0]"])
for text in ("layers: " + chain, blocks):
    architecture = archc.loads("input: [3, 8, 8]\\n" + text)
    architecture.summary()
    exec(architecture.emit(), names := {"__name__": "deepest"})
    image = torch.rand(1, 3, 8, 8)
    torch.manual_seed(0)
    emitted = names["Network"]()
    torch.manual_seed(0)
    assert torch.equal(emitted(image), architecture.build()(image))
try:
    archc.loads("input: [3, 8, 8]\\nlayers: [flatten, {linear: \\"$(" + "-" * 996 + "1)\\"}]")
except archc.SpecError as error:
    print([problem.code for problem in error.problems])
"""


def test_archc_holds_at_the_largest_bounds() -> None:
    """What is nested as deep as any setting allows is checked, built and emitted; no recursion fails."""
    done = run(DEEPEST, MAX_YAML_DEPTH=96, MAX_BLOCK_DEPTH=96, MAX_EXPRESSION=4000)
    assert (done.stdout, done.stderr) == ("['E0211']\n", "")
