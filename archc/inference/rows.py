"""What every layer has: its shapes, its costs and its receptive field."""

from __future__ import annotations

from typing import NamedTuple

from archc.graph import Network, Node, walk
from archc.inference.cost import layer_cost
from archc.inference.receptive import receptive_fields


class Row(NamedTuple):
    """One layer. Shapes are without the batch dimension.

    `receptive_field` has the input positions along each axis: for an image, height and width in pixels.
    `jump` is the distance in input pixels between neighboring outputs; `training` marks auxiliary heads. A layer that
    `shares` its weights has the path of the layer that owns them.
    """

    path: str
    kind: str
    input: tuple[int, ...]
    output: tuple[int, ...]
    parameters: int
    macs: int
    receptive_field: tuple[int, ...]
    jump: tuple[float, ...]
    line: int
    training: bool
    shares: str = ""


def layer_rows(network: Network) -> tuple[Row, ...]:
    """A row per layer, in the order in which they run."""
    fields = receptive_fields(network.graph)
    rows = []
    for layer in walk(network.graph):
        node: Node = layer.node
        own, work = layer_cost(node, layer.kind)
        axes = fields[layer.path]
        rows.append(
            Row(
                layer.path,
                layer.kind.kind,
                node.in_shapes[0],
                next(iter(node.shapes.values())),
                0 if layer.shared else own,
                work,
                tuple([axis.size for axis in axes]),
                tuple([axis.jump for axis in axes]),
                node.mark.line,
                layer.auxiliary,
                layer.module if layer.shared else "",
            )
        )
    return tuple(rows)


def network_outputs(network: Network) -> dict[str, tuple[int, ...]]:
    """The shapes of the outputs in inference; an only output without a name is called `output`."""
    return {name or "output": shape for name, shape in network.graph.outputs.items()}
