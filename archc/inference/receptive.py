"""Receptive fields on graphs: the range of the input that an output position depends on.

Along each axis, a value at position i depends on the input positions from `i * jump + first` to `i * jump + last`
(Araujo et al., 2019, https://distill.pub/2019/computing-receptive-fields/, extended from chains to graphs). Where
branches meet, each keeps its own view, because their jumps can differ: a 1×1 gate gives all positions of the feature
map that it scales the same range. The result covers all views, and is the largest over all paths.

Zero padding counts, so a range may exceed the input. A layer without such padding (a transposed convolution, a
replicated edge) has bounds instead, because its windows reach the edge or nothing beyond it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import ceil, floor, inf, isfinite
from typing import Any, NamedTuple

from archc.graph import Graph, Node, flow
from archc.kinds import Kind, Shape
from archc.kinds.base import Window

Bounds = tuple[float, float]
_FREE: Bounds = (-inf, inf)


class View(NamedTuple):
    """The range along some of the paths; `jump` is the input distance between neighboring output positions.

    `firsts` and `lasts` bound the two ends for all output positions. Some positions have a range of the same length
    that starts up to `early` positions before, which matters where views meet.
    """

    jump: float = 1.0
    first: float = 0.0
    last: float = 0.0
    firsts: Bounds = _FREE
    lasts: Bounds = _FREE
    early: float = 0.0

    def at(self, position: float) -> tuple[float, float]:
        """The first and last input position for an output position."""
        return (
            _within(self.first + position * self.jump, self.firsts),
            _within(self.last + position * self.jump, self.lasts),
        )

    def through(self, window: Window, extent: int, length: int) -> View:
        """The view after a window over `extent` of the `length` positions of this one."""
        firsts, lasts = self.firsts, self.lasts
        if window.inside:
            ends = (self.at(0), self.at(length - 1))
            firsts, lasts = (ends[0][0], ends[1][0]), (ends[0][1], ends[1][1])
        spread = self.early if extent > 1 else 0.0  # the first position may start early, but not the last
        first = self.first - spread - window.before * self.jump
        last = self.last + (extent - 1 - window.before) * self.jump
        early = self.early - spread + window.early * self.jump
        return View(self.jump * window.step, first, last, firsts, lasts, early)

    def covers(self, other: View) -> bool:
        """Return True if no position has a smaller range than in another view."""
        return (
            self.jump == other.jump
            and self.early >= other.early
            and self.first <= other.first
            and self.last >= other.last
            and all(mine <= others for mine, others in zip(self.firsts, other.firsts, strict=True))
            and all(mine >= others for mine, others in zip(self.lasts, other.lasts, strict=True))
        )

    def turns(self) -> Iterator[float]:
        """The positions at which a bound starts or stops to apply."""
        if self.jump:
            for start, bounds in ((self.first, self.firsts), (self.last, self.lasts)):
                yield from ((bound - start) / self.jump for bound in bounds if isfinite(bound))


def _positions(distance: float) -> int:
    """The number of positions between two ends, both included. Some outputs see one more where there is a fraction."""
    return ceil(distance - 1e-6) + 1


def _within(value: float, bounds: Bounds) -> float:
    return min(max(value, bounds[0]), bounds[1])


@dataclass(frozen=True)
class Field:
    """The views of one axis, for a tensor with `length` positions there; a learned tensor has none."""

    length: int
    views: tuple[View, ...] = (View(),)

    def at(self, position: int) -> tuple[float, float]:
        """The first and last input position for an output position, including zero padding."""
        ends = [view.at(position) for view in self.views]
        if len(ends) > 1:
            ends = [(first - view.early, last) for view, (first, last) in zip(self.views, ends, strict=True)]
        return min(first for first, _ in ends), max(last for _, last in ends)

    @cached_property
    def size(self) -> int:
        """The size of the largest range of any position, including zero padding."""
        if not self.views:
            return 0
        if len(self.views) == 1 and self.views[0].firsts is _FREE and self.views[0].lasts is _FREE:
            return _positions(self.views[0].last - self.views[0].first)  # the same at every position
        # Between the turns, last - first is convex in the position, so it is largest at an end.
        turns = {near for view in self.views for turn in view.turns() for near in (floor(turn), ceil(turn))}
        ends = (self.at(position) for position in {0, self.length - 1, *turns} if 0 <= position < self.length)
        return _positions(max(last - first for first, last in ends))

    @cached_property
    def jump(self) -> float:
        """The distance of two neighbors in input positions."""
        return max((view.jump for view in self.views), default=0.0)

    def through(self, window: Window, length: int) -> Field:
        """The field after a layer whose output has `length` positions on this axis."""
        if window.extent is None and self.views:
            return Field(length, (View(self.jump * self.length, self.at(0)[0], self.at(self.length - 1)[1]),))
        extent = window.extent or 1
        return Field(length, tuple(view.through(window, extent, self.length) for view in self.views))

    def union(self, other: Field) -> Field:
        """The field of two branches together; one of length 1 is broadcast."""
        if not self.views or not other.views:
            return self if self.views else other
        length = max(self.length, other.length)
        found: dict[View, View] = {}
        for view in (*self._spread(length), *other._spread(length)):
            key = view._replace(first=0.0, last=0.0)
            known = found.get(key, view)
            found[key] = view._replace(first=min(view.first, known.first), last=max(view.last, known.last))
        views = tuple(found.values())
        if len(views) > 1:
            views = tuple(view for view in views if not any(one is not view and one.covers(view) for one in views))
        return Field(length, views)

    def _spread(self, length: int) -> tuple[View, ...]:
        return self.views if self.length == length else tuple(view._replace(jump=0.0) for view in self.views)


Fields = tuple[Field, ...]


def receptive_fields(graph: Graph) -> dict[str, Fields]:
    """The field of every layer's output by path, along each axis of the network's input after its channels."""
    found: dict[str, Fields] = {}
    known: dict[tuple[Any, ...], Field] = {}  # many layers are equal
    steps: dict[tuple[int, tuple[Shape, ...], int], list[_Step]] = {}

    def union(one: Field, other: Field) -> Field:
        key = (id(one), id(other))
        if key not in known:
            known[key] = one if one is other else one.union(other)
        return known[key]

    def through(field: Field, window: Window, length: int) -> Field:
        key = (id(field), window, length)
        if key not in known:
            known[key] = field.through(window, length)
        return known[key]

    def layer(node: Node, kind: Kind, given: tuple[_Seen, ...], path: str) -> dict[str | None, _Seen]:
        fields, places = nothing if kind.bare else moved(node, kind, given, 0)
        for other in range(1, len(given[: kind.seen])):
            others, at = moved(node, kind, given, other)
            if at != places:
                fields, others = _whole_where_apart(fields, places, at), _whole_where_apart(others, at, places)
                places = tuple(
                    b if a is None else a if b in (a, None) else None for a, b in zip(places, at, strict=True)
                )
            fields = tuple(union(one, another) for one, another in zip(fields, others, strict=True))
        found[path] = fields
        return dict.fromkeys(node.shapes, _Seen(fields, places))

    def moved(node: Node, kind: Kind, given: tuple[_Seen, ...], at: int) -> _Seen:
        """The input `at` as the output sees it."""
        fields, places = given[at]
        key = (id(kind), node.in_shapes, at)
        if key not in steps:
            steps[key] = _steps(node, kind, at)
        if not steps[key]:
            return given[at]
        taken = [None if place is None else steps[key][place] for place in places]
        return _Seen(
            tuple(
                [
                    field if step is None else through(field, step.window, step.length)
                    for field, step in zip(fields, taken, strict=True)
                ]
            ),
            tuple([None if step is None else step.place for step in taken]),
        )

    axes = len(graph.in_shapes[0]) - 1
    nothing = _Seen((Field(1, ()),) * axes, (None,) * axes)
    starts = {length: Field(length) for length in graph.in_shapes[0][1:]}
    fields = tuple(starts[length] for length in graph.in_shapes[0][1:])
    whole, places = graph.in_shapes[0][1:], tuple(range(1, 1 + axes))
    flow(graph, tuple(_Seen(fields, places) if shape[1:] == whole else nothing for shape in graph.in_shapes), layer)
    return found


class _Seen(NamedTuple):
    """The fields of a tensor for each axis of the network's input, and which axis of the tensor that became, if any."""

    fields: Fields
    places: tuple[int | None, ...]


class _Step(NamedTuple):
    """The effect of a layer along an axis: its window, the length of the output's axis, and the index of that axis."""

    window: Window
    length: int
    place: int | None


def _whole_where_apart(fields: Fields, own: tuple[int | None, ...], other: tuple[int | None, ...]) -> Fields:
    """Fields that cover the whole range of a tensor, if another tensor has the same axis at another index."""
    apart = [a != b and a is not None and b is not None for a, b in zip(own, other, strict=True)]
    return tuple(
        field.through(Window(None), 1) if differs else field for field, differs in zip(fields, apart, strict=True)
    )


def _steps(node: Node, kind: Kind, at: int) -> list[_Step]:
    """The effect of a layer along each axis of its input `at`; empty for a pointwise layer."""
    x, y = node.in_shapes[at], next(iter(node.shapes.values()))
    moves = kind.moves(node.in_shapes, at)
    stays = type(kind).windows is Kind.windows and moves == tuple(range(len(x)))
    if stays and (x[1:] == y[1:] or (kind.many and kind.seen is None)):
        return []
    windows = (kind.first_window(node.in_shapes), *kind.windows(node.in_shapes))
    found = []
    for window, place in zip(windows, moves, strict=True):
        if place is None or place >= len(y):  # an element of a vector sees what the whole vector does
            found.append(_Step(Window(None), 1, None))
        else:
            found.append(_Step(window, y[place], place))
    return found
