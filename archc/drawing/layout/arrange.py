"""From sizes and edges to places: chains are stacked, branches stand side by side, long chains go on in columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from archc.drawing.layout.columns import split
from archc.drawing.layout.piece import Piece, Point, Size2
from archc.drawing.layout.structure import Branches, Chain, Graph, Link, Part
from archc.drawing.layout.tangle import tangle

Row = tuple[int | None, Piece]
"""A node's piece, with the node; without, what lies between two."""

BEGIN: Final = -1
END: Final = -2

GAP: Final = 26.0
"""Between two nodes of a chain: room for an arrow and a shape."""
DROP: Final = 20.0
"""Between branches and the lines that lead to them and away from them."""
BRANCH_GAP: Final = 18.0
LANE: Final = 30.0
"""For an edge that runs beside the branches."""
COLUMN_GAP: Final = 48.0
COLUMN_END: Final = 18.0
"""Above and below columns, for the line from one to the next."""
SIDE_GAP: Final = 34.0


@dataclass(slots=True)
class Plan:
    """A drawing: its size, where lines enter and leave it, each node's upper left corner, each edge's points."""

    width: float
    height: float
    entry: float
    exit: float
    places: dict[int, Point]
    lines: dict[Link, list[Point]]
    ragged: float
    """How far the heights of the columns lie apart: 0 where they are equal."""


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
        self.aside: dict[int, list[int]] = {}
        anchors: dict[int, int] = {}
        for source, target in links:
            if target not in main and target not in anchors:
                anchors[target] = anchors.get(source, source)
                self.aside.setdefault(anchors[target], []).append(target)
        self.side_nodes = anchors
        self.graph = Graph(link for link in links if link[1] in main)
        nodes = [node for node in range(len(sizes)) if node in main]
        self.chain = self.graph.chain(nodes, BEGIN, END)
        self.rows = self._rows(self.chain, BEGIN, END)

    def plan(self, room: float = float("inf")) -> Plan:
        """The drawing, in columns no higher than `room` where that is possible."""
        piece = self._stack(self.chain, self.rows, room, outermost=True)
        lines = {link: self._line(link, piece) for link in self.links}
        return Plan(piece.width, piece.height, piece.entry, piece.exit, piece.places, lines, self._ragged(room))

    # Pieces

    def _rows(self, chain: Chain, begin: int, end: int) -> list[Row]:
        """A chain's nodes and what lies between them, each as a piece with its node."""
        rows: list[Row] = []
        ends = [*chain.nodes, end]
        for place, part in enumerate(chain.between):
            before = chain.nodes[place - 1] if place else begin
            if part is not None:
                rows.append((None, self._part(part, before, ends[place])))
            if ends[place] != end:
                node = ends[place]
                size = self.sizes[node]
                rows.append((node, Piece(*size, {node: (0.0, 0.0)})))
        return rows

    def _part(self, part: Part, begin: int, end: int) -> Piece:
        assert part is not None
        if isinstance(part, Branches):
            return self._branches(part, begin, end)
        return tangle(part, begin, end, self.graph, self.sizes)

    def _branches(self, part: Branches, begin: int, end: int) -> Piece:
        branches = [self._stack(chain, self._rows(chain, begin, end)) for chain in part.chains]
        height = max(branch.height for branch in branches) + 2 * DROP
        lefts, x = [], 0.0
        for branch in branches:
            lefts.append(x)
            x += branch.width + BRANCH_GAP
        width = x - BRANCH_GAP + (LANE if part.direct else 0.0)
        axis = _axis(part.chains, branches, lefts)
        piece = Piece(width, height, axis, axis)
        for chain, branch, left in zip(part.chains, branches, lefts, strict=True):
            piece.add(branch, left, DROP)
            members = set(chain.members)
            if left + branch.entry != axis:
                piece.lead(
                    [(begin, node) for node in self.graph.after[begin] if node in members],
                    [(axis, 0.0), (left + branch.entry, 0.0)],
                )
            if left + branch.exit != axis:
                piece.trail(
                    [(node, end) for node in self.graph.before[end] if node in members],
                    [(left + branch.exit, height), (axis, height)],
                )
        if part.direct:
            lane = width - LANE / 3
            piece.ways[begin, end] = [(axis, 0.0), (lane, 0.0), (lane, height), (axis, height)]
        return piece

    def _stack(
        self,
        chain: Chain,
        rows: list[Row],
        room: float = float("inf"),
        *,
        outermost: bool = False,
    ) -> Piece:
        """A chain's rows one below the other, and the columns side by side."""
        columns = self._columns(rows, room)
        ends = COLUMN_END if len(columns) > 1 else 0.0
        whole = Piece(0.0, 0.0, 0.0, 0.0)
        x = 0.0
        leave: tuple[Point, int | None, float] | None = None  # where the row before ended: point, node, column's edge
        for column in columns:
            here = [rows[place] for place in column]
            axis = max((piece.entry for _, piece in here), default=0.0)
            edge = axis + max((piece.width - piece.entry for _, piece in here), default=0.0)
            y, side_y, right = ends, ends, edge
            for node, piece in here:
                left = x + axis - piece.entry
                whole.add(piece, left, y)
                if leave is None:
                    whole.entry = x + axis
                else:
                    way = self._joint(leave, (x + axis, y), node, x)
                    self._lay(whole, way, leave[1], node, rows)
                side_y = max(side_y, y)
                beside = self._beside(node, piece, outermost and leave is None)
                # Close to its row where it is no higher; otherwise to the right of the whole column.
                close = len(beside) == 1 and self.sizes[beside[0]].height <= piece.height and side_y <= y
                for other in beside:
                    place = left + piece.width + SIDE_GAP if close else x + edge + SIDE_GAP
                    whole.places[other] = (place, y if close else side_y)
                    side_y = whole.places[other][1] + self.sizes[other].height + GAP
                    right = max(right, place - x + self.sizes[other].width)
                leave = ((left + piece.exit, y + piece.height), node, x + right)
                y += piece.height + GAP
            if leave is not None:
                leave = (leave[0], leave[1], x + right)
            whole.height = max(whole.height, y - GAP + ends, side_y - GAP)
            x += right + COLUMN_GAP
        whole.width = x - COLUMN_GAP
        whole.exit = leave[0][0] if leave else whole.entry
        return whole

    def _columns(self, rows: Sequence[Row], room: float) -> list[range]:
        return split([piece.height for _, piece in rows], GAP, [node in self.starts for node, _ in rows], room)

    def _ragged(self, room: float) -> float:
        columns = self._columns(self.rows, room)
        heights = [sum(self.rows[place][1].height + GAP for place in column) for column in columns]
        mean = sum(heights) / len(heights)
        return sum((height / mean - 1) ** 2 for height in heights) / len(heights) if mean else 0.0

    def _beside(self, node: int | None, piece: Piece, first: bool) -> list[int]:
        """The nodes that stand aside of a row."""
        nodes = [node] if node is not None else [place for place in piece.places if place in self.aside]
        if first:
            nodes = [BEGIN, *nodes]
        return [beside for near in nodes for beside in self.aside.get(near, ()) if beside not in piece.places]

    def _joint(
        self, leave: tuple[Point, int | None, float], enter: Point, node: int | None, column: float
    ) -> list[Point]:
        """The points between two rows; none where a straight line does."""
        (x, y), _, edge = leave
        if column >= edge:  # a new column
            gutter = (edge + column) / 2
            top = enter[1] - COLUMN_END + 2
            return [(x, y + COLUMN_END), (gutter, y + COLUMN_END), (gutter, top), (enter[0], top)]
        if x == enter[0]:
            return []
        middle = y + (enter[1] - y) / 2
        return [(x, middle), (enter[0], middle)]

    def _lay(self, whole: Piece, way: list[Point], before: int | None, node: int | None, rows: list[Row]) -> None:
        """Let the edges between two rows take a way: they leave one node, or reach one."""
        if not way:
            return
        if before is not None:
            whole.lead([(before, target) for target in self.graph.after[before]], way)
        elif node is not None:
            whole.trail([(source, node) for source in self.graph.before[node]], way)

    # Lines

    def _line(self, link: Link, piece: Piece) -> list[Point]:
        """All points of an edge."""
        source, target = link
        if target in self.side_nodes:
            return self._side_line(source, target, piece)
        start = (piece.entry, 0.0) if source == BEGIN else self._port(source, piece, below=True)
        end = (piece.exit, piece.height) if target == END else self._port(target, piece, below=False)
        return straightened([start, *piece.ways.get(link, ()), end])

    def _port(self, node: int, piece: Piece, *, below: bool) -> Point:
        x, y = piece.places[node]
        size = self.sizes[node]
        return (x + size.exit, y + size.height) if below else (x + size.entry, y)

    def _side_line(self, source: int, target: int, piece: Piece) -> list[Point]:
        """From the right of a node to the left of one that stands aside of it."""
        left, top = piece.places[target]
        height = self.sizes[target].height
        if source == BEGIN:
            x, y = piece.entry, 0.0
            return straightened([(x, y), (x, y + 6), (left - 12, y + 6), (left - 12, top + 20), (left, top + 20)])
        x, y = piece.places[source]
        if source in self.side_nodes:
            right = x + self.sizes[source].width
            middle, edge = y + self.sizes[source].height / 2, right + 12
            if left == x:
                other = left + self.sizes[target].width
                return straightened(
                    [(right, middle), (edge, middle), (edge, top + height / 2), (other, top + height / 2)]
                )
        x += self.sizes[source].width
        y += self.sizes[source].height / 2
        into = min(max(y, top + 8), top + height - 8)
        return straightened([(x, y), (left - SIDE_GAP / 2, y), (left - SIDE_GAP / 2, into), (left, into)])


def _leading_to(end: int, links: Sequence[Link]) -> set[int]:
    """The nodes from which an edge leads to `end`, at once or over others."""
    found = {end}
    for source, target in sorted(links, key=lambda link: -link[0]):
        if target in found:
            found.add(source)
    return found


def _axis(chains: list[Chain], branches: list[Piece], lefts: list[float]) -> float:
    """Where lines enter branches: the middle, or the longer one of two, and the only one beside a direct edge."""
    lengths = [len(chain.members) for chain in chains]
    longest = max(range(len(chains)), key=lengths.__getitem__)
    if len(chains) == 1 or (len(chains) == 2 and max(lengths) > min(lengths)):
        return lefts[longest] + branches[longest].entry
    return (lefts[0] + branches[0].entry + lefts[-1] + branches[-1].entry) / 2


def straightened(points: Iterable[Point]) -> list[Point]:
    """The points without those that lie on a straight line between their neighbours."""
    found: list[Point] = []
    for point in points:
        if found and point == found[-1]:
            continue
        while len(found) > 1 and (found[-2][0] == found[-1][0] == point[0] or found[-2][1] == found[-1][1] == point[1]):
            found.pop()
        found.append(point)
    return found
