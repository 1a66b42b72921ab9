"""Pictures with everything in its place: how large each box is, where it stands, which way each edge runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf, log
from typing import Final

from archc.drawing.layout import Arrangement, Plan, Point, Size2, straightened
from archc.drawing.measure import (
    BOX_HEIGHT,
    FRAME_HEAD,
    FRAME_PAD,
    SMALL,
    TERMINAL_HEIGHT,
    box_width,
    common_width,
    edge_label,
    frame_head,
    frame_width,
    heading_height,
    heading_width,
    pile_height,
    terminal_width,
)
from archc.drawing.model import BEGIN, END, Body, Box, Edge, Group, Item, Picture, Terminal
from archc.drawing.style import LEGEND
from archc.drawing.text import text_width

PAGE: Final = 1160.0
"""Width that a sheet keeps to, if it can: at 1,200 pixels its texts have their own size."""
MARGIN: Final = 20.0
PICTURE_GAP: Final = 64.0
FRAME_ROOM: Final = 1000.0
"""Height from which the content of a frame goes on in columns."""
ONE_COLUMN: Final = 640.0
"""Height up to which a picture stays in one column."""
ASPECT: Final = 1.55
"""Width by height that is aimed at."""
LEGEND_ROW: Final = 20.0


@dataclass(slots=True)
class Placed:
    """A box, a terminal or a frame in its place; of a box the first card."""

    item: Item
    x: float
    y: float
    width: float
    height: float


@dataclass(slots=True)
class Line:
    """An edge in its place; `at` is where its label begins. Without a target it ends at the edge of a frame."""

    points: list[Point]
    edge: Edge
    source: Item | None
    target: Item | None
    label: str = ""
    at: Point = (0.0, 0.0)

    @property
    def sideways(self) -> bool:
        """Whether it leaves its box at the side, where there is no room for a label."""
        return len(self.points) > 1 and self.points[0][1] == self.points[1][1]


@dataclass(slots=True)
class Figure:
    """A picture in its place."""

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
    """Figures side by side, and the legend below: roles with their names and where they stand."""

    width: float
    height: float
    figures: list[Figure]
    legend: list[tuple[str, str, Point]]


def sheet_of(pictures: Sequence[Picture], *, aspect: float = ASPECT, legend: bool = True) -> Sheet:
    """The pictures side by side, in columns of a height that gives the sheet a good shape."""
    laid = [_Laid(picture.body) for picture in pictures]
    figures: list[Figure] = []
    x = MARGIN
    for picture, one, plan in zip(pictures, laid, _best_plans(laid, aspect), strict=True):
        head = heading_height(picture)
        figure = Figure(picture, x, MARGIN, max(plan.width, heading_width(picture)), head + plan.height)
        one.draw(plan, x, MARGIN + head, figure)
        figures.append(figure)
        x += figure.width + PICTURE_GAP
    width = x - PICTURE_GAP + MARGIN
    height = MARGIN + max(figure.height for figure in figures)
    rows, height = _legend(figures, width - 2 * MARGIN, height) if legend else ([], height)
    return Sheet(width, height + MARGIN, figures, rows)


def _best_plans(laid: list[_Laid], aspect: float) -> list[Plan]:
    """Of plans with more and more columns, those that come nearest to the shape aimed at and leave the least empty."""
    plans = [one.plan(inf) for one in laid]
    tallest = max(plan.height for plan in plans)
    least, best = inf, plans
    for parts in range(1, 13 if tallest > ONE_COLUMN else 2):
        if parts > 1:
            plans = [one.plan(tallest / parts) for one in laid]
        width = sum(plan.width for plan in plans) + PICTURE_GAP * (len(plans) - 1)
        if parts > 1 and width > PAGE - 2 * MARGIN:
            break
        height = max(plan.height for plan in plans) + 60
        cost = abs(log(width / height / aspect)) + sum(plan.ragged for plan in plans) / len(plans)
        if cost < least:
            least, best = cost, plans
    return best


def _legend(figures: list[Figure], width: float, y: float) -> tuple[list[tuple[str, str, Point]], float]:
    """The roles that occur, in rows no wider than `width`; and where the rows end."""
    roles = {placed.item.role for figure in figures for placed in figure.boxes if isinstance(placed.item, Box)}
    found: list[tuple[str, str, Point]] = []
    left, y = 0.0, y + 30
    for role, words in LEGEND.items():
        if role not in roles and role != "solid":
            continue
        room = 34.0 + text_width(words, SMALL)
        if left and left + room > width:
            left, y = 0.0, y + LEGEND_ROW
        found.append((role, words, (MARGIN + left, y)))
        left += room
    return found, y


class _Laid:
    """A body whose boxes are measured; its frames hold such bodies."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.inner = {place: _Laid(item.body) for place, item in enumerate(body.items) if isinstance(item, Group)}
        self.plans = {place: laid.plan(FRAME_ROOM) for place, laid in self.inner.items()}
        self.heads: dict[int, float] = {}
        common = common_width(body)
        self.sizes = [self._size(place, item, common) for place, item in enumerate(body.items)]
        links = [(edge.source, edge.target) for edge in body.edges]
        self.arrangement = Arrangement(self.sizes, links, _starts(body))

    def plan(self, room: float) -> Plan:
        """The body's layout, in columns no higher than `room`."""
        return self.arrangement.plan(room)

    def _size(self, place: int, item: Item, common: float) -> Size2:
        if isinstance(item, Group):
            plan = self.plans[place]
            width = frame_width(item, plan.width)
            left = (width - plan.width) / 2
            head = self.heads[place] = frame_head(item, plan.entry + left)
            return Size2(width, plan.height + head + FRAME_PAD, plan.entry + left, plan.exit + left)
        if isinstance(item, Box):
            width, pile = max(common, box_width(item)), pile_height(item)
            return Size2(width + pile, BOX_HEIGHT + pile, width / 2, width / 2)
        width = terminal_width(item)
        return Size2(width, TERMINAL_HEIGHT, width / 2, width / 2)

    def draw(self, plan: Plan, x: float, y: float, figure: Figure, above: float = 0.0, below: float = 0.0) -> None:
        """Put everything in its place, for the upper left corner (x, y); lines begin `above` and end `below` it."""
        items = self.body.items
        for place, item in enumerate(items):
            left, top = plan.places[place]
            size = self.sizes[place]
            placed = Placed(item, x + left, y + top, size.width, size.height)
            if isinstance(item, Box):
                placed.width, placed.height = 2 * size.entry, BOX_HEIGHT
            if not isinstance(item, Group):
                figure.boxes.append(placed)
                continue
            figure.frames.append(placed)
            inner, head = self.plans[place], self.heads[place]
            left = placed.x + (size.width - inner.width) / 2
            start = FRAME_HEAD if head == FRAME_HEAD else head - FRAME_HEAD + 2  # below the title
            self.inner[place].draw(inner, left, placed.y + head, figure, start, FRAME_PAD)
        told: set[tuple[int, str]] = set()
        drawn: set[tuple[int, int]] = set()
        for edge in self.body.edges:
            if edge[:2] in drawn:
                continue  # a result with several names
            drawn.add(edge[:2])
            source = items[edge.source] if edge.source != BEGIN else None
            target = items[edge.target] if edge.target != END else None
            if (source is None and isinstance(target, Terminal)) or (target is None and isinstance(source, Terminal)):
                continue  # what comes in and goes out is drawn as a box
            points = [(x + px, y + py) for px, py in plan.lines[edge.source, edge.target]]
            if source is None:
                points.insert(0, (points[0][0], points[0][1] - above))
            if target is None:
                points.append((points[-1][0], points[-1][1] + below))
            line = Line(straightened(points), edge, source, target)
            if target is not None and edge.label and not line.sideways and (edge.source, edge.label) not in told:
                told.add((edge.source, edge.label))
                line.label, line.at = edge_label(edge), _label_at(line.points, named=edge.named)
                figure.width = max(figure.width, line.at[0] + text_width(line.label, SMALL) - figure.x)
            figure.lines.append(line)


def _label_at(points: Sequence[Point], *, named: bool) -> Point:
    """Where a label begins: right of the line below its box; of several outputs, where each goes its own way."""
    (x, y), (_, next_y), *rest = points
    if not named:
        return (x + 6, y + 14)
    if len(rest) > 2:
        return (x + 8, next_y - 4)  # on its way to a lane
    return (points[-1][0] + 6, points[-1][1] - 8)


def _starts(body: Body) -> frozenset[int]:
    """Items at which a new column may well begin: the first one of a new height and width."""
    places: set[int] = set()
    before: tuple[int, ...] | None = None
    for place, item in enumerate(body.items):
        if item.shape[1:] != before:
            places.add(place)
        before = item.shape[1:]
    return frozenset(places)


def boxes_of(sheet: Sheet) -> Iterable[Placed]:
    """The boxes of all figures, without terminals and frames."""
    return (placed for figure in sheet.figures for placed in figure.boxes if isinstance(placed.item, Box))
