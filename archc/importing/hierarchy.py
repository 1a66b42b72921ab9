"""The hierarchy of a source graph: its scopes as nested bodies, with entries that refer to each other by name."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from archc.importing.constructors import PREFIX, defaults
from archc.importing.graph import Call, Operation, SourceGraph, Unsupported, Value
from archc.importing.merge import CONTAINERS
from archc.importing.tree import Body, Entry, Formula, Layer, Share, same_value
from archc.kinds import KINDS, Shape
from archc.kinds.axes import DIMENSIONS
from archc.language.names import input_name_fault, layer_name_fault, output_name_fault

_NAMES = {"add": "sum", "multiply": "scale", "concat": "joined"}
"""The names of entries for operations without one, by their layer type, if it isn't the type's own name."""


@dataclass(slots=True, eq=False)
class _Part:
    """An operation, or a group of parts: the calls within one module."""

    name: str
    path: str = ""
    title: str = ""
    operation: int | None = None
    parts: list[_Part] = field(default_factory=list)
    key: Call | None = None
    moved: bool = False
    auxiliary: bool = False

    def names(self) -> set[str]:
        """The names that entries have in it, and `input`, which each body has."""
        return {"input", *(part.name for part in self.parts)}.union(*(part.names() for part in self.parts))

    def operations(self) -> Iterable[int]:
        """The operations in it."""
        if self.operation is not None:
            yield self.operation
        for part in self.parts:
            yield from part.operations()


def hierarchy(graph: SourceGraph) -> tuple[Body, list[Unsupported], list[str]]:
    """The body of a network, what can't be said, and the names that were changed."""
    maker = _Maker(graph)
    return maker.root(), maker.unsupported, maker.renamed


def normalize(graph: SourceGraph) -> SourceGraph:
    """The same network without operations that nothing uses; joins of joins are written as such.

    `cat(a, b, c)` becomes `cat(cat(a, b), c)` if `cat(a, b)` is computed anyway, so a dense block is a chain. Sums and
    products of two values at a time become one of all, which computes the same in the same order.
    """
    operations = list(graph.operations)
    readers = Counter(value.operation for operation in operations for value in operation.inputs)
    readers.update(value.operation for value in graph.results.values())
    merged: set[int] = set()
    for at, operation in enumerate(operations):
        first = operation.inputs[0].operation if operation.kind in _CHAINED else -1
        if first >= 0 and readers[first] == 1 and _alike(operations[first], operation):
            operations[at] = replace(operation, inputs=(*operations[first].inputs, *operation.inputs[1:]))
            merged.add(first)
    joined = {operation.inputs: at for at, operation in enumerate(operations) if operation.kind == "concat"}
    for at, operation in enumerate(operations):
        before = joined.get(operation.inputs[:-1], at) if operation.kind == "concat" else at
        if before < at:
            operations[at] = replace(operation, inputs=(Value(before), operation.inputs[-1]))
    left = (
        replace(operation, auxiliary=False) if at in merged else operation for at, operation in enumerate(operations)
    )
    return used(replace(graph, operations=tuple(left)))


def used(graph: SourceGraph) -> SourceGraph:
    """The same network without operations that no result depends on."""
    operations = graph.operations
    live: set[int] = set()
    wanted = [value.operation for value in graph.results.values()]
    wanted += [at for at, operation in enumerate(operations) if operation.auxiliary]
    while wanted:
        at = wanted.pop()
        if at >= 0 and at not in live:
            live.add(at)
            wanted += [value.operation for value in operations[at].inputs]
    number = {at: place for place, at in enumerate(sorted(live))}

    def moved(value: Value) -> Value:
        return Value(number.get(value.operation, value.operation), value.part)

    kept = [operations[at] for at in sorted(live)]
    given, returned = (
        {
            call: {
                moved(value): name for value, name in values.items() if value.operation < 0 or value.operation in live
            }
            for call, values in calls.items()
        }
        for calls in (graph.given, graph.returned)
    )
    return replace(
        graph,
        given=given,
        returned=returned,
        operations=tuple(replace(each, inputs=tuple(map(moved, each.inputs))) for each in kept),
        results={name: moved(value) for name, value in graph.results.items()},
    )


_CHAINED = ("add", "multiply", "maximum")
"""Joins of two or more values."""


def _alike(one: Operation, other: Operation) -> bool:
    """Return True if two joins are steps of one expression."""
    return (one.kind, one.name, one.scopes, one.auxiliary) == (other.kind, "", other.scopes, other.auxiliary)


class _Maker:
    def __init__(self, graph: SourceGraph) -> None:
        self.graph = graph
        self.operations = graph.operations
        self.shapes: Sequence[Shape] = list(graph.inputs.values())
        self.unsupported: list[Unsupported] = []
        self.renamed: list[str] = []
        self.readers: dict[int, list[int]] = defaultdict(list)  # of each operation
        for at, operation in enumerate(self.operations):
            for value in operation.inputs:
                self.readers[value.operation].append(at)
        self.shared: set[int] = set()  # operations of layers that run again
        self.kept = {value.operation for value in graph.results.values()}

    def root(self) -> Body:
        """The network's own body."""
        root = _Part("", title=self.graph.name)
        for at, operation in enumerate(self.operations):
            self.place(root, at, operation)
        self.nest(root)
        self.join_inside(root)
        self.heads_in_place(root)
        body = self.body(root, {})
        for at, operation in enumerate(self.operations):
            if operation.again and at not in self.shared:
                what = f"{KINDS[operation.kind].torch.removeprefix('nn.')} with shared weights"
                self.unsupported.append(Unsupported(what, operation.place, "it is called more than once"))
        return body

    # Parts

    def place(self, root: _Part, at: int, operation: Operation) -> None:
        """Put an operation into the groups of its scopes."""
        part, prefix = root, ""
        for scope in operation.scopes:
            key = (scope.path, scope.call)
            inner = next((each for each in reversed(part.parts) if each.key == key), None)
            if inner is None:
                name = scope.path.removeprefix(prefix) if scope.path.startswith(prefix) else ""
                inner = _Part(name or scope.path.rpartition(".")[2], scope.path, scope.title, key=key)
                inner.auxiliary = operation.auxiliary and part is root
                part.parts.append(inner)
            part, prefix = inner, f"{scope.path}."
        part.parts.append(_Part(operation.name, operation=at, auxiliary=operation.auxiliary and part is root))

    def nest(self, group: _Part) -> None:
        """Give parts with names such as `blocks.0` a group `blocks`, which is a ModuleList that is never called."""
        for part in group.parts:
            self.nest(part)
        while True:
            first = next((part.name.partition(".")[0] for part in group.parts if "." in part.name), None)
            if first is None:
                return
            places = [at for at, part in enumerate(group.parts) if part.name.startswith(f"{first}.")]
            start, end = places[0], places[-1] + 1
            path = f"{group.path}.{first}" if group.path else first
            inner = _Part(first, path)
            for part in group.parts[start:end]:
                if part.name.startswith(f"{first}."):
                    part.name = part.name.removeprefix(f"{first}.")
                elif part.name:
                    reason = f"`{part.name}` runs between its layers"
                    self.unsupported.append(Unsupported(f"modules of `{path}`", path, reason))
                    part.name = ""
                inner.parts.append(part)
            join = group.parts[end] if end < len(group.parts) else None
            if join is not None and self.joins(inner, join) and not join.name:
                inner.parts.append(join)
                end += 1
            group.parts[start:end] = [inner]
            self.nest(inner)

    def joins(self, group: _Part, join: _Part) -> bool:
        """Return True if an operation joins the results of a group's numbered parts, which take one input."""
        if join.operation is None or not self.is_join(join.operation):
            return False
        parts = [part for part in group.parts if part is not join]
        numbered = len(parts) > 1 and [part.name for part in parts] == [str(at) for at in range(len(parts))]
        given = [self.externals(part) if part.operation is None else list(self.inputs(part)) for part in parts]
        made = [self.results(part) for part in parts]
        return (
            numbered
            and all(len(values) == 1 and values == given[0] for values in given)
            and all(len(values) == 1 for values in made)
            and [values[0] for values in made] == list(self.inputs(join))
            and all(set(self.readers[values[0].operation]) == {join.operation} for values in made)
        )

    def is_join(self, operation: int) -> bool:
        """Return True if an operation takes a list of inputs."""
        kind = KINDS.get(self.operations[operation].kind)
        return kind is not None and kind.many

    def join_inside(self, group: _Part) -> None:
        """Move a join at the start of a part to the end of the one before: each layer of a dense block appends to it.

        A part whose first operation joins values from outside has one input if the join is done before it.
        """
        for part in group.parts:
            self.join_inside(part)
        at = 0
        while at < len(group.parts):
            part = group.parts[at]
            while part.parts and len(self.externals(part)) > 1:
                first = part.parts[0]
                inside = set(part.operations())
                if first.operation is None or first.name or any(v.operation in inside for v in self.inputs(first)):
                    break
                part.parts.pop(0)
                group.parts.insert(at, first)
                at += 1
            at += 1
        for place in range(len(group.parts) - 1, 0, -1):
            join, before = group.parts[place], group.parts[place - 1]
            if join.operation is None or join.name or not before.parts or before.parts[0].name.isdigit():
                continue
            outside = self.externals(before)
            results = self.results(before)
            if (
                self.operations[join.operation].kind == "concat"
                and len(outside) == 1
                and len(results) == 1
                and self.inputs(join) == (outside[0], results[0])
                and self.readers[results[0].operation].count(join.operation)
                == len(set(self.readers[results[0].operation]) - set(before.operations()))
            ):
                before.parts.append(join)
                group.parts.pop(place)

    def heads_in_place(self, root: _Part) -> None:
        """Put each auxiliary head after the parts whose results it takes."""
        heads = [part for part in root.parts if part.auxiliary]
        root.parts = [part for part in root.parts if not part.auxiliary]
        for head in heads:
            sources = {value.operation for value in self.externals(head)}
            places = [at for at, part in enumerate(root.parts) if sources & set(part.operations())]
            at = places[-1] + 1 if places else 0
            while at < len(root.parts) and root.parts[at].auxiliary:
                at += 1
            root.parts.insert(at, head)

    # Values

    def inputs(self, part: _Part) -> tuple[Value, ...]:
        """The inputs of an operation."""
        assert part.operation is not None
        return self.operations[part.operation].inputs

    def externals(self, part: _Part) -> list[Value]:
        """The values from outside that a part reads: those that it is called with, then others in the order of use."""
        inside = set(part.operations())
        read = dict.fromkeys(value for at in part.operations() for value in self.operations[at].inputs)
        ordered = [*(value for value in self.given(part) if value in read), *read]
        return [value for value in dict.fromkeys(ordered) if value.operation not in inside]

    def given(self, part: _Part) -> Mapping[Value, str]:
        """The values that a part is called with, and its names for them."""
        return self.graph.given.get(part.key, {}) if part.key is not None else {}

    def several(self, part: _Part) -> bool:
        """Return True if a part takes several values and has to be a block: it is a class that was called with them.

        The body of an entry of archc, which is named after the entry, reads them by their names instead.
        """
        own = part.key is not None and part.title not in {*CONTAINERS, part.path.rpartition(".")[2]}
        return own and len(self.externals(part)) > 1

    def results(self, part: _Part) -> list[Value]:
        """The values of a part that others read, or that are the network's results."""
        inside = set(part.operations())
        found: dict[Value, None] = {}
        for at in part.operations():
            read = [v for r in self.readers[at] if r not in inside for v in self.operations[r].inputs]
            read += self.graph.results.values()
            found.update(dict.fromkeys(value for value in read if value.operation == at))
        return list(found)

    def channels(self, value: Value) -> int:
        """The channels of a value."""
        if value.operation < 0:
            return int(self.shapes[-1 - value.operation][0])
        return int(self.operations[value.operation].shapes[value.part or 0][0])

    # Bodies

    def body(self, group: _Part, around: dict[Value, str]) -> Body:
        """The body of a group; `around` has the names of the values of the bodies that enclose it."""
        outside = self.externals(group) if group.path or group.key else [Value(-1)]
        results = self.results(group)
        if group.auxiliary and not results:
            results = [Value(max(group.operations()))]
        several = self.several(group)
        closed = bool(results) and (len(outside) == 1 or several)
        body = Body(group.title, group.path, "mapping", [], 0, 0, closed=closed)
        taken = {part.name for part in group.parts if part.name}
        named: dict[Value, str] = {value: around[value] for value in outside[1:] if value in around}
        if several:
            named = self.input_names(group, outside, taken)
            body.inputs = {name: self.channels(value) for value, name in named.items()}
        used = {name.partition(".")[0] for name in named.values()}
        numbers: dict[str, int] = {}
        first = next(iter(body.inputs), "")
        if outside:
            named[outside[0]] = "input"
        body.channels = self.channels(outside[0]) if outside else 0
        body.output = self.channels(results[-1]) if results else 0
        if group.parts and len(outside) == 1 and self.joins(group, group.parts[-1]):
            body.form = "branches"
            body.join = self.operations[group.parts[-1].operation or 0].kind
            group = replace(group, parts=group.parts[:-1])
        elif self.is_list(group, outside, results):
            body.form = "list"
        taken = taken if body.form == "mapping" else set()
        previous: Value | None = outside[0] if outside else None
        before: list[tuple[_Part, Entry]] = []
        for part in group.parts:
            shared = self.owner(part, before) if body.form == "mapping" else None
            if body.form == "list" and part.name:
                while len(body.entries) < int(part.name):  # parts that the forward pass never meets keep their number
                    body.entries.append(Entry(str(len(body.entries)), Layer(KINDS["identity"], {})))
            if body.form == "mapping" and part.operation is None and not self.several(part):
                inside = part.names()
                for value in self.externals(part)[1:]:
                    if named.get(value) == "input" and first:
                        named[value] = first
                    if named.get(value, "").partition(".")[0] in inside:  # within the part, it is another value
                        source = "" if previous == value else named[value]
                        named[value] = self.name(_Part("whole"), taken, used | inside, numbers)
                        used.add(named[value])
                        body.entries.append(Entry(named[value], Layer(KINDS["identity"], {}), source))
                        previous = value
            numbered = body.form in ("list", "branches")
            name = str(len(body.entries)) if numbered else self.name(part, taken, used, numbers)
            used.add(name)
            if shared is None:
                entry, given, made = self.entry(part, name, named, around)
                before.append((part, entry))
            else:
                self.shared |= set(part.operations())
                owner, given = shared
                entry = Entry(name, Share(owner.name), auxiliary=part.auxiliary)
                made = self.results(part)
                if isinstance(owner.element, Body) and owner.element.inputs:
                    entry.operands = tuple(named[value] for value in given)
                given = given[:1]
            if len(given) == 1 and not entry.operands and given[0] != previous and body.form == "mapping":
                entry.source = named.get(given[0], "")
            body.entries.append(entry)
            thing = (entry if shared is None else shared[0]).element
            inner = thing.outputs if isinstance(thing, Body) else {}
            if not part.auxiliary:
                whole = len(made) == 1 and not inner and (part.operation is None or made[0].part is None)
                previous = made[0] if whole else None
            for value, output in zip(made, inner or [""] * len(made), strict=True):
                named[value] = f"{name}.{output}" if output else name
            if part.operation is not None and made and made[0].part is not None:
                for number in range(len(self.operations[part.operation].shapes)):
                    named[Value(part.operation, number)] = f"{name}.{number}"
        if body.form == "branches":
            return body
        wanted = {} if group.path or group.key else self.graph.results
        returned = {} if group.key is None else self.graph.returned.get(group.key, {})
        if results and set(results) <= returned.keys() and not any(map(output_name_fault, returned.values())):
            body.outputs = {name: named[value] for value, name in returned.items() if value in results}
        elif len(results) > 1 and not wanted:
            body.outputs = {self.output_name(named[value], at): named[value] for at, value in enumerate(results)}
        elif wanted and list(wanted) != [None]:
            body.outputs = {str(name): named[value] for name, value in wanted.items()}
        elif not body.entries or (results and previous != results[0] and not group.auxiliary):
            name = self.name(_Part("", title="identity"), taken, used, numbers)
            source = named[results[0]] if body.entries else ""
            body.entries.append(Entry(name, Layer(KINDS["identity"], {}), source))
        return body

    def input_names(self, group: _Part, outside: Sequence[Value], taken: set[str]) -> dict[Value, str]:
        """Names for the inputs of a block, none of which is an entry's."""
        found: dict[Value, str] = {}
        for at, value in enumerate(outside):
            name = self.given(group).get(value) or f"x{at + 1}"
            while input_name_fault(name) or name in taken or name in found.values():
                name = f"{name}_"
            found[value] = name
        return found

    def owner(self, part: _Part, before: list[tuple[_Part, Entry]]) -> tuple[Entry, list[Value]] | None:
        """The earlier entry of the same body whose layers a part runs again, and the values that it gives them."""
        if not self.again(part):
            return None
        for other, entry in before:
            given = None if other.auxiliary or other.path != part.path else self.given_instead(other, part)
            if given is not None:
                return entry, given
        return None

    def given_instead(self, owner: _Part, part: _Part) -> list[Value] | None:
        """What a part reads for each value from outside that its owner does; None if they aren't calls of one module.

        The layers and their wiring have to be equal. Only a block reads other values than those of its owner after the
        first one.
        """
        places = [{at: number for number, at in enumerate(each.operations())} for each in (owner, part)]
        if len(places[0]) != len(places[1]):
            return None
        found: dict[Value, Value] = {}
        for one, other in zip(*places, strict=True):
            a, b = self.operations[one], self.operations[other]
            if (a.kind, a.tensors, len(a.inputs)) != (b.kind, b.tensors, len(b.inputs)):
                return None
            for x, y in zip(a.inputs, b.inputs, strict=True):
                inside = places[0].get(x.operation), places[1].get(y.operation)
                if inside != (None, None):
                    if (inside[0], x.part) != (inside[1], y.part):
                        return None
                elif found.setdefault(x, y) != y:
                    return None
        made = [
            [(place[v.operation], v.part) for v in self.results(each)]
            for each, place in zip((owner, part), places, strict=True)
        ]
        outside = self.externals(owner)
        fixed = [] if self.several(owner) else outside[1:]
        alike = made[0] == made[1] and all(found[value] == value for value in fixed)
        return [found[value] for value in outside] if alike else None

    def again(self, part: _Part) -> bool:
        """Return True if every layer of a part that has weights runs again."""
        weighted = [at for at in part.operations() if self.operations[at].tensors]
        return bool(weighted) and all(self.operations[at].again for at in weighted)

    def output_name(self, reference: str, at: int) -> str:
        """The name of a body's output, after the entry that gives it."""
        name = reference.replace(".", "_")
        return f"{name}_{at}" if name == "input" else name

    def entry(
        self, part: _Part, name: str, named: dict[Value, str], around: dict[Value, str]
    ) -> tuple[Entry, list[Value], list[Value]]:
        """The entry of a part, the values that it takes, and those that it gives."""
        if part.operation is None:
            given, several = self.externals(part), self.several(part)
            known = {**around, **named}
            visible = {value: text for value, text in known.items() if several or text != "input"}
            for value in given[1:]:
                if value not in visible:
                    self.unsupported.append(Unsupported(f"{part.title or 'module'} with several inputs", part.path))
            entry = Entry(name, self.body(part, {} if several else visible), auxiliary=part.auxiliary)
            if several:
                entry.operands = tuple(known.get(value, "") for value in given)
            return entry, given[:1], self.results(part)
        operation = self.operations[part.operation]
        kind = KINDS.get(operation.kind)
        shapes = tuple(self.shape(value) for value in operation.inputs)
        entry = Entry(name, Layer(KINDS["identity"], {}), auxiliary=part.auxiliary)
        if kind is not None:
            entry.element = _layer(operation, shapes)
            entry.operation = part.operation if operation.tensors else None
            if kind.many:
                entry.operands = tuple(named.get(value, "") for value in operation.inputs)
        parts = len(operation.shapes)
        one = kind is None or kind.many or not isinstance(kind(**operation.arguments).output(shapes), dict)
        made = [Value(part.operation)] if one else [Value(part.operation, number) for number in range(parts)]
        return entry, list(operation.inputs), made

    def shape(self, value: Value) -> Shape:
        """The shape of a value."""
        if value.operation < 0:
            return self.shapes[-1 - value.operation]
        return self.operations[value.operation].shapes[value.part or 0]

    def is_list(self, group: _Part, outside: list[Value], results: list[Value]) -> bool:
        """Return True if a group's parts are numbered and form a chain."""
        if any(map(self.again, group.parts)):
            return False  # an entry of a list can't share weights
        names = [part.name for part in group.parts]
        numbered = [name for name in names if name]
        if not numbered or not all(name.isdigit() for name in numbered):
            return False
        chain = names[: len(numbered)] == numbered == sorted(numbered, key=int) and len(set(numbered)) == len(numbered)
        previous = outside[0] if len(outside) == 1 else None
        for part in group.parts:
            given = self.externals(part) if part.operation is None else list(self.inputs(part))
            made = self.results(part)
            chain = chain and given == [previous] and len(made) <= 1
            previous = made[-1] if made else None
        return chain and (results == [previous] or not results or group.auxiliary)

    def name(self, part: _Part, taken: set[str], used: set[str], numbers: dict[str, int]) -> str:
        """A valid name for a part that no other of its body has; `numbers` has the next number to try for a name."""
        if part.name:
            stem = part.name
            if layer_name_fault(stem):
                stem = re.sub(r"[^A-Za-z0-9_]", "_", stem)
                stem = f"layer{stem}" if not stem[0].isalpha() else stem
                stem = f"{stem}_" if layer_name_fault(stem) else stem
                self.renamed.append(f"{part.path or part.name} is {stem}")
            if stem not in used:
                return stem
        else:
            kind = part.title if part.operation is None else self.operations[part.operation].kind
            stem = _NAMES.get(kind, kind.strip("()"))
        if stem not in taken and stem not in used:
            return stem
        number = numbers.get(stem, 2)
        while f"{stem}{number}" in taken or f"{stem}{number}" in used:
            number += 1
        numbers[stem] = number + 1
        return f"{stem}{number}"


def _layer(operation: Operation, shapes: tuple[Shape, ...]) -> Layer:
    """The layer of an operation, with every argument's effective value."""
    kind = KINDS[operation.kind]
    if kind.opaque:
        return _opaque_layer(operation, shapes[0])
    made = kind(**operation.arguments)
    settled = made.settled(shapes)
    implied = set()
    for name, field_ in kind.model_fields.items():
        if field_.is_required():
            continue
        rest = {key: value for key, value in operation.arguments.items() if key != name}
        if name not in operation.arguments or kind(**rest).settled(shapes) == settled:
            implied.add(name)
    arguments = {name: settled[name] for name in kind.model_fields}
    if all(arguments[name] is None for name in kind.model_fields) and arguments:
        arguments = {}
    return Layer(kind, arguments, frozenset(implied))


def _opaque_layer(operation: Operation, given: Shape) -> Layer:
    """The layer of a part that archc can't say, with the arguments of its constructor among its own."""
    target, made = operation.arguments["target"], operation.shapes[0]
    arguments = {f"{PREFIX}{name}": value for name, value in operation.arguments["arguments"]}
    known = defaults(target)
    implied = {name for name, value in arguments.items() if name in known and same_value(value, known[name])}
    shape: Any = "same"
    if made != given:
        names = DIMENSIONS[len(given)] if len(made) == len(given) else [""] * len(made)
        before = given if len(made) == len(given) else [0] * len(made)
        shape = tuple(_size(size, old, name) for size, old, name in zip(made, before, names, strict=True))
    return Layer(
        KINDS["module"],
        {"target": target, **arguments, "shape": shape},
        frozenset({*implied, *(["shape"] if shape == "same" else [])}),
    )


def _size(size: int, before: int, name: str) -> Any:
    """A size of an output, in terms of the input's if it is one, or a part of it as a stride leaves it."""
    if size == before:
        return Formula(name)
    if name == "channels" or not before:
        return size
    return next((Formula(f"{name} // {step}") for step in (2, 4, 8, 16) if size == before // step), size)
