"""Shapes and costs of layers, for hovers and hints."""

from __future__ import annotations

from typing import Any

from archc.graph import Node
from archc.inference import graph_cost
from archc.inference.cost import layer_cost
from archc.kinds import Kind
from archc.language.parse import BODY, MODIFIERS, TURNS
from archc.problems import Mark
from archc.reading import Map, Seq
from archc.server.analysis import Analysis, Layer
from archc.server.places import key_mark, value_mark
from archc.text import engineering, extent, form

_ROWS = 8
"""The maximum number of layers that a hover lists; for the rest, it shows their number."""


def called(entry: Any) -> str | None:
    """The layer or block that an entry calls; None for a body or an incomplete entry."""
    if isinstance(entry, str):
        return entry
    calls = [key for key in entry if key not in (*MODIFIERS, *TURNS, *BODY)] if isinstance(entry, Map) else []
    return calls[0] if calls else None


def layers_of(analysis: Analysis, holder: Map | Seq, step: Any) -> list[Layer]:
    """The layers that an entry creates."""
    return next(filter(None, map(analysis.layers, _marks(holder, step))), [])


def figures_of(analysis: Analysis, holder: Map | Seq, step: Any) -> str:
    """Shapes and costs of an entry as Markdown; empty if nothing is known."""
    return next(filter(None, (figures_at(analysis, mark) for mark in _marks(holder, step))), "")


def figures_at(analysis: Analysis, mark: Mark) -> str:
    """Shapes and costs of the entry that starts at a place, as Markdown; empty if nothing is known."""
    if layers := analysis.layers(mark):
        return describe(layers)
    return "omitted: its `when` is false" if analysis.leaves_out(mark) else ""


def _marks(holder: Map | Seq, step: Any) -> list[Mark]:
    """The possible starts of an entry: its layer, its value, or its name."""
    node: Any = holder[step]
    call = called(node)
    if isinstance(node, Map) and call is not None:
        return [node.keys_at[call]]
    return [value_mark(holder, step), key_mark(holder, step)]


def outputs(node: Node) -> str:
    """The shapes of a node's outputs."""
    return ", ".join(form(shape) if name is None else f"{name}: {form(shape)}" for name, shape in node.shapes.items())


def common_output(layers: list[Layer]) -> str:
    """The shape of the output if it is the same for every instance of the entry; otherwise empty."""
    shapes = {outputs(layer.node) for layer in layers}
    return shapes.pop() if len(shapes) == 1 else ""


def cost(node: Node) -> tuple[int, int]:
    """Parameters and multiply-adds of a layer or body in inference."""
    if isinstance(node.element, Kind):
        parameters, macs = layer_cost(node, node.element)
    else:
        assert node.graph is not None
        parameters, _, macs = graph_cost(node.graph)
    return 0 if node.shares is not None else parameters, macs


def describe(layers: list[Layer]) -> str:
    """Shapes and costs as Markdown: a line for one layer, a table for several."""
    if len(layers) == 1:
        node, field = layers[0].node, layers[0].field
        inputs = " + ".join(form(shape) for shape in node.in_shapes)
        parameters, macs = cost(node)
        said = [f"{inputs} → **{outputs(node)}**"]
        figures = [f"{parameters:,} parameters" if parameters else "no parameters"]
        if node.shares is not None:
            figures = ["shared weights"]
        figures += [f"{engineering(macs)} multiply-adds"] if macs else []
        figures += [f"receptive field {_field(layers[0])}"] if field else []
        return "\n\n".join([*said, ", ".join(figures)])
    rows = ["| layer | input | output | parameters | multiply-adds | receptive field |", "| - | - | - | -: | -: | -: |"]
    for layer in layers[:_ROWS]:
        node = layer.node
        parameters, macs = cost(node)
        cells = [
            layer.path or node.name,
            " + ".join(form(shape) for shape in node.in_shapes),
            outputs(node),
            f"{parameters:,}",
            engineering(macs),
            _field(layer),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    more = len(layers) - _ROWS
    return "\n".join(rows) + (f"\n\n… and {more} more" if more > 0 else "")


def _field(layer: Layer) -> str:
    if layer.field is None:
        return ""
    return extent(tuple(axis.size for axis in layer.field))
