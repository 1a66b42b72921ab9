"""A picture with its measures: how large each box is, where it stands, which way each edge runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, log
from typing import Final

from archc.drawing.layout import Arrangement, Plan, Point, Size2, straightened
from archc.drawing.model import BEGIN, END, Body, Box, Edge, Group, Item, Picture, Terminal, form
from archc.drawing.text import cut, text_width

NAME: Final = 12.0
WHAT: Final = 12.0
SMALL: Final = 10.5
TITLE: Final = 20.0
"""Sizes of the fonts."""

BOX_HEIGHT: Final = 58.0
GLYPH: Final = 46.0
"""Width of the part of a box that shows the output's size."""
PAD: Final = 12.0
LEAST_BOX: Final = 120.0
MOST_TEXT: Final = 320.0
TERMINAL_HEIGHT: Final = 26.0
FRAME_PAD: Final = 16.0
FRAME_HEAD: Final = 30.0
FRAME_ROOM: Final = 1000.0
"""Height from which the content of a frame goes on in columns."""
PAGE: Final = 1160.0
"""Width that a picture keeps to, if it can."""
MARGIN: Final = 20.0
PICTURE_GAP: Final = 56.0
ASPECT: Final = 1.55
"""Width by height that is aimed at."""


@dataclass(slots=True)
class Placed:
    """A box, a terminal or a frame in its place."""

    item: Item
    x: float
    y: float
    width: float
    height: float


@dataclass(slots=True)
class Line:
    """An edge in its place; `at` is where its label begins."""

    points: list[Point]
    edge: Edge
    source: Item | None
    target: Item | None
    label: str = ""
    at: Point = (0.0, 0.0)


@dataclass(slots=True)
class Figure:
    """A placed picture; `heading` is its upper left corner."""

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
    """Several figures on one sheet, and the largest map on it, from which the sizes are drawn."""

    width: float
    height: float
    figures: list[Figure]


class _Laid:
    """A body whose boxes are measured; frames hold such bodies."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.inner = {place: _Laid(item.body) for place, item in enumerate(body.items) if isinstance(item, Group)}
        self.plans = {place: laid.plan(FRAME_ROOM) for place, laid in self.inner.items()}
        common = _common_width(body)
        sizes = [self._size(place, item, common) for place, item in enumerate(body.items)]
        links = [(edge.source, edge.target) for edge in body.edges]
        self.sizes = sizes
        self.arrangement = Arrangement(sizes, links, _starts(body))

    def plan(self, room: float) -> Plan:
        return self.arrangement.plan(room)

    def _size(self, place: int, item: Item, common: float) -> Size2:
        if isinstance(item, Group):
            plan = self.plans[place]
            width = even(max(plan.width, frame_title_width(item)) + 2 * FRAME_PAD)
            left = (width - plan.width) / 2
            return Size2(width, plan.height + FRAME_HEAD + FRAME_PAD, plan.entry + left, plan.exit + left)
        width = max(common, box_width(item)) if isinstance(item, Box) else terminal_width(item)
        return Size2(width, BOX_HEIGHT if isinstance(item, Box) else TERMINAL_HEIGHT, width / 2, width / 2)

    def draw(self, plan: Plan, x: float, y: float, figure: Figure, above: float = 0.0, below: float = 0.0) -> None:
        """Put everything in its place, for the upper left corner (x, y); a frame begins `above` and ends `below`."""
        items = self.body.items
        for place, item in enumerate(items):
            left, top = plan.places[place]
            size = self.sizes[place]
            placed = Placed(item, x + left, y + top, size.width, size.height)
            (figure.frames if isinstance(item, Group) else figure.boxes).append(placed)
            if isinstance(item, Group):
                inner = self.plans[place]
                clear = frame_title_width(item) + 2 * FRAME_PAD < size.entry
                inner_left = placed.x + (size.width - inner.width) / 2
                self.inner[place].draw(
                    inner, inner_left, placed.y + FRAME_HEAD, figure, FRAME_HEAD if clear else 0.0, FRAME_PAD
                )
        told = set()
        for edge in self.body.edges:
            points = [(x + px, y + py) for px, py in plan.lines[edge.source, edge.target]]
            source = items[edge.source] if edge.source != BEGIN else None
            target = items[edge.target] if edge.target != END else None
            if _beyond(source, target):
                continue
            if source is None:
                points = [(points[0][0], points[0][1] - above), *points]
            if target is None:
                points = [*points, (points[-1][0], points[-1][1] + below)]
            line = Line(straightened(points), edge, source, target)
            if edge.label and (edge.source, edge.label) not in told:
                told.add((edge.source, edge.label))
                line.label, line.at = edge.label, _label_at(points)
            figure.lines.append(line)


def _beyond(source: Item | None, target: Item | None) -> bool:
    """Whether an edge leads from outside into the input, or out of an output."""
    return (source is None and isinstance(target, Terminal)) or (target is None and isinstance(source, Terminal))


def box_width(box: Box) -> float:
    """As wide as its texts need."""
    tags = text_width(" · ".join(box.tags), SMALL)
    lines = (
        text_width(box.name, NAME, bold=True)
        + (text_width(f"×{box.times}", NAME, bold=True) + 14 if box.times > 1 else 0),
        text_width(box.what, WHAT),
        text_width(form(box.shape), SMALL) + (tags + 12 if tags else 0),
    )
    return even(max(LEAST_BOX, GLYPH + PAD + min(max(lines), MOST_TEXT)))


def _common_width(body: Body) -> float:
    """The width of all boxes of a body that need no more: neighbours look calm if they are equal."""
    widths = sorted(box_width(item) for item in body.items if isinstance(item, Box))
    return next((width for width in reversed(widths) if width <= 1.3 * widths[len(widths) // 2]), 0.0)


def even(length: float) -> float:
    """A length rounded up to an even number, so that its middle is a whole one."""
    return 2.0 * ceil(length / 2)


def terminal_width(terminal: Terminal) -> float:
    """As wide as its text needs."""
    return even(max(LEAST_BOX, text_width(f"{terminal.name}  {form(terminal.shape)}", SMALL, bold=True) + 2 * PAD))


def frame_title_width(group: Group) -> float:
    """The width of a frame's title."""
    return text_width(frame_title(group), NAME, bold=True)


def frame_title(group: Group) -> str:
    """`inception3a · Inception ×2`."""
    title = f"{group.name} · {group.what}" if group.what else group.name
    return f"{title}  ×{group.times}" if group.times > 1 else title


def _label_at(points: Sequence[Point]) -> Point:
    """Where a label begins: right of the edge's first upright part."""
    x, y = points[0]
    return (x + 6, y + 14) if points[1][0] == x else (x + 6, y - 5)


def _starts(body: Body) -> frozenset[int]:
    """Items at which a new column may well begin: the first one of a new height and width."""
    places: set[int] = set()
    before: tuple[int, ...] | None = None
    for place, item in enumerate(body.items):
        if item.shape[1:] != before:
            places.add(place)
        before = item.shape[1:]
    return frozenset(places)


def sheet_of(pictures: Sequence[Picture]) -> Sheet:
    """The pictures side by side, in columns of a height that makes the sheet a good shape."""
    laid = [_Laid(picture.body) for picture in pictures]
    full = [one.plan(float("inf")).height for one in laid]
    tallest = max(full)
    best: tuple[float, list[Plan]] | None = None
    for parts in range(1, 13):
        plans = [one.plan(tallest / parts) for one in laid]
        width = sum(plan.width for plan in plans) + PICTURE_GAP * (len(plans) - 1)
        height = max(plan.height for plan in plans) + 60
        if best is not None and width > PAGE - 2 * MARGIN:
            break
        cost = abs(log(width / height / ASPECT))
        if best is None or cost < best[0]:
            best = (cost, plans)
    assert best is not None
    figures = []
    x = MARGIN
    for picture, one, plan in zip(pictures, laid, best[1], strict=True):
        head = heading_height(picture)
        width = max(plan.width, heading_width(picture))
        figure = Figure(picture, x, MARGIN, width, head + plan.height)
        one.draw(plan, x + (width - plan.width) / 2, MARGIN + head, figure)
        figures.append(figure)
        x += width + PICTURE_GAP
    height = max(figure.height for figure in figures)
    return Sheet(x - PICTURE_GAP + MARGIN, height + 2 * MARGIN, figures)


def heading_height(picture: Picture) -> float:
    """Room for the title and the lines below it."""
    return 34.0 + 18.0 * bool(picture.subtitle) + 18.0 * bool(picture.figures)


def heading_width(picture: Picture) -> float:
    """As wide as the title and the figures; longer subtitles are cut."""
    return max(text_width(picture.title, TITLE, bold=True), text_width(picture.figures, WHAT))


def heading_subtitle(picture: Picture, width: float) -> str:
    """The subtitle, cut to the figure's width."""
    return cut(picture.subtitle, width, WHAT)
