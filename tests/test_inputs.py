"""Blocks and networks with several inputs: what they compute, their classes, and what is said of them."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import nn

import archc
from archc import SpecError
from archc.testing import assert_agreement
from archc.testing.contract import Emitted, Tally

UP = """
name: Net
input: [3, 16, 16]
blocks:
  Up:
    inputs: [x, skip]
    arguments: {out_channels: }
    layers:
      up: {conv_transpose2d: {out_channels: $out_channels, kernel_size: 2, stride: 2}}
      joined: {concat: [skip, up]}
      gate: {conv2d: {out_channels: $(in_channels + skip_channels), kernel_size: 1}}
layers:
  a: {conv2d: {out_channels: 4, kernel_size: 3, padding: same}}
  pool: {max_pool2d: 2}
  u: {Up: 2, from: [pool, a]}
"""
SEVERAL = """
name: Net
inputs: {image: [3, 16, 16], table: [10], mask: [1, 16, 16]}
arguments: {width: 4}
layers:
  conv: {conv2d: {out_channels: $width, kernel_size: 3, padding: same}}
  masked: {multiply: [conv, mask]}
  pooled: [{adaptive_avg_pool2d: 1}, flatten]
  facts: {layers: [{linear: 8}, relu], from: table}
  both: {concat: [pooled, facts]}
  fc: {linear: 2}
"""


def test_a_block_takes_its_inputs_in_order() -> None:
    """The first enters the first entry, the other is read by its name; `skip_channels` are its channels."""
    architecture = archc.loads(UP)
    assert_agreement(architecture)
    model = architecture.build().eval()
    x, skip = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 16, 16)
    block = model.u
    by_hand = block.gate(torch.cat([skip, block.up(x)], dim=1))
    assert torch.equal(block(x, skip), by_hand)
    assert by_hand.shape[1] == 4 + 4


def test_the_class_of_a_block_takes_the_channels_of_each_input() -> None:
    """One class serves all uses, and it is right for other channels, sizes and arguments, too."""
    emitted = Emitted(archc.loads(UP))
    assert "def __init__(self, in_channels: int, skip_channels: int, out_channels: int) -> None:" in emitted.source
    assert "def forward(self, x: Tensor, skip: Tensor) -> Tensor:" in emitted.source
    tally = Tally()
    emitted.network_with(tally)
    emitted.block(tally, "Up", (1, 3, 5), (7, 6, 10), out_channels=3)
    emitted.block(tally, "Up", (5, 1, 1), (2, 2, 2), out_channels=1)
    assert tally.counts == Counter(networks=1, blocks=2)


def test_a_network_takes_several_tensors_of_different_ranks() -> None:
    architecture = archc.loads(SEVERAL)
    assert_agreement(architecture)
    assert architecture.inputs == {"image": (3, 16, 16), "table": (10,), "mask": (1, 16, 16)}
    emitted = Emitted(architecture)
    assert "def forward(self, image: Tensor, table: Tensor, mask: Tensor) -> Tensor:" in emitted.source
    assert "for inputs of 3×16×16, 10 and 1×16×16" in emitted.source
    emitted.network_with(Tally(), width=7)


def test_sizes_of_inputs_are_set_by_their_names() -> None:
    architecture = archc.loads(SEVERAL)
    other = architecture.configure({"image": (3, 8, 8), "mask": (1, 8, 8), "table": (5,)})
    assert other.inputs == {"image": (3, 8, 8), "table": (5,), "mask": (1, 8, 8)}
    assert_agreement(other)
    with pytest.raises(SpecError, match="no input `picture`"):
        architecture.configure({"picture": (3, 8, 8)})
    with pytest.raises(SpecError, match="differ in height and width"):
        architecture.configure((3, 8, 8))  # the mask keeps its size


def test_the_smallest_input_changes_inputs_of_the_same_size_together() -> None:
    """The mask has the image's size at each size that is tried, and the table stays as it is."""
    assert archc.loads(SEVERAL).min_input == (1, 1)
    two = "inputs: {a: [3, 16, 16], b: [3, 8, 8]}\nlayers: {pool: {max_pool2d: 2}, both: {concat: [pool, b]}}"
    assert archc.loads(two).min_input == (16, 16)


def test_receptive_fields_are_those_of_the_first_input() -> None:
    """An input of the same size has the same positions; what no such input reaches sees nothing of them."""
    rows = {row.path: row.receptive_field for row in archc.loads(SEVERAL).summary().layers}
    assert rows["conv"] == rows["masked"] == (3, 3)
    assert rows["facts.0"] == (0, 0)
    assert rows["fc"] == (18, 18)


@pytest.mark.parametrize(("written", "fault"), [("image=3x8x8", 1), ("table=7", 0), ("3x16x16", 0), ("what=3", 1)])
def test_input_on_the_command_line(
    written: str, fault: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from archc.cli.main import main

    path = tmp_path / "net.yaml"
    path.write_text(SEVERAL, "utf-8")
    assert main(["summary", str(path), "--input", written, "--format", "json"]) == fault
    shown = capsys.readouterr().out
    if not fault:
        assert json.loads(shown)["inputs"]["table"] == ([7] if "table" in written else [10])


def test_a_drawing_has_a_card_for_each_input(tmp_path: Path) -> None:
    from archc.drawing.pictures import pictures_of

    (whole,) = pictures_of([archc.loads(SEVERAL)])
    names = [item.name for item in whole.body.items[:3]]
    assert names == ["image", "table", "mask"]
    assert {edge.source for edge in whole.body.edges if 0 <= edge.source < 3} == {0, 1, 2}


def test_a_difference_of_inputs_is_reported() -> None:
    other = SEVERAL.replace("table: [10]", "table: [12]")
    difference = archc.diff(archc.loads(SEVERAL), archc.loads(other))
    assert not difference.equal
    assert re.search(r"table +10 → 12", str(difference))


def test_an_extension_replaces_input_by_inputs(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("input: [3, 8, 8]\nlayers: {a: relu, b: {add: [a, input]}}", "utf-8")
    top = "extends: base.yaml\ninputs: {x: [3, 8, 8], y: [3, 8, 8]}\nlayers: {b: {add: [a, y]}}"
    (tmp_path / "top.yaml").write_text(top, "utf-8")
    assert list(archc.load(tmp_path / "top.yaml").inputs) == ["x", "y"]


def test_training_takes_one_image(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="takes networks for single images") as caught:
        archc.train(archc.loads(SEVERAL), "digits", out=tmp_path / "run", epochs=1)
    assert caught.value.problems[0].code == "E0704"


@pytest.mark.parametrize("suffix", ["onnx", "pt2"])
def test_an_exported_file_has_the_names_of_the_inputs(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"net.{suffix}"
    exported = archc.export(archc.loads(SEVERAL), path, dynamic=["batch", "height", "width"])
    assert all(comparison.difference <= 1e-5 for comparison in exported.comparisons)
    if suffix == "onnx":
        onnx = pytest.importorskip("onnx")
        assert [given.name for given in onnx.load(path).graph.input] == ["image", "table", "mask"]


def test_an_input_that_an_argument_leaves_unread_is_legal() -> None:
    """Whether something reads an input is asked of the block, not of its uses."""
    text = UP.replace("joined: {concat: [skip, up]}", "joined: {concat: [skip, up], when: $(out_channels > 2)}")
    architecture = archc.loads(text.replace("Up: 2", "Up: 3"))
    assert isinstance(architecture.build(), nn.Module)
