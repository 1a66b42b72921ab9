"""Outputs as solids with their text below, as in the well-known figures of AlexNet and VGG."""

from __future__ import annotations

from math import sqrt
from typing import Final, NamedTuple

from archc.drawing.measure import SMALL, WHAT, even, tag_text
from archc.drawing.model import Box, Size
from archc.drawing.text import text_width

LEAST_SIDE: Final = 14.0
MOST_SIDE: Final = 150.0
"""Height of the smallest and of the largest feature map."""
LEAST_LENGTH: Final = 6.0
MOST_LENGTH: Final = 74.0
"""Length of the solid with the fewest and with the most channels."""
BAR: Final = 8.0
"""Length and depth of a vector."""
SLANT: Final = 0.36
"""Apparent depth, relative to the width of the feature map."""
MOST_WORDS: Final = 150.0
LINE: Final = 15.0
"""Distance between the lines of text."""


class Solid(NamedTuple):
    """The length along the network, the height, and the apparent depth."""

    length: float
    height: float
    depth: float

    @property
    def width(self) -> float:
        """Distance from the leftmost to the rightmost point."""
        return self.length + self.depth

    @property
    def top(self) -> float:
        """Distance from the lowest to the highest point."""
        return self.height + self.depth


class Volumes:
    """One scale for all solids of a sheet.

    It uses the square roots of channels and sides, so that small ones stay visible.
    """

    def __init__(self, boxes: list[Box]) -> None:
        maps = [box.shape for box in boxes if len(box.shape) > 1]
        self.channels = max((shape[0] for shape in maps), default=1)
        self.side = max((max(shape[1:]) for shape in maps), default=1)
        self.features = max((box.shape[0] for box in boxes if len(box.shape) == 1), default=1)

    def solid(self, shape: Size) -> Solid:
        """The solid of an output; a vector is a vertical bar."""
        if len(shape) == 1:
            return Solid(BAR, LEAST_SIDE + (MOST_SIDE - LEAST_SIDE) * sqrt(shape[0] / self.features), BAR)
        sides = (1, *shape[1:])[-2:]  # of a volume, one slice
        height, width = (LEAST_SIDE + (MOST_SIDE - LEAST_SIDE) * sqrt(side / self.side) for side in sides)
        length = LEAST_LENGTH + (MOST_LENGTH - LEAST_LENGTH) * sqrt(shape[0] / self.channels)
        return Solid(length, height, SLANT * width)

    def size(self, box: Box) -> tuple[float, float, float]:
        """Width and height of a box with its text, and the distance from its top to the middle of the solid."""
        solid = self.solid(box.shape)
        words = max(text_width(text, SMALL if small else WHAT) for text, small in words_of(box))
        width = even(max(solid.width, min(words, MOST_WORDS)))
        return width, even(solid.top + LINE * len(words_of(box)) + 6), solid.top / 2


def words_of(box: Box) -> list[tuple[str, bool]]:
    """The lines below a solid, each with whether it is small: what it does, the tags, its shapes."""
    what = f"{box.what} ×{box.times}" if box.times > 1 else box.what
    return [(what, False), *([(tag_text(box), True)] if box.tags else []), (box.shapes, True)]
