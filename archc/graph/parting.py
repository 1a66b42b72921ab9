"""Two values that should have the same size: where their paths diverge, and the layers that make the difference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archc.graph.causes import Cause, causes
from archc.graph.graph import Node, Ref
from archc.kinds import Kind, Shape, form
from archc.kinds.arithmetic import sides
from archc.problems import Fix
from archc.problems.fix import addition

_CAUSES = 4
"""The maximum number of causes to examine for one difference."""
_SHOWN = 6


class Parted:
    """The path to a value that doesn't fit (`odd`), and to one that does (`right`), within one body."""

    def __init__(self, nodes: Sequence[Node | None], odd: Ref, right: Ref) -> None:
        self._nodes = nodes
        self._odd, self._right = odd, right
        self.chain, self._fork = self._way(odd, self._before(right))

    def _before(self, ref: Ref) -> set[int]:
        """All values that a value depends on, including itself."""
        found, waiting = set[int](), [ref.node]
        while waiting:
            at = waiting.pop()
            if at not in found:
                found.add(at)
                node = self._nodes[at] if at >= 0 else None
                waiting += [] if node is None else [other.node for other in node.inputs]
        return found

    def _way(self, ref: Ref, shared: set[int]) -> tuple[list[Node], Ref]:
        """The entries from one of the `shared` values to a value, in order, and the shared value."""
        found: list[Node] = []
        while ref.node >= 0 and ref.node not in shared:
            node = self._nodes[ref.node]
            if node is None or (isinstance(node.element, Kind) and node.element.many):
                break
            found.append(node)
            ref = node.inputs[0]
        return found[::-1], ref

    def causes(self, size: Shape) -> list[Cause]:
        """The layers that may cause the size of the odd value, the likeliest first."""
        return [cause for cause, _ in zip(causes(self.chain, size), range(_CAUSES), strict=False)]

    def description(self) -> str:
        """Both paths, from where they diverge; empty if that is unknown."""
        other, begin = self._way(self._right, self._before(self._odd))
        if begin != self._fork or not self.chain:
            return ""
        node = self._nodes[begin.node] if begin.node >= 0 else None
        if node is None and begin.node >= 0:
            return ""
        size = (self.chain[0].in_shapes[0] if node is None else node.shapes[begin.output])[1:]
        name = "the input" if node is None else f"`{node.name}`"
        ways = [_steps(way, size) if way else f"{name} itself" for way in (self.chain, other)]
        return f"after {name}, {form(size)}, the paths split: {ways[0]}; the other is {ways[1]}"

    def floored(self, wanted: Shape) -> tuple[str, list[tuple[str, Fix]]]:
        """The layer whose stride loses a row or column of the odd value, and the fixes that restore it later.

        Empty if no stride does.
        """
        got = self._shape(self._odd)
        axes = [at for at in range(len(got)) if got[at] != wanted[at]]
        leaves = [leaf for node in self.chain for leaf in _leaves(node, ())]
        for path, node in leaves:
            for axis in axes:
                before, after = (shape[1:][axis] for shape in (node.in_shapes[0], node.output))
                step = _steps_of(node)[axis]
                if step > 1 and after < before and before % step and after == before // step:
                    lines = f"{before} {'columns' if axis else 'rows'} to {after}"
                    lost = tuple(whole - part for whole, part in zip(wanted, got, strict=True))
                    given_back = list(_given_back(leaves, lost))
                    return f"`{'.'.join(path)}` (line {node.mark.line}) reduces {lines}", given_back
        return "", []

    def _shape(self, ref: Ref) -> Shape:
        node = self._nodes[ref.node]
        assert node is not None
        return node.shapes[ref.output][1:]


def _leaves(node: Node, prefix: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Node]]:
    """The layers of an entry, with their paths."""
    path = (*prefix, node.name)
    if node.graph is None:
        if len(node.in_shapes[0]) == len(node.shapes.get(None, ())) == 3:
            yield path, node
        return
    for child in node.graph.nodes:
        yield from _leaves(child, path)


def _steps_of(node: Node) -> tuple[int, int]:
    """The strides of a window; 1 for other layers, and for those that enlarge a feature map."""
    kernel, stride = (getattr(node.element, name, None) for name in ("kernel_size", "stride"))
    if kernel is None or hasattr(node.element, "output_padding"):
        return 1, 1
    down, right = sides(kernel if stride is None else stride)
    return down, right


def _given_back(leaves: list[tuple[tuple[str, ...], Node]], lost: tuple[int, ...]) -> Iterator[tuple[str, Fix]]:
    """Fixes that restore lost rows and columns: the output padding of the last layer that has one."""
    for path, node in reversed(leaves):
        now = getattr(node.element, "output_padding", None)
        if now is None or node.call is None or min(lost) < 0:
            continue
        down, right = (one + more for one, more in zip(sides(now), lost, strict=True))
        value, marks = f"[{down}, {right}]" if down != right else str(down), node.call.marks
        fix = None
        if "output_padding" in marks:
            fix = Fix(marks["output_padding"], value)
        elif "kernel_size" in marks:
            fix = addition(marks["kernel_size"], "kernel_size", f"output_padding: {value}")
        if fix is not None:
            yield f"`output_padding: {value}` in `{'.'.join(path)}` (line {node.mark.line})", fix
        return


def _steps(way: list[Node], size: Shape) -> str:
    """A path as text: the entries that change the size, and the last one."""
    steps = []
    for node in way:
        after = next(iter(node.shapes.values()))[1:]
        if after != size or node is way[-1]:
            steps.append(f"`{node.name}` {form(after)}")
        size = after
    if len(steps) > _SHOWN:
        steps[3 : 3 + len(steps) - _SHOWN] = ["…"]
    return " → ".join(steps)
