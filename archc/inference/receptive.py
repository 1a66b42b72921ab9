"""Receptive fields on graphs: which stretch of the input an output position looks at.

Along each axis, a value at position i sees the input positions from `i * jump + first` to
`i * jump + last` (Araujo et al., 2019, https://distill.pub/2019/computing-receptive-fields/, carried from
chains to graphs). Where branches meet, the stretch covers all of them: the largest over all paths.
"""

from __future__ import annotations

from dataclasses import dataclass

from archc.graph import Graph, Node, flow
from archc.kinds import Kind, Shape
from archc.kinds.base import Window


@dataclass(frozen=True, slots=True)
class Field:
    """The view of one axis: `jump` input positions from one output to the next."""

    jump: float = 1.0
    first: float = 0.0
    last: float = 0.0

    @property
    def size(self) -> int:
        """How many input positions are seen (padding included)."""
        return round(self.last - self.first) + 1

    def through(self, window: Window, length: int) -> Field:
        """The view after a layer whose input has `length` positions on this axis."""
        if window.extent is None:
            return Field(self.jump * length, self.first, (length - 1) * self.jump + self.last)
        first = self.first - window.before * self.jump
        last = self.last + (window.extent - 1 - window.before) * self.jump
        return Field(self.jump * window.step, first, last)

    def union(self, other: Field) -> Field:
        """The view of two branches together."""
        return Field(max(self.jump, other.jump), min(self.first, other.first), max(self.last, other.last))


Fields = tuple[Field, Field]


def receptive_fields(graph: Graph) -> dict[str, Fields]:
    """The view of every layer's output by its path, as (height, width)."""
    found: dict[str, Fields] = {}

    def layer(node: Node, kind: Kind, given: tuple[Fields, ...], path: str) -> dict[str | None, Fields]:
        found[path] = _through(node, kind, given)
        return dict.fromkeys(node.shapes, found[path])

    flow(graph, ((Field(), Field()),), layer)
    return found


def _through(node: Node, kind: Kind, given: tuple[Fields, ...]) -> Fields:
    height, width = given[0]
    for other in given[1:]:
        height, width = height.union(other[0]), width.union(other[1])
    x: Shape = node.in_shapes[0]
    if kind.many or len(x) != 3:
        return height, width
    windows = kind.windows(x)
    return height.through(windows[0], x[1]), width.through(windows[1], x[2])
