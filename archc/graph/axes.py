"""The layout of tensors: whether an axis holds channels, as far as the layers before it determine that."""

from __future__ import annotations

from archc.graph.frame import Frame
from archc.graph.graph import INPUT, Graph, Node, Ref
from archc.kinds import Kind


def has_channels_first(frame: Frame, ref: Ref) -> bool:
    """Return True if a tensor is a feature map with channels first: of a convolution, or the input image."""
    within_block = False
    while True:
        if ref.node >= 0:
            node = frame.nodes[ref.node]
            found = None if node is None else _of_node(node, ref)
            if node is None or found is not None:
                return bool(found)
            ref = node.inputs[0]
        elif ref.node != INPUT:  # of an enclosing body
            return False
        elif frame.around is None:
            return not within_block and len(frame.inputs[0] or ()) > 2
        else:
            within_block |= frame.call is not None
            ref, frame = frame.around.taken, frame.around


def _of_node(node: Node, ref: Ref) -> bool | None:
    """Whether a node's result has its channels first; None if it has the layout of the node's input."""
    graph = node.graph
    if graph is not None:
        return _of_graph(graph, graph.results[ref.output])
    kind = node.element
    assert isinstance(kind, Kind)
    if kind.role in ("conv", "pool"):
        return True
    moved = kind.moves(node.in_shapes) != tuple(range(len(node.in_shapes[0])))
    return False if kind.features_last or kind.bare or moved or kind.integers is not None else None


def _of_graph(graph: Graph, ref: Ref) -> bool | None:
    while ref.node >= 0:
        node = graph.nodes[ref.node]
        found = _of_node(node, ref)
        if found is not None:
            return found
        ref = node.inputs[0]
    return None if ref.node == INPUT else False
