"""Conversion of the checked graph to boxes and edges, at the requested level.

Bodies without a name don't become boxes: their entries appear in the enclosing body, under their full names. A block is
a box, unless it is opened. Layers that follow a convolution (its norm, its activation) share its box, and so does a
block that has nothing else. Equal neighbors fold into one box.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from archc.drawing.entries import Collector, Level, Unit, Value, Words, single, words_within
from archc.drawing.folding import MOST_UNITS, Run, Wire, elide, fold
from archc.drawing.model import BEGIN, END, Body, Box, Edge, Group, Item, Size
from archc.graph import Graph
from archc.text import form


def body_of(
    graph: Graph, prefixes: tuple[str, ...], level: Level, words: Words | None = None, *, fused: bool = True
) -> Body:
    """The boxes of a body, which may represent several equal ones: `prefixes` are their paths.

    `fused`: layers may share a box. `words` says how to write values.
    """
    collector = Collector(level, prefixes, fused and not level.everything)
    inputs = (None, *graph.further)
    given = tuple(Value(BEGIN, name, shape) for name, shape in zip(inputs, graph.in_shapes, strict=True))
    results = collector.unfold(graph, given, words or {})
    units = collector.units(results)
    entries = collector.entries
    owner = {id(entry): position for position, unit in enumerate(units) for entry in unit.entries}

    def wire(value: Value, slot: int = 0) -> Wire:
        return Wire(BEGIN if value.entry == BEGIN else owner[id(entries[value.entry])], *value[1:], slot)

    wires = [[wire(value, slot) for slot, value in enumerate(unit.lead.inputs)] for unit in units]
    ends = [wire(value) for value in results.values()]
    body = _Assembly(units, wires, ends, level).body()
    body.inputs, body.results = inputs, tuple(results)
    return body


class _Assembly:
    """Builds the items and edges of a body from its units and their inputs."""

    def __init__(self, units: list[Unit], wires: list[list[Wire]], ends: list[Wire], level: Level) -> None:
        self.units = units
        self.wires = wires
        self.ends = ends
        self.level = level

    def body(self) -> Body:
        """The whole body."""
        runs = [Run(position, 1, 1) for position in range(len(self.units))]
        if not self.level.everything:
            runs = fold([self.content(unit) for unit in self.units], self.wires, self.ends)
            runs = elide(runs, MOST_UNITS)
        body = Body([self.run(run) for run in runs])
        place = {unit: place for place, run in enumerate(runs) for unit in range(run.start, run.end)}
        place[BEGIN] = BEGIN
        links: dict[tuple[int, int], list[Wire]] = {}
        for target, run in enumerate(runs):
            for unit in range(run.start, run.end if run.hidden else run.start + run.period):
                for wire in self.wires[unit]:
                    if place[wire.source] != target:
                        only = wire._replace(slot=0) if run.period > 1 else wire  # a repeat reads one value
                        links.setdefault((place[wire.source], target), []).append(only)
        body.edges = [_edge(*link, wires) for link, wires in links.items()]
        body.edges += [_edge(place[wire.source], END, [wire]) for wire in self.ends]
        return body

    def content(self, unit: Unit) -> tuple[Any, ...]:
        """The key by which equal neighbors are recognized."""
        lead = unit.lead
        below = None if unit.layers else (id(lead.node.graph), unit.opened, self.level.within(lead))
        layers = [(layer.kind.kind, layer.kind.__dict__) for layer in unit.layers]
        return (unit.entries[-1].node.shapes, lead.block, lead.node.auxiliary, lead.shares, layers, below)

    def run(self, run: Run) -> Item:
        """The item of a run of units."""
        units = self.units[run.start : run.end]
        if run.hidden:
            return _hidden(units)
        if run.period == 1:
            return self.item(units)
        body = Body([self.item(units[place :: run.period], turns=True) for place in range(run.period)])
        links: dict[tuple[int, int], list[Wire]] = {}
        for target in range(run.period):
            for wire in self.wires[run.start + target]:
                source = wire.source - run.start
                if source < 0:
                    source, wire = BEGIN, wire._replace(output=None)
                links.setdefault((source, target), []).append(wire)
        last = units[run.period - 1].shape
        body.edges = [_edge(*link, wires) for link, wires in links.items()]
        body.edges.append(Edge(run.period - 1, END, last))
        name = _span(units[0].lead.name, units[-1].lead.name)
        return Group((), name, "", body, last, run.times)

    def item(self, units: Sequence[Unit], *, turns: bool = False) -> Item:
        """The box or opened body of equal units: neighbors, or units at the same position of all repetitions."""
        first = units[0]
        lead, node, x, shape = first.lead, first.lead.node, first.x, first.shape
        paths = tuple(path for unit in units for entry in unit.entries for path in entry.paths)
        name = lead.name if turns else _span(lead.name, units[-1].lead.name)
        name = f"{name} = {lead.shares}" if lead.shares else name
        times = 1 if turns else len(units)
        aside = node.auxiliary
        if first.layers:
            main = first.layers[0]
            what = main.kind.label((main.x,))
            tags = tuple(layer.kind.tag() for layer in first.layers[1:])
            others = tuple(first.entries[-1].node.shapes.values())[1:]
            return Box(paths, name, what, main.kind.role, x, shape, tags, times, lead.block, aside, others)
        graph = node.graph
        assert graph is not None
        called = lead.block or ("auxiliary head" if aside else "layers")
        if first.opened:
            words = words_within(node, lead.words)
            prefixes = tuple(f"{path}." for path in paths)
            inner = body_of(graph, prefixes, self.level.below(), words, fused=not single(graph, words))
            return Group(paths, name, called, inner, shape, times, lead.block, aside)
        role = "head" if aside else "block"
        what = called if len(node.shapes) > 1 else _called(called, x, shape)
        return Box(paths, name, what, role, x, shape, (), times, lead.block, aside, tuple(node.shapes.values())[1:])


def _edge(source: int, target: int, wires: list[Wire]) -> Edge:
    """An edge for all tensors that one item takes from another; it shows the named outputs and their shapes."""
    named = {wire.output: wire.shape for wire in wires if wire.output}
    labels = (name if source == BEGIN else f"{name} · {form(shape)}" for name, shape in named.items())
    return Edge(source, target, wires[0].shape, ", ".join(labels), tuple((wire.output, wire.slot) for wire in wires))


def _called(name: str, x: Size, shape: Size) -> str:
    """The label of a closed block: `Inception, 256`, `Bottleneck, 512, /2`."""
    what = f"{name}, {shape[0]}"
    if len(x) != 3 or len(shape) != 3 or x[1:] == shape[1:]:
        return what
    for big, small, sign in ((x, shape, "/"), (shape, x, "×")):
        factors = {round(big[axis] / small[axis]) for axis in (1, 2)}
        if len(factors) == 1 and (factor := factors.pop()) > 1:
            return f"{what}, {sign}{factor}"
    return what


def _hidden(units: Sequence[Unit]) -> Box:
    """The box that replaces units of which there are too many."""
    paths = tuple(path for unit in units for entry in unit.entries for path in entry.paths)
    name = _span(units[0].lead.name, units[-1].lead.name)
    return Box(paths, name, f"{len(units):,} more", "block", units[0].x, units[-1].shape)


def _span(first: str, last: str) -> str:
    """The names of a run: `layer1.1–2`."""
    if first == last:
        return first
    common = next(place for place, pair in enumerate(zip_longest(first, last)) if pair[0] != pair[1])
    while common and first[common - 1].isdigit():
        common -= 1  # numbers aren't split
    return f"{first}–{last[common:]}"
