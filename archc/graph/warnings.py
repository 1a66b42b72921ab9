"""Warnings: constructs that are valid but probably not intended.

They refer to lines of the spec's own file; the files that it imports or extends are checked separately.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from archc.expressions import Compare, Expr, Name, free_names, lower, tree_of, walk
from archc.graph.graph import Graph, Network, Ref
from archc.graph.reads import expressions_of
from archc.kinds import Kind
from archc.language.blocks import chosen_calls
from archc.language.references import mentioned, reads
from archc.language.spec import Block, BlockCall, Body, ChosenCall, Entry, InitRule, LayerCall, Parameter, Splice
from archc.problems import Mark, Problem, Problems


def warnings(network: Network) -> list[Problem]:
    """The warnings of a network, sorted by line."""
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
            *_unused_inputs(body, "the spec" if body is spec.body else what),
        ):
            found.add(problem)
    for problem in _Uses(network.graph).problems(bodies):
        found.add(problem)
    return [problem for problem in found.sorted() if problem.file == spec.source.name]


def _called_alike(bodies: Iterable[Body]) -> dict[Body, set[str]]:
    """The arguments of blocks that other arguments name: each counts as read if one of the blocks reads it."""
    found: dict[Body, set[str]] = {}
    for body in bodies:
        for chosen in chosen_calls(body):
            calls = [call for _, call in chosen.calls() if isinstance(call, BlockCall)]
            for call in calls if len(chosen.options) > 1 else ():
                if call.block.body is not None:
                    found.setdefault(call.block.body, set()).update(call.arguments)
    return found


def _unread(parameters: dict[str, Parameter], readers: Any, what: str, alike: set[str]) -> Iterator[Problem]:
    """An argument that nothing reads, so that another value would have no effect."""
    read = {name for expression in expressions_of(readers) for name in expression.names}
    read = read.union(*(free_names(tree_of(parameter.default)) for parameter in parameters.values()))
    for name, parameter in parameters.items():
        if name not in read and name not in alike and not parameter.inherited:
            help = f"use it as `${name}`, or remove it"
            yield Problem("W0101", f"nothing in {what} reads the argument `{name}`", parameter.mark, help=help)


def _unmatched(parameters: dict[str, Parameter], body: Body, bodies: list[Body]) -> Iterator[Problem]:
    """A string value of an argument for which none of the conditions that compare the argument with strings is true."""
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
    """The strings with which each name is compared for equality; None for a name that is used in another way."""
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
    """The values of an argument as far as they are written: its default, and those of the block's calls."""
    yield parameter.default, parameter.mark
    for other in bodies:
        for entry in _entries(other):
            element = entry.element
            for call in [call for _, call in element.calls()] if isinstance(element, ChosenCall) else [element]:
                if isinstance(call, BlockCall) and call.block.body is body and name in call.marks:
                    yield call.arguments[name], call.marks[name]


def _pointless(body: Body) -> Iterator[Problem]:
    """An `identity` with a `when`, which has no effect."""
    for entry in _entries(body):
        if entry.when is None or not isinstance(entry.element, LayerCall) or entry.element.kind.kind != "identity":
            continue
        if body.form != "branches":
            help = "a join can have a `when`; among `branches`, a branch with one takes no part in the join"
            yield Problem("W0103", "`when` has no effect on `identity`", entry.when.mark, help=help)


def _entries(body: Body) -> Iterator[Entry]:
    """The entries of a body and of those nested in it, except branches, which are bodies of their own."""
    waiting: list[Entry | Splice] = list(reversed(body.entries))
    while waiting:
        part = waiting.pop()
        if isinstance(part, Splice):
            waiting += reversed(part.entries)
            continue
        yield part
        if isinstance(part.element, Body):
            waiting += reversed(part.element.entries)


def _unused_inputs(body: Body, what: str) -> Iterator[Problem]:
    """The inputs of the network or a block that nothing reads."""
    for name, mark in body.inputs.items():
        if not reads(body, name):
            yield Problem("W0105", f"the input `{name}` of {what} is never used", mark, help=USE_IT)


def _places(bodies: Iterable[Body]) -> dict[Mark, Body]:
    """The body of each entry, by the entry's place in the spec."""
    found: dict[Mark, Body] = {}
    waiting = list(bodies)
    while waiting:
        body = waiting.pop()
        parts: list[Entry | Splice] = list(body.entries)
        while parts:
            part = parts.pop()
            if isinstance(part, Splice):
                parts += part.entries
                continue
            found[part.mark] = body
            if isinstance(part.element, Body):
                waiting.append(part.element)
    return found


class _Uses:
    """The use of every result in a network: those that nothing reads, and the weights that no output depends on.

    A layer's weights are dead if no output depends on them in any use of its block. What is inside an entry whose own
    result is unused isn't counted again.
    """

    def __init__(self, graph: Graph) -> None:
        self.unused: dict[Mark, tuple[str, ...]] = {}
        self.live: set[Mark] = set()
        self.dead: dict[Mark, tuple[tuple[str, ...], tuple[Block, ...]]] = {}
        self.outputs: dict[Block, dict[str | None, bool]] = {}
        """Whether some use of a block reads each of its outputs."""
        self._seen: set[tuple[int, frozenset[str | None]]] = set()
        self._visit(graph, frozenset(graph.results), (), ())

    def _visit(
        self, graph: Graph, outputs: frozenset[str | None], where: tuple[str, ...], blocks: tuple[Block, ...]
    ) -> None:
        key = (id(graph), outputs)
        if key in self._seen:
            return
        self._seen.add(key)
        if graph.block is not None:
            blocks = (*blocks, graph.block)
            read_before = self.outputs.setdefault(graph.block, {})
            for name in graph.results:
                read_before[name] = read_before.get(name, False) or name in outputs
        mentioned = {ref.node for node in graph.nodes for ref in node.inputs}
        mentioned |= {ref.node for ref in graph.results.values()}
        wanted: dict[int, set[str | None]] = {}  # for each node, the outputs that are read

        def want(refs: Iterable[Ref]) -> None:
            for ref in refs:
                wanted.setdefault(ref.node, set()).add(ref.output)

        want(ref for name, ref in graph.results.items() if name in outputs)
        for position in range(len(graph.nodes) - 1, -1, -1):
            node = graph.nodes[position]
            here = (*where, node.name)
            if position not in mentioned and not node.auxiliary:
                self.unused.setdefault(node.mark, here)
                continue
            read = frozenset(node.shapes if node.auxiliary else wanted.get(position, ()))
            if read:
                want(node.inputs)
            if node.graph is not None:
                self._visit(node.graph, read, here, blocks)
            elif isinstance(node.element, Kind) and node.element.parameters(node.in_shapes):
                if read:
                    self.live.add(node.mark)
                else:
                    self.dead.setdefault(node.mark, (here, blocks))

    def problems(self, bodies: Iterable[Body]) -> Iterator[Problem]:
        """The warnings."""
        places = _places(bodies) if self.unused else {}
        read: dict[Body, set[str]] = {}
        for mark, where in self.unused.items():
            help = USE_IT
            body = places.get(mark)
            if body is not None and body not in read:
                read[body] = {reference.name for reference in mentioned(body)}
            if body is not None and where[-1] in read[body]:
                help = "the entry that reads it is omitted because of its `when`: give both the same `when`"
            message = f"the result of `{where[-1]}` is never used"
            place = (".".join(where),) if len(where) > 1 else ()
            yield Problem("W0105", message, mark, where=place, help=help)
        dead = {mark: found for mark, found in self.dead.items() if mark not in self.live}
        for mark, (where, _) in dead.items():
            help = "use the output that depends on it, or remove the layer"
            message = f"no output of the network depends on `{where[-1]}`, so its weights never learn"
            yield Problem("W0104", message, mark, where=(".".join(where),), help=help)
        reported = {block for _, blocks in dead.values() for block in blocks}
        for block, outputs in self.outputs.items():
            for name in [name for name, read in outputs.items() if not read and block not in reported]:
                marks = [output.mark for output in _parts(block) if output.name and output.name.fixed == name]
                message = f"the output `{name}` of block `{block.name}` is never used"
                yield Problem("W0105", message, next(iter(marks), block.mark), help="use it, or remove it")


def _parts(block: Block) -> Iterator[Entry]:
    """The outputs of a block that are written one by one."""
    for output in block.body.outputs if block.body is not None else ():
        if isinstance(output, Entry):
            yield output


USE_IT: Final = "use it in a join, in `from` or in `outputs`, or remove it"
"""The fix of an unused result."""
