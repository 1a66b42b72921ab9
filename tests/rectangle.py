"""Rectangles of what is drawn, and which of them meet."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import NamedTuple


class Rectangle(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Rectangle) -> bool:
        """Whether they have more than an edge in common."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def holds(self, other: Rectangle) -> bool:
        return (
            self.left <= other.left
            and self.top <= other.top
            and other.right <= self.right
            and other.bottom <= self.bottom
        )


def meeting(rectangles: Iterable[Rectangle]) -> list[tuple[Rectangle, Rectangle]]:
    """The pairs that overlap."""
    return [(one, two) for one, two in combinations(rectangles, 2) if one.meets(two)]
