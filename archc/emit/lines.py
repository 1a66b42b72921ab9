"""The lines of the emitted source for each entry of the network: the constructor and the call."""

from __future__ import annotations

from typing import NamedTuple

from archc.emit.source import matched, source_and_lines
from archc.graph import Graph, Network
from archc.plan import plan_network
from archc.plan.plan import BodyPlan, ClassPlan, Make, targets_of


class Place(NamedTuple):
    """The lines of an entry: first and last (from 1) of its constructor, and of its call.

    `made` is None for a function in `forward`, `run` for an entry of an nn.Sequential.
    """

    made: tuple[int, int] | None
    run: tuple[int, int] | None


def source_places(network: Network) -> tuple[str, dict[str, Place]]:
    """The source as from `emit_source`, and the lines of every layer, block and body by path.

    The instances of a block share these lines, because they share its class.
    """
    classes = plan_network(network)
    source, lines = source_and_lines(network, classes)
    methods = [
        "forward" if "def forward(" in line else "made" if "def __init__(" in line else ""
        for line in source.split("\n")
    ]
    found: dict[str, Place] = {}
    for number in range(1, len(methods)):
        methods[number] = methods[number] or methods[number - 1]

    def span(make: Make | None, method: str) -> tuple[int, int] | None:
        at = [line for line in lines.get(id(make), ()) if methods[line - 1] == method]
        return (at[0], at[-1]) if at else None

    def visit(graph: Graph, plan: BodyPlan, prefix: str) -> None:
        for node, make in matched(graph, plan):
            found[prefix + node.name] = Place(span(make, "made"), span(make, "forward"))
            if node.graph is not None and make is not None and make.layer is None:
                owner = make.owner
                body = owner.what if isinstance(owner.what, BodyPlan) else _target(owner, node.graph).body
                visit(node.graph, body, f"{prefix}{node.name}.")

    visit(network.graph, classes[-1].body, "")
    return source, found


def _target(make: Make, graph: Graph) -> ClassPlan:
    """The class of an entry; if an argument names it, the class of the block in the graph."""
    targets = list(targets_of(make.what))
    return next((target for target in targets if target.block is graph.block), targets[0])
