"""How many numbers are trained and how many multiply-adds one image costs."""

from __future__ import annotations

from dataclasses import dataclass

from archc.graph import Graph, Node
from archc.kinds import Kind


@dataclass(frozen=True, slots=True)
class Cost:
    """Totals of a graph; `training_parameters` includes the auxiliary heads."""

    parameters: int = 0
    training_parameters: int = 0
    macs: int = 0


def layer_cost(node: Node, kind: Kind) -> tuple[int, int]:
    """(parameters, multiply-adds) of one layer."""
    x = node.in_shapes if kind.many else node.in_shapes[0]
    return kind.parameters(x), kind.macs(node.in_shapes[0], next(iter(node.shapes.values())))


def graph_cost(graph: Graph, known: dict[int, Cost] | None = None) -> Cost:
    """The totals of a graph; equal instances are counted each time but computed once."""
    known = {} if known is None else known
    if id(graph) in known:
        return known[id(graph)]
    parameters = training = macs = 0
    for node in graph.nodes:
        if not node.present:
            continue
        below = node.graph
        if below is not None:
            cost = graph_cost(below, known)
        else:
            assert isinstance(node.element, Kind)
            own, work = layer_cost(node, node.element)
            cost = Cost(own, own, work)
        training += cost.training_parameters
        if not node.auxiliary:
            parameters += cost.parameters
            macs += cost.macs
    known[id(graph)] = Cost(parameters, training, macs)
    return known[id(graph)]
