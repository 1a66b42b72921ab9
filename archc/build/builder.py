"""Building of an nn.Module from the checked graph.

Each layer becomes a torch module, each chain an nn.Sequential, and any other body a Body.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from archc.build.body import Body, wire
from archc.build.initialize import initialize
from archc.build.targets import module_class
from archc.graph import Graph, Instance, Network, Node, walk
from archc.kinds import Call, Kind
from archc.problems import Problem, SpecError
from archc.text import first_line


def build(network: Network) -> nn.Module:
    """Build the module of a checked network, initialized by the rules of its spec.

    Layers are created in the order of the spec, so that the initial weights for a given seed are those of the emitted
    class.
    """
    return build_graph(network.graph, network.spec.name)


def build_graph(graph: Graph, title: str) -> nn.Module:
    """Build the module of a body; `title` is its displayed name."""
    children: OrderedDict[str, nn.Module] = OrderedDict()
    tensors: dict[str, Tensor] = {}
    for node in graph.nodes:
        element = node.element
        if node.shares is not None:
            continue  # the module of its owner runs once more
        if isinstance(element, Kind) and element.bare:
            tensors[node.name] = make_tensor(element.call(node.in_shapes))
        elif isinstance(element, Kind):
            children[node.name] = _layer(element, node)
        elif isinstance(element, Instance):
            children[node.name] = build_graph(element.graph, element.block.name)
        else:
            children[node.name] = build_graph(element, "" if element.sequential else node.name)
    model: nn.Module
    if graph.sequential:
        model = _Chain(title, children) if title else nn.Sequential(children)
    else:
        steps, slots, results, heads = wire(graph)
        named = None not in graph.results
        shown = tuple((name or "output", place) for name, place in results.items())
        model = Body(title, dict(children), tensors, steps, slots, shown, tuple(heads.items()), named)
    initialize(model, graph.init, _opaque(graph) if graph.init else ())
    return model


def _layer(kind: Kind, node: Node) -> nn.Module:
    """Create the module of an entry. Raises SpecError (E0507) if its class is a plugin's and fails."""
    call = kind.call(node.in_shapes)
    if call.target.startswith(("nn.", "archc.")):
        return make_layer(call)
    try:
        return make_layer(call)
    except Exception as error:  # the class is the user's code, so it can raise anything
        what = f"`{call.target}` cannot be created: {type(error).__name__}: {first_line(error)}"
        missing = isinstance(error, ImportError | AttributeError)
        help = (
            "install its package, or put its file next to the plugin"
            if missing
            else "see the class's own documentation"
        )
        raise SpecError([Problem("E0507", what, node.mark, help=help)]) from None


def _opaque(graph: Graph) -> tuple[type[nn.Module], ...]:
    """The classes of other packages that `module` entries of a body create."""
    calls = {placed.kind.call(placed.node.in_shapes).target for placed in walk(graph) if placed.kind.opaque}
    return tuple(module_class(target) for target in sorted(calls) if not target.startswith("nn."))


class _Chain(nn.Sequential):
    """A block that is a list: an nn.Sequential with the block's name."""

    def __init__(self, title: str, children: OrderedDict[str, nn.Module]) -> None:
        super().__init__(children)
        self._title = title

    def _get_name(self) -> str:
        return self._title


def make_tensor(call: Call) -> Tensor:
    """Create the tensor of a `parameter` or `buffer` entry, with its initial values."""
    (shape,), given = call.positional, dict(call.keywords)
    if "values" in given:
        tensor = torch.tensor(given["values"], dtype=torch.float32).view(shape)
    elif "fill" in given:
        tensor = torch.ones(shape) * given["fill"]
    else:
        function = getattr(nn.init, given.pop("function"))
        tensor = function(torch.empty(shape), **given)
    made: Tensor = getattr(nn, call.target.removeprefix("nn."))(tensor)
    return made


def make_layer(call: Call) -> nn.Module:
    """Create the module of a layer."""
    return module_class(call.target)(*call.positional, **dict(call.keywords))
