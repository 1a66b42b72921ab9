"""Where branches part: the layer whose padding breaks p = (k - 1)/2, or whose stride is the only one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from archc.expressions import Expression
from archc.graph.graph import INPUT, Node, Ref
from archc.kinds import KINDS, Kind, Shape, form
from archc.kinds.base import pair
from archc.language.spec import BlockCall
from archc.problems import Fix, Mark
from archc.problems.fix import addition


class Cause(NamedTuple):
    """What made a branch smaller: its place, the way to it, and the mend."""

    mark: Mark
    path: tuple[str, ...]
    rule: str
    argument: str
    number: str
    same: bool = False
    other: str = ""
    fix: Fix | None = None
    handed: str = ""

    @property
    def value(self) -> str:
        """What to write."""
        return "same" if self.same else self.number

    @property
    def help(self) -> str:
        """What to write, and why."""
        return f"{self.rule}: write `{self.argument}: {self.value}`{self.other}"


def shortcuts(refs: Sequence[Ref], nodes: Sequence[Node | None]) -> set[int]:
    """Which of a join's inputs are the body's own input, handed on as it is."""

    def hands_on(node: Node, _: Ref) -> bool:
        return isinstance(node.element, KINDS["identity"])

    return {at for at, ref in enumerate(refs) if _begin(ref, nodes, hands_on) == INPUT}


def keeping(refs: Sequence[Ref], nodes: Sequence[Node | None]) -> Callable[[int], bool]:
    """Whether one of a join's inputs has its body's input's size, and every layer on the way kept it."""

    def keeps_size(node: Node, ref: Ref) -> bool:
        return node.in_shapes[0][1:] == node.shapes[ref.output][1:]

    return lambda at: _begin(refs[at], nodes, keeps_size) is not None


def _begin(ref: Ref, nodes: Sequence[Node | None], passes: Callable[[Node, Ref], bool]) -> int | None:
    """The input that a value goes back to, if each node on the way lets it pass."""
    while ref.node >= 0:
        node = nodes[ref.node]
        if node is None or not passes(node, ref):
            return None
        ref = node.inputs[0]
    return ref.node


def first_shrinking(ref: Ref, nodes: list[Node | None], size: Shape) -> Cause | None:
    """On the way to a value of a body, the first layer that could keep the size and does not.

    Where there is none, the one whose stride makes the value's `size`.
    """

    def stride(node: Node, kind: Kind) -> Cause | None:
        return _stride(node, kind, size)

    chain: list[Node] = []
    while ref.node >= 0:
        node = nodes[ref.node]
        if node is None or (isinstance(node.element, Kind) and node.element.many):
            break
        chain.append(node)
        ref = node.inputs[0]
    for why in (_padding, stride):
        for node in reversed(chain):
            cause = _first(node, why)
            if cause is not None:
                return cause._replace(path=(node.name, *cause.path))
    return None


def _first(node: Node, why: Callable[[Node, Kind], Cause | None]) -> Cause | None:
    """The first layer of an entry that is a cause; of a block that hands the argument on, the call."""
    if isinstance(node.element, Kind):
        cause = why(node, node.element)
        return None if cause is None else _at(node, cause)
    assert node.graph is not None
    for child in node.graph.nodes:
        cause = _first(child, why) if child.present else None
        if cause is None:
            continue
        if isinstance(node.call, BlockCall) and cause.handed:
            same = cause.same and cause.handed == "padding" and "kernel_size" in node.call.block.parameters
            called = _at(node, cause._replace(argument=cause.handed, same=same))
            if called.mark != node.mark:
                return called
        return cause._replace(path=(child.name, *cause.path), handed="")
    return None


def _padding(node: Node, kind: Kind) -> Cause | None:
    """A stride-1 window whose padding is not (k - 1)/2."""
    kernel, stride, padding = (getattr(kind, name, None) for name in ("kernel_size", "stride", "padding"))
    if kernel is None or padding == "same" or pair(kernel if stride is None else stride) != (1, 1):
        return None
    kernels, dilations = pair(kernel), pair(getattr(kind, "dilation", 1))
    spans = [d * (k - 1) for k, d in zip(kernels, dilations, strict=True)]
    wanted = tuple(span // 2 for span in spans)
    if any(span % 2 for span in spans) or pair(padding) == wanted or node.output[1:] == node.in_shapes[0][1:]:
        return None
    if isinstance(kind, KINDS["conv_transpose2d"]) or not _takes(node, wanted):
        return None
    k, p = max(kernels), max(wanted)
    half = f"({k} - 1) / 2 = {p}" if max(dilations) == 1 else f"{max(dilations)} · ({k} - 1) / 2 = {p}"
    rule = f"a {kernels[0]}×{kernels[1]} window with stride 1 keeps its input's size with padding {half}"
    number = str(p) if wanted[0] == wanted[1] else f"[{wanted[0]}, {wanted[1]}]"
    return Cause(node.mark, (), rule, "padding", number, isinstance(kind, KINDS["conv2d"]))


def _stride(node: Node, kind: Kind, size: Shape) -> Cause | None:
    """A window that is moved by more than one position, and makes this size."""
    kernel, stride = getattr(kind, "kernel_size", None), getattr(kind, "stride", None)
    if kernel is None or isinstance(kind, KINDS["conv_transpose2d"]) or node.output[1:] != size:
        return None
    steps = pair(kernel if stride is None else stride)
    if max(steps) == 1:
        return None
    before, after = (form(shape[1:]) for shape in (node.in_shapes[0], node.output))
    whose = f"stride {max(steps)}" if stride is not None else f"stride {max(steps)}, that of its kernel,"
    rule = f"its {whose} makes {after} of {before}"
    return Cause(node.mark, (), rule, "stride", "1", other=", or give the others the same")


def _takes(node: Node, padding: tuple[int, ...]) -> bool:
    """Whether the layer would be legal with this padding: a pooling's is at most half of its kernel."""
    assert isinstance(node.element, Kind)
    changed = node.element.model_copy(update={"padding": padding})
    return not any(changed.requirements(node.in_shapes[0]))


def _at(node: Node, cause: Cause) -> Cause:
    """A cause with its place in a call, at the argument or where that is missing; the fix is that of a padding."""
    marks = node.call.marks if node.call is not None else {}
    padding = cause.other == ""
    if cause.argument in marks:
        given = node.call.arguments[cause.argument] if node.call is not None else None
        handed = given.text if isinstance(given, Expression) and given.text.isidentifier() else ""
        fix = Fix(marks[cause.argument], cause.value) if padding else None
        return cause._replace(mark=marks[cause.argument], path=(), fix=fix, handed=handed)
    if padding and "kernel_size" in marks:
        fix = addition(marks["kernel_size"], "kernel_size", f"{cause.argument}: {cause.value}")
        return cause._replace(mark=marks["kernel_size"], path=(), fix=fix, handed="")
    return cause._replace(mark=node.mark, path=(), fix=None, handed="")
