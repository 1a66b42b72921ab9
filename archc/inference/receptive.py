"""Receptive fields on graphs: which stretch of the input an output position looks at.

Along each axis, a value at position i sees the input positions from `i * jump + first` to
`i * jump + last` (Araujo et al., 2019, https://distill.pub/2019/computing-receptive-fields/, carried from
chains to graphs). Where branches meet, each keeps its own view, for their jumps can differ: a 1×1 gate shows all
positions of the map that it scales the same stretch. The stretch covers all views: the largest over all paths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from archc.graph import Graph, Node, flow
from archc.kinds import Kind
from archc.kinds.base import Window


class View(NamedTuple):
    """What is seen over some of the paths: `jump` input positions from one output position to the next."""

    jump: float = 1.0
    first: float = 0.0
    last: float = 0.0


@dataclass(frozen=True, slots=True)
class Field:
    """The view of one axis, of a value that has `length` positions there."""

    length: int
    views: tuple[View, ...] = (View(),)

    def at(self, position: int) -> tuple[float, float]:
        """The first and the last input position that an output position sees (padding included)."""
        return (
            min(view.first + position * view.jump for view in self.views),
            max(view.last + position * view.jump for view in self.views),
        )

    @property
    def size(self) -> int:
        """How many input positions are seen, by the position that sees most (padding included)."""
        # The last position seen less the first is convex in the position: it is largest at an end.
        ends = (self.at(position) for position in {0, self.length - 1})
        return round(max(last - first for first, last in ends)) + 1

    @property
    def jump(self) -> float:
        """How far apart two neighbours look, in input positions."""
        return max(view.jump for view in self.views)

    def through(self, window: Window, length: int) -> Field:
        """The view after a layer whose output has `length` positions on this axis."""
        if window.extent is None:
            return Field(length, (View(self.jump * self.length, self.at(0)[0], self.at(self.length - 1)[1]),))
        return Field(
            length,
            tuple(
                View(
                    jump * window.step,
                    first - window.before * jump,
                    last + (window.extent - 1 - window.before) * jump,
                )
                for jump, first, last in self.views
            ),
        )

    def union(self, other: Field) -> Field:
        """The view of two branches together; one of length 1 is spread over the other."""
        length = max(self.length, other.length)
        found: dict[float, View] = {}
        for jump, first, last in (*self._spread(length), *other._spread(length)):
            known = found.get(jump)
            found[jump] = (
                View(jump, min(first, known.first), max(last, known.last)) if known else View(jump, first, last)
            )
        return Field(length, tuple(found.values()))

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
