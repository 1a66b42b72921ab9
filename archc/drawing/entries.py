"""The entries of a body in order, grouped into boxes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from archc.drawing.model import BEGIN, Size
from archc.expressions import Expression
from archc.graph import INPUT, Graph, Instance, Node, Ref
from archc.kinds import Kind
from archc.kinds.labels import Written
from archc.language.spec import LayerCall


@dataclass(frozen=True, slots=True)
class Level:
    """What a drawing shows opened.

    `depth` - 1 levels of blocks, the blocks and paths in `expand`, or `everything`, down to single layers.

    With a depth of 0, bodies without a name stay closed, too.
    """

    depth: int = 1
    expand: frozenset[str] = frozenset()
    everything: bool = False

    def below(self) -> Level:
        """The level within an opened block."""
        return Level(max(self.depth - 1, min(self.depth, 1)), self.expand, self.everything)

    def opens(self, entry: Entry) -> bool:
        """Return True if an entry with a body is drawn opened."""
        return self.everything or self.depth > 1 or self.names(entry)

    def names(self, entry: Entry) -> bool:
        """Return True if the caller asked for an entry: by its block, by its path, or by a path within it."""
        if not self.expand:
            return False
        return entry.block in self.expand or any(
            name == path or name.startswith(f"{path}.") for path in entry.paths for name in self.expand
        )

    def within(self, entry: Entry) -> frozenset[str]:
        """The names and paths to open below an entry. Equal neighbors that are opened differently don't fold."""
        inside = f"{entry.paths[0]}."
        return frozenset(name[len(inside) :] for name in self.expand if name.startswith(inside))


class Value(NamedTuple):
    """A tensor within a body: the entry that produces it (or BEGIN), which of its outputs, and the shape."""

    entry: int
    output: str | None
    shape: Size


Words = Mapping[str, str]
"""How to write the names that a body may use. In a block's own picture its arguments are written as themselves, a
missing name is written as its value, and with an empty mapping everything is a number."""


@dataclass(slots=True)
class Entry:
    """One entry of a body, including the entries of nested bodies without a name.

    `paths` has one path for each instance of the body, if the picture shows several as one. `words` says how to write
    its values. `shares` is the name of the entry whose weights it uses, or empty.
    """

    node: Node
    name: str
    paths: tuple[str, ...]
    inputs: tuple[Value, ...]
    words: Words
    shares: str = ""

    @property
    def block(self) -> str | None:
        """The name of the block that the entry calls, if it calls one."""
        return self.node.element.block.name if isinstance(self.node.element, Instance) else None


class Layer(NamedTuple):
    """A layer, its arguments as written, and the shape of its input."""

    kind: Kind
    x: Size


@dataclass(slots=True)
class Unit:
    """What becomes one box: an entry, and the layers after it that share the box.

    `layers` is empty if the entry has a body that is a separate box or is drawn `opened`.
    """

    entries: list[Entry]
    layers: list[Layer]
    opened: bool = False

    @property
    def lead(self) -> Entry:
        """The first entry, which names the box."""
        return self.entries[0]

    @property
    def x(self) -> Size:
        """The shape of its first input."""
        return self.lead.inputs[0].shape

    @property
    def shape(self) -> Size:
        """The shape of its first output."""
        return next(iter(self.entries[-1].node.shapes.values()))


def own_words(instance: Instance) -> Words:
    """How a block's own picture writes the names of the block: as themselves."""
    return {name: name for name in instance.arguments}


def words_within(node: Node, words: Words) -> Words:
    """How to write the names within a node's body, in terms of the enclosing body."""
    element = node.element
    if not words or not isinstance(element, Instance) or node.call is None:
        return words
    found: dict[str, str] = {}
    for name, parameter in element.block.parameters.items():
        given = node.call.arguments.get(name, parameter.default)
        text = _text(given, words if name in node.call.arguments else found)
        if text is not None:
            found[name] = text
    return found


def _text(value: Any, words: Words) -> str | None:
    """An expression in terms of `words`; None if it is a plain value, or if a name would need a larger expression."""
    if not isinstance(value, Expression):
        return None
    if value.text.isidentifier():
        return words.get(value.text)
    return value.text if all(words.get(name) == name for name in value.names) else None


def _in_words(written: Any, value: Any, words: Words) -> Any:
    """An argument's value, written in terms of `words` if they cover it."""
    if isinstance(written, tuple) and isinstance(value, tuple) and len(written) == len(value):
        return tuple(_in_words(one, item, words) for one, item in zip(written, value, strict=True))
    text = None if value is None else _text(written, words)
    return value if text is None else Written(value, text)


def _layer(node: Node, x: Size, words: Words) -> Layer:
    kind = node.element
    assert isinstance(kind, Kind)
    if words and isinstance(node.call, LayerCall):
        values = kind.__dict__
        said = {name: _in_words(given, values[name], words) for name, given in node.call.arguments.items()}
        kind = kind.model_copy(update=said)
    return Layer(kind, x)


_STAGE = {"conv": 0, "linear": 0, "norm": 1, "join": 1}
_NEXT = {"norm": 1, "activation": 2, "dropout": 3}


def follows(before: list[Layer], kind: Kind) -> bool:
    """Return True if a layer shares the box of the previous ones.

    The order is convolution, norm, activation, dropout.
    """
    first, last = before[0].kind.role, before[-1].kind.role
    if first not in _STAGE:
        return False
    return _NEXT.get(kind.role, 0) > (_STAGE[first] if len(before) == 1 else _NEXT[last])


def single(graph: Graph, words: Words) -> list[Layer]:
    """The layers of a body that fits one box, otherwise an empty list.

    Such a body is a chain of one convolution and the layers that follow it.
    """
    layers: list[Layer] = []
    return layers if _collect(graph, words, layers) else []


def _collect(graph: Graph, words: Words, layers: list[Layer]) -> bool:
    before = Ref(INPUT)
    for position, node in enumerate(graph.nodes):
        if node.auxiliary or node.inputs != (before,) or None not in node.shapes:
            return False
        before = Ref(position)
        if node.graph is not None:
            if not _collect(node.graph, words_within(node, words), layers):
                return False
            continue
        assert isinstance(node.element, Kind)
        if layers and not follows(layers, node.element):
            return False
        layers.append(_layer(node, node.in_shapes[0], words))
    return bool(layers) and graph.results == {None: before}


class Collector:
    """Collects the entries of one body and groups them into units.

    `prefixes` are the paths of all bodies that it shows.
    """

    def __init__(self, level: Level, prefixes: tuple[str, ...], fused: bool) -> None:
        self.level = level
        self.prefixes = prefixes
        self.fused = fused
        self.entries: list[Entry] = []

    def unfold(self, graph: Graph, given: tuple[Value, ...], words: Words, before: str = "") -> dict[str | None, Value]:
        """Collect the entries of a body, and return its results by name."""
        values: list[dict[str | None, Value]] = []

        def read(ref: Ref) -> Value:
            return given[INPUT - ref.node] if ref.node < 0 else values[ref.node][ref.output]

        for node in graph.nodes:
            inputs = tuple(read(ref) for ref in node.inputs)
            name = before + node.name
            shares = "" if node.shares is None else before + graph.owner(node).name
            entry = Entry(node, name, tuple(prefix + name for prefix in self.prefixes), inputs, words, shares)
            if isinstance(node.element, Graph) and self._inlined(entry, node.element):
                values.append(self.unfold(node.element, inputs, words, f"{name}."))
            else:
                self.entries.append(entry)
                values.append({o: Value(len(self.entries) - 1, o, x) for o, x in node.shapes.items()})
        return {name: read(ref) for name, ref in graph.results.items()}

    def _inlined(self, entry: Entry, graph: Graph) -> bool:
        """Return True if a body without a name is drawn as a part of the enclosing body."""
        if entry.node.auxiliary or (entry.shares and not self.level.everything):
            return False
        if self.level.everything or self.level.names(entry):
            return True
        return self.level.depth > 0 and not (self.fused and single(graph, entry.words))

    def units(self, results: dict[str | None, Value]) -> list[Unit]:
        """The units of the collected entries, each with the layers that follow in its box."""
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
                kept_apart = after.auxiliary or after.shares is not None
                if kept_apart or not isinstance(after.element, Kind) or not follows(unit.layers, after.element):
                    break
                taken.add(last)
                unit.entries.append(self.entries[last])
                unit.layers.append(_first(self.entries[last]))
        return units

    def _unit(self, entry: Entry) -> Unit:
        graph = entry.node.graph
        if graph is None:
            return Unit([entry], [_first(entry)])
        asked = self.level.everything or self.level.names(entry)
        layers = [] if asked or entry.node.auxiliary else single(graph, words_within(entry.node, entry.words))
        return Unit([entry], layers, not layers and self.level.opens(entry))


def _first(entry: Entry) -> Layer:
    return _layer(entry.node, entry.inputs[0].shape, entry.words)
