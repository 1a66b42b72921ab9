"""Receptive fields on graphs: which stretch of the input an output position looks at.

Along each axis, a value at position i sees the input positions from `i * jump + first` to
`i * jump + last` (Araujo et al., 2019, https://distill.pub/2019/computing-receptive-fields/, carried from
chains to graphs). Where branches meet, each keeps its own view, for their jumps can differ: a 1×1 gate shows all
positions of the map that it scales the same stretch. The stretch covers all views: the largest over all paths.

Zero padding counts as seen, so a stretch may exceed the input. Where a layer has no such padding (a transposed
convolution, an edge that is repeated), what its windows reach beyond its input's edge is the edge or nothing: a view
has bounds for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor, inf, isfinite
from typing import NamedTuple

from archc.graph import Graph, Node, flow
from archc.kinds import Kind
from archc.kinds.base import Window

Bounds = tuple[float, float]
_FREE: Bounds = (-inf, inf)


class View(NamedTuple):
    """What is seen over some of the paths: `jump` input positions from one output position to the next.

    `firsts` and `lasts` bound the two ends, whatever the output position.
    """

    jump: float = 1.0
    first: float = 0.0
    last: float = 0.0
    firsts: Bounds = _FREE
    lasts: Bounds = _FREE

    def at(self, position: float) -> tuple[float, float]:
        """The first and the last input position that an output position sees."""
        return (
            _within(self.first + position * self.jump, self.firsts),
            _within(self.last + position * self.jump, self.lasts),
        )

    def through(self, window: Window, extent: int, length: int) -> View:
        """The view behind a window over `extent` of the `length` positions of this one."""
        firsts, lasts = self.firsts, self.lasts
        if window.inside:
            ends = (self.at(0), self.at(length - 1))
            firsts, lasts = (ends[0][0], ends[1][0]), (ends[0][1], ends[1][1])
        first = self.first - window.before * self.jump
        last = self.last + (extent - 1 - window.before) * self.jump
        return View(self.jump * window.step, first, last, firsts, lasts)

    def covers(self, other: View) -> bool:
        """Whether no position sees less than it does in another view."""
        return (
            self.jump == other.jump
            and self.first <= other.first
            and self.last >= other.last
            and all(mine <= others for mine, others in zip(self.firsts, other.firsts, strict=True))
            and all(mine >= others for mine, others in zip(self.lasts, other.lasts, strict=True))
        )

    def turns(self) -> Iterator[float]:
        """The positions at which a bound begins or ends to hold."""
        if self.jump:
            for start, bounds in ((self.first, self.firsts), (self.last, self.lasts)):
                yield from ((bound - start) / self.jump for bound in bounds if isfinite(bound))


def _within(value: float, bounds: Bounds) -> float:
    return min(max(value, bounds[0]), bounds[1])


@dataclass(frozen=True, slots=True)
class Field:
    """The view of one axis, of a value that has `length` positions there."""

    length: int
    views: tuple[View, ...] = (View(),)

    def at(self, position: int) -> tuple[float, float]:
        """The first and the last input position that an output position sees (zero padding included)."""
        ends = [view.at(position) for view in self.views]
        return min(first for first, _ in ends), max(last for _, last in ends)

    @property
    def size(self) -> int:
        """How many input positions are seen, by the position that sees most (zero padding included)."""
        # Between the turns the last position seen less the first is convex in the position: it is largest at an end.
        turns = {near for view in self.views for turn in view.turns() for near in (floor(turn), ceil(turn))}
        ends = (self.at(position) for position in {0, self.length - 1, *turns} if 0 <= position < self.length)
        return round(max(last - first for first, last in ends)) + 1

    @property
    def jump(self) -> float:
        """How far apart two neighbours look, in input positions."""
        return max(view.jump for view in self.views)

    def through(self, window: Window, length: int) -> Field:
        """The view after a layer whose output has `length` positions on this axis."""
        if window.extent is None:
            return Field(length, (View(self.jump * self.length, self.at(0)[0], self.at(self.length - 1)[1]),))
        extent = window.extent
        return Field(length, tuple(view.through(window, extent, self.length) for view in self.views))

    def union(self, other: Field) -> Field:
        """The view of two branches together; one of length 1 is spread over the other."""
        length = max(self.length, other.length)
        found: dict[tuple[float, Bounds, Bounds], View] = {}
        for view in (*self._spread(length), *other._spread(length)):
            key = (view.jump, view.firsts, view.lasts)
            known = found.get(key, view)
            found[key] = view._replace(first=min(view.first, known.first), last=max(view.last, known.last))
        views = tuple(found.values())
        if len(views) > 1:
            views = tuple(view for view in views if not any(one is not view and one.covers(view) for one in views))
        return Field(length, views)

    def _spread(self, length: int) -> tuple[View, ...]:
        return self.views if self.length == length else tuple(view._replace(jump=0.0) for view in self.views)


Fields = tuple[Field, Field]


def receptive_fields(graph: Graph) -> dict[str, Fields]:
    """The view of every layer's output by its path, as (height, width)."""
    found: dict[str, Fields] = {}

    def layer(node: Node, kind: Kind, given: tuple[Fields, ...], path: str) -> dict[str | None, Fields]:
        found[path] = _through(node, kind, given)
        return dict.fromkeys(node.shapes, found[path])

    _, height, width = graph.in_shapes[0]
    flow(graph, ((Field(int(height)), Field(int(width))),), layer)
    return found


def _through(node: Node, kind: Kind, given: tuple[Fields, ...]) -> Fields:
    height, width = given[0]
    for other in given[1:]:
        height, width = height.union(other[0]), width.union(other[1])
    x = node.in_shapes[0]
    if kind.many or len(x) != 3:
        return height, width
    y = next(iter(node.shapes.values()))
    windows = kind.windows(x)
    lengths = [int(length) for length in y[1:]] if len(y) == 3 else [1, 1]
    return height.through(windows[0], lengths[0]), width.through(windows[1], lengths[1])
