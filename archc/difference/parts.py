"""A network as a tree of parts, ready to be held against another one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from archc.drawing.labels import number, short_form
from archc.expressions import Expression, Level, Symbol, names_of, plain, text_of
from archc.graph import INPUT, Graph, Instance, Network, Node, Ref
from archc.inference import kind_name
from archc.kinds import Kind, Shape, Stored, volume
from archc.language.spec import Block


class Formula(NamedTuple):
    """An expression as a spec has it: two are equal where they are written alike."""

    text: str
    names: frozenset[str]

    def __str__(self) -> str:
        """As a spec has it: `$width`, `$(width * 4)`."""
        return f"${self.text}" if self.text.isidentifier() else f"$({self.text})"


def _as_in_a_spec(value: Any) -> str:
    """`$width`, `$(width * 4)`, or the value where it is no expression."""
    if not names_of(value):
        return number(value)
    text = text_of(value)
    return f"${text}" if text.isidentifier() else f"$({text})"


class _Left(NamedTuple):
    """What stands for an argument that was left out."""


LEFT_OUT = _Left()


class Argument(NamedTuple):
    """What an argument amounts to, and how the spec writes it: a value, a Formula, or LEFT_OUT."""

    value: Any
    written: Any

    @property
    def said(self) -> object:
        """Its expression, or its value where there is none."""
        return self.written if isinstance(self.written, Formula) else plain(self.value)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """An entry that is present: a layer, or a body.

    `kind` is the layer's, or the block's name; `layer` is None for a body, and for a module of no known kind.
    `inputs` are the values that it reads of its body, whatever is absent between left out; None where the wiring is
    not known. `x` is the shape of its input, `y` that of its output, both () where they are not known.
    """

    name: str
    kind: str
    layer: Kind | None
    body: Body | None
    arguments: dict[str, Argument]
    inputs: tuple[Ref, ...] | None
    x: Shape
    y: Shape
    auxiliary: bool = False
    tensors: dict[str, Stored] = field(default_factory=dict)

    @property
    def layers(self) -> int:
        """How many layers it is."""
        return 1 if self.body is None else self.body.layers

    @property
    def parameters(self) -> int:
        """How many trained numbers it has."""
        if self.body is not None:
            return self.body.parameters
        return sum(volume(tensor.shape) for tensor in self.tensors.values() if tensor.trained)

    @property
    def title(self) -> str:
        """How people call it."""
        return self.kind if self.layer is None else short_form(self.layer, self.x or (0,))

    @property
    def formula(self) -> str:
        """As `title`, in the words of the spec: with the expressions of its arguments."""
        if self.layer is None:
            return self.kind
        symbols = {
            name: Symbol.term(plain(argument.value), argument.written.text, Level.ATOM, argument.written.names)
            for name, argument in self.arguments.items()
            if isinstance(argument.written, Formula)
        }
        return short_form(self.layer.model_copy(update=symbols), self.x or (0,), _as_in_a_spec)

    @property
    def values(self) -> tuple[tuple[str, Any], ...]:
        """What its arguments amount to, to compare."""
        return tuple((name, plain(argument.value)) for name, argument in self.arguments.items())

    @property
    def digest(self) -> int:
        """A number that parts of one structure share, whatever they and their blocks are called."""
        return hash((self.auxiliary, (self.kind, self.values) if self.body is None else self.body.digest))

    @property
    def said(self) -> object:
        """What a spec says of it: equal for parts that are written alike, whatever values they have."""
        written = tuple((name, argument.said) for name, argument in self.arguments.items())
        below = self.body.said if self.body is not None and self.body.block is None else None
        return self.kind, written, self.auxiliary, below


class Body:
    """Parts in their order, and which of their values are the results.

    `numbered` says that the names are positions. `name` is that of the block or class that it is the body of, empty
    where it has none; `block` is the spec's. `scope` are the names whose values a reader finds told elsewhere:
    parameters, and the channels that come in.
    """

    def __init__(
        self,
        parts: tuple[Part, ...],
        results: dict[str | None, Ref] | None,
        *,
        numbered: bool,
        name: str = "",
        block: Block | None = None,
        scope: frozenset[str] = frozenset(),
    ) -> None:
        self.parts = parts
        self.results = results
        self.numbered = numbered
        self.name = name
        self.block = block
        self.scope = scope

    @cached_property
    def layers(self) -> int:
        """How many layers it has."""
        return sum(part.layers for part in self.parts)

    @cached_property
    def parameters(self) -> int:
        """How many trained numbers it has."""
        return sum(part.parameters for part in self.parts)

    @cached_property
    def digest(self) -> int:
        """A number that bodies of one structure share."""
        parts = tuple((None if self.numbered else part.name, part.digest, part.inputs) for part in self.parts)
        return hash((parts, None if self.results is None else tuple(self.results.items())))

    @cached_property
    def said(self) -> object:
        """What a spec says of it, as `Part.said`."""
        return tuple((part.name, part.said) for part in self.parts)

    @cached_property
    def kinds(self) -> Counter[str]:
        """The kinds of its layers."""
        found: Counter[str] = Counter()
        for part in self.parts:
            found.update((part.kind,) if part.body is None else part.body.kinds)
        return found

    @cached_property
    def weighty(self) -> Counter[tuple[str, Any]]:
        """Its layers that compute with weights, by which people tell a body from another one."""
        found: Counter[tuple[str, Any]] = Counter()
        for part in self.parts:
            if part.body is not None:
                found.update(part.body.weighty)
            elif part.layer is not None and type(part.layer).macs is not Kind.macs:
                found[part.kind, part.values] += 1
        return found


def network_body(network: Network) -> Body:
    """The tree of a checked network; equal instances of a block share their bodies."""
    return _Reader().body(network.graph, frozenset(network.declared) | {"in_channels"})


class _Reader:
    def __init__(self) -> None:
        self.known: dict[int, Body] = {}

    def body(self, graph: Graph, scope: frozenset[str]) -> Body:
        if id(graph) not in self.known:
            self.known[id(graph)] = self._body(graph, scope)
        return self.known[id(graph)]

    def _body(self, graph: Graph, scope: frozenset[str]) -> Body:
        places: dict[int, int] = {}
        parts: list[Part] = []

        def source(ref: Ref) -> Ref:
            while ref.node > INPUT and not graph.nodes[ref.node].present:
                ref = graph.nodes[ref.node].inputs[0]
            return Ref(places[ref.node], ref.output) if ref.node > INPUT else ref

        for position, node in enumerate(graph.nodes):
            if node.present:
                parts.append(self.part(node, tuple(map(source, node.inputs)), scope))
                places[position] = len(parts) - 1
        results = {name: source(ref) for name, ref in graph.results.items()}
        block = graph.block
        return Body(
            tuple(parts),
            results,
            numbered=graph.form == "list",
            name=block.name if block else "",
            block=block,
            scope=scope,
        )

    def part(self, node: Node, inputs: tuple[Ref, ...], scope: frozenset[str]) -> Part:
        element, written = node.element, node.call.arguments if node.call else {}
        body: Body | None = None
        values: dict[str, Any] = {}
        tensors: dict[str, Stored] = {}
        x = node.in_shapes[0]
        match element:
            case Kind():
                given = node.in_shapes if element.many else x
                values, tensors = element.settled(given), element.tensors(given)
            case Instance():
                body = self.body(element.graph, frozenset(element.block.parameters) | {"in_channels"})
                values = {name: value for name, value in element.arguments.items() if name != "in_channels"}
            case Graph():
                body = self.body(element, scope)
        arguments = {
            name: Argument(value, as_written(written[name], value, scope) if name in written else LEFT_OUT)
            for name, value in values.items()
        }
        return Part(
            name=node.name,
            kind=kind_name(node),
            layer=element if isinstance(element, Kind) else None,
            body=body,
            arguments=arguments,
            inputs=inputs,
            x=x,
            y=next(iter(node.shapes.values())),
            auxiliary=node.auxiliary,
            tensors=tensors,
        )


def as_written(written: Any, value: Any, scope: frozenset[str]) -> Any:
    """An argument as the spec has it, to compare: a Formula for an expression over `scope`.

    An expression over anything else (what changes from turn to turn of a loop) stands for its value.
    """
    if isinstance(written, Expression):
        return Formula(written.text, written.names) if written.names <= scope else plain(value)
    if isinstance(written, list | tuple):
        values = plain(value)
        values = values if isinstance(values, tuple) and len(values) == len(written) else (values,) * len(written)
        return tuple(as_written(part, one, scope) for part, one in zip(written, values, strict=True))
    return written
