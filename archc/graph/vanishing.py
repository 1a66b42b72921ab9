"""Diagnosis of feature maps that vanish: where the size was lost, and the input size that would do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from archc.graph.frame import Frame
from archc.graph.graph import INPUT, Node, Ref
from archc.kinds import Kind, Shape, form

_LONGEST = 500
"""The maximum number of layers on a path to examine, because nobody would read a longer report."""
LOOKED_INTO = 8
"""The maximum number of vanished feature maps to examine, because it takes time, and more of them have the same
cause."""
_LARGEST = 2**16
"""Largest input to propose."""
_SHOWN = 7


class Leaf(NamedTuple):
    """A layer on the path, with its own path and the input through which the path goes."""

    path: tuple[str, ...]
    node: Node
    operand: int

    @property
    def before(self) -> Shape:
        """The input shape."""
        return self.node.in_shapes[self.operand][1:]

    def after(self, shape: Shape) -> Shape:
        """The output shape for an input shape."""
        kind = self.node.element
        assert isinstance(kind, Kind)
        if kind.many:
            return shape[1:]
        made: Any = kind.output((shape,))
        first: Shape = next(iter(made.values())) if isinstance(made, dict) else made
        return first[1:]

    @property
    def result(self) -> Shape:
        """The output shape for the actual input shape."""
        return self.after(self.node.in_shapes[self.operand])


def way(frames: Sequence[Frame]) -> list[Leaf] | None:
    """The layers from the network's input to the next entry; None if they aren't one chain of feature maps."""
    found: list[Leaf] = []
    prefix: tuple[str, ...] = ()
    for frame in frames:
        part = _back(frame.nodes, frame.taken, prefix)
        if part is None or len(found) + len(part) > _LONGEST:
            return None
        found += part
        prefix += (frame.name,)
    return found if all(len(leaf.before) == 2 for leaf in found) else None


def _back(nodes: Sequence[Node | None], ref: Ref, prefix: tuple[str, ...]) -> list[Leaf] | None:
    found: list[Leaf] = []
    while ref.node >= 0:
        node = nodes[ref.node]
        if node is None or len(found) > _LONGEST:
            return None
        path = (*prefix, node.name)
        operand = max(range(len(node.inputs)), key=lambda at: node.in_shapes[at][1:]) if node.graph is None else 0
        if node.graph is not None:
            inside = _back(node.graph.nodes, node.graph.results[ref.output], path)
            if inside is None:
                return None
            found += reversed(inside)
        else:
            found.append(Leaf(path, node, operand))
        ref = node.inputs[operand]
    return found[::-1] if ref.node == INPUT else None


def shrinking(leaves: list[Leaf], place: tuple[str, ...]) -> str:
    """The entries around a place at which the size was lost; empty if the input was too small."""
    first = next((leaf for leaf in leaves if leaf.result < leaf.before), None)
    if first is None:
        return ""
    steps: dict[str, Shape] = {}
    for leaf in leaves:
        if leaf.result != leaf.before:
            steps[".".join(leaf.path[: _common(leaf.path, place) + 1])] = leaf.result
    shown = [f"`{name}` {form(size)}" for name, size in steps.items()]
    if len(shown) > _SHOWN:
        shown[3 : 3 + len(shown) - _SHOWN] = ["…"]
    start = f"`{'.'.join(first.path)}` (line {first.node.mark.line})"
    if len(steps) == 1:
        return f"the feature map shrinks from {form(leaves[0].before)} to {form(leaves[-1].result)} in {start}"
    return (
        f"the feature map shrinks from {form(leaves[0].before)}: {' → '.join(shown)}; the first to shrink it is {start}"
    )


def large_enough(leaves: list[Leaf], fits: Callable[[int, int], bool]) -> tuple[int, int] | None:
    """The smallest height and width of the input for which a window at the end of a path fits.

    `fits` is the test for a height and width there. None if no input of a usual size is large enough.
    """
    if any(len(sizes) != 2 for leaf in leaves for sizes in (leaf.before, leaf.result)) or not leaves:
        return None
    needs = [_needed(leaves, 0, lambda n: fits(n, _LARGEST)), _needed(leaves, 1, lambda n: fits(_LARGEST, n))]
    height, width = (need and max(need, now) for need, now in zip(needs, leaves[0].before, strict=True))
    return (height, width) if height and width else None


def _needed(leaves: list[Leaf], axis: int, fits: Callable[[int], bool]) -> int | None:
    """The smallest length of one axis of the input."""
    need = _smallest(fits, leaves[-1].before[axis])
    for leaf in reversed(leaves):
        if need is None:
            return None
        channels, least = leaf.node.in_shapes[leaf.operand][0], need

        def reaches(n: int, leaf: Leaf = leaf, channels: Any = channels, least: int = least) -> bool:
            return bool(leaf.after((channels, n, n))[axis] >= least)

        need = _smallest(reaches, need)
    return need


def _smallest(holds: Callable[[int], bool], guess: int) -> int | None:
    """The smallest number from 1 on for which a monotonic condition holds."""
    low, high = 0, max(1, guess)
    while not holds(high):
        low, high = high, high * 2
        if high > _LARGEST:
            return None
    if low == 0 and high > 1 and not holds(high - 1):
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count
