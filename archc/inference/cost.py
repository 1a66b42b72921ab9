"""Numbers of parameters and multiply-adds."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, cast

from archc.graph import Graph, Node
from archc.kinds import Kind
from archc.known import remember


class Cost(NamedTuple):
    """Totals of a graph; `training_parameters` includes the auxiliary heads."""

    parameters: int = 0
    training_parameters: int = 0
    macs: int = 0


_LAYERS: Final[dict[Any, tuple[Kind, int, int]]] = {}
"""Cached by kind and input shape."""


def layer_cost(node: Node, kind: Kind) -> tuple[int, int]:
    """(parameters, multiply-adds) of one layer."""
    known = _LAYERS.get((id(kind), node.in_shapes))
    if known is not None:
        return known[1:]
    made = type(kind)
    parameters = 0 if made.tensors is Kind.tensors and not made.state else kind.parameters(node.in_shapes)
    macs = 0 if made.macs is Kind.macs else kind.macs(node.in_shapes, next(iter(node.shapes.values())))
    remember(_LAYERS, (id(kind), node.in_shapes), (kind, parameters, macs))
    return parameters, macs


def graph_cost(graph: Graph) -> Cost:
    """The totals of a graph; equal instances are counted each time but computed once.

    Shared weights count once.
    """
    known: Cost | None = graph.facts.get("cost")
    if known is not None:
        return known
    parameters = training = macs = 0
    for node in graph.nodes:
        below = node.graph
        if below is None:
            own, work = layer_cost(node, cast("Kind", node.element))
            more = own
        else:
            own, more, work = below.facts.get("cost") or graph_cost(below)
        if node.shares is not None:
            own = more = 0
        training += more
        if not node.auxiliary:
            parameters += own
            macs += work
    graph.facts["cost"] = found = Cost(parameters, training, macs)
    return found
