"""Every layer of a built network over many input sizes at once: its shapes and multiply-adds, and where it stops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from archc.graph import INPUT, Graph, Instance, Network, Node, Ref
from archc.inference.sizes import Stop, reach, resized
from archc.kinds import Fault, Kind, Shape

Series = tuple[Shape | None, ...]
"""A value's shape at each size; None where it does not come to be."""


class Scanned(NamedTuple):
    """A layer, block or body: its inputs (a body's own alone) and outputs at each size, a layer's multiply-adds."""

    given: tuple[Series, ...]
    made: dict[str | None, Series]
    macs: tuple[int, ...] = ()


class Scan:
    """The network at each of the `sizes`, such as (height, width), heads included.

    `entries` holds every entry, by path in the order of running. `stops` holds, for each size, the
    first layer that refuses its input, or None where the network runs; `heads` the same of the auxiliary heads,
    which inference does without. A layer that several places have in common is computed once.
    """

    def __init__(self, network: Network, sizes: Sequence[tuple[int, ...]]) -> None:
        self.sizes = tuple(sizes)
        self.entries: dict[str, Scanned] = {}
        self.stops: list[Stop | None] = [None] * len(self.sizes)
        self.heads: list[Stop | None] = [None] * len(self.sizes)
        self._same: dict[Series, Series] = {}
        self._known: dict[Any, tuple[Scanned, dict[int, Fault]]] = {}
        given = zip(*[resized(network, size) for size in self.sizes], strict=True)
        self.inputs = tuple(map(self._one, given))
        self.outputs = self._body(network.graph, self.inputs, "", self.stops)

    def _one(self, series: Series) -> Series:
        """The series, the same object for equal ones."""
        return self._same.setdefault(series, series)

    def _body(
        self, graph: Graph, inputs: tuple[Series, ...], prefix: str, stops: list[Stop | None]
    ) -> dict[str | None, Series]:
        values: list[dict[str | None, Series]] = []

        def read(ref: Ref) -> Series:
            return inputs[INPUT - ref.node] if ref.node < 0 else values[ref.node][ref.output]

        for node in graph.nodes:
            given = tuple([read(ref) for ref in node.inputs])
            path = prefix + node.name
            noted = self.heads if node.auxiliary else stops
            if node.graph is not None:
                own = given if isinstance(node.element, Instance) else given[:1]
                self.entries[path] = Scanned(own, {})  # before what is in it
                self.entries[path] = Scanned(own, self._body(node.graph, given, f"{path}.", noted))
            else:
                self.entries[path] = self._layer(node, given, path, noted)
            values.append(self.entries[path].made)
        return {name: read(ref) for name, ref in graph.results.items()}

    def _layer(self, node: Node, given: tuple[Series, ...], path: str, stops: list[Stop | None]) -> Scanned:
        kind = node.element
        assert isinstance(kind, Kind)
        key = (kind, node.in_shapes, tuple(map(id, given)))
        if key not in self._known:
            self._known[key] = self._compute(node, kind, given)
        scanned, faults = self._known[key]
        for position, fault in faults.items():
            if stops[position] is None:
                stops[position] = Stop(path, node, fault)
        return scanned

    def _compute(self, node: Node, kind: Kind, given: tuple[Series, ...]) -> tuple[Scanned, dict[int, Fault]]:
        made: dict[str | None, list[Shape | None]] = {name: [] for name in node.shapes}
        faults: dict[int, Fault] = {}
        macs = []
        for position, shapes in enumerate(zip(*given, strict=True)):
            reached = None if None in shapes else reach(node, kind, shapes)
            if isinstance(reached, Fault):
                faults[position] = reached
                reached = None
            for name, series in made.items():
                series.append(None if reached is None else reached[name])
            macs.append(0 if reached is None else kind.macs(shapes, next(iter(reached.values()))))
        outputs = {name: self._one(tuple(series)) for name, series in made.items()}
        return Scanned(given, outputs, tuple(macs)), faults
