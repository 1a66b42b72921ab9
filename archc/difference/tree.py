"""A network as a tree of parts, for a comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from archc.expressions import Expression
from archc.graph import INPUT, Graph, Instance, Network, Node, Ref
from archc.inference import kind_name
from archc.kinds import Kind, Shape, Stored, volume
from archc.kinds.labels import Written
from archc.language.spec import Block


class Formula(NamedTuple):
    """An expression of a spec; two are equal if they are written in the same way."""

    text: str
    names: frozenset[str]

    def __str__(self) -> str:
        """The expression in the spec's syntax: `$width`, `$(width * 4)`."""
        return f"${self.text}" if self.text.isidentifier() else f"$({self.text})"


class _Left(NamedTuple):
    """The value of an omitted argument."""


LEFT_OUT = _Left()

HIDDEN = frozenset({"inplace", "init", "values"})
"""Arguments that don't change what a layer computes: they are not compared with a class."""


class Argument(NamedTuple):
    """The value of an argument and its form in the spec: a value, a Formula, or LEFT_OUT."""

    value: Any
    written: Any

    @property
    def said(self) -> object:
        """The expression, or the value if there is none."""
        return self.written if isinstance(self.written, Formula) else self.value


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """An entry: a layer or a body.

    `kind` is the layer type or the block's name. `layer` is None for a body, and for a module of an unknown type.
    `inputs` are the tensors of the body that it reads, None if the wiring is unknown. `x` and `y` are its input and
    output shape, () if unknown. The name of a `nameless` part says nothing: it has no weights, and it comes from a
    class, which may call a function instead. `shares` is the position of the part whose weights it uses, if that has
    any; it has no `tensors` then, and neither have the parts below it.
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
    nameless: bool = False
    shares: int | None = None

    @property
    def layers(self) -> int:
        """The number of layers."""
        return 1 if self.body is None else self.body.layers

    @property
    def empty(self) -> bool:
        """True if it returns its input: a layer that doesn't even change the shape, or a body of nothing else."""
        if self.body is not None:
            return all(part.empty for part in self.body.parts)
        return self.kind == "identity" or (
            self.kind in ("expand", "flatten", "slice", "unflatten") and self.x == self.y
        )

    @property
    def parameters(self) -> int:
        """The number of parameters."""
        if self.body is not None:
            return self.body.parameters
        return sum(volume(tensor.shape) for tensor in self.tensors.values() if tensor.trained)

    @property
    def title(self) -> str:
        """The label for people."""
        return self.kind if self.layer is None else self.layer.label((self.x or (0,),))

    @property
    def formula(self) -> str:
        """Like `title`, but with the expressions of the spec."""
        if self.layer is None:
            return self.kind
        written = {
            name: Written(argument.value, str(argument.written))
            for name, argument in self.arguments.items()
            if isinstance(argument.written, Formula)
        }
        return self.layer.model_copy(update=written).label((self.x or (0,),))

    @property
    def values(self) -> tuple[tuple[str, Any], ...]:
        """The values of its arguments, for comparison."""
        return tuple((name, argument.value) for name, argument in self.arguments.items())

    @property
    def digest(self) -> int:
        """A hash that parts of the same structure share, regardless of names."""
        what = (self.kind, self.values) if self.body is None else self.body.digest
        return hash((self.auxiliary, self.shares, what))

    @property
    def said(self) -> object:
        """The content of the spec for this part: equal for parts that are written in the same way."""
        written = tuple((name, argument.said) for name, argument in self.arguments.items())
        below = self.body.said if self.body is not None and self.body.block is None else None
        return self.kind, written, self.auxiliary, self.shares, below


class Body:
    """Parts in order, and which of their tensors are the results.

    `numbered` means that the names are positions. `name` is the name of its block or class, or empty; `block` is the
    spec's block. `scope` are the names whose values the report shows elsewhere: arguments, and the input channels. The
    parts are `ordered` if a person chose their order, not the importer.
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
        ordered: bool = True,
    ) -> None:
        self.parts = parts
        self.results = results
        self.numbered = numbered
        self.name = name
        self.block = block
        self.scope = scope
        self.ordered = ordered

    @cached_property
    def layers(self) -> int:
        """The number of layers."""
        return sum(part.layers for part in self.parts)

    @cached_property
    def parameters(self) -> int:
        """The number of parameters."""
        return sum(part.parameters for part in self.parts)

    @cached_property
    def weights(self) -> bool:
        """True if one of its layers has tensors."""
        return any(part.tensors or (part.body is not None and part.body.weights) for part in self.parts)

    def origin(self, ref: Ref) -> Ref:
        """Where a value comes from: a body can return one of its inputs."""
        while ref.node >= 0:
            part = self.parts[ref.node]
            if part.body is None or part.body.results is None or part.inputs is None:
                break
            inner = part.body.origin(part.body.results[ref.output])
            if inner.node >= 0:
                break
            ref = part.inputs[INPUT - inner.node]
        return ref

    @cached_property
    def used(self) -> frozenset[int]:
        """The positions of the parts that its results depend on, and those of auxiliary heads and their sources."""
        found: set[int] = set()
        pending = [*(self.results or {}).values()]
        pending += [Ref(at) for at, part in enumerate(self.parts) if part.auxiliary]
        while pending:
            at = self.origin(pending.pop()).node
            if at >= 0 and at not in found:
                found.add(at)
                pending += self.parts[at].inputs or ()
        return frozenset(found)

    @cached_property
    def digest(self) -> int:
        """A hash that bodies of the same structure share."""
        parts = tuple(
            (None if self.numbered or part.nameless else part.name, part.digest, part.inputs) for part in self.parts
        )
        return hash((parts, None if self.results is None else tuple(self.results.items())))

    @cached_property
    def said(self) -> object:
        """The content of the spec for this body, like `Part.said`."""
        return tuple((part.name, part.said) for part in self.parts)

    @cached_property
    def kinds(self) -> Counter[str]:
        """The types of its layers."""
        found: Counter[str] = Counter()
        for part in self.parts:
            found.update((part.kind,) if part.body is None else part.body.kinds)
        return found

    @cached_property
    def weighty(self) -> Counter[tuple[str, Any]]:
        """Its layers with weights, by which people tell bodies apart."""
        found: Counter[tuple[str, Any]] = Counter()
        for part in self.parts:
            if part.body is not None:
                found.update(part.body.weighty)
            elif part.layer is not None and type(part.layer).macs is not Kind.macs:
                found[part.kind, part.values] += 1
        return found


def network_body(network: Network, *, imported: bool = False) -> Body:
    """Build the tree of a checked network; equal instances of a block share their bodies.

    For an `imported` network it has values only, because the importer chose the arguments of its blocks and the names
    of its functions.
    """
    return _Reader(imported).body(network.graph, frozenset(network.declared) | {"in_channels"})


class _Reader:
    def __init__(self, imported: bool) -> None:
        self.imported = imported
        self.known: dict[tuple[int, bool], Body] = {}

    def body(self, graph: Graph, scope: frozenset[str], shared: bool = False) -> Body:
        if (id(graph), shared) not in self.known:
            self.known[id(graph), shared] = self._body(graph, scope, shared)
        return self.known[id(graph), shared]

    def _body(self, graph: Graph, scope: frozenset[str], shared: bool) -> Body:
        block = graph.block
        return Body(
            tuple(self.part(graph, node, scope, shared) for node in graph.nodes),
            graph.results,
            numbered=graph.form == "list",
            name=block.name if block else "",
            block=None if self.imported else block,
            scope=scope,
            ordered=not self.imported,
        )

    def part(self, graph: Graph, node: Node, scope: frozenset[str], shared: bool) -> Part:
        element, written = node.element, node.call.arguments if node.call else {}
        body: Body | None = None
        values: dict[str, Any] = {}
        tensors: dict[str, Stored] = {}
        x = node.in_shapes[0]
        shared = shared or node.shares is not None
        match element:
            case Kind():
                values, tensors = element.settled(node.in_shapes), element.tensors(node.in_shapes)
                values, written = (_named(element.keywords, found) for found in (values, written))
            case Instance():
                body = self.body(element.graph, frozenset(element.arguments), shared)
                given = () if self.imported else element.block.parameters
                values = {name: element.arguments[name] for name in given}
            case Graph():
                body = self.body(element, scope, shared)
        if self.imported:
            arguments = {name: Argument(value, value) for name, value in values.items() if name not in HIDDEN}
        else:
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
            inputs=node.inputs,
            x=x,
            y=next(iter(node.shapes.values())),
            auxiliary=node.auxiliary,
            tensors={} if shared else tensors,
            nameless=self.imported and (node.shares is not None or not self.weights(node, scope)),
            shares=node.shares if node.shares is not None and self.weights(graph.owner(node), scope) else None,
        )

    def weights(self, node: Node, scope: frozenset[str]) -> bool:
        """True if an entry has tensors: without any, a share of it is the same as another entry like it."""
        element = node.element
        if isinstance(element, Kind):
            return bool(element.tensors(node.in_shapes))
        if isinstance(element, Instance):
            return self.body(element.graph, frozenset(element.arguments)).weights
        return self.body(element, scope).weights


def as_written(written: Any, value: Any, scope: frozenset[str]) -> Any:
    """An argument in the spec's form, for comparison: a Formula for an expression over `scope`.

    An expression over anything else (such as a loop variable) is replaced by its value.
    """
    if isinstance(written, Expression):
        return Formula(written.text, written.names) if written.names <= scope else value
    if isinstance(written, list | tuple):
        values = value if isinstance(value, tuple) and len(value) == len(written) else (value,) * len(written)
        return tuple(as_written(part, one, scope) for part, one in zip(written, values, strict=True))
    return written


def _named(keywords: Sequence[str], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a layer, with those of a constructor (`keywords`) in the place of their tuple."""
    pairs = [pair for name in keywords for pair in arguments.get(name, ())]
    return {**{name: value for name, value in arguments.items() if name not in keywords}, **dict(pairs)}
