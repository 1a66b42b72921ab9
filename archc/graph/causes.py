"""Where branches part: the layer whose padding breaks p = (k - 1)/2."""

from __future__ import annotations

from typing import NamedTuple

from archc.graph.graph import Node, Ref
from archc.kinds import KINDS, Kind
from archc.kinds.base import pair
from archc.language.spec import BlockCall
from archc.problems import Mark


class Cause(NamedTuple):
    """A stride-1 window whose padding is not (k - 1)/2: its place, the way to it, and the mend."""

    mark: Mark
    path: tuple[str, ...]
    help: str


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
        rule = f"({k} - 1) / 2 = {p}" if max(dilations) == 1 else f"{max(dilations)} · ({k} - 1) / 2 = {p}"
        same = "`padding: same`" if isinstance(node.element, KINDS["conv2d"]) else f"`padding: {p}`"
        help = (
            f"a {kernels[0]}×{kernels[1]} window with stride 1 keeps its input's size with padding {rule}: write {same}"
        )
        return Cause(_argument_mark(node), (), help)
    for child in below.nodes:
        cause = _shrinking(child) if child.present else None
        if cause is not None:
            if isinstance(node.call, BlockCall) and node.call.marks.keys() & {"kernel_size", "padding"}:
                # The block only hands the padding on: the call is to blame.
                return Cause(_argument_mark(node), (), cause.help)
            return cause._replace(path=(child.name, *cause.path))
    return None


def _takes(node: Node, padding: tuple[int, ...]) -> bool:
    """Whether the layer would be legal with this padding: a pooling's is at most half of its kernel."""
    assert isinstance(node.element, Kind)
    changed = node.element.model_copy(update={"padding": padding})
    return not any(changed.requirements(node.in_shapes[0]))


def _argument_mark(node: Node) -> Mark:
    marks = node.call.marks if node.call is not None else {}
    return marks.get("padding") or marks.get("kernel_size") or node.mark
