"""Layers and blocks that arguments name: which values are such names, and which options each entry has.

`$activation` in place of a layer makes `activation` the name of a layer, and so everything that it is passed on from:
an argument of another block, a row of a loop, an item of a list. All strings that flow to such a place become a
`Callee`, which refers to the layer or block. It is looked up in the file that names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

from archc.expressions import Choice, Compare, Const, Expr, Expression, Item, Items, Logic, Name, Slice, tree_of
from archc.kinds import KINDS
from archc.language.blocks import chosen_calls, refuse_circles
from archc.language.spec import (
    UNKNOWN,
    Block,
    BlockCall,
    Body,
    Callee,
    ChosenCall,
    Entry,
    LayerCall,
    Parameter,
    Splice,
)
from archc.language.unknown import unknown_layer
from archc.problems import Mark, Problem, Problems, SpecError

Path = tuple[Any, ...]
"""A path within a value: the index of an item, or `*` for every item."""
Place = tuple[int, str]
"""A name and its scope: the id of a block or of a loop, or 0 for the network."""


class _Flow(NamedTuple):
    """A name receives the part at a path of a value, which belongs to a scope."""

    name: Place
    path: Path
    value: Any
    scope: int


_NOTHING = ("none", "None", "no", "off", "")


def resolve_callees(body: Body, parameters: dict[str, Parameter], blocks: dict[str, Block], problems: Problems) -> None:
    """Resolve the entries of a spec whose layer is an expression; errors are reported.

    `body` and `arguments` are the network's, `blocks` those that it can name.
    """
    _Resolver(body, parameters, blocks, problems).run()


def callee(name: str, blocks: Mapping[str, Block], mark: Mark, problems: Problems) -> Callee | None:
    """The layer or block with a name; None after an error."""
    if name in blocks:
        return Callee(name, blocks[name])
    kind = KINDS.get(name)
    if kind is not None and kind.is_choosable():
        return Callee(name, kind)
    if kind is not None:
        message, help = f"an argument cannot name `{name}`", "write the layer itself, with `when` for a choice"
        problems.add(Problem("E0204", message, mark, help=help))
        return None
    message, help, fix = unknown_layer(name, [*blocks, *KINDS], mark, problems)
    if name in _NOTHING:
        help, fix = "for no layer, write `null` and give its entry a `when`", None
    problems.add(Problem("E0204", message, mark, help=help, fix=fix))
    return None


def converted(value: Any, paths: frozenset[Path], named: Callable[[str], Any]) -> Any:
    """Replace each string at some paths of a value by `named` of it."""
    if not paths:
        return value
    if isinstance(value, Callee):
        return value
    if isinstance(value, str):
        return named(value) if () in paths else value
    if isinstance(value, tuple):
        return tuple(converted(item, _within(paths, at), named) for at, item in enumerate(value))
    if isinstance(value, Expression):
        return replace(value, tree=converted(value.tree, paths, named))
    match value:
        case Const(str() as text):
            return Const(converted(text, paths, named))
        case Items(items):
            return Items(tuple(converted(item, _within(paths, at), named) for at, item in enumerate(items)))
        case Choice(condition, yes, no):
            return Choice(condition, converted(yes, paths, named), converted(no, paths, named))
        case Logic(word, operands):
            return Logic(word, tuple(converted(operand, paths, named) for operand in operands))
    return value


def _within(paths: frozenset[Path], at: int) -> frozenset[Path]:
    """The paths within the item at a position."""
    return frozenset(path[1:] for path in paths if path and path[0] in ("*", at))


class _Resolver:
    """Follows the values of names through a spec; `places` are the paths of each name's value that are layers."""

    def __init__(
        self, body: Body, parameters: dict[str, Parameter], blocks: dict[str, Block], problems: Problems
    ) -> None:
        self.bodies: dict[int, Body] = {0: body}
        self.parameters: dict[int, dict[str, Parameter]] = {0: parameters}
        self.known: dict[int, Mapping[str, Block]] = {0: blocks}
        self.blocks: list[Block] = []
        self.problems = problems
        self.places: dict[Place, set[Path]] = {}
        self.flows: list[_Flow] = []
        self.chosen: list[tuple[ChosenCall, int]] = []
        self.calls: list[tuple[BlockCall, int]] = []
        self.loops: dict[int, tuple[int, tuple[str, ...]]] = {}
        """The scope around each loop, and the loop's own names."""
        self.reported: set[str] = set()
        self.waiting: list[Block] = []
        """Known blocks that weren't visited yet; iterative, because a chain of calls may be long."""
        self.changed = False

    def run(self) -> None:
        """Repeat until nothing new is found, because a block that an entry calls may call others."""
        self.declare(self.parameters[0], 0)
        self.visit(self.bodies[0], 0)
        self.visit_waiting()
        if not self.chosen and not any(any(chosen_calls(block.body)) for block in self.known[0].values()):
            return
        for block in self.known[0].values():
            self.enter(block)
        self.visit_waiting()
        self.changed = True
        while self.changed:
            self.changed = False
            self.mark()
            self.convert()
            for call, scope in list(self.chosen):
                for found in self.values(call.which.tree, scope, (), frozenset()):
                    self.choose(call, found, scope)
            self.visit_waiting()
        for scope, body in self.bodies.items():
            self.compared(body, scope)
        refuse_circles(self.blocks, self.problems)

    # What there is

    def declare(self, parameters: dict[str, Parameter], scope: int) -> None:
        for name, parameter in parameters.items():
            self.flows.append(_Flow((scope, name), (), tree_of(parameter.default), scope))

    def enter(self, block: Block) -> None:
        """Schedule a visit of a block, once."""
        if id(block) in self.bodies or block.body is None:
            return
        self.changed = True
        self.blocks.append(block)
        self.bodies[id(block)], self.parameters[id(block)] = block.body, block.parameters
        self.known[id(block)] = block.known
        self.declare(block.parameters, id(block))
        self.waiting.append(block)

    def visit_waiting(self) -> None:
        while self.waiting:
            block = self.waiting.pop()
            assert block.body is not None
            self.visit(block.body, id(block))

    def visit(self, body: Body, scope: int) -> None:
        for part, within in _parts(body.entries, scope):
            if isinstance(part, Splice):
                self.loops[id(part)] = (within, part.names)
                several = len(part.variables) > 1
                for at, variable in enumerate(part.variables):
                    path = ("*", at) if several else ("*",)
                    self.flows.append(_Flow((id(part), variable), path, tree_of(part.rows), within))
            elif isinstance(part.element, BlockCall):
                self.call(part.element, within)
            elif isinstance(part.element, ChosenCall):
                self.chosen.append((part.element, within))

    def place(self, scope: int, name: str) -> Place:
        """The place of a name that a value in a scope reads."""
        while scope in self.loops and name not in self.loops[scope][1]:
            scope = self.loops[scope][0]
        return scope, name

    def block(self, scope: int) -> int:
        """The scope of the block that contains a loop."""
        while scope in self.loops:
            scope = self.loops[scope][0]
        return scope

    def call(self, call: BlockCall, scope: int) -> None:
        self.calls.append((call, scope))
        self.enter(call.block)
        for name, value in call.arguments.items():
            self.flows.append(_Flow((id(call.block), name), (), tree_of(value), scope))

    def choose(self, call: ChosenCall, found: Callee, scope: int) -> None:
        """Record that an entry may be a layer or a block."""
        if found in call.options:
            return
        self.changed = True
        call.options.append(found)
        with suppress(SpecError):  # errors are reported where it is used, if ever
            made = call.call(found)
            if isinstance(made, BlockCall):
                self.call(made, scope)

    # Which names are those of layers

    def mark(self) -> None:
        for call, scope in self.chosen:
            self.name(call.which.tree, scope, ())
        count = -1
        while count != (count := sum(map(len, self.places.values()))):
            for flow in self.flows:
                for path in list(self.places.get(flow.name, ())):
                    self.name(flow.value, flow.scope, (*flow.path, *path))
                if type(flow.value) is Name:
                    for path in list(self.places.get(self.place(flow.scope, flow.value.name), ())):
                        if len(path) >= len(flow.path) and path[: len(flow.path)] == flow.path:
                            self.places.setdefault(flow.name, set()).add(path[len(flow.path) :])

    def name(self, value: Any, scope: int, path: Path) -> None:
        """Record that there is a layer at a path of a value."""
        match value:
            case Name(name):
                self.places.setdefault(self.place(scope, name), set()).add(path)
            case Choice(_, yes, no):
                self.name(yes, scope, path)
                self.name(no, scope, path)
            case Logic(_, operands):
                for operand in operands:
                    self.name(operand, scope, path)
            case Item(base, index):
                known = isinstance(index, Const) and type(index.value) is int and index.value >= 0
                self.name(base, scope, (index.value if known else "*", *path))  # type: ignore[attr-defined]
            case Slice(base) if path:
                self.name(base, scope, ("*", *path[1:]))
            case tuple() | Items() if path:
                for item in _items(value, path[0]):
                    self.name(item, scope, path[1:])

    def values(self, value: Any, scope: int, path: Path, seen: frozenset[Any]) -> Iterator[Callee]:
        """The possible values at a path of a value."""
        match value:
            case Callee():
                yield value
            case Const(constant):
                yield from self.values(constant, scope, path, seen) if not isinstance(constant, Expr) else ()
            case Name(name):
                place = self.place(scope, name)
                key = (*place, path)
                for flow in self.flows if key not in seen else ():
                    if flow.name == place:
                        yield from self.values(flow.value, flow.scope, (*flow.path, *path), seen | {key})
            case Choice(_, yes, no):
                yield from self.values(yes, scope, path, seen)
                yield from self.values(no, scope, path, seen)
            case Logic(_, operands):
                for operand in operands:
                    yield from self.values(operand, scope, path, seen)
            case Item(base, index):
                known = isinstance(index, Const) and type(index.value) is int and index.value >= 0
                yield from self.values(base, scope, (index.value if known else "*", *path), seen)  # type: ignore[attr-defined]
            case Slice(base) if path:
                yield from self.values(base, scope, ("*", *path[1:]), seen)
            case tuple() | Items() if path:
                for item in _items(value, path[0]):
                    yield from self.values(item, scope, path[1:], seen)

    # The values themselves

    def named(self, scope: int, mark: Mark) -> Callable[[str], Any]:
        """A function that converts a string to a layer; a string that isn't one is reported once and kept."""

        def found(text: str) -> Any:
            if text in self.reported:  # once, where it is first written
                return text
            made = callee(text, self.known[self.block(scope)], mark, self.problems)
            if made is None:
                self.reported.add(text)
                return text
            self.changed = True
            return made

        return found

    def convert(self) -> None:
        """Convert the strings that flow to layers."""

        def paths(scope: int, name: str) -> frozenset[Path]:
            return frozenset(self.places.get((scope, name), ()))

        for scope, parameters in self.parameters.items():
            for name, parameter in parameters.items():
                parameter.callees = paths(scope, name)
                parameter.default = self.settled(parameter.default, parameter.callees, scope, parameter.mark)
        for call, scope in self.calls:
            for name, value in call.arguments.items():
                mark = call.marks.get(name, call.mark)
                call.arguments[name] = self.settled(value, paths(id(call.block), name), scope, mark)
        for chosen, scope in self.chosen:
            chosen.which = self.settled(chosen.which, frozenset({()}), scope, chosen.mark)
        for scope, body in self.bodies.items():
            for part, within in _parts(body.entries, scope):
                if not isinstance(part, Splice):
                    continue
                several = len(part.variables) > 1
                found = {
                    ("*", at, *path) if several else ("*", *path)
                    for at, variable in enumerate(part.variables)
                    for path in paths(id(part), variable)
                }
                part.rows = self.settled(part.rows, frozenset(found), within, part.mark)
        self.flows = [
            flow._replace(value=self.settled(flow.value, self.of(flow), flow.scope, None)) for flow in self.flows
        ]

    def of(self, flow: _Flow) -> frozenset[Path]:
        return frozenset((*flow.path, *path) for path in self.places.get(flow.name, ()))

    def settled(self, value: Any, paths: frozenset[Path], scope: int, mark: Mark | None) -> Any:
        """A value with its layers; without a mark, errors are left to the place where it is written."""
        if mark is not None:
            return converted(value, paths, self.named(scope, mark))
        quiet = Problems()

        block = self.block(scope)
        return converted(
            value, paths, lambda text: callee(text, self.known[block], self.bodies[block].mark, quiet) or text
        )

    # Where a layer is compared, or is no value

    def compared(self, body: Body, scope: int) -> None:
        """Convert strings that layers are compared with, and report layers that are used as other values."""
        for parameter in self.parameters[scope].values():
            parameter.default = self.rewritten(parameter.default, scope)
        for call, where in self.calls:
            if self.block(where) == scope:
                call.arguments.update({n: self.rewritten(value, where) for n, value in call.arguments.items()})
        for part, within in _parts(body.entries, scope):
            if isinstance(part, Splice):
                part.count, part.rows = self.rewritten(part.count, within), self.rewritten(part.rows, within)
                part.when = self.rewritten(part.when, within)
                continue
            part.when = self.rewritten(part.when, within)
            calls: list[Any] = [part.element]
            if isinstance(part.element, ChosenCall):
                part.element.which = self.rewritten(part.element.which, within)
                calls = [call for _, call in part.element.calls()]
            for call in calls:
                if isinstance(call, LayerCall):
                    for name, value in call.arguments.items():
                        call.arguments[name] = self.rewritten(value, within)
                        if self.refused(tree_of(value), within, call.marks.get(name, call.mark)):
                            call.arguments[name] = UNKNOWN

    def refused(self, value: Any, scope: int, mark: Mark) -> bool:
        """Report a layer that is an argument of a layer; return True if there is one."""
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, Name) and self.is_layer(item, scope):
                help = "use another argument for the value"
                self.problems.add(
                    Problem("E0204", f"`{item.name}` names a layer, so it is not a value", mark, help=help)
                )
                return True
        return False

    def rewritten(self, value: Any, scope: int) -> Any:
        """A value in whose comparisons layers are compared with layers."""
        if isinstance(value, Expression):
            tree = self.comparisons(value.tree, scope, value.mark)
            return value if tree is value.tree else replace(value, tree=tree)
        return tuple(self.rewritten(item, scope) for item in value) if isinstance(value, tuple) else value

    def comparisons(self, node: Expr, scope: int, mark: Mark) -> Expr:
        parts = tuple(self.comparisons(part, scope, mark) for part in node.parts())
        if any(new is not old for new, old in zip(parts, node.parts(), strict=True)):
            node = node.rebuild(parts)
        if isinstance(node, Compare) and any(self.is_layer(operand, scope) for operand in node.operands):
            paths = frozenset[Path]({(), ("*",)})
            operands = tuple(converted(operand, paths, self.named(scope, mark)) for operand in node.operands)
            if any(new != old for new, old in zip(operands, node.operands, strict=True)):
                return Compare(operands, node.signs)
        return node

    def is_layer(self, value: Any, scope: int) -> bool:
        match value:
            case Name(name):
                return () in self.places.get(self.place(scope, name), ())
            case Item(Name(name), index):
                at = index.value if isinstance(index, Const) else "*"
                return any(path in (("*",), (at,)) for path in self.places.get(self.place(scope, name), ()))
        return False


def _items(value: Any, at: Any) -> tuple[Any, ...]:
    """The items of a list at a position or `*`."""
    items = value.items if isinstance(value, Items) else value
    return items if at == "*" else items[at : at + 1]


def _parts(entries: tuple[Entry | Splice, ...], scope: int) -> Iterator[tuple[Entry | Splice, int]]:
    """Entries and loops, including those within loops and nested bodies, each with its scope."""
    for entry in entries:
        yield entry, scope
        if isinstance(entry, Splice):
            yield from _parts(entry.entries, id(entry))
        elif isinstance(entry.element, Body):
            yield from _parts(entry.element.entries, scope)
