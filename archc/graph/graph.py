"""The architecture graph: the spec with its hierarchy and all sizes.

A Graph is one evaluated body. Equal instances of a block (same arguments, same input) share one Graph, so a graph is
immutable and contains no absolute paths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar, cast

from archc.kinds import Kind, Shape
from archc.language.spec import Block, BlockCall, InitRule, LayerCall, Parameter, Spec
from archc.problems import Mark

INPUT = -1
"""The position of a graph's first input; further inputs are at -2, -3, …"""


class Ref(NamedTuple):
    """A value within a graph: the node's position (or INPUT) and, for several outputs, the output's name."""

    node: int
    output: str | None = None


Outputs = dict[str | None, Shape]
"""Shapes by output name; None is the name of an only output."""


class Instance(NamedTuple):
    """An instance of a block: its graph, and the values of its arguments, after the channels of its inputs."""

    graph: Graph
    block: Block
    arguments: dict[str, Any]


class Node(NamedTuple):
    """An evaluated entry.

    `name` is the attribute; `inputs` are values of the same graph; `shapes` maps output names (None for an only output)
    to shapes; `call` has the locations of the arguments. An entry whose `when` is false has no node; its name refers to
    its input. A node that `shares` has the position of the node whose weights it uses.
    """

    name: str
    element: Kind | Instance | Graph
    mark: Mark
    inputs: tuple[Ref, ...]
    in_shapes: tuple[Shape, ...]
    shapes: Outputs
    auxiliary: bool = False
    call: LayerCall | BlockCall | None = None
    shares: int | None = None

    @property
    def graph(self) -> Graph | None:
        """The graph of this node's body, if it has one."""
        element = self.element
        return element.graph if type(element) is Instance else element if type(element) is Graph else None

    @property
    def output(self) -> Shape:
        """The shape of the only output."""
        return self.shapes[None]


@dataclass(slots=True, eq=False)
class Graph:
    """An evaluated body.

    `sequential` means that each node takes the result of the previous one, so that the module is an nn.Sequential;
    otherwise `form` says how the body was written. `further` are the names of its inputs after the first: those that a
    block or network declares, and the values of enclosing bodies that a nested body reads. `results` maps output names
    to values, `outputs` to their shapes. `block` is the block whose body it is. `init` are the rules for the initial
    weights of the network or block. `facts` caches derived data for all uses of the graph.
    """

    form: Literal["list", "mapping", "branches"]
    sequential: bool
    nodes: tuple[Node, ...]
    in_shapes: tuple[Shape, ...]
    further: tuple[str, ...]
    results: dict[str | None, Ref]
    outputs: Outputs
    block: Block | None
    init: tuple[InitRule, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict, repr=False)

    def owner(self, node: Node) -> Node:
        """The node whose weights one of the nodes uses: another one, or itself."""
        return node if node.shares is None else self.nodes[node.shares]


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A checked architecture: the whole graph, for the `declared` arguments with the values `arguments`.

    `inputs` are the shapes of its inputs by name.
    """

    spec: Spec
    graph: Graph
    declared: dict[str, Parameter]
    parameters: dict[str, Any]
    inputs: dict[str, Shape]

    @property
    def input(self) -> Shape:
        """The shape of the first input."""
        return next(iter(self.inputs.values()))

    @property
    def init(self) -> tuple[InitRule, ...]:
        """The rules of its initial weights."""
        return self.graph.init


class Placed(NamedTuple):
    """One layer with its full path, as in a table.

    `module` is the path of the module that runs it: another one if the layer, or a body around it, shares its weights.
    """

    path: str
    node: Node
    kind: Kind
    auxiliary: bool
    module: str

    @property
    def shared(self) -> bool:
        """True if the weights are those of an earlier layer."""
        return self.module != self.path


def walk(graph: Graph, prefix: str = "", auxiliary: bool = False) -> Iterator[Placed]:
    """Iterate over all layers with their paths, in execution order."""
    stack: list[tuple[Graph, Iterator[Node], str, str, bool]] = [(graph, iter(graph.nodes), prefix, prefix, auxiliary)]
    while stack:
        around, nodes, before, within, training = stack[-1]
        node = next(nodes, None)
        if node is None:
            stack.pop()
            continue
        path = f"{before}{node.name}"
        module = f"{within}{around.owner(node).name}"
        below = node.graph
        if below is not None:
            stack.append((below, iter(below.nodes), f"{path}.", f"{module}.", training or node.auxiliary))
        else:
            assert isinstance(node.element, Kind)
            yield Placed(path, node, node.element, training or node.auxiliary, module)


Result = TypeVar("Result")


def flow(
    graph: Graph,
    inputs: tuple[Result, ...],
    layer: Callable[[Node, Kind, tuple[Result, ...], str], dict[str | None, Result]],
    prefix: str = "",
) -> dict[str | None, Result]:
    """Propagate values of any type through a graph.

    `layer` computes the results of a layer. It is called with the node, its kind, the results of its inputs, and its
    path, in execution order.
    """
    values: list[dict[str | None, Result]] = []
    for node in graph.nodes:
        given = tuple([inputs[INPUT - at] if at < 0 else values[at][output] for at, output in node.inputs])
        below, path = node.graph, prefix + node.name
        if below is not None:
            values.append(flow(below, given, layer, f"{path}."))
        else:
            values.append(layer(node, cast("Kind", node.element), given, path))
    results = graph.results.items()
    return {name: inputs[INPUT - at] if at < 0 else values[at][output] for name, (at, output) in results}
