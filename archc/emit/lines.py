"""Which lines of the emitted source stand for which entry of the network: a layer's constructor and its call."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, groupby
from typing import NamedTuple

from archc.emit.arguments import network_classes
from archc.emit.classes import needs_child
from archc.emit.source import source_and_lines
from archc.emit.template import Attribute, Chain, Loop, MakeClass, Step
from archc.graph import Graph, Network


class Place(NamedTuple):
    """Where an entry stands: the first and the last line (from 1) of its constructor, and those where it is run.

    `made` is None for a function of `forward`, `run` for an entry of a chain: nn.Sequential runs it.
    """

    made: tuple[int, int] | None
    run: tuple[int, int] | None


def source_places(network: Network) -> tuple[str, dict[str, Place]]:
    """The source that `emit_source` gives, and the place in it of every layer, block and body, by path.

    The places of the instances of a block are the same: they share its class.
    """
    classes, served = network_classes(network)
    source, lines = source_and_lines(network, classes, served)
    found: dict[str, Place] = {}

    def span(part: Attribute | Step | None) -> tuple[int, int] | None:
        at = lines.get(id(part))
        return (at[0], at[-1]) if at else None

    def visit(graph: Graph, attributes: Sequence[Attribute | Loop], steps: Sequence[Step | None], prefix: str) -> None:
        children = _children(graph, attributes)
        for node, step in zip(graph.nodes, steps, strict=True):
            attribute = children.get(id(node))
            if not node.present:
                continue
            found[prefix + node.name] = Place(span(attribute), span(step))
            if node.graph is None or attribute is None:
                continue
            match attribute.item:
                case MakeClass(target, _):
                    template = target.template
                    inner = template.steps or (None,) * len(node.graph.nodes)
                    visit(node.graph, template.attributes, inner, f"{prefix}{node.name}.")
                case Chain(below, _):
                    visit(node.graph, below, (None,) * len(node.graph.nodes), f"{prefix}{node.name}.")

    root = classes[-1].template
    graph = served[0].graph
    visit(graph, root.attributes, root.steps or (None,) * len(graph.nodes), "")
    return source, found


def _children(graph: Graph, attributes: Sequence[Attribute | Loop]) -> dict[int, Attribute]:
    """The attribute that stands for each node, by the node's id; the turns of a loop share those of its one row."""
    found: dict[int, Attribute] = {}
    parts = iter(attributes)
    for _, run in groupby(graph.nodes, lambda node: node.turn and node.turn.splice):
        nodes = [node for node in run if needs_child(node, graph)]
        while nodes:
            part = next(parts)
            if isinstance(part, Attribute):
                found[id(nodes.pop(0))] = part
                continue
            (row,) = part.rows
            found.update((id(node), child) for node, child in zip(nodes, cycle(row), strict=False))
            break
    return found
