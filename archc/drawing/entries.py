"""A body's entries in order, and which of them stand in one box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from archc.drawing import labels
from archc.drawing.labels import Text
from archc.drawing.model import BEGIN, Size
from archc.expressions import evaluate_text, names_of, plain, text_of
from archc.graph import INPUT, Graph, Instance, Node, Ref
from archc.kinds import Kind


@dataclass(frozen=True, slots=True)
class Level:
    """What is opened: `depth` - 1 levels of blocks, the blocks and paths in `expand`, or `everything`, down to layers.

    With a depth of 0 bodies without a name stay closed, too.
    """

    depth: int = 1
    expand: frozenset[str] = frozenset()
    everything: bool = False

    def below(self) -> Level:
        """The level within an opened block."""
        return Level(max(self.depth - 1, min(self.depth, 1)), self.expand, self.everything)

    def opens(self, entry: Entry) -> bool:
        """Whether an entry with a body is drawn opened."""
        return self.everything or self.depth > 1 or self.names(entry)

    def names(self, entry: Entry) -> bool:
        """Whether an entry was asked for: by its block, by its path, or by a path within it."""
        if not self.expand:
            return False
        return entry.block in self.expand or any(
            name == path or name.startswith(f"{path}.") for path in entry.paths for name in self.expand
        )

    def within(self, entry: Entry) -> frozenset[str]:
        """What is opened below an entry: equal neighbours that are opened differently do not fold."""
        inside = f"{entry.paths[0]}."
        return frozenset(name[len(inside) :] for name in self.expand if name.startswith(inside))


class Value(NamedTuple):
    """A value within a body: which entry gives it (or BEGIN), which of its outputs, and the shape."""

    entry: int
    output: str | None
    shape: Size


@dataclass(slots=True)
class Entry:
    """One entry of a body, those of nested bodies without a name included.

    `paths` are all that it stands for, if the body stands for several; `text` is how its values are written.
    """

    node: Node
    name: str
    paths: tuple[str, ...]
    inputs: tuple[Value, ...]
    text: Text

    @property
    def block(self) -> str | None:
        """The name of the block that it calls."""
        return self.node.element.block.name if isinstance(self.node.element, Instance) else None


class Layer(NamedTuple):
    """A layer, the shape that it reads, and how its values are written."""

    kind: Kind
    x: Size
    text: Text


@dataclass(slots=True)
class Unit:
    """What becomes one box: an entry, and the layers behind it that stand in the same box.

    `layers` is empty where the entry has a body that is a box of its own, or is drawn `opened`.
    """

    entries: list[Entry]
    layers: list[Layer]
    opened: bool = False

    @property
    def lead(self) -> Entry:
        """The first entry, which gives the name."""
        return self.entries[0]

    @property
    def x(self) -> Size:
        """The shape of its first input."""
        return self.lead.inputs[0].shape

    @property
    def shape(self) -> Size:
        """The shape of its first output."""
        return size(next(iter(self.entries[-1].node.shapes.values())))


def size(shape: Sequence[Any]) -> Size:
    """A shape without its expressions."""
    return tuple(plain(length) for length in shape)


def expression(value: Any) -> str:
    """A value as the expression that gives it, in the parameters of a block."""
    return text_of(value) if names_of(value) else labels.number(value)


def scope(node: Node, text: Text) -> Text:
    """How the values within a node's body are written, in the terms of the body around it."""
    if text is labels.number or not isinstance(node.element, Instance):
        return text
    return partial(_translated, text=text, arguments=node.element.arguments)


def _translated(value: Any, text: Text, arguments: dict[str, Any]) -> str:
    return text(evaluate_text(text_of(value), arguments)) if names_of(value) else labels.number(value)


_STAGE = {"conv": 0, "linear": 0, "norm": 1, "join": 1}
_NEXT = {"norm": 1, "activation": 2, "dropout": 3}


def follows(before: list[Layer], kind: Kind) -> bool:
    """Whether a layer stands in the box of those before it: convolution, norm, activation, dropout, in this order."""
    first, last = labels.role(before[0].kind), labels.role(before[-1].kind)
    if first not in _STAGE:
        return False
    return _NEXT.get(labels.role(kind), 0) > (_STAGE[first] if len(before) == 1 else _NEXT[last])


def single(graph: Graph, text: Text) -> list[Layer]:
    """The layers of a body that one box can show: a chain of one convolution and what follows it. Empty for others."""
    layers: list[Layer] = []
    return layers if _collect(graph, text, layers) else []


def _collect(graph: Graph, text: Text, layers: list[Layer]) -> bool:
    before = Ref(INPUT)
    for position, node in enumerate(graph.nodes):
        if node.auxiliary or node.inputs != (before,) or None not in node.shapes:
            return False
        before = Ref(position)
        if not node.present:
            continue
        if node.graph is not None:
            if not _collect(node.graph, scope(node, text), layers):
                return False
            continue
        assert isinstance(node.element, Kind)
        if layers and not follows(layers, node.element):
            return False
        layers.append(Layer(node.element, size(node.in_shapes[0]), text))
    return bool(layers) and graph.results == {None: before}


class Collector:
    """Collects the entries of one body and joins them to units. `prefixes` lead to all the bodies it stands for."""

    def __init__(self, level: Level, prefixes: tuple[str, ...], fused: bool) -> None:
        self.level = level
        self.prefixes = prefixes
        self.fused = fused
        self.entries: list[Entry] = []

    def unfold(self, graph: Graph, given: tuple[Value, ...], text: Text, before: str = "") -> dict[str | None, Value]:
        """Collect the entries of a body; its results."""
        values: list[dict[str | None, Value]] = []

        def read(ref: Ref) -> Value:
            return given[INPUT - ref.node] if ref.node < 0 else values[ref.node][ref.output]

        for node in graph.nodes:
            inputs = tuple(read(ref) for ref in node.inputs)
            if not node.present:
                values.append({None: inputs[0]})
                continue
            name = before + node.name
            entry = Entry(node, name, tuple(prefix + name for prefix in self.prefixes), inputs, text)
            if isinstance(node.element, Graph) and self._inlined(entry, node.element):
                values.append(self.unfold(node.element, inputs, text, f"{name}."))
            else:
                self.entries.append(entry)
                values.append({o: Value(len(self.entries) - 1, o, size(x)) for o, x in node.shapes.items()})
        return {name: read(ref) for name, ref in graph.results.items()}

    def _inlined(self, entry: Entry, graph: Graph) -> bool:
        """Whether a body without a name is drawn as a part of the body around it."""
        if entry.node.auxiliary:
            return False
        if self.level.everything or self.level.names(entry):
            return True
        return self.level.depth > 0 and not (self.fused and single(graph, entry.text))

    def units(self, results: dict[str | None, Value]) -> list[Unit]:
        """The entries, each with those that follow in its box."""
        outside = len(self.entries)
        readers: list[list[int]] = [[] for _ in self.entries]
        for position, entry in enumerate(self.entries):
            for value in entry.inputs:
                if value.entry != BEGIN:
                    readers[value.entry].append(position)
        for value in results.values():
            if value.entry != BEGIN:
                readers[value.entry].append(outside)
        units: list[Unit] = []
        taken: set[int] = set()
        for position, entry in enumerate(self.entries):
            if position in taken:
                continue
            unit = self._unit(entry)
            units.append(unit)
            last = position
            while self.fused and entry.node.graph is None and len(readers[last]) == 1 and readers[last] != [outside]:
                last = readers[last][0]
                after = self.entries[last].node
                if after.auxiliary or not isinstance(after.element, Kind) or not follows(unit.layers, after.element):
                    break
                taken.add(last)
                unit.entries.append(self.entries[last])
                unit.layers.append(_layer(self.entries[last]))
        return units

    def _unit(self, entry: Entry) -> Unit:
        graph = entry.node.graph
        if graph is None:
            return Unit([entry], [_layer(entry)])
        asked = self.level.everything or self.level.names(entry)
        layers = [] if asked or entry.node.auxiliary else single(graph, scope(entry.node, entry.text))
        return Unit([entry], layers, not layers and self.level.opens(entry))


def _layer(entry: Entry) -> Layer:
    assert isinstance(entry.node.element, Kind)
    return Layer(entry.node.element, entry.inputs[0].shape, entry.text)
