"""A picture as nodes within clusters and edges between nodes, as text formats write it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from archc.drawing.measure import tag_text
from archc.drawing.model import BEGIN, END, Body, Box, Edge, Group, Picture, Terminal, form


@dataclass(slots=True)
class Node:
    """A box or a terminal: its id, its lines of text, its role and the paths that it stands for."""

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


class Wiring:
    """The clusters and arrows of pictures; ids are `n1`, `n2`, … and `c1`, `c2`, …."""

    def __init__(self, pictures: list[Picture]) -> None:
        self.arrows: list[Arrow] = []
        self.roles: set[str] = set()
        self.counts = {"n": 0, "c": 0}
        self.clusters: list[Cluster] = []
        for picture in pictures:
            cluster = Cluster(self._id("c"), picture.title)
            self.clusters.append(cluster)
            self._body(picture.body, cluster, [])

    def _id(self, letter: str) -> str:
        self.counts[letter] += 1
        return f"{letter}{self.counts[letter]}"

    def _body(self, body: Body, cluster: Cluster, given: list[tuple[str, str]]) -> list[str]:
        """Add a body that reads the nodes `given` (with labels); the nodes that give its results."""
        into: dict[int, list[Edge]] = {}
        for edge in body.edges:
            into.setdefault(edge.target, []).append(edge)
        gives: dict[int, list[str]] = {}

        def readers(place: int) -> list[tuple[str, str]]:
            found: dict[tuple[str, str], None] = {}
            for edge in into.get(place, ()):
                sources = given if edge.source == BEGIN else [(node, edge.label) for node in gives[edge.source]]
                found.update(dict.fromkeys(sources))
            return list(found)

        for place, item in enumerate(body.items):
            reads = readers(place)
            if isinstance(item, Group):
                title = " · ".join(word for word in (item.name, item.what) if word)
                inner = Cluster(self._id("c"), f"{title} ×{item.times}" if item.times > 1 else title)
                cluster.content.append(inner)
                gives[place] = self._body(item.body, inner, reads)
                continue
            node = _node(self._id("n"), item)
            self.roles.add(node.role)
            cluster.content.append(node)
            gives[place] = [node.id]
            self.arrows += [Arrow(source, node.id, label, node.aside) for source, label in reads]
        return [node for node, _ in readers(END)]


def _node(id: str, item: Box | Terminal) -> Node:
    if isinstance(item, Terminal):
        return Node(id, [f"{item.name} {form(item.shape)}"], "terminal")
    name = f"{item.name} ×{item.times}" if item.times > 1 else item.name
    what = f"{item.what} · {tag_text(item)}" if item.tags else item.what
    return Node(id, [name, what, form(item.shape)], item.role, item.paths, item.aside)
