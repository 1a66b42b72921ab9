"""The inputs that hold integers, such as the words of a text: those that an `embedding` reads.

A spec doesn't say it, because the layers do. Nothing computes integers, so such a layer reads an input of the network,
and all that reads this input are such layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, cast

from archc.graph.graph import Graph, Network, Node, flow
from archc.kinds import Kind
from archc.problems import Problem


def integer_bounds(graph: Graph) -> tuple[int | None, ...]:
    """For each input of a body, how many integers from 0 on its elements can be; None if they are any numbers."""
    return _readers(graph).bounds


def bounds_of(node: Node) -> tuple[int | None, ...]:
    """As `integer_bounds`, for the inputs of a node."""
    if node.graph is not None:
        return integer_bounds(node.graph)
    return (cast("Kind", node.element).integers,) * len(node.in_shapes)


def integer_problems(network: Network) -> Iterator[Problem]:
    """A problem for every layer that reads integers where there are none, or computes with integers."""
    readers, names = _readers(network.graph), tuple(network.inputs)
    for reader in readers.of_results:
        message = f"`{reader.kind.kind}` reads integers, which only an input of the network can hold"
        help = "declare an input for the integers in `inputs`, and name it in `from`"
        yield Problem("E0321", message, reader.node.mark, where=(reader.path,), help=help)
    for at, others in enumerate(readers.others):
        first = readers.first[at]
        for other in others if first is not None else ():
            message = f"`{other.kind.kind}` cannot compute with `{names[at]}`, which holds integers for `{first}`"
            help = f"read `{first}` or another input instead"
            yield Problem("E0321", message, other.node.mark, where=(other.path,), help=help)


class _Reader(NamedTuple):
    path: str
    node: Node
    kind: Kind


class _Readers:
    """The layers that read the inputs of a body, followed through blocks."""

    def __init__(self, inputs: int) -> None:
        self.bounds: tuple[int | None, ...] = (None,) * inputs
        self.first: list[str | None] = [None] * inputs
        self.others: list[list[_Reader]] = [[] for _ in range(inputs)]
        self.of_results: list[_Reader] = []

    def layer(self, node: Node, kind: Kind, given: tuple[int | None, ...], path: str) -> dict[str | None, int | None]:
        """Note what a layer reads: the positions of inputs, or None for computed values."""
        for at in given[: kind.seen] if not kind.bare else ():
            bound = kind.integers
            if bound is None and at is not None:
                self.others[at].append(_Reader(path, node, kind))
            elif bound is not None and at is None:
                self.of_results.append(_Reader(path, node, kind))
            elif bound is not None and at is not None:
                known = self.bounds[at]
                bounds = list(self.bounds)
                bounds[at] = bound if known is None else min(bound, known)
                self.bounds, self.first[at] = tuple(bounds), self.first[at] or path
        return dict.fromkeys(node.shapes)


def _readers(graph: Graph) -> _Readers:
    readers: _Readers | None = graph.facts.get("readers of integers")
    if readers is None:
        readers = graph.facts["readers of integers"] = _Readers(len(graph.in_shapes))
        if _has_readers(graph):
            inputs: tuple[int | None, ...] = tuple(range(len(graph.in_shapes)))
            flow(graph, inputs, readers.layer)
    return readers


def _has_readers(graph: Graph) -> bool:
    found: bool | None = graph.facts.get("has readers of integers")
    if found is None:
        found = graph.facts["has readers of integers"] = any(
            _has_readers(node.graph) if node.graph is not None else cast("Kind", node.element).integers is not None
            for node in graph.nodes
        )
    return found
