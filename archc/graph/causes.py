"""Where branches part: the layer whose padding breaks p = (k - 1)/2."""

from __future__ import annotations

from typing import NamedTuple

from archc.graph.graph import Node, Ref
from archc.kinds import KINDS, Kind
from archc.kinds.base import pair
from archc.language.spec import BlockCall
from archc.problems import Fix, Mark
from archc.problems.fix import addition


class Cause(NamedTuple):
    """A stride-1 window whose padding is not (k - 1)/2: its place, the way to it, and the mend."""

    mark: Mark
    path: tuple[str, ...]
    rule: str
    number: str
    same: bool
    fix: Fix | None = None

    @property
    def padding(self) -> str:
        """What to write."""
        return "same" if self.same else self.number

    @property
    def help(self) -> str:
        """What to write, and why."""
        return f"{self.rule}: write `padding: {self.padding}`"


def first_shrinking(ref: Ref, nodes: list[Node | None]) -> Cause | None:
    """On the way to a value of a body, the first layer that could keep the size and does not."""
    chain: list[Node] = []
    while ref.node >= 0:
        node = nodes[ref.node]
        if node is None or (isinstance(node.element, Kind) and node.element.many):
            break
        chain.append(node)
        ref = node.inputs[0]
    for node in reversed(chain):
        cause = _shrinking(node)
        if cause is not None:
            return cause._replace(path=(node.name, *cause.path))
    return None


def _shrinking(node: Node) -> Cause | None:
    below = node.graph
    if below is None:
        kernel = getattr(node.element, "kernel_size", None)
        stride, padding = getattr(node.element, "stride", None), getattr(node.element, "padding", 0)
        if kernel is None or padding == "same" or pair(kernel if stride is None else stride) != (1, 1):
            return None
        kernels, dilations = pair(kernel), pair(getattr(node.element, "dilation", 1))
        spans = [d * (k - 1) for k, d in zip(kernels, dilations, strict=True)]
        wanted = tuple(span // 2 for span in spans)
        if any(span % 2 for span in spans) or pair(padding) == wanted or node.output[1:] == node.in_shapes[0][1:]:
            return None
        if isinstance(node.element, KINDS["conv_transpose2d"]) or not _takes(node, wanted):
            return None
        k, p = max(kernels), max(wanted)
        half = f"({k} - 1) / 2 = {p}" if max(dilations) == 1 else f"{max(dilations)} · ({k} - 1) / 2 = {p}"
        rule = f"a {kernels[0]}×{kernels[1]} window with stride 1 keeps its input's size with padding {half}"
        number = str(p) if wanted[0] == wanted[1] else f"[{wanted[0]}, {wanted[1]}]"
        return _at(node, Cause(node.mark, (), rule, number, isinstance(node.element, KINDS["conv2d"])))
    for child in below.nodes:
        cause = _shrinking(child) if child.present else None
        if cause is not None:
            if isinstance(node.call, BlockCall) and "padding" in node.call.block.parameters:
                # The block only hands it on: the call is to blame.
                return _at(node, cause._replace(same=cause.same and "kernel_size" in node.call.block.parameters))
            return cause._replace(path=(child.name, *cause.path))
    return None


def _takes(node: Node, padding: tuple[int, ...]) -> bool:
    """Whether the layer would be legal with this padding: a pooling's is at most half of its kernel."""
    assert isinstance(node.element, Kind)
    changed = node.element.model_copy(update={"padding": padding})
    return not any(changed.requirements(node.in_shapes[0]))


def _at(node: Node, cause: Cause) -> Cause:
    """A cause with its place and its fix in a call: at the padding, or where that is missing."""
    marks = node.call.marks if node.call is not None else {}
    if "padding" in marks:
        return cause._replace(mark=marks["padding"], path=(), fix=Fix(marks["padding"], cause.padding))
    if "kernel_size" in marks:
        fix = addition(marks["kernel_size"], "kernel_size", f"padding: {cause.padding}")
        return cause._replace(mark=marks["kernel_size"], path=(), fix=fix)
    return cause._replace(mark=node.mark, path=(), fix=None)
