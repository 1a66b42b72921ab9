"""What is legal and surely not meant: warnings of a network that is valid.

They stand at lines of the spec's own file; what it imports or extends is checked with that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from archc.expressions import Compare, Expr, Name, free_names, lower, tree_of, walk
from archc.graph.graph import Graph, Network, Ref
from archc.graph.reads import expressions_of
from archc.kinds import Kind
from archc.language.blocks import chosen_calls
from archc.language.spec import BlockCall, Body, ChosenCall, Entry, InitRule, LayerCall, Parameter, Splice
from archc.problems import Mark, Problem, Problems


def warnings(network: Network) -> list[Problem]:
    """The warnings of a network, in the order of the lines."""
    spec = network.spec
    found = Problems()
    scopes: list[tuple[dict[str, Parameter], Body, tuple[InitRule, ...], str]] = [
        (spec.parameters, spec.body, spec.init, "the network"),
        *(
            (each.parameters, each.body, each.init, f"block `{name}`")
            for name, each in spec.blocks.items()
            if each.body
        ),
    ]
    bodies = [body for _, body, _, _ in scopes]
    alike = _called_alike(bodies)
    for parameters, body, init, what in scopes:
        for problem in (
            *_unread(parameters, (body, init), what, alike.get(body, set())),
            *_unmatched(parameters, body, bodies),
            *_pointless(body),
        ):
            found.add(problem)
    for problem in _dead(network):
        found.add(problem)
    return [problem for problem in found.sorted() if problem.file == spec.source.name]


def _called_alike(bodies: Iterable[Body]) -> dict[Body, set[str]]:
    """The arguments of blocks that parameters name: each is called with what one of them reads."""
    found: dict[Body, set[str]] = {}
    for body in bodies:
        for chosen in chosen_calls(body):
            calls = [call for _, call in chosen.calls() if isinstance(call, BlockCall)]
            for call in calls if len(chosen.options) > 1 else ():
                if call.block.body is not None:
                    found.setdefault(call.block.body, set()).update(call.arguments)
    return found


def _unread(parameters: dict[str, Parameter], readers: Any, what: str, alike: set[str]) -> Iterator[Problem]:
    """A parameter that nothing reads: another value of it would have no effect."""
    read = {name for expression in expressions_of(readers) for name in expression.names}
    read = read.union(*(free_names(tree_of(parameter.default)) for parameter in parameters.values()))
    for name, parameter in parameters.items():
        if name not in read and name not in alike and not parameter.inherited:
            help = f"use it as `${name}`, or remove it"
            yield Problem("W0101", f"nothing in {what} reads the argument `{name}`", parameter.mark, help=help)


def _unmatched(parameters: dict[str, Parameter], body: Body, bodies: list[Body]) -> Iterator[Problem]:
    """A word that a parameter gets and that none of the conditions which ask for words is true for."""
    asked: dict[str, set[str]] = {name: set() for name in parameters}
    free = {name for parameter in parameters.values() for name in free_names(tree_of(parameter.default))}
    entries = list(_entries(body))
    for entry in entries:
        for name, words in _asked(entry.when.tree) if entry.when is not None else ():
            if words is None:
                free.add(name)
            elif name in asked:
                asked[name] |= words
    if not any(asked.values()):
        return
    for entry in entries:
        inside = [expression for expression in expressions_of(entry) if expression is not entry.when]
        free |= {name for expression in inside for name in expression.names}
    for name, words in asked.items():
        if not words or name in free:
            continue
        shown = ", ".join(f"`{word}`" for word in sorted(words))
        for value, mark in _given(name, parameters[name], body, bodies):
            if isinstance(value, str) and value not in (*words, "none"):
                message = f"no `when` is true for `{name}: {value}`"
                yield Problem("W0102", message, mark, help=f"the conditions ask for {shown}")


def _asked(condition: Expr) -> Iterator[tuple[str, set[str] | None]]:
    """The words that each name is compared with for equality; None for a name that is used otherwise."""
    compared: set[int] = set()
    for node in walk(condition):
        match node:
            case Compare((Name(name) as left, right), ("==" | "in",)):
                words = lower(right)
                words = set(words) if isinstance(words, tuple) else {words}
                if all(isinstance(word, str) for word in words):
                    compared.add(id(left))
                    yield name, words
    for node in walk(condition):
        if isinstance(node, Name) and id(node) not in compared:
            yield node.name, None


def _given(name: str, parameter: Parameter, body: Body, bodies: Iterable[Body]) -> Iterator[tuple[Any, Mark]]:
    """The values that a parameter has, as far as they are written: its default, and those of the block's calls."""
    yield parameter.default, parameter.mark
    for other in bodies:
        for entry in _entries(other):
            element = entry.element
            for call in [call for _, call in element.calls()] if isinstance(element, ChosenCall) else [element]:
                if isinstance(call, BlockCall) and call.block.body is body and name in call.marks:
                    yield call.arguments[name], call.marks[name]


def _pointless(body: Body) -> Iterator[Problem]:
    """An `identity` that `when` makes optional: without it the same value goes on."""
    for entry in _entries(body):
        if entry.when is None or not isinstance(entry.element, LayerCall) or entry.element.kind.kind != "identity":
            continue
        if body.form != "branches":
            help = "a join can have a `when`; among `branches`, a branch with one takes no part in the join"
            yield Problem("W0103", "`when` has no effect on `identity`", entry.when.mark, help=help)


def _entries(body: Body) -> Iterator[Entry]:
    """The entries of a body and of those nested in it; branches are left to their own body."""
    waiting: list[Entry | Splice] = list(reversed(body.entries))
    while waiting:
        part = waiting.pop()
        if isinstance(part, Splice):
            waiting += reversed(part.entries)
            continue
        yield part
        if isinstance(part.element, Body):
            waiting += reversed(part.element.entries)


def _dead(network: Network) -> Iterator[Problem]:
    """Layers whose weights no output depends on, wherever they are used: their gradients are zero."""
    live: set[Mark] = set()
    dead: dict[Mark, tuple[str, ...]] = {}
    seen: set[tuple[int, frozenset[str | None]]] = set()

    def visit(graph: Graph, outputs: frozenset[str | None], where: tuple[str, ...]) -> None:
        key = (id(graph), outputs)
        if key in seen:
            return
        seen.add(key)
        wanted: dict[int, set[str | None]] = {}  # by the node: which of its outputs are read

        def want(refs: Iterable[Ref]) -> None:
            for ref in refs:
                wanted.setdefault(ref.node, set()).add(ref.output)

        want(ref for name, ref in graph.results.items() if name in outputs)
        for position in range(len(graph.nodes) - 1, -1, -1):
            node = graph.nodes[position]
            read = frozenset(node.shapes if node.auxiliary else wanted.get(position, ()))
            here = (*where, node.name)
            if read:
                want(node.inputs)
            if node.graph is not None:
                visit(node.graph, read, here)
            elif isinstance(node.element, Kind) and node.element.parameters(node.in_shapes):
                if read:
                    live.add(node.mark)
                else:
                    dead.setdefault(node.mark, here)

    visit(network.graph, frozenset(network.graph.results), ())
    for mark, where in dead.items():
        if mark not in live:
            help = "use the output that depends on it, or remove the layer"
            message = f"no output of the network depends on `{where[-1]}`, so its weights never learn"
            yield Problem("W0104", message, mark, where=(".".join(where),), help=help)
