"""Causes of size mismatches: a padding other than p = (k - 1)/2, or a stride that other branches don't have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import gt
from typing import NamedTuple

from pydantic import ValidationError

from archc.expressions import Expression
from archc.graph.graph import INPUT, Node, Ref
from archc.kinds import Kind, Shape, form
from archc.kinds.arithmetic import sides
from archc.kinds.labels import listed, window
from archc.kinds.spatial import Identity
from archc.language.spec import BlockCall
from archc.problems import Fix, Mark
from archc.problems.fix import addition


class Cause(NamedTuple):
    """A layer that made a branch smaller: its place, the path to it, its output size, and the fix."""

    mark: Mark
    path: tuple[str, ...]
    rule: str
    argument: str
    number: str
    same: bool = False
    size: Shape = ()
    fix: Fix | None = None
    handed: str = ""

    @property
    def value(self) -> str:
        """The value to write."""
        return "same" if self.same else self.number

    @property
    def help(self) -> str:
        """The value to write, and the reason."""
        return f"{self.rule}: write `{self.argument}: {self.value}`"


def shortcuts(refs: Sequence[Ref], nodes: Sequence[Node | None]) -> set[int]:
    """The inputs of a join that are the body's own input, unchanged."""

    def hands_on(node: Node, _: Ref) -> bool:
        return isinstance(node.element, Identity)

    return {at for at, ref in enumerate(refs) if _begin(ref, nodes, hands_on) == INPUT}


def keeping(refs: Sequence[Ref], nodes: Sequence[Node | None]) -> Callable[[int], bool]:
    """Return a predicate for the inputs of a join.

    It is true for an input that has the size of its body's input, if every layer on its path kept it.
    """

    def keeps_size(node: Node, ref: Ref) -> bool:
        return node.in_shapes[0][1:] == node.shapes[ref.output][1:]

    return lambda at: _begin(refs[at], nodes, keeps_size) is not None


def _begin(ref: Ref, nodes: Sequence[Node | None], passes: Callable[[Node, Ref], bool]) -> int | None:
    """The input from which a tensor derives, if `passes` is true for each node on the path."""
    while ref.node >= 0:
        node = nodes[ref.node]
        if node is None or not passes(node, ref):
            return None
        ref = node.inputs[0]
    return ref.node


def causes(chain: Sequence[Node], size: Shape) -> Iterator[Cause]:
    """The layers on a path to a tensor of a `size` that could keep their input's size but don't.

    After them come the layers whose stride makes that size.
    """

    def stride(node: Node, kind: Kind) -> Cause | None:
        return _stride(node, kind, size)

    for why in (_padding, stride):
        for node in chain:
            cause = _first(node, why)
            if cause is not None:
                yield cause._replace(path=(node.name, *cause.path))


def _first(node: Node, why: Callable[[Node, Kind], Cause | None]) -> Cause | None:
    """The first layer of an entry that is a cause; the call, if a block passes the argument on."""
    if isinstance(node.element, Kind):
        cause = why(node, node.element)
        return None if cause is None else _at(node, cause)
    assert node.graph is not None
    for child in node.graph.nodes:
        cause = _first(child, why)
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
    """A window with stride 1 whose padding isn't (k - 1)/2."""
    kernel, stride, padding = (getattr(kind, name, None) for name in ("kernel_size", "stride", "padding"))
    rank = len(node.in_shapes[0]) - 1
    if kernel is None or padding == "same" or set(sides(kernel if stride is None else stride)) != {1}:
        return None
    kernels, dilations = sides(kernel, rank), sides(getattr(kind, "dilation", 1), rank)
    spans = [d * (k - 1) for k, d in zip(kernels, dilations, strict=True)]
    wanted = tuple(span // 2 for span in spans)
    if any(span % 2 for span in spans) or sides(padding, rank) == wanted or node.output[1:] == node.in_shapes[0][1:]:
        return None
    if not _keeps(node, wanted):
        return None
    k, p = max(kernels), max(wanted)
    half = f"({k} - 1) / 2 = {p}" if max(dilations) == 1 else f"{max(dilations)} · ({k} - 1) / 2 = {p}"
    rule = f"a {window(kernels)} window with stride 1 keeps its input's size with padding {half}"
    number = str(p) if len(set(wanted)) == 1 else f"[{listed(wanted, ', ')}]"
    return Cause(node.mark, (), rule, "padding", number, _takes_same(kind), node.output[1:])


def _stride(node: Node, kind: Kind, size: Shape) -> Cause | None:
    """A window with a stride above 1 that makes this size."""
    kernel, stride = getattr(kind, "kernel_size", None), getattr(kind, "stride", None)
    if kernel is None or node.output[1:] != size or not any(map(gt, node.in_shapes[0][1:], size)):
        return None
    steps = sides(kernel if stride is None else stride)
    if max(steps) == 1:
        return None
    before, after = (form(shape[1:]) for shape in (node.in_shapes[0], node.output))
    whose = f"stride {max(steps)}" if stride is not None else f"stride {max(steps)}, which defaults to its kernel size,"
    rule = f"its {whose} reduces {before} to {after}"
    return Cause(node.mark, (), rule, "stride", "1", size=size)


def _keeps(node: Node, padding: tuple[int, ...]) -> bool:
    """Return True if the layer would keep its input's size with this padding.

    A pooling's padding is at most half of its kernel.
    """
    assert isinstance(node.element, Kind)
    changed = node.element.model_copy(update={"padding": padding})
    return not any(changed.requirements(node.in_shapes)) and changed.output(node.in_shapes)[1:] == node.in_shapes[0][1:]


def _takes_same(kind: Kind) -> bool:
    """Return True if the layer's padding may be `same`."""
    try:
        type(kind).model_validate({**kind.__dict__, "padding": "same"})
    except ValidationError:
        return False
    return True


def _at(node: Node, cause: Cause) -> Cause:
    """A cause with its place in a call: at the argument, or where it is missing."""
    marks = node.call.marks if node.call is not None else {}
    if cause.argument in marks:
        given = node.call.arguments[cause.argument] if node.call is not None else None
        handed = given.text if isinstance(given, Expression) and given.text.isidentifier() else ""
        mark = marks[cause.argument]
        return cause._replace(mark=mark, path=(), fix=Fix(mark, cause.value), handed=handed)
    if cause.argument != "stride" and "kernel_size" in marks:
        fix = addition(marks["kernel_size"], "kernel_size", f"{cause.argument}: {cause.value}")
        return cause._replace(mark=marks["kernel_size"], path=(), fix=fix, handed="")
    return cause._replace(mark=node.mark, path=(), fix=None, handed="")
