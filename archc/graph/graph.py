"""The architecture graph: the spec with every size known, its hierarchy kept.

A Graph is one elaborated body. Equal instances of a block (same arguments, same input) share one Graph,
so a graph is never changed once it is made, and holds no absolute paths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

from archc.kinds import Kind, Shape
from archc.language.spec import Block, BlockCall, Body, InitRule, LayerCall, Parameter, Spec
from archc.problems import Mark

INPUT = -1
"""Position of a graph's own input; captured values of enclosing bodies follow at -2, -3, …"""


class Ref(NamedTuple):
    """A value within a graph: the node's position (or INPUT) and, of several outputs, its name."""

    node: int
    output: str | None = None


class Instance(NamedTuple):
    """A block in use: its graph, and the arguments in the names of the enclosing scope."""

    graph: Graph
    block: Block
    arguments: dict[str, Any]
    in_channels: Any


class Turn(NamedTuple):
    """Where a `repeat` put an entry: which repeat, how often it runs, the turn, the place within it."""

    splice: int
    times: Any
    number: int
    place: int


class Node(NamedTuple):
    """A placed entry.

    `name` is the attribute; `inputs` are values of the same graph; `shapes` maps output names (None for
    an only output) to shapes; `call` leads to the places of the arguments. A node whose `when` was false
    is not `present`: it hands its input on.
    """

    name: str
    element: Kind | Instance | Graph
    mark: Mark
    inputs: tuple[Ref, ...]
    in_shapes: tuple[Shape, ...]
    shapes: dict[str | None, Shape]
    when: Any = None
    present: bool = True
    auxiliary: bool = False
    turn: Turn | None = None
    call: LayerCall | BlockCall | None = None

    @property
    def graph(self) -> Graph | None:
        """The body below this node, if it has one."""
        element = self.element
        if isinstance(element, Instance):
            return element.graph
        return element if isinstance(element, Graph) else None

    @property
    def output(self) -> Shape:
        """The shape of the only output."""
        return self.shapes[None]


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """An elaborated body.

    `sequential`: each node takes the one before it, so the module is an nn.Sequential; otherwise `form`
    says how the body was written. `results` maps output names to values. `scope` holds the values of
    the names that the body may use; `decided` are those that its for-each rows and names were read from.
    """

    form: Literal["list", "mapping", "branches"]
    sequential: bool
    nodes: tuple[Node, ...]
    in_shapes: tuple[Shape, ...]
    captures: tuple[str, ...]
    results: dict[str | None, Ref]
    scope: dict[str, Any]
    body: Body
    block: Block | None
    decided: frozenset[str] = frozenset()

    def shape(self, ref: Ref) -> Shape:
        """The shape of a value of this graph."""
        if ref.node < 0:
            return self.in_shapes[INPUT - ref.node]
        return self.nodes[ref.node].shapes[ref.output]

    @property
    def has_auxiliary(self) -> bool:
        """Whether it has training-only heads."""
        return any(node.auxiliary and node.present for node in self.nodes)


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A checked architecture: the whole graph, for `declared` parameters with the values `parameters`."""

    spec: Spec
    graph: Graph
    declared: dict[str, Parameter]
    parameters: dict[str, Any]
    input: tuple[int, int, int]

    @property
    def init(self) -> tuple[InitRule, ...]:
        """The rules of its initial weights."""
        return self.spec.init


class Placed(NamedTuple):
    """One layer with its full path, as tables list it."""

    path: str
    node: Node
    kind: Kind
    auxiliary: bool


def walk(graph: Graph, prefix: str = "", auxiliary: bool = False) -> Iterator[Placed]:
    """Every layer that is present, in the order in which it runs, with its path."""
    stack: list[tuple[Iterator[Node], str, bool]] = [(iter(graph.nodes), prefix, auxiliary)]
    while stack:
        nodes, before, training = stack[-1]
        node = next(nodes, None)
        if node is None:
            stack.pop()
            continue
        if not node.present:
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
    """Carry results of any sort through a graph: `layer` gives those of a layer from those of its inputs.

    `layer` is called with the node, its kind, its inputs' results and its path, in the order of running.
    """
    values: list[dict[str | None, Result]] = []

    def read(ref: Ref) -> Result:
        return inputs[INPUT - ref.node] if ref.node < 0 else values[ref.node][ref.output]

    for node in graph.nodes:
        given = tuple(read(ref) for ref in node.inputs)
        path = prefix + node.name
        if not node.present:
            values.append({None: given[0]})
        elif node.graph is not None:
            values.append(flow(node.graph, given, layer, f"{path}."))
        else:
            assert isinstance(node.element, Kind)
            values.append(layer(node, node.element, given, path))
    return {name: read(ref) for name, ref in graph.results.items()}
