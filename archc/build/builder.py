"""The checked graph to an nn.Module: one torch call a layer, an nn.Sequential a chain, a Body else."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from archc.build import modules
from archc.build.body import Body, wire
from archc.build.initialize import initialize
from archc.graph import Graph, Instance, Network
from archc.kinds import Call, Kind


def build(network: Network) -> nn.Module:
    """The module of a checked network, initialised as its spec says.

    Layers are made in the order of the spec, so under one seed the weights are those of the emitted class.
    """
    model = _graph(network.graph, network.spec.name)
    initialize(model, network.init)
    return model


def _graph(graph: Graph, title: str) -> nn.Module:
    children: OrderedDict[str, nn.Module] = OrderedDict()
    for node in graph.nodes:
        if not node.present:
            continue
        element = node.element
        if isinstance(element, Kind):
            children[node.name] = make_layer(element.call(node.in_shapes if element.many else node.in_shapes[0]))
        elif isinstance(element, Instance):
            children[node.name] = _graph(element.graph, element.block.name)
        else:
            children[node.name] = _graph(element, "" if element.sequential else node.name)
    if graph.sequential:
        return _Chain(title, children) if title else nn.Sequential(children)
    steps, slots, results, heads = wire(graph)
    named = None not in graph.results
    shown = tuple((name or "output", place) for name, place in results.items())
    return Body(title, dict(children), steps, slots, shown, tuple(heads.items()), named)


class _Chain(nn.Sequential):
    """A block that is a list: an nn.Sequential with the block's name."""

    def __init__(self, title: str, children: OrderedDict[str, nn.Module]) -> None:
        super().__init__(children)
        self._title = title

    def _get_name(self) -> str:
        return self._title


def make_layer(call: Call) -> nn.Module:
    """The module of one layer: a class of torch.nn, or one of archc's own."""
    space, _, name = call.target.partition(".")
    made = getattr(nn if space == "nn" else modules, name)(*call.positional, **dict(call.keywords))
    assert isinstance(made, nn.Module)
    return made
