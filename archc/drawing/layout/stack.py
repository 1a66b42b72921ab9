"""Rows one below the other, in one column or several, with what stands aside of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

from archc.drawing.layout.piece import Piece, Point, Size2
from archc.drawing.layout.structure import Graph

GAP: Final = 26.0
"""Between two rows: room for an arrow and a shape."""
COLUMN_GAP: Final = 48.0
COLUMN_END: Final = 22.0
"""Above and below columns, for the line from one to the next and a label above it."""
SIDE_GAP: Final = 34.0


@dataclass(slots=True)
class Row:
    """A node, or what lies between two nodes (`node` is None); `beside` are the nodes that stand aside of it."""

    piece: Piece
    node: int | None = None
    beside: list[int] = field(default_factory=list)


class _Spot(NamedTuple):
    """Where a row has come to stand: where lines enter and leave it, and in which column."""

    row: Row
    enter: Point
    leave: Point
    column: int


class _Bounds(NamedTuple):
    """Of a column."""

    left: float
    right: float
    bottom: float


def stack(rows: Sequence[Row], columns: Sequence[range], graph: Graph, sizes: Sequence[Size2]) -> Piece:
    """The piece of rows in columns."""
    ends = COLUMN_END if len(columns) > 1 else 0.0
    whole = Piece(0.0, 0.0, 0.0, 0.0)
    spots: list[_Spot] = []
    bounds: list[_Bounds] = []
    for number, column in enumerate(columns):
        left = bounds[-1].right + COLUMN_GAP if bounds else 0.0
        bounds.append(_column(whole, [rows[place] for place in column], sizes, (left, ends), number, spots))
    whole.width = bounds[-1].right
    whole.height = max(bound.bottom for bound in bounds) + ends
    if spots:
        whole.entry, whole.exit = spots[0].enter[0], spots[-1].leave[0]
    for one, two in pairwise(spots):
        way = _joint(one, two, bounds)
        if not way:
            continue
        if one.row.node is not None:
            whole.lead([(one.row.node, target) for target in graph.after[one.row.node]], way)
        elif two.row.node is not None:
            whole.trail([(source, two.row.node) for source in graph.before[two.row.node]], way)
    return whole


def _column(
    whole: Piece, rows: list[Row], sizes: Sequence[Size2], corner: Point, number: int, spots: list[_Spot]
) -> _Bounds:
    """Put rows below each other from `corner` on."""
    x, y = corner
    lowest = y
    axis = x + max((row.piece.entry for row in rows), default=0.0)
    edge = axis + max((row.piece.width - row.piece.entry for row in rows), default=0.0)
    right, side_y = edge, y
    for row in rows:
        left = axis - row.piece.entry
        whole.add(row.piece, left, y)
        bottom = y + row.piece.height
        spots.append(_Spot(row, (axis, y), (left + row.piece.exit, bottom), number))
        # Close to its row where it is no higher; otherwise to the right of the whole column.
        free = side_y <= y
        close = free and len(row.beside) == 1 and sizes[row.beside[0]].height <= row.piece.height
        side_x, side_y = (left + row.piece.width if close else edge) + SIDE_GAP, max(side_y, y)
        for node in row.beside:
            whole.places[node] = (side_x, side_y)
            side_y += sizes[node].height + GAP
            right = max(right, side_x + sizes[node].width)
        lowest = max(lowest, bottom, side_y - GAP)
        y = bottom + GAP
    return _Bounds(x, right, lowest)


def _joint(one: _Spot, two: _Spot, bounds: list[_Bounds]) -> list[Point]:
    """The points between two rows; none where a straight line does."""
    (x, y), (next_x, next_y) = one.leave, two.enter
    if one.column != two.column:
        gutter = (bounds[one.column].right + bounds[two.column].left) / 2
        below, above = bounds[one.column].bottom + COLUMN_END, next_y - COLUMN_END + 2
        return [(x, below), (gutter, below), (gutter, above), (next_x, above)]
    if x == next_x:
        return []
    return [(x, (y + next_y) / 2), (next_x, (y + next_y) / 2)]
