"""Comparison of a node with the one whose weights it shares: one module must serve both."""

from __future__ import annotations

from typing import cast

from archc.graph.graph import Graph, Node
from archc.kinds import Kind, Shape, form


def parted(owner: Node, node: Node) -> str | None:
    """The difference between two evaluations of the same element that one module can't serve; None if it can."""
    found = _differing(owner, node, node.name)
    if found is None:
        return None
    path, one, other = found
    if one is not None and other is not None:
        before, after = _tensors(one), _tensors(other)
        for name in before.keys() & after.keys():
            if before[name] != after[name]:
                sizes = f"{_size(before[name])} for `{owner.name}`, but {_size(after[name])} here"
                return f"the shape of `{path}.{name}` is {sizes}"
    return f"`{path}` is not the same layer for both inputs"


def _size(shape: Shape) -> str:
    return "×".join(map(str, shape)) or "a number"


def _tensors(node: Node) -> dict[str, Shape]:
    kind = cast("Kind", node.element)
    return {name: tensor.shape for name, tensor in kind.tensors(node.in_shapes).items()}


_Differing = tuple[str, Node | None, Node | None]


def _differing(one: Node, other: Node, path: str) -> _Differing | None:
    """The path of the first layer that differs, with both layers; without them, a body differs as a whole."""
    left, right = one.graph, other.graph
    if left is None or right is None:
        if left is not right or not _same_layer(one, other):
            return path, *((one, other) if left is right else (None, None))
        return None
    return None if left is right else _within(left, right, path)


def _same_layer(one: Node, other: Node) -> bool:
    if one.element == other.element and one.in_shapes == other.in_shapes:
        return True
    left, right = cast("Kind", one.element), cast("Kind", other.element)
    calls = [(kind.call(node.in_shapes), kind.function(node.in_shapes)) for kind, node in ((left, one), (right, other))]
    return calls[0] == calls[1]


def _within(left: Graph, right: Graph, path: str) -> _Differing | None:
    whole = path, None, None
    if list(map(len, left.in_shapes)) != list(map(len, right.in_shapes)) or left.results != right.results:
        return whole
    if len(left.nodes) != len(right.nodes):
        return whole
    for one, other in zip(left.nodes, right.nodes, strict=True):
        if (one.name, one.inputs, one.shares) != (other.name, other.inputs, other.shares):
            return whole
        found = _differing(one, other, f"{path}.{one.name}")
        if found is not None:
            return found
    return None


def inputs_of(node: Node) -> str:
    """The shapes of a node's inputs as text."""
    return " and ".join(form(shape) for shape in node.in_shapes)
