"""Pictures with coordinates: the size and place of each box, and the route of each edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf, log
from typing import Final, NamedTuple

from archc.drawing.labels import place_labels
from archc.drawing.layout import Arrangement, Plan, Point, Size2, straightened, u_shaped
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
from archc.drawing.model import BEGIN, END, Body, Box, Group, Item, Picture, Terminal, boxes_in
from archc.drawing.sheet import Figure, Line, Placed, Sheet
from archc.drawing.style import LEGEND, Direction, Style
from archc.drawing.text import text_width
from archc.drawing.volumes import Volumes

PAGE: Final = 1160.0
"""Preferred width of a sheet. In a window of 1,200 pixels its text then has its natural size."""
MARGIN: Final = 20.0
PICTURE_GAP: Final = 64.0
FRAME_ROOM: Final = 1000.0
"""A frame with a higher content gets several columns."""
ONE_COLUMN: Final = 640.0
"""A picture up to this height stays in one column."""
ASPECT: Final = 1.55
"""Preferred width divided by height."""
TOWER: Final = 6.0
"""Height divided by width above which a sheet becomes wider than the page."""
WIDE: Final = 2.6
"""The same as `ASPECT`, if the data flows to the right."""
LEGEND_ROW: Final = 20.0


def sheet_of(
    pictures: Sequence[Picture],
    *,
    aspect: float | None = None,
    legend: bool = True,
    titled: bool = True,
    style: Style = "boxes",
    direction: Direction | None = None,
) -> Sheet:
    """Arrange pictures next to each other, in columns that give the sheet a good shape.

    If the data flows to the `right`, pictures are placed below each other, in rows; volumes always flow to the right.
    `aspect` is the preferred width divided by height. `titled` and `legend` add headings and the legend.
    """
    title = " and ".join(picture.title for picture in pictures)
    description = " ".join(picture.description for picture in pictures)
    if not titled:
        pictures = [replace(picture, title="", subtitle="", figures="") for picture in pictures]
    right = (direction or ("right" if style == "volumes" else "down")) == "right"
    boxes = [box for picture in pictures for box in boxes_in(picture.body)]
    look = _Look(Volumes(boxes) if style == "volumes" else None, right)
    laid = [_Laid(picture.body, look) for picture in pictures]
    figures: list[Figure] = []
    x = y = MARGIN
    for picture, one, plan in zip(pictures, laid, _best_plans(laid, aspect, right=right), strict=True):
        head = heading_height(picture)
        figure = Figure(picture, x, y, max(plan.width, heading_width(picture)), head + plan.height)
        one.draw(plan, x, y + head, figure)
        place_labels(figure)
        figures.append(figure)
        x, y = (x, y + figure.height + PICTURE_GAP / 2) if right else (x + figure.width + PICTURE_GAP, y)
    width = max(figure.x + figure.width for figure in figures) + MARGIN
    height = max(figure.y + figure.height for figure in figures)
    rows, height = _legend(figures, width - 2 * MARGIN, height) if legend else ([], height)
    return Sheet(width, height + MARGIN, figures, rows, title, description, look.volumes)


def _best_plans(laid: list[_Laid], aspect: float | None, *, right: bool) -> list[Plan]:
    """The plans that come closest to the preferred shape and leave the least space empty.

    The candidates have more and more columns. To the `right`, the plans have rows.
    """
    aim = aspect or (WIDE if right else ASPECT)
    plans = [one.plan(inf) for one in laid]
    longest = max(plan.width if right else plan.height for plan in plans)
    least, best, best_shape = inf, plans, inf
    for parts in range(1, 13 if longest > (PAGE if right else ONE_COLUMN) else 2):
        if parts > 1:
            plans = [one.plan(longest / parts) for one in laid]
        widths, heights = [plan.width for plan in plans], [plan.height for plan in plans]
        gaps = PICTURE_GAP * (len(plans) - 1)
        width, height = (max(widths), sum(heights) + gaps) if right else (sum(widths) + gaps, max(heights))
        beyond = width / (PAGE - 2 * MARGIN)
        cost = abs(log(width / (height + 60) / aim)) + 1.5 * sum(plan.ragged for plan in plans) / len(plans)
        if beyond > 1 and parts > 1 and not right and best_shape < TOWER:
            break
        cost += 2 * log(max(beyond, 1.0)) * right
        if cost < least:
            least, best, best_shape = cost, plans, height / width
    return best


def _legend(figures: list[Figure], width: float, y: float) -> tuple[list[tuple[str, str, Point]], float]:
    """The roles that occur, in rows no wider than `width`, and the lower end of the rows."""
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


class _Look(NamedTuple):
    """The scale of solids, if the sheet has solids instead of boxes, and whether the data flows to the right."""

    volumes: Volumes | None
    right: bool

    def size(self, width: float, height: float, entry: float, exit: float) -> Size2:
        """Convert a size for the layout, which always flows down: to the right, height and width are swapped."""
        return Size2(height, width, entry, exit) if self.right else Size2(width, height, entry, exit)


class _Laid:
    """A body whose boxes are measured; each of its frames holds another such body."""

    def __init__(self, body: Body, look: _Look) -> None:
        self.body = body
        self.look = look
        self.inner = {n: _Laid(item.body, look) for n, item in enumerate(body.items) if isinstance(item, Group)}
        self.plans = {place: laid.plan(FRAME_ROOM) for place, laid in self.inner.items()}
        self.heads: dict[int, float] = {}
        self.extents: list[tuple[float, float]] = []
        """Width and height of each item; for equal boxes in a row, the size of the first card."""
        common = common_width(body)
        self.sizes = [self._size(place, item, common) for place, item in enumerate(body.items)]
        links = [(edge.source, edge.target) for edge in body.edges]
        self.arrangement = Arrangement(self.sizes, links, _starts(body))
        whole = bool(body.items) and isinstance(body.items[-1], Terminal)  # a U ends above, but a frame ends below
        self.shaped = u_shaped(self.sizes, links) if whole and look == _Look(None, False) else None

    def plan(self, room: float) -> Plan:
        """Lay out the body in columns no higher (in rows no wider) than `room`."""
        plan = self.shaped or self.arrangement.plan(room)
        return plan.turned() if self.look.right else plan

    def _size(self, place: int, item: Item, common: float) -> Size2:
        look = self.look
        if isinstance(item, Group):
            plan = self.plans[place]
            width = frame_width(item, plan.width)
            left = (width - plan.width) / 2
            head = FRAME_HEAD if look.right else frame_head(item, plan.entry + left)
            self.heads[place] = head
            self.extents.append((width, plan.height + head + FRAME_PAD))
            shift = head if look.right else left
            return look.size(*self.extents[-1], plan.entry + shift, plan.exit + shift)
        pile = 0.0
        if isinstance(item, Terminal):
            width, height = terminal_width(item), TERMINAL_HEIGHT
        elif look.volumes:
            width, height, axis = look.volumes.size(item)
            self.extents.append((width, height))
            axis = axis if look.right else width / 2
            return look.size(width, height, axis, axis)
        else:
            width, height, pile = max(common, box_width(item)), BOX_HEIGHT, pile_height(item)
        self.extents.append((width, height))
        middle = (height if look.right else width) / 2
        return look.size(width + pile, height + pile, middle, middle)

    def draw(self, plan: Plan, x: float, y: float, figure: Figure, above: float = 0.0, below: float = 0.0) -> None:
        """Place everything, with (x, y) as the upper left corner. Lines start at `above` and end at `below`."""
        items = self.body.items
        right = self.look.right
        for place, item in enumerate(items):
            left, top = plan.places[place]
            placed = Placed(item, x + left, y + top, *self.extents[place])
            if not isinstance(item, Group):
                figure.boxes.append(placed)
                continue
            figure.frames.append(placed)
            inner, head = self.plans[place], self.heads[place]
            aside = (placed.width - inner.width) / 2
            start = FRAME_HEAD if head == FRAME_HEAD else head - FRAME_HEAD + 2  # below the title
            ends = (aside, aside) if right else (start, FRAME_PAD)
            self.inner[place].draw(inner, placed.x + aside, placed.y + head, figure, *ends)
        labeled: set[tuple[int, str]] = set()
        drawn: set[tuple[int, int]] = set()
        for edge in self.body.edges:
            if edge[:2] in drawn:
                continue  # a result with several names
            drawn.add(edge[:2])
            source = items[edge.source] if edge.source != BEGIN else None
            target = items[edge.target] if edge.target != END else None
            if (source is None and isinstance(target, Terminal)) or (target is None and isinstance(source, Terminal)):
                continue  # inputs and outputs are drawn as boxes
            points = [(x + px, y + py) for px, py in plan.lines[edge.source, edge.target]]
            aside = edge.target in self.arrangement.anchors  # then the line leaves and enters at other sides
            along = (1.0, 0.0) if right else (0.0, 1.0)
            if source is None:
                points.insert(0, (points[0][0] - above * along[0], points[0][1] - above * along[1]))
            elif not aside:
                points[0] = (points[0][0] - self._inset(source), points[0][1])
            if target is None:
                points.append((points[-1][0] + below * along[0], points[-1][1] + below * along[1]))
            elif not aside:
                points[-1] = (points[-1][0] + self._inset(target), points[-1][1])
            line = Line(straightened(points), edge, source, target)
            if target is not None and edge.label and (edge.source, edge.label) not in labeled:
                labeled.add((edge.source, edge.label))
                line.label = edge_label(edge)
            figure.lines.append(line)

    def _inset(self, item: Item) -> float:
        """The distance from the side of an item to its solid, if its text is wider than the solid."""
        if self.look.volumes is None or not self.look.right or not isinstance(item, Box):
            return 0.0
        return (self.look.volumes.size(item)[0] - self.look.volumes.solid(item.shape).width) / 2


def _starts(body: Body) -> frozenset[int]:
    """The items at which a column may start: the first one of each new height and width."""
    places: set[int] = set()
    before: tuple[int, ...] | None = None
    for place, item in enumerate(body.items):
        if item.shape[1:] != before:
            places.add(place)
        before = item.shape[1:]
    return frozenset(places)
