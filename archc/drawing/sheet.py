"""The input of a renderer: boxes, frames, lines and texts with their places, in CSS pixels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from archc.drawing.layout import Point
from archc.drawing.model import Box, Edge, Item, Picture
from archc.drawing.volumes import Volumes


@dataclass(slots=True)
class Placed:
    """A box, a terminal or a frame with its place; for a pile, the place of the first card."""

    item: Item
    x: float
    y: float
    width: float
    height: float


@dataclass(slots=True)
class Line:
    """An edge with its place; `at` is the start of its label. Without a target it ends at the edge of a frame."""

    points: list[Point]
    edge: Edge
    source: Item | None
    target: Item | None
    label: str = ""
    at: Point = (0.0, 0.0)


@dataclass(slots=True)
class Figure:
    """A picture with its place."""

    picture: Picture
    x: float
    y: float
    width: float
    height: float
    boxes: list[Placed] = field(default_factory=list)
    frames: list[Placed] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)


@dataclass(slots=True)
class Sheet:
    """Figures next to or below each other, and the legend: roles with their names and places.

    `volumes` is the scale of the solids, if the sheet has solids instead of boxes. `title` and `description` are for
    screen readers.
    """

    width: float
    height: float
    figures: list[Figure]
    legend: list[tuple[str, str, Point]]
    title: str
    description: str
    volumes: Volumes | None = None


def boxes_of(sheet: Sheet) -> Iterable[Placed]:
    """The boxes of all figures, without terminals and frames."""
    return (placed for figure in sheet.figures for placed in figure.boxes if isinstance(placed.item, Box))
