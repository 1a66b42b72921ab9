"""What to change in a network whose output doesn't fit the data."""

from __future__ import annotations

from typing import Any, NamedTuple

from archc.architecture import Architecture
from archc.graph import Graph, Node, Ref
from archc.language.spec import LayerCall
from archc.problems import Mark, SpecError


class Advice(NamedTuple):
    """What to change in a network whose output doesn't fit the data, and the place in its spec, if it has one."""

    help: str
    mark: Mark | None = None


def advice_for_code(shape: tuple[int, ...], classes: int) -> Advice:
    """The change in PyTorch code."""
    if len(shape) == 1:
        return Advice(f"give its last layer {classes} outputs")
    pool = "`nn.AdaptiveAvgPool2d(1)`, " if len(shape) == 3 else ""
    return Advice(f"end the network with one score per class: {pool}`nn.Flatten()` and `nn.LazyLinear({classes})`")


def advice_for_spec(architecture: Architecture, output: str, shape: tuple[int, ...], classes: int) -> Advice:
    """The argument or the layer of a spec that determines the shape of an output."""
    arguments = architecture.arguments
    number = "$num_classes" if "num_classes" in arguments else str(classes)
    if len(shape) != 1:
        pool = "`adaptive_avg_pool2d: 1`, " if len(shape) == 3 else ""
        return Advice(f"end the network with one score per class: {pool}`flatten` and `linear: {number}`")
    for name, value in arguments.items():
        if value == shape[0] and _gives(architecture, name, classes):
            if name == "num_classes":
                return Advice("remove `num_classes`: archc sets it from the data")
            return Advice(f"set the argument for the number of classes: --set {name}={classes}")
    graph = architecture.network.graph
    node = _last_of(graph, graph.results[None if None in graph.results else output], shape[0])
    if node is None:
        return Advice(f"give its last layer {classes} outputs")
    declared = "" if "num_classes" in arguments else f"`arguments: {{num_classes: {classes}}}` and "
    kind = node.call.kind.kind if isinstance(node.call, LayerCall) else ""
    written = f"write `linear: {classes}`" if kind == "linear" else f"give this layer {classes} outputs"
    return Advice(f"{written}; with {declared}`$num_classes` here, archc sets it from the data", node.mark)


def _gives(architecture: Architecture, name: str, classes: int) -> bool:
    """Return True if an argument is the number of outputs."""
    changed: dict[str, Any] = {name: classes}
    try:
        outputs = architecture.configure(**changed).outputs
    except SpecError:
        return False
    return all(shape == (classes,) for shape in outputs.values())


def _last_of(graph: Graph, ref: Ref, count: int) -> Node | None:
    """The last layer before a value that has an argument for its `count` channels or features."""
    while ref.node >= 0:
        node = graph.nodes[ref.node]
        if node.graph is not None:
            return _last_of(node.graph, node.graph.results[ref.output], count)
        if count in (getattr(node.element, "out_features", None), getattr(node.element, "out_channels", None)):
            return node
        if len(node.inputs) != 1:
            break
        ref = node.inputs[0]
    return None
