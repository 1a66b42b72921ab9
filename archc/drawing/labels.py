"""Placement of edge labels: next to their lines, in free space."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from archc.drawing.layout import Point
from archc.drawing.measure import SMALL
from archc.drawing.sheet import Figure, Line
from archc.drawing.text import text_width

ASIDE: Final = 6.0
"""Distance between a label and its line."""
ABOVE, BELOW = 0.8 * SMALL, 0.2 * SMALL
"""Extent of a text above and below its baseline."""

Room = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def place_labels(figure: Figure) -> None:
    """Give each label the first free place along its line, starting at its end; a label without one is omitted.

    The box that the line comes from shows all its shapes, so nothing is lost.
    """
    labelled = [line for line in figure.lines if line.label]
    if not labelled:
        return
    taken: list[Room] = [(p.x, p.y, p.x + p.width, p.y + p.height) for p in figure.boxes]
    for line in figure.lines:
        for (x, y), (to_x, to_y) in pairwise(line.points):
            taken.append((min(x, to_x) - 1, min(y, to_y) - 1, max(x, to_x) + 1, max(y, to_y) + 1))
    taken += [(frame.x, frame.y, frame.x + frame.width, frame.y + 24) for frame in figure.frames]  # titles of frames
    for line in labelled:
        width = text_width(line.label, SMALL)
        free = (at for at in _places(line, width) if not any(_meet(_room(at, width), other) for other in taken))
        found = next(free, None)
        if found is None:
            line.label = ""
            continue
        line.at = found
        taken.append(_room(found, width))
        figure.width = max(figure.width, found[0] + width - figure.x)


def _room(at: Point, width: float) -> Room:
    return at[0], at[1] - ABOVE, at[0] + width, at[1] + BELOW


def _meet(one: Room, two: Room) -> bool:
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]


def _places(line: Line, width: float) -> Iterator[Point]:
    """Candidate positions of a label, starting at the target.

    They are right or left of vertical parts, above or below horizontal ones.
    """
    for (x, y), (to_x, to_y) in reversed(list(pairwise(line.points))):
        if x == to_x:
            for height in (to_y - 8, (y + to_y) / 2 + BELOW, y + 14):
                if min(y, to_y) + ABOVE <= height <= max(y, to_y) - BELOW:
                    yield x + ASIDE, height
                    yield x - ASIDE - width, height
        elif abs(to_x - x) > width + ASIDE:
            for left in (max(x, to_x) - width - ASIDE, min(x, to_x) + ASIDE):
                yield left, y - 4
                yield left, y + 4 + ABOVE
