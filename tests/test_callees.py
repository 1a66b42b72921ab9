"""Layers and blocks that parameters name: what they may be, and where their names are looked up."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

import archc
from archc import SpecError
from archc.graph import walk
from archc.graph.warnings import warnings
from archc.testing import assert_agreement
from archc.testing.agreement import assert_same_state, modules

ACT = "name: Net\ninput: [4]\narguments: {act: relu}\nlayers: [$act, linear: 2]\n"


@pytest.mark.parametrize("act", ["prelu", "dropout", "identity"])
def test_a_layer_is_given_by_its_name_and_to_the_class_as_a_class(act: str) -> None:
    """Also one that the spec does not name, if it is called in the same way."""
    assert_same_state(*modules(archc.loads(ACT), act=act))


@pytest.mark.parametrize(
    ("act", "message"),
    [
        ("rleu", "unknown layer or block `rleu`"),
        ("batch_norm2d", "`act` is `batch_norm2d`, but the spec only gives it `relu`"),
        ("concat", "an argument cannot name `concat`"),
    ],
)
def test_a_layer_that_is_called_in_another_way_is_refused(act: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        archc.loads(ACT).configure(act=act)
    assert [(problem.code, problem.message) for problem in caught.value.problems] == [("E0204", message)]


def test_a_block_is_looked_up_where_it_is_named(tmp_path: Path) -> None:
    """Two files with a block of one name: the library's default is its own, and what the spec gives is the spec's."""
    (tmp_path / "library.yaml").write_text(
        "arguments: {eps: 0.1}\n"
        "blocks:\n"
        "  Unit: {layers: [relu, {batch_norm2d: {eps: $eps}}]}\n"
        "  Stage: {arguments: {block: Unit}, layers: {a: $block}}\n"
    )
    spec = tmp_path / "net.yaml"
    spec.write_text(
        "name: Net\ninput: [4, 6, 6]\nimport: {library.yaml: [Stage]}\n"
        "blocks: {Unit: {layers: [tanh]}}\nlayers: [Stage, Stage: Unit]\n"
    )
    architecture = archc.load(spec)
    assert [row.kind for row in architecture.summary().layers] == ["relu", "batch_norm2d", "tanh"]
    assert_agreement(architecture)
    unit = architecture.network.spec.blocks["Stage"].parameters["block"].default
    assert copy.deepcopy(unit).target is unit.target


def test_a_parameter_of_blocks_that_are_called_alike_may_be_unread() -> None:
    """One of two blocks ignores an argument that both take: no warning, but where nothing else takes it."""
    blocks = (
        "blocks:\n  A: {arguments: {width: }, layers: [conv2d: {out_channels: $width, kernel_size: 1}]}\n"
        "  B: {arguments: {width: }, layers: [relu]}\n"
    )
    head = f"name: Net\ninput: [4, 6, 6]\n{blocks}"
    several = archc.loads(f"{head}layers:\n  - {{$block: 4, for: block, in: [A, B]}}\n")
    assert warnings(several.network) == []
    alone = archc.loads(f"{head}layers: [B: 4]\n")
    assert [warning.code for warning in warnings(alone.network)] == ["W0101"]


def test_loops_whose_variables_have_one_name_are_apart() -> None:
    """A variable names layers in one loop, and is a number in another."""
    text = """
name: Net
input: [2, 4, 4]
layers:
  - {layers: [$i], for: i, in: [relu, tanh]}
  - {pad: {padding: $i}, for: i, in: [1, 2]}
  - {layers: [{layers: [$i], for: i, in: [gelu]}, {dropout: $i, for: i, in: [0.5]}], repeat: 2}
"""
    kinds = [layer.kind.kind for layer in walk(archc.loads(text).network.graph)]
    assert kinds == ["relu", "tanh", "pad", "pad", "gelu", "dropout", "gelu", "dropout"]
