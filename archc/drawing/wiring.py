"""A picture as nodes within clusters and edges between nodes, for text formats."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from archc.drawing.measure import tag_text
from archc.drawing.model import BEGIN, END, Body, Box, Edge, Group, Picture, Terminal
from archc.text import form


@dataclass(slots=True)
class Node:
    """A box or a terminal: its id, its lines of text, its role and its paths."""

    id: str
    lines: list[str]
    role: str
    paths: tuple[str, ...] = ()
    aside: bool = False


@dataclass(slots=True)
class Cluster:
    """An opened body, or the whole picture."""

    id: str
    title: str
    content: list[Node | Cluster] = field(default_factory=list)


class Arrow(NamedTuple):
    """An edge between the ids of two nodes."""

    source: str
    target: str
    label: str
    aside: bool


_Ends = dict[str, str]
"""Node ids, each with the label of its output."""
_Values = dict[str | None, _Ends]


class Wiring:
    """The clusters and arrows of pictures; ids are `n1`, `n2`, … and `c1`, `c2`, …."""

    def __init__(self, pictures: list[Picture]) -> None:
        self.arrows: list[Arrow] = []
        self.roles: set[str] = set()
        self.framed = len(pictures) > 1
        self.counts = {"n": 0, "c": 0}
        self.clusters: list[Cluster] = []
        for picture in pictures:
            cluster = Cluster(self._id("c"), picture.title)
            self.clusters.append(cluster)
            self._body(picture.body, cluster, {})

    def _id(self, letter: str) -> str:
        self.counts[letter] += 1
        return f"{letter}{self.counts[letter]}"

    def _body(self, body: Body, cluster: Cluster, given: _Values) -> _Values:
        """Add a body whose inputs are `given` by name, and return its results by name."""
        into: dict[int, list[Edge]] = {}
        for edge in body.edges:
            into.setdefault(edge.target, []).append(edge)
        gives: dict[int, _Values] = {BEGIN: given}

        def sources(edge: Edge, output: str | None) -> _Ends:
            values = gives[edge.source]
            found = values.get(output, values.get(None, {}))  # only outputs of a frame are separate nodes
            return {node: label if edge.source == BEGIN else edge.label for node, label in found.items()}

        for place, item in enumerate(body.items):
            edges = into.get(place, [])
            if isinstance(item, Group):
                values: _Values = {}
                for edge in edges:
                    for output, slot in edge.uses:
                        name = item.body.inputs[slot]
                        values[name] = values.get(name, {}) | sources(edge, output)
                gives[place] = self._body(item.body, self._frame(item, cluster), values)
                continue
            node = _node(self._id("n"), item)
            self.roles.add(node.role)
            cluster.content.append(node)
            gives[place] = {None: {node.id: ""}}
            reads: _Ends = {}
            for edge in edges:
                for output, _ in edge.uses:
                    reads |= sources(edge, output)
            self.arrows += [Arrow(source, node.id, label, node.aside) for source, label in reads.items()]
        ends = zip(body.results, into.get(END, ()), strict=True)
        return {name: sources(edge, edge.uses[0][0]) for name, edge in ends}

    def _frame(self, group: Group, around: Cluster) -> Cluster:
        title = " · ".join(word for word in (group.name, group.what) if word)
        inner = Cluster(self._id("c"), f"{title} ×{group.times}" if group.times > 1 else title)
        around.content.append(inner)
        self.framed = True
        return inner


def _node(id: str, item: Box | Terminal) -> Node:
    if isinstance(item, Terminal):
        return Node(id, [f"{item.name} {form(item.shape)}"], "terminal")
    name = f"{item.name} ×{item.times}" if item.times > 1 else item.name
    tags = [tag_text(item)] if item.tags else []
    return Node(id, [name, item.what, *tags, item.shapes], item.role, item.paths, item.aside)
