"""Evaluating a spec: for other settings, with entries that are left out, and what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archc
from archc import SpecError
from archc.drawing.pictures import pictures_of
from archc.graph import INPUT, Ref
from archc.testing import Draft, settings_of, specs


def said(architecture: archc.Architecture, values: dict[str, Any]) -> object:
    """All that is known of an architecture with other settings, or its report."""
    try:
        return architecture.configure(**values).summary().to_dict()
    except SpecError as error:
        return str(error)


@given(specs(most=40, shares=True), st.data())
def test_what_is_kept_from_other_settings_changes_nothing(draft: Draft, data: st.DataObject) -> None:
    """Settings that are tried one after another on one architecture mean the same as each alone on a new one."""
    used = draft.load()
    rows = data.draw(st.lists(settings_of(used.arguments), min_size=2, max_size=4))
    for row in rows:
        assert said(used, row) == said(draft.load(), row)


@given(specs(shares=True))
def test_the_cost_is_that_of_the_summary(draft: Draft) -> None:
    architecture = draft.load()
    summary = architecture.summary()
    assert architecture.cost == (summary.parameters, summary.training_parameters, summary.macs)


CELL = archc.load(Path(__file__).parents[1] / "benchmarks" / "nas_cell.yaml")
EDGES = ("edge01", "edge02", "edge12", "edge03", "edge13", "edge23")


@pytest.mark.parametrize(
    ("operations", "parameters", "macs"),
    [
        # In millions, as NAS-Bench-201 lists them: 1.531546 and 220.11969, which counts the last bias too.
        ("conv3 conv3 conv3 conv3 conv3 conv3", 1_531_546, 220_119_680),
        ("skip skip skip skip skip skip", 73_306, 7_783_040),
        ("none skip none none none pool", 73_306, 7_783_040),
        ("conv3 none none none conv1 none", 344_346, 47_104_640),
    ],
)
def test_cells_of_nas_bench_201(operations: str, parameters: int, macs: int) -> None:
    cell = CELL.configure(**dict(zip(EDGES, operations.split(), strict=True)))
    assert (cell.outputs, cell.cost.parameters, cell.cost.macs) == ({"output": (10,)}, parameters, macs)


def test_a_cell_whose_last_node_nothing_reaches_is_refused() -> None:
    with pytest.raises(SpecError) as caught:
        CELL.configure(edge03="none", edge13="none", edge23="none")
    assert [problem.code for problem in caught.value.problems] == ["E0310"]


LEFT_OUT = """
input: [4, 8, 8]
arguments: {on: false}
blocks:
  Unit:
    arguments: {on: }
    layers:
      first: {conv2d: {out_channels: 4, kernel_size: 1}, when: $on}
      second: {conv2d: {out_channels: 4, kernel_size: 3, padding: 1}}
      gate:
        layers:
          inner: {sigmoid: , when: $on, from: first}
          product: {multiply: [inner, first]}
      sum: {add: [gate, second]}
layers:
  unit: {Unit: $on}
  list:
    - {relu: , when: $on}
    - conv2d: {out_channels: 2, kernel_size: 1}
    - {tanh: , when: $on}
    - hardswish
"""


def test_the_name_of_an_entry_that_is_left_out_stands_for_what_it_would_hand_on() -> None:
    without, with_all = archc.loads(LEFT_OUT), archc.loads(LEFT_OUT).configure(on=True)
    paths = [row.path for row in without.summary().layers]
    assert paths == ["unit.second", "unit.gate.product", "unit.sum", "list.0", "list.1"]
    assert [row.path for row in with_all.summary().layers] == [
        *("unit.first", "unit.second", "unit.gate.inner", "unit.gate.product", "unit.sum"),
        *("list.0", "list.1", "list.2", "list.3"),
    ]
    # The product of the unit's input with itself: `inner` and `first` both stand for it.
    unit = without.network.graph.nodes[0].graph
    assert unit is not None
    second, gate, _ = unit.nodes
    assert (second.inputs, gate.inputs) == ((Ref(INPUT),), (Ref(0), Ref(INPUT)))
    assert gate.graph is not None
    assert gate.graph.nodes[0].inputs == (Ref(INPUT - 1), Ref(INPUT - 1))
    assert sorted(without.build().state_dict()) == [
        *("list.0.bias", "list.0.weight", "unit.second.bias", "unit.second.weight")
    ]


def test_an_output_of_an_absent_entry_is_absent() -> None:
    """The output `b` never becomes another tensor, such as the network's own input."""
    text = """
    input: [3, 8, 8]
    arguments: {on: true}
    layers:
      a: {max_pool2d: 2, when: $on}
      c: relu
    outputs: {b: a, d: c}
    """
    assert archc.loads(text).outputs == {"b": (3, 4, 4), "d": (3, 4, 4)}
    assert archc.loads(text).configure(on=False).outputs == {"d": (3, 8, 8)}


def test_a_network_of_nothing_has_a_summary() -> None:
    text = "input: [3, 8, 8]\narguments: {on: false}\nlayers:\n  a: {relu: , when: $on}\n"
    summary = archc.loads(text).summary()
    assert (summary.outputs, summary.layers, summary.outline()) == ({"output": (3, 8, 8)}, (), [])


def test_a_fault_in_a_list_is_told_at_the_number_that_the_layer_has() -> None:
    text = """
    input: [3, 8, 8]
    arguments: {on: false}
    layers:
      - {relu: , when: $on}
      - conv2d: {out_channels: 4, kernel_size: 9}
    """
    with pytest.raises(SpecError) as caught:
        archc.loads(text)
    assert [problem.where for problem in caught.value.problems] == [("0",)]


EXPRESSIONS = """
input: [8, 16, 16]
blocks:
  Conv:
    arguments: {channels: , k: 3, side: $(k // 2)}
    layers: [{conv2d: {out_channels: $channels, kernel_size: $k, padding: $side}}]
  Stage:
    arguments: {width: , kernels: [3, 1], depth: 2, p: 0.5}
    layers:
      wide: {Conv: $(width * 2)}
      same: {Conv: {channels: $width, k: 1}}
      pair: {conv2d: {out_channels: $width, kernel_size: [$depth, 3]}}
      turn$i: {conv2d: {out_channels: $(width + i), kernel_size: $k}, for: k, in: $kernels, index: i}
      drop: {dropout: $p}
      inner: {Conv: {channels: $(in_channels + 1), k: $depth}}
layers: [{Stage: 8}]
"""


def test_a_block_is_drawn_in_the_words_of_its_spec() -> None:
    """What its calls say in its parameters and its input's channels; a loop's variables are numbers."""
    (picture,) = pictures_of([archc.loads(EXPRESSIONS)], block="Stage")
    assert [getattr(item, "what", "") for item in picture.body.items[1:-1]] == [
        "3×3 conv, width * 2",
        "1×1 conv, width",
        "depth×3 conv, width",
        "3×3 conv, 8",
        "1×1 conv, 9",
        "depth×depth conv, in_channels + 1",
    ]
