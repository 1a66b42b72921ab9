"""Parts of a drawing that are put together: what stands where in them, and which way the edges take through them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from archc.drawing.layout.structure import Link

Point = tuple[float, float]


class Size2(NamedTuple):
    """A node's width and height, and where on its top and bottom edges lines begin and end."""

    width: float
    height: float
    entry: float
    exit: float


@dataclass(slots=True)
class Piece:
    """A part of a drawing, from the point (0, 0) on. Lines come in from above at `entry` and leave below at `exit`.

    `places` are the upper left corners of the nodes; `ways` the points that an edge passes between its ends.
    """

    width: float
    height: float
    entry: float
    exit: float
    places: dict[int, Point] = field(default_factory=dict)
    ways: dict[Link, list[Point]] = field(default_factory=dict)

    def add(self, other: Piece, x: float, y: float) -> None:
        """Put another piece at (x, y)."""
        for node, (left, top) in other.places.items():
            self.places[node] = (left + x, top + y)
        for link, points in other.ways.items():
            self.ways[link] = [(px + x, py + y) for px, py in points]

    def lead(self, links: Iterable[Link], points: list[Point]) -> None:
        """Let edges take these points before the others."""
        for link in links:
            self.ways[link] = [*points, *self.ways.get(link, ())]

    def trail(self, links: Iterable[Link], points: list[Point]) -> None:
        """Let edges take these points behind the others."""
        for link in links:
            self.ways[link] = [*self.ways.get(link, ()), *points]
