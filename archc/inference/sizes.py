"""The network at other input sizes: built for its declared input, where it runs and with which shapes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from archc.graph import Graph, Network, Node, walk
from archc.kinds import Fault, Kind, Shape, form
from archc.limits import MAX_SIZES_TRIED


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a network stops being legal: the path of the layer, and why."""

    path: str
    node: Node
    fault: Fault


class Sizes:
    """Shapes of a built network for any input size; results of equal parts are kept."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._known: dict[tuple[int, tuple[Shape, ...]], dict[str | None, Shape] | Stop] = {}

    def outputs(self, height: int, width: int) -> dict[str | None, Shape] | Stop:
        """The outputs' shapes for an input size, or where it stops. Auxiliary heads do not count."""
        return self._run(self.network.graph, ((self.network.input[0], height, width),))

    def legal(self, height: int, width: int) -> bool:
        """Whether the network, built for its declared input, runs at this size in inference."""
        return not isinstance(self.outputs(height, width), Stop)

    def minimum(self) -> tuple[int, int]:
        """The smallest height and width at which it runs.

        Each axis is searched with the other as declared (legality is not monotone). Where the two sizes
        found do not run together, the smallest legal square is taken, or the declared size.
        """
        _, height, width = self.network.input
        least = _smallest(lambda size: self.outputs(size, width), height)
        if height == width and self._symmetric() and self.legal(least, least):
            return (least, least)  # what holds for one axis holds for the other
        across = _smallest(lambda size: self.outputs(height, size), width)
        if self.legal(least, across):
            return (least, across)
        squares = range(max(least, across), min(height, width, max(least, across) + MAX_SIZES_TRIED) + 1)
        return next(((side, side) for side in squares if self.legal(side, side)), (height, width))

    def _symmetric(self) -> bool:
        """Whether every layer treats height and width alike."""
        arguments = (value for layer in walk(self.network.graph) for value in layer.kind.__dict__.values())
        return all(len(set(value)) == 1 for value in arguments if isinstance(value, tuple) and value)

    def _run(self, graph: Graph, inputs: tuple[Shape, ...]) -> dict[str | None, Shape] | Stop:
        key = (id(graph), inputs)
        if key in self._known:
            return self._known[key]
        result = self._compute(graph, inputs)
        if len(self._known) < 1_000_000:
            self._known[key] = result
        return result

    def _compute(self, graph: Graph, inputs: tuple[Shape, ...]) -> dict[str | None, Shape] | Stop:
        values: list[dict[str | None, Shape]] = []
        for node in graph.nodes:
            if node.auxiliary:
                values.append({})
                continue
            shapes = tuple([inputs[-1 - at] if at < 0 else values[at][output] for at, output in node.inputs])
            if not node.present:
                values.append({None: shapes[0]})
                continue
            kind = node.element
            if not isinstance(kind, Kind):
                made = self._run(kind if isinstance(kind, Graph) else kind.graph, shapes)
                if isinstance(made, Stop):
                    return Stop(f"{node.name}.{made.path}", made.node, made.fault)
                values.append(made)
                continue
            reached = reach(node, kind, shapes)
            if isinstance(reached, Fault):
                return Stop(node.name, node, reached)
            values.append(reached)
        return {name: inputs[-1 - at] if at < 0 else values[at][output] for name, (at, output) in graph.results.items()}


def reach(node: Node, kind: Kind, shapes: tuple[Shape, ...]) -> dict[str | None, Shape] | Fault:
    """The output shapes of a layer of the built network for inputs of other sizes, or why it refuses them."""
    x = shapes if kind.many else shapes[0]
    fault = next(kind.requirements(x), None) or _frozen(kind, node, shapes)
    if fault is not None:
        return fault
    y = kind.output(x)
    return y if isinstance(y, dict) else {None: y}


def _smallest(outputs: Callable[[int], dict[str | None, Shape] | Stop], declared: int) -> int:
    """The smallest legal length of an axis; the declared one is legal.

    A layer's output grows with its input. So where a layer with one input stops, whose input is smaller than it
    is at the declared size, it or one before it stops at every smaller size too: these are found by doubling and
    halving. Joins are legal at some sizes and not at others between: from there on every size is tried.
    """

    def too_small(size: int) -> bool:
        stop = outputs(size)
        return isinstance(stop, Stop) and not (isinstance(stop.node.element, Kind) and stop.node.element.many)

    below, step = 0, 1  # every size up to `below` is too small
    while below + step < declared and too_small(below + step):
        below, step = below + step, step * 2
    while step > 1:
        step //= 2
        if below + step < declared and too_small(below + step):
            below += step
    tried = range(below + 1, min(declared, below + MAX_SIZES_TRIED))
    return next((size for size in tried if not isinstance(outputs(size), Stop)), declared)


def _frozen(kind: Kind, node: Node, shapes: tuple[Shape, ...]) -> Fault | None:
    """A built layer keeps what followed from its input: the features of a linear layer, say."""
    if kind.many or type(kind).derived is Kind.derived or shapes[0] == node.in_shapes[0]:
        return None
    built, now = kind.derived(node.in_shapes[0]), kind.derived(shapes[0])
    if built == now:
        return None
    return Fault(
        "E0402",
        f"`{kind.kind}` was built for {form(node.in_shapes[0])} and gets {form(shapes[0])}",
        help="an adaptive pooling before the `flatten` frees the input size",
    )
