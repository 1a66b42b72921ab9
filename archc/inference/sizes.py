"""The network at other input sizes: built for its declared input, where it runs and with which shapes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, Final, cast

from archc.graph import Graph, Network, Node
from archc.kinds import Fault, Kind, Shape, form
from archc.known import remember
from archc.limits import MAX_SIZES_TRIED


def resized(network: Network, sizes: tuple[int, ...]) -> tuple[Shape, ...]:
    """The inputs of a network if the first has other sizes after its channels.

    Inputs that are declared with the same sizes as the first change with it, and all others stay as they are.
    """
    declared = network.input[1:]
    return tuple([(shape[0], *sizes) if shape[1:] == declared else shape for shape in network.inputs.values()])


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a network stops being legal: the path of the layer, and why."""

    path: str
    node: Node
    fault: Fault


class Sizes:
    """Shapes of a built network for any input size; results of equal parts are kept.

    Bodies that differ in channels alone are alike: what comes out of one, the number of its channels apart, comes out
    of all. This holds as long as the channels are those that the body was built for.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._known: dict[Any, dict[str | None, Shape] | Stop] = {}  # by graph and inputs
        self._rests: dict[Any, dict[str | None, Shape]] = {}  # by likeness and inputs: the shapes behind the channels
        self._likenesses: dict[Any, int] = {}
        self._likeness: dict[int, int] = {}  # of kinds and graphs
        self._symmetric = True  # whether every layer treats all axes alike
        self._alike(network.graph)

    def outputs(self, *sizes: int) -> dict[str | None, Shape] | Stop:
        """The outputs' shapes for a first input of these sizes after its channels: height and width, for an image.

        Where it does not run, the place where it stops. Auxiliary heads do not count.
        """
        return self._run(self.network.graph, resized(self.network, sizes))

    def legal(self, *sizes: int) -> bool:
        """Return True if the network, built for its declared input, runs at these sizes in inference."""
        return not isinstance(self.outputs(*sizes), Stop)

    def minimum(self) -> tuple[int, ...]:
        """The smallest sizes at which it runs, one for each axis behind the channels: height and width, for an image.

        Each axis is searched with the others as declared (legality is not monotone). Where the sizes found do not run
        together, the smallest legal square is taken, or the smallest map with one of them and the others as declared.
        """
        declared = self.network.input[1:]
        hint = self.network.spec.expect.claims.get("min_input", ())
        hint = hint if len(hint) == len(declared) else (0,) * len(declared)
        found: tuple[int, ...] = ()
        for at, size in enumerate(declared):

            def outputs(length: int, at: int = at) -> dict[str | None, Shape] | Stop:
                return self.outputs(*declared[:at], length, *declared[at + 1 :])

            found += (_smallest(outputs, size, hint[at]),)
            if at == 0 and self._symmetric and len(set(declared)) == 1 and self.legal(*found * len(declared)):
                return found * len(declared)  # what holds for one axis holds for the others
        if not declared or self.legal(*found):
            return found
        squares = range(max(found), min(*declared, max(found) + MAX_SIZES_TRIED) + 1)
        mixed = [(*declared[:at], size, *declared[at + 1 :]) for at, size in enumerate(found)]
        return next(
            (legal for side in squares if self.legal(*(legal := (side,) * len(declared)))), min(mixed, key=prod)
        )

    def _run(self, graph: Graph, inputs: tuple[Shape, ...]) -> dict[str | None, Shape] | Stop:
        key = (id(graph), inputs)
        result = self._known.get(key)
        if result is None:
            result = self._as_alike(graph, inputs)
            if len(self._known) < 1_000_000:
                self._known[key] = result
        return result

    def _as_alike(self, graph: Graph, inputs: tuple[Shape, ...]) -> dict[str | None, Shape] | Stop:
        if not all(given[0] == built[0] for given, built in zip(inputs, graph.in_shapes, strict=True)):
            return self._compute(graph, inputs)
        key = (self._alike(graph), tuple([shape[1:] for shape in inputs]))
        built = graph.outputs
        rests = self._rests.get(key)
        if rests is not None:
            return {name: (shape[0], *rests[name]) for name, shape in built.items()}
        result = self._compute(graph, inputs)
        if not isinstance(result, Stop) and all(result[name][0] == shape[0] for name, shape in built.items()):
            self._rests[key] = {name: shape[1:] for name, shape in result.items()}
        return result

    def _alike(self, element: Kind | Graph) -> int:
        """The number that kinds and bodies share which are alike."""
        found = self._likeness.get(id(element))
        if found is None:
            if isinstance(element, Kind):
                free = element.channel_arguments
                values = [value for name, value in element.__dict__.items() if name not in free]
                self._symmetric &= not element.opaque and all(
                    len(set(value)) == 1 for value in values if type(value) is tuple and value
                )
                key = (type(element), *values)
            else:
                parts = [
                    (
                        self._alike(node.graph or cast("Kind", node.element)),
                        node.inputs,
                        *[shape[1:] for shape in node.shapes.values()],  # where features are last, channels count
                    )
                    for node in element.nodes
                ]
                key = (*parts, *[shape[1:] for shape in element.in_shapes], *element.results.items())
            found = self._likeness[id(element)] = self._likenesses.setdefault(key, len(self._likenesses))
        return found

    def _compute(self, graph: Graph, inputs: tuple[Shape, ...]) -> dict[str | None, Shape] | Stop:
        values: list[dict[str | None, Shape]] = []
        for node in graph.nodes:
            if node.auxiliary:
                values.append({})
                continue
            shapes = tuple([inputs[-1 - at] if at < 0 else values[at][output] for at, output in node.inputs])
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
    key = (id(kind), node.in_shapes, shapes)
    known = _REACHED.get(key)
    if known is None:
        result: Any = next(kind.requirements(shapes), None) or _frozen(kind, node, shapes) or kind.output(shapes)
        known = (kind, result if isinstance(result, dict | Fault) else {None: result})
        remember(_REACHED, key, known)
    return known[1]


_REACHED: Final[dict[Any, tuple[Kind, dict[str | None, Shape] | Fault]]] = {}
"""By kind, the inputs for which it is built, and those that it gets."""


def _smallest(outputs: Callable[[int], dict[str | None, Shape] | Stop], declared: int, hint: int) -> int:
    """The smallest legal length of an axis; the declared one is legal, and `hint` is what it may be.

    A layer's output grows with its input. So where a layer with one input stops, whose input is smaller than it
    is at the declared size, it or one before it stops at every smaller size too: these are found by doubling and
    halving. Joins and modules of other packages are legal at some sizes and not at others between: from there on every
    size is tried.
    """

    def too_small(size: int) -> bool:
        stop = outputs(size)
        if not isinstance(stop, Stop):
            return False
        kind = stop.node.element
        return not (isinstance(kind, Kind) and (kind.many or kind.opaque))

    below, step = 0, 1  # every size up to `below` is too small
    if 1 < hint <= declared and too_small(hint - 1):
        below = hint - 1
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
    if type(kind).derived is Kind.derived or shapes == node.in_shapes:
        return None
    built, now = kind.derived(node.in_shapes), kind.derived(shapes)
    if built == now:
        return None
    return Fault(
        "E0402",
        f"`{kind.kind}` was built for {form(node.in_shapes[0])} and gets {form(shapes[0])}",
        help="add an adaptive pooling layer before the `flatten` to accept any input size",
    )
