"""Which names reached a literal of the source: one that no longer follows where such a name has another value.

Expressions keep the names that they read; sizes of maps are plain numbers, and forget them. So the names that a
size follows from are carried along the edges, up to the layers that write a size into the source: a `flatten`,
say, of which a linear layer tells the features.
"""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from archc.expressions import Expression, ExpressionError, names_of
from archc.graph import INPUT, Graph, Instance, Node, Ref
from archc.kinds import Kind, Shape

Taint = frozenset[str]
NONE: Taint = frozenset()


class Fixed(NamedTuple):
    """Of a body, in the names of its scope; `#0` is the size of its input, `#1` that of the first captured value.

    `literals` are the names that a number or a word of its class follows from, `sizes` those of each result.
    """

    literals: Taint
    sizes: dict[str | None, Taint]


def fixed(graph: Graph, known: dict[int, Fixed]) -> Fixed:
    """What is fixed in a body and those below it; `known` holds what is known of bodies, by id."""
    if id(graph) not in known:
        known[id(graph)] = _fixed(graph, known)
    return known[id(graph)]


def _fixed(graph: Graph, known: dict[int, Fixed]) -> Fixed:
    literals: set[str] = set()
    values: list[dict[str | None, Taint]] = []

    def read(ref: Ref) -> Taint:
        return frozenset({f"#{INPUT - ref.node}"}) if ref.node < 0 else values[ref.node][ref.output]

    for node in graph.nodes:
        given = tuple(read(ref) for ref in node.inputs)
        if not node.present:
            values.append({None: given[0]})
            continue
        element = node.element
        if isinstance(element, Kind):
            read_sizes, made = _layer(node, element, given)
            literals |= read_sizes | _lost(node, element, graph)
            sizes = dict.fromkeys(node.shapes, made)
        else:
            below = element.graph if isinstance(element, Instance) else element
            inner = fixed(below, known)
            names = {f"#{i}": taint for i, taint in enumerate(given)}
            if isinstance(element, Instance):
                names |= {name: names_of(value) for name, value in element.arguments.items()}
                names["in_channels"] = names_of(element.in_channels)
            literals |= _outward(inner.literals, names)
            sizes = {name: _outward(taint, names) for name, taint in inner.sizes.items()}
        # Whether and how often an entry is there decides the size behind it, if it changes the size.
        deciding = names_of(node.when) | names_of(node.turn and node.turn.times)
        if deciding:
            for name, taint in sizes.items():
                if taint != given[0] or node.shapes[name][1:] != node.in_shapes[0][1:]:
                    sizes[name] = taint | deciding
        values.append(sizes)
    return Fixed(frozenset(literals), {name: read(ref) for name, ref in graph.results.items()})


def _outward(taint: Taint, names: dict[str, Taint]) -> Taint:
    """In the names around a body: those of its arguments, or its own where it is no block."""
    return NONE.union(*(names.get(name, {name}) for name in taint))


def _layer(node: Node, kind: Kind, given: tuple[Taint, ...]) -> tuple[Taint, Taint]:
    """The names that a layer writes into the source as sizes, and those that its output's size follows from."""
    before = NONE.union(*given)
    follows, arguments = kind.size_from()
    after = (before if follows else NONE) | names_of(arguments)
    return (before if before and not kind.many and _writes_size(kind, node.in_shapes[0]) else NONE), after


def _writes_size(kind: Kind, x: Shape) -> bool:
    larger = (x[0], *(size + 1 for size in x[1:]))
    if kind.derived(x) != kind.derived(larger):
        return True
    made, other = kind.output(x), kind.output(larger)
    return not isinstance(made, dict) and bool(made[0] != other[0])


def _lost(node: Node, kind: Kind, graph: Graph) -> Taint:
    """The names of an argument's expression whose value does not tell them any more: a word, a list's items."""
    found: Taint = NONE
    for name, argument in node.call.arguments.items() if node.call is not None else ():
        value = kind.__dict__.get(name)
        if isinstance(argument, Expression) and type(value) in (str, tuple):
            given = argument.names & graph.scope.keys()
            names = NONE.union(*(names_of(graph.scope[one]) for one in given)) - names_of(value)
            if names:
                with suppress(ExpressionError):  # of the turn of a loop, whose names are not known here
                    names &= names_of(argument.evaluate(graph.scope))
            found |= names
    return found
