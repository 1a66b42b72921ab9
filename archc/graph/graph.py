"""The architecture graph: the spec with every size known, its hierarchy kept.

A Graph is one evaluated body. Equal instances of a block (same arguments, same input) share one Graph,
so a graph is never changed once it is made, and holds no absolute paths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar, cast

from archc.kinds import Kind, Shape
from archc.language.spec import Block, BlockCall, InitRule, LayerCall, Parameter, Spec
from archc.problems import Mark

INPUT = -1
"""Position of a graph's own input; captured values of enclosing bodies follow at -2, -3, …"""


class Ref(NamedTuple):
    """A value within a graph: the node's position (or INPUT) and, of several outputs, its name."""

    node: int
    output: str | None = None


Outputs = dict[str | None, Shape]
"""Shapes by the names of the outputs; None is the name of an only one."""


class Instance(NamedTuple):
    """A block in use: its graph, and the value of each parameter, `in_channels` first."""

    graph: Graph
    block: Block
    arguments: dict[str, Any]


class Node(NamedTuple):
    """A placed entry.

    `name` is the attribute; `inputs` are values of the same graph; `shapes` maps output names (None for
    an only output) to shapes; `call` leads to the places of the arguments. An entry whose `when` is false has no
    node: its name stands for the value that it would have handed on.
    """

    name: str
    element: Kind | Instance | Graph
    mark: Mark
    inputs: tuple[Ref, ...]
    in_shapes: tuple[Shape, ...]
    shapes: Outputs
    auxiliary: bool = False
    call: LayerCall | BlockCall | None = None

    @property
    def graph(self) -> Graph | None:
        """The body below this node, if it has one."""
        element = self.element
        return element.graph if type(element) is Instance else element if type(element) is Graph else None

    @property
    def output(self) -> Shape:
        """The shape of the only output."""
        return self.shapes[None]


@dataclass(slots=True, eq=False)
class Graph:
    """An evaluated body.

    `sequential`: each node takes the one before it, so the module is an nn.Sequential; otherwise `form` says how the
    body was written. `results` maps output names to values, `outputs` to their shapes. `block` is the one whose body it
    is. `init` are the rules of the network's or the block's own initial weights. `facts` are what was found out about
    it, kept for all its uses.
    """

    form: Literal["list", "mapping", "branches"]
    sequential: bool
    nodes: tuple[Node, ...]
    in_shapes: tuple[Shape, ...]
    captures: tuple[str, ...]
    results: dict[str | None, Ref]
    outputs: Outputs
    block: Block | None
    init: tuple[InitRule, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A checked architecture: the whole graph, for `declared` parameters with the values `parameters`."""

    spec: Spec
    graph: Graph
    declared: dict[str, Parameter]
    parameters: dict[str, Any]
    input: tuple[int, ...]

    @property
    def init(self) -> tuple[InitRule, ...]:
        """The rules of its initial weights."""
        return self.graph.init


class Placed(NamedTuple):
    """One layer with its full path, as tables list it."""

    path: str
    node: Node
    kind: Kind
    auxiliary: bool


def walk(graph: Graph, prefix: str = "", auxiliary: bool = False) -> Iterator[Placed]:
    """Iterate over all layers with their paths, in the order in which they run."""
    stack: list[tuple[Iterator[Node], str, bool]] = [(iter(graph.nodes), prefix, auxiliary)]
    while stack:
        nodes, before, training = stack[-1]
        node = next(nodes, None)
        if node is None:
            stack.pop()
            continue
        path = f"{before}{node.name}"
        below = node.graph
        if below is not None:
            stack.append((iter(below.nodes), f"{path}.", training or node.auxiliary))
        else:
            assert isinstance(node.element, Kind)
            yield Placed(path, node, node.element, training or node.auxiliary)


Result = TypeVar("Result")


def flow(
    graph: Graph,
    inputs: tuple[Result, ...],
    layer: Callable[[Node, Kind, tuple[Result, ...], str], dict[str | None, Result]],
    prefix: str = "",
) -> dict[str | None, Result]:
    """Propagate values of any type through a graph: `layer` computes the values of a layer from those of its inputs.

    `layer` is called with the node, its kind, its inputs' results and its path, in the order of running.
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
