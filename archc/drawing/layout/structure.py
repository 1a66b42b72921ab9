"""A graph with one begin and one end as sequences of parallel branches, as far as it is one.

Networks nearly always are: a block that branches joins what it has branched. What is not stays a `Tangle`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

Link = tuple[int, int]
"""An edge: (source, target)."""

DEEPEST: Final = 24
"""Branches within branches that are followed."""


@dataclass(slots=True)
class Chain:
    """Nodes one after the other; `between[i]` is what lies between node i - 1 (or the begin) and node i (or the end).

    `members` are all nodes, those between included.
    """

    members: Sequence[int]
    nodes: list[int] = field(default_factory=list)
    between: list[Part] = field(default_factory=list)


@dataclass(slots=True)
class Branches:
    """Chains side by side, in the order in which they are written; `direct` edges run beside them."""

    chains: list[Chain]
    direct: bool


@dataclass(slots=True)
class Tangle:
    """Nodes that are neither; `direct`: with an edge from their begin to their end."""

    members: Sequence[int]
    direct: bool


Part = Branches | Tangle | None
"""What lies between two nodes; None is a plain edge."""


class Graph:
    """Successors and predecessors of the nodes 0, 1, …, which stand in an order in which every edge goes forward."""

    def __init__(self, links: Iterable[Link]) -> None:
        self.after: dict[int, list[int]] = {}
        self.before: dict[int, list[int]] = {}
        for source, target in dict.fromkeys(links):
            self.after.setdefault(source, []).append(target)
            self.before.setdefault(target, []).append(source)

    def chain(self, nodes: Sequence[int], begin: int, end: int, depth: int = 0) -> Chain:
        """The structure of `nodes`, each of which lies on a way from `begin` to `end`."""
        place = {node: position for position, node in enumerate(nodes, 1)}
        place[end] = len(nodes) + 1
        reach = max(place[node] for node in self.after[begin] if node in place and node != end) if nodes else 0
        found = Chain(nodes)
        inner: list[int] = []
        last = begin
        for position, node in enumerate(nodes, 1):
            if reach == position:
                found.between.append(self._part(inner, last, node, depth))
                found.nodes.append(node)
                inner, last = [], node
            else:
                inner.append(node)
            reach = max(reach, *(place[target] for target in self.after[node] if target in place))
        found.between.append(self._part(inner, last, end, depth))
        return found

    def _part(self, inner: list[int], begin: int, end: int, depth: int) -> Part:
        if not inner:
            return None
        groups = self._components(inner)
        direct = end in self.after[begin]
        if (len(groups) == 1 and not direct) or depth >= DEEPEST:
            return Tangle(inner, direct)
        chains = [self.chain(group, begin, end, depth + 1) for group in groups]
        if len(chains) == 1 and not chains[0].nodes:
            return Tangle(inner, direct)  # without the direct edge it is no chain either
        return Branches(chains, direct)

    def _components(self, nodes: list[int]) -> list[list[int]]:
        """The nodes in parts that no edge connects, each in order."""
        inside = set(nodes)
        owner: dict[int, int] = {}
        groups: list[list[int]] = []
        for first in nodes:
            if first in owner:
                continue
            stack, number = [first], len(groups)
            owner[first] = number
            while stack:
                node = stack.pop()
                for other in (*self.after.get(node, ()), *self.before.get(node, ())):
                    if other in inside and other not in owner:
                        owner[other] = number
                        stack.append(other)
            groups.append([])
        for node in nodes:
            groups[owner[node]].append(node)
        return groups
