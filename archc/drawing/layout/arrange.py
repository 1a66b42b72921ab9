"""From sizes and edges to places: chains are stacked, branches stand side by side, long chains go on in columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Final

from archc.drawing.layout.columns import split
from archc.drawing.layout.piece import Piece, Point, Size2
from archc.drawing.layout.stack import GAP, SIDE_GAP, Row, stack
from archc.drawing.layout.structure import Branches, Chain, Graph, Link, Tangle
from archc.drawing.layout.tangle import tangle

BEGIN: Final = -1
END: Final = -2

DROP: Final = 20.0
"""Between branches and the lines that lead to them and away from them."""
BRANCH_GAP: Final = 18.0
LANE: Final = 30.0
"""For an edge that runs beside the branches."""
UNEVEN: Final = 0.1
"""Cost of a new column elsewhere than at a node that may well begin one."""
PARTED: Final = 2.0
"""Cost of a new column between branches and where they split or join."""
SIDE_LANE: Final = 12.0
"""Right of nodes aside, for lines between them."""


@dataclass(slots=True)
class Plan:
    """A drawing: its size, where lines enter and leave it, each node's upper left corner, each edge's points.

    `ragged` is how far the heights of its columns lie apart: 0 where they are equal.
    """

    width: float
    height: float
    entry: float
    exit: float
    places: dict[int, Point]
    lines: dict[Link, list[Point]]
    ragged: float

    def turned(self) -> Plan:
        """The drawing from left to right: across and down have changed places."""
        places = {node: (y, x) for node, (x, y) in self.places.items()}
        lines = {link: [(y, x) for x, y in points] for link, points in self.lines.items()}
        return Plan(self.height, self.width, self.entry, self.exit, places, lines, self.ragged)


class Arrangement:
    """Places for the nodes 0, 1, …. `links` go forward; BEGIN and END are the upper and lower edge of the drawing.

    Nodes from which no edge leads to END stand aside, beside the node that they read. `starts` are nodes at which a
    new column may well begin.
    """

    def __init__(self, sizes: Sequence[Size2], links: Sequence[Link], starts: frozenset[int] = frozenset()) -> None:
        self.sizes = sizes
        self.links = links
        self.starts = starts
        main = _leading_to(END, links)
        self.anchors: dict[int, int] = {}  # of a node aside, the node that it stands beside
        for source, target in links:
            if target not in main:
                self.anchors.setdefault(target, self.anchors.get(source, source))
        self.aside: dict[int, list[int]] = {}
        for node, anchor in self.anchors.items():
            self.aside.setdefault(anchor, []).append(node)
        self.graph = Graph(link for link in links if link[1] in main)
        self.chain = self.graph.chain([n for n in range(len(sizes)) if n in main], BEGIN, END)
        self.tangles: dict[int, Piece] = {}  # what does not depend on the room is laid out once
        self.rows = self._all_rows(inf)

    def plan(self, room: float = inf) -> Plan:
        """The drawing, in columns no higher than `room` where that is possible."""
        rows = self.rows
        if any(row.node is None and row.piece.height > room for row in rows):
            rows = self._all_rows(room)
        columns = self._columns(rows, room)
        piece = stack(rows, columns, self.graph, self.sizes)
        heights = [sum(rows[place].piece.height + GAP for place in column) for column in columns]
        mean = sum(heights) / len(heights)
        ragged = sum((height / mean - 1) ** 2 for height in heights) / len(heights) if mean else 0.0
        lines = {link: self._line(link, piece) for link in self.links}
        width = max([piece.width, *(x for points in lines.values() for x, _ in points)])
        return Plan(width, piece.height, piece.entry, piece.exit, piece.places, lines, ragged)

    def _columns(self, rows: Sequence[Row], room: float) -> list[range]:
        """The rows in columns, which begin where they best do."""
        breaks = [0.0]
        for before, row in pairwise(rows):
            parted = before.node is None or row.node is None  # branches from where they split or join
            breaks.append(PARTED if parted else 0.0 if row.node in self.starts else UNEVEN)
        return split([row.piece.height for row in rows], GAP, breaks, room)

    # Pieces

    def _all_rows(self, room: float) -> list[Row]:
        """The rows of the whole drawing, with what stands aside of its begin."""
        rows = self._rows(self.chain, BEGIN, END, room)
        if BEGIN in self.aside:
            first = rows[0] if rows else Row(Piece(0.0, 0.0, 0.0, 0.0))
            first.beside = self.aside[BEGIN] + first.beside
            rows[:1] = [first]
        return rows

    def _rows(self, chain: Chain, begin: int, end: int, room: float) -> list[Row]:
        """A chain's nodes and what lies between them."""
        rows: list[Row] = []
        for part, before, after in zip(chain.between, [begin, *chain.nodes], [*chain.nodes, end], strict=True):
            if part is not None:
                piece = self._part(part, before, after, room)
                beside = [
                    node for near in piece.places for node in self.aside.get(near, ()) if node not in piece.places
                ]
                rows.append(Row(piece, None, beside))
            if after != end:
                rows.append(Row(Piece(*self.sizes[after], {after: (0.0, 0.0)}), after, self.aside.get(after, [])))
        return rows

    def _part(self, part: Branches | Tangle, begin: int, end: int, room: float) -> Piece:
        if isinstance(part, Branches):
            return self._branches(part, begin, end, room)
        if id(part) not in self.tangles:
            self.tangles[id(part)] = tangle(part, begin, end, self.graph, self.sizes)
        return self.tangles[id(part)]

    def _branches(self, part: Branches, begin: int, end: int, room: float) -> Piece:
        """Branches side by side, between a line above that spreads to them and one below that collects them.

        Of several, those that are higher than the room go on in columns.
        """
        branches = []
        for chain in part.chains:
            rows = self._rows(chain, begin, end, room)
            columns = self._columns(rows, room - 2 * DROP) if len(part.chains) > 1 else [range(len(rows))]
            branches.append(stack(rows, columns, self.graph, self.sizes))
        lefts = [0.0]
        for branch in branches:
            lefts.append(lefts[-1] + branch.width + BRANCH_GAP)
        height = max(branch.height for branch in branches) + 2 * DROP
        width = lefts.pop() - BRANCH_GAP + (LANE if part.direct else 0.0)
        axis = _axis(part.chains, branches, lefts)
        piece = Piece(width, height, axis, axis)
        for chain, branch, left in zip(part.chains, branches, lefts, strict=True):
            piece.add(branch, left, DROP)
            members = set(chain.members)
            into = [(begin, node) for node in self.graph.after[begin] if node in members]
            out = [(node, end) for node in self.graph.before[end] if node in members]
            if left + branch.entry != axis:
                piece.lead(into, [(axis, 0.0), (left + branch.entry, 0.0)])
            if left + branch.exit != axis:
                piece.trail(out, [(left + branch.exit, height), (axis, height)])
        if part.direct:
            lane = width - LANE / 3
            piece.ways[begin, end] = [(axis, 0.0), (lane, 0.0), (lane, height), (axis, height)]
        return piece

    # Lines

    def _line(self, link: Link, piece: Piece) -> list[Point]:
        """All points of an edge."""
        source, target = link
        if target in self.anchors:
            return straightened(self._side_line(source, target, piece))
        start, end = (piece.entry, 0.0), (piece.exit, piece.height)
        if source != BEGIN:
            (x, y), size = piece.places[source], self.sizes[source]
            start = (x + size.exit, y + size.height)
        if target != END:
            x, y = piece.places[target]
            end = (x + self.sizes[target].entry, y)
        return straightened([start, *piece.ways.get(link, ()), end])

    def _side_line(self, source: int, target: int, piece: Piece) -> list[Point]:
        """From the right of a node to the left of one that stands aside of it, or around to one below."""
        left, top = piece.places[target]
        bottom = top + self.sizes[target].height
        if source == BEGIN:
            x, into = left - SIDE_GAP / 2, top + 20
            return [(piece.entry, 0.0), (piece.entry, 4.0), (x, 4.0), (x, into), (left, into)]
        x, y = piece.places[source]
        right, middle = x + self.sizes[source].width, y + self.sizes[source].height / 2
        if source in self.anchors:
            column = self.aside[self.anchors[source]]
            lane = max(piece.places[node][0] + self.sizes[node].width for node in column) + SIDE_LANE
            into = (top + bottom) / 2
            return [(right, middle), (lane, middle), (lane, into), (left + self.sizes[target].width, into)]
        into = min(max(middle, top + 8), bottom - 8)
        return [(right, middle), (left - SIDE_GAP / 2, middle), (left - SIDE_GAP / 2, into), (left, into)]


def _leading_to(end: int, links: Sequence[Link]) -> set[int]:
    """The nodes from which an edge leads to `end`, at once or over others."""
    found = {end}
    for source, target in sorted(links, key=lambda link: -link[0]):
        if target in found:
            found.add(source)
    return found


def _axis(chains: list[Chain], branches: list[Piece], lefts: list[float]) -> float:
    """Where lines enter branches: at the only one, at the longer one of two, in the middle of more."""
    entries = [left + branch.entry for left, branch in zip(lefts, branches, strict=True)]
    lengths = [len(chain.members) for chain in chains]
    if len(chains) <= 2 and (len(chains) == 1 or lengths[0] != lengths[1]):
        return entries[lengths.index(max(lengths))]
    return (entries[0] + entries[-1]) / 2


def straightened(points: Iterable[Point]) -> list[Point]:
    """The points without those that lie on a straight line between their neighbors."""
    found: list[Point] = []
    for point in points:
        if found and point == found[-1]:
            continue
        while len(found) > 1 and (found[-2][0] == found[-1][0] == point[0] or found[-2][1] == found[-1][1] == point[1]):
            found.pop()
        found.append(point)
    return found
