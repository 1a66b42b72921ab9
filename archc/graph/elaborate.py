"""The spec to the architecture graph.

Blocks are unfolded, repeats spliced, conditions decided, every shape inferred and checked, in one pass
from the input on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from archc.expressions import (
    Expression,
    ExpressionError,
    Symbol,
    also_of,
    evaluate_text,
    has_expression,
    names_of,
    plain,
    text_of,
)
from archc.graph.aliasing import overwrite_problems
from archc.graph.causes import first_shrinking, keeping, shortcuts
from archc.graph.graph import INPUT, Graph, Instance, Network, Node, Ref, Turn
from archc.graph.initialization import init_problems
from archc.graph.references import lost_references
from archc.graph.vanishing import LOOKED_INTO, Opened, large_enough, shrinking, way
from archc.kinds import KINDS, Fault, Join, Kind, Shape, volume
from archc.kinds.base import shown
from archc.kinds.convolution import Conv2d, same_faults, same_padding
from archc.language import Spec
from archc.language.names import layer_name_fault
from archc.language.parse import make_kind
from archc.language.spec import Block, BlockCall, Body, Entry, LayerCall, Name, Parameter, Reference, Splice
from archc.limits import MAX_BLOCK_DEPTH, MAX_LAYERS, how_to_raise
from archc.problems import Fix, Mark, Problem, Problems, SpecError

Scope = dict[str, Any]


def elaborate(
    spec: Spec,
    parameters: dict[str, Parameter] | None = None,
    input: tuple[int, int, int] | None = None,
    *,
    symbolic: bool = False,
    resolved: frozenset[str] = frozenset(),
    instances: Instances | None = None,
    observe: Observe | None = None,
) -> Network:
    """The checked network for the given parameters and input size. Raises SpecError with every fault.

    With `symbolic`, values inside a block carry their expressions in the block's parameters, and the
    network's own in its parameters but those `resolved`; the numbers are the same. Networks of one spec
    that are elaborated with the same `instances` share the graphs of equal ones. `observe` is called with each
    node once it is made, so also with those before a fault; what it raises ends the elaboration.
    """
    size, declared = input or spec.input, parameters or spec.parameters
    elaborator = _Elaborator(symbolic, dict(instances or {}), observe)
    if spec.body.mark.source is not spec.source:
        elaborator.extension = spec.source.name
    for problem in spec.problems:
        elaborator.problems.add(problem)
    values: Scope = {}
    for name, parameter in declared.items():
        value = elaborator.value(parameter.default, values, parameter.mark)
        named = symbolic and name not in resolved and not has_expression(parameter.default)
        values[name] = Symbol.parameter(plain(value), name) if named else value
    if elaborator.reports:
        elaborator.problems.raise_any()  # all that reads a parameter without a value would be told of, too
    scope = {**values, "in_channels": size[0]}
    graph = elaborator.body(spec.body, (tuple(size),), scope, None, None)
    if parameters is None and input is None:  # else the spec was read before
        for reference, names in lost_references(spec):
            if not elaborator.problems.told("E0210", reference.mark):
                elaborator.lost(reference, names)
    elaborator.problems.raise_any()
    assert graph is not None
    network = Network(spec, graph, declared, values, size)
    for problem in (*overwrite_problems(network), *init_problems(network)):
        elaborator.problems.add(problem)
    elaborator.problems.raise_any()
    if instances is not None:
        instances.update(elaborator.cache)
    return network


@dataclass(slots=True)
class _Value:
    """A result within a body; `shape` is None where a fault left it unknown."""

    ref: Ref
    shape: Shape | None


_Values = dict[str | None, _Value]


@dataclass(slots=True)
class _Frame:
    """What is known while a body is elaborated; nested bodies look into the frames around them."""

    values: dict[str, _Values]
    parent: _Frame | None
    sequential: bool
    all_names: set[str]
    hidden: set[str] = field(default_factory=set)
    captures: dict[tuple[str, str | None], _Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Elaborated:
    """A block for given arguments: its graph, what was wrong with it, and how many entries it unfolds to."""

    graph: Graph | None
    problems: list[Problem]
    entries: int


Observe = Callable[[Node, Scope], object]
"""What is told of each node, with the values of the names that its entry may use."""

Instances = dict[tuple[Any, ...], _Elaborated]
"""The block instances met so far, by block, input and arguments."""


class _Elaborator:
    def __init__(self, symbolic: bool, cache: Instances, observe: Observe | None) -> None:
        self.observe = observe
        self.symbolic = symbolic
        self.cache = cache
        self.problems = Problems()
        self.where: list[str] = []
        self.extension = ""  # the file that sets parameters of the one whose layers these are
        self.calls: list[Mark] = []
        self.reports = 0
        self.count = 0
        self.depth = 0
        self.loops = 0
        self.vanishing = 0
        self.decided: list[set[str]] = []  # by body: the names that its structure was read from
        self.opened: list[Opened] = []
        self.faulty: dict[int, list[Problem]] = {}  # by block: what is wrong with it

    # Problems and values

    def report(
        self,
        code: str,
        message: str,
        mark: Mark,
        *,
        label: str = "",
        note: str = "",
        help: str = "",
        fix: Fix | None = None,
    ) -> None:
        self.reports += 1
        self.problems.add(self.placed(Problem(code, message, mark, label, note=note, help=help, fix=fix)))

    def placed(self, problem: Problem) -> Problem:
        """A problem with the way to the current place."""
        problem.where, problem.calls = self.trail(), tuple(self.calls)
        return problem

    def trail(self) -> tuple[str, ...]:
        """The way to the current place; names within one body are a path: `branch3.1`."""
        steps = [f"{self.extension} (which extends it)"] if self.extension else []
        for place in self.where:
            if steps and " " not in steps[-1] and " " not in place:
                steps[-1] += f".{place}"
            else:
                steps.append(place)
        return tuple(steps)

    @contextmanager
    def inside(self, *places: str, call: Mark | None = None) -> Iterator[None]:
        """The way leads on to places, the last of them a block that is used at `call`."""
        self.where += places
        self.calls += [call] if call else []
        yield
        del self.where[-len(places) :]
        if call:
            self.calls.pop()

    def value(self, value: Any, scope: Scope, mark: Mark) -> Any:
        """An argument's value; None (and a problem) where an expression has none."""
        if isinstance(value, Expression):
            if value.text in scope:
                return scope[value.text]
            try:
                return value.evaluate(scope)
            except ExpressionError as error:
                self.report(error.code, str(error), value.mark, help=error.help)
                return None
        if isinstance(value, tuple):
            return tuple([self.value(item, scope, mark) for item in value])
        return value

    def known(self, value: Any, scope: Scope, mark: Mark, what: str) -> Any:
        """A value that the structure is read from; None (and a problem) also where it is nothing."""
        before = self.reports
        found = self.value(value, scope, mark)
        if plain(found) is not None:
            return found
        if self.reports == before:
            at = value.mark if isinstance(value, Expression) else mark
            self.report("E0213", f"{what} has no value: it is nothing (`null`)", at)
        return None

    def decide(self, value: Any) -> Any:
        """The plain value of what the structure of the current body is read from."""
        self.decided[-1] |= names_of(value)
        return plain(value)

    # Bodies

    def body(
        self, body: Body, shapes: tuple[Shape | None, ...], scope: Scope, parent: _Frame | None, block: Block | None
    ) -> Graph | None:
        """The graph of a body for its input; None where a fault leaves its result unknown."""
        if self.depth >= MAX_BLOCK_DEPTH:
            help = f"a long chain is a list or a mapping of entries, not a nest; {how_to_raise('MAX_BLOCK_DEPTH')}"
            self.report("E0107", f"bodies nest deeper than {MAX_BLOCK_DEPTH} levels", body.mark, help=help)
            return None
        self.depth += 1
        self.decided.append(set())
        self.opened.append(Opened())
        try:
            return self._body(body, shapes, scope, parent, block)
        finally:
            self.depth -= 1
            self.decided.pop()
            self.opened.pop()

    def _body(
        self, body: Body, shapes: tuple[Shape | None, ...], scope: Scope, parent: _Frame | None, block: Block | None
    ) -> Graph | None:
        given: _Values = {None: _Value(Ref(INPUT), shapes[0])}
        below = {entry.name.text for entry in body.entries if isinstance(entry, Entry) and entry.name is not None}
        frame = _Frame({"input": given}, parent, body.form == "list", below)
        nodes = self.opened[-1].nodes
        current = given
        previous = "input"
        last = given
        parts: list[_Value] = []
        part_marks: list[tuple[str, Mark]] = []
        met, told = set[int](), set[int]()  # entries of loops come again with each turn
        for entry, inner, turn in self.unfold(body.entries, scope):
            self.grow(1, entry.mark)
            name = str(len(nodes)) if entry.name is None else self.name(entry.name, inner)
            if name is None:
                continue
            if name in frame.values and entry.name is not None:
                if entry.element is not None and id(entry) not in met:
                    self.report("E0209", f"two entries are called `{name}`", entry.name.mark, help="rename one of them")
                elif entry.element is not None and id(entry) not in told:
                    told.add(id(entry))
                    message, help = f"each turn of the loop calls its entry `{name}`", _COUNT_THEM.format(name)
                    self.report("E0209", message, entry.name.mark, help=help)
                continue
            met.add(id(entry))
            if body.form == "list" and entry.source is not None:
                self.report("E0218", "an entry of a list cannot choose its input", entry.source.mark, help=_NAME_THEM)
                continue
            flow = given if body.form == "branches" else current
            made = self.entry(entry, name, flow, previous, inner, frame, nodes, body)
            if made is None:
                frame.values[name] = current = last = {None: _Value(Ref(INPUT), None)}
                nodes.append(None)
                parts.append(current[None])
                part_marks.append((name, entry.mark))
                continue
            node, values = made
            nodes.append(node._replace(turn=turn) if turn else node)
            if self.observe is not None:
                self.observe(node, inner)
            if entry.name is not None:
                frame.values[name] = values
            if entry.auxiliary:
                frame.hidden.add(name)
                if name in (body.outputs or ("output",)):
                    message = f"the head `{name}` has the name of an output"
                    self.report("E0219", message, entry.mark, help="rename the head")
                continue
            current = last = values
            previous = name
            if body.form == "branches" and node.present:
                part = self.single(values, name, entry.mark)
                if part is not None:
                    parts.append(part)
                    part_marks.append((name, entry.mark))
        if body.form == "branches":
            last = self.join(body, parts, part_marks, nodes)
        results = self.results(body, frame, last, previous)
        captured = tuple(frame.captures.values())
        if results is None or None in nodes:
            return None
        found = tuple(node for node in nodes if node is not None)
        if body.form != "list":
            self.unread(found, results, body)
        # Sequential unless it must be wired by hand.
        anonymous = block is None and parent is not None and not body.outputs
        sequential = body.form == "list" or (body.form == "mapping" and anonymous and _plain_chain(found))
        names = tuple(name if output is None else f"{name}.{output}" for name, output in frame.captures)
        inputs = tuple(shape for shape in (shapes[0], *(value.shape for value in captured)) if shape is not None)
        return Graph(
            body.form,
            sequential,
            _renumber(found) if body.form == "list" else found,
            inputs,
            names,
            results,
            scope,
            body,
            block,
            frozenset(self.decided[-1]),
        )

    def unread(self, nodes: tuple[Node, ...], results: dict[str | None, Ref], body: Body) -> None:
        """Report what is computed for nothing."""
        read = {ref.node for node in nodes for ref in node.inputs} | {ref.node for ref in results.values()}
        unread = [
            node for position, node in enumerate(nodes) if position not in read and node.present and not node.auxiliary
        ]
        if unread:
            mentioned = set(_mentioned(body.entries))
            for node in unread:
                help = "name it in a join, in `from` or in `outputs`, or remove it"
                if node.name in mentioned:
                    help = "the entry that reads it is left out by its `when`: give both the same `when`"
                self.report("E0223", f"nothing uses what `{node.name}` computes", node.mark, help=help)

    def results(self, body: Body, frame: _Frame, last: _Values, previous: str) -> dict[str | None, Ref] | None:
        if body.outputs:
            found: dict[str | None, Ref] = {}
            for name, reference in body.outputs.items():
                value = self.lookup(reference, frame)
                if value is None or value.shape is None:
                    return None
                if value.ref.node < INPUT:
                    self.report("E0219", "an output is a result of this body", reference.mark)
                    return None
                found[name] = value.ref
            return found
        value = self.single(last, previous, body.mark)
        return None if value is None or value.shape is None else {None: value.ref}

    def unfold(self, entries: tuple[Entry | Splice, ...], scope: Scope) -> Iterator[tuple[Entry, Scope, Turn | None]]:
        """The entries with repeats and for-each spliced in, each with the scope of its turn."""
        for entry in entries:
            if isinstance(entry, Entry):
                yield entry, scope, None
                continue
            if self.loops == 0 and entry.when is None:
                least = _least(entry, scope)
                if self.count + least > MAX_LAYERS:
                    self.grow(least, entry.mark)
            if entry.when is not None and not self.decide(self.known(entry.when, scope, entry.mark, "`when`")):
                continue
            count = None if entry.count is None else self.known(entry.count, scope, entry.mark, "`repeat`")
            if not plain(count) and count is not None:
                self.decide(count)  # no turn, so no entry shows that the structure was read from it
            self.loops += 1
            for index, names in enumerate(self.turns(entry, count, scope)):
                for place, (inner, names_in, nested) in enumerate(self.unfold(entry.entries, {**scope, **names})):
                    if nested is not None:
                        self.decide(nested.times)
                    yield inner, names_in, None if count is None else Turn(id(entry), count, index, place)
            self.loops -= 1

    def turns(self, splice: Splice, count: Any, scope: Scope) -> Iterator[Scope]:
        index = splice.index
        if splice.count is not None:
            count = plain(count)
            if type(count) is not int or count < 0:
                if count is not None:
                    self.report("E0213", f"`repeat` takes a count, got {count!r}", splice.mark)
                return
            if count > MAX_LAYERS:
                self.grow(count, splice.mark)
            for i in range(count):
                self.grow(1, splice.mark)
                yield {index: i} if index else {}
            return
        rows = self.known(splice.rows, scope, splice.mark, "`in`")
        if type(rows) is Symbol:
            rows = self.decide(rows)  # a row of a parameter is part of the structure: resolved
        if not isinstance(rows, tuple):
            if rows is not None:
                self.report("E0213", f"`in` takes a list, got {plain(rows)!r}", splice.mark)
            return
        for i, row in enumerate(rows):
            self.grow(1, splice.mark)
            items = self.decide(row) if type(row) is Symbol else row
            items = items if len(splice.variables) > 1 else (items,)
            if not isinstance(items, tuple) or len(items) != len(splice.variables):
                names = ", ".join(splice.variables)
                what = f"row {i + 1} does not fill the variables {names}: {shown(plain(row))}"
                self.report("E0213", what, splice.mark)
                return
            turn = dict(zip(splice.variables, items, strict=True))
            if index:
                turn[index] = i
            yield turn

    def grow(self, entries: int, mark: Mark) -> None:
        """Count entries; a network beyond the bound is given up at once."""
        self.count += entries
        if self.count > MAX_LAYERS:
            what, help = f"the network unfolds to more than {MAX_LAYERS:,} entries", how_to_raise("MAX_LAYERS")
            raise SpecError([Problem("E0220", what, mark, help=help)])

    def name(self, name: Name, scope: Scope) -> str | None:
        if len(name.parts) == 1 and isinstance(name.parts[0], str):
            return name.parts[0]
        text = ""
        for part in name.parts:
            if isinstance(part, str):
                text += part
                continue
            value = self.decide(self.known(part, scope, name.mark, f"`{part.text}`"))
            if value is None:
                return None
            text += str(value)
        fault = layer_name_fault(text)
        if fault:
            self.report("E0208", f"a layer cannot be called `{text}`: {fault}", name.mark)
            return None
        return text

    # References

    def named(self, reference: Reference, scope: Scope) -> Reference:
        """A reference whose name carries an index, with the index of the turn."""
        if reference.template is None:
            return reference
        text = ""
        for part in reference.template.parts:
            text += part if isinstance(part, str) else str(self.decide(self.value(part, scope, reference.mark)))
        return Reference(text, reference.output, reference.mark)

    def lost(self, reference: Reference, names: Iterable[str], *, below: bool = False) -> None:
        """Report a name that stands for nothing."""
        help, fix = self.problems.suggest(reference.name, names, reference.mark)
        if below:
            help, fix = f"`{reference.name}` stands below: an entry can read only what stands before it", None
        self.report("E0210", f"`{reference.name}` is no earlier entry of this body", reference.mark, help=help, fix=fix)

    def lookup(self, reference: Reference, frame: _Frame) -> _Value | None:
        """The value that a name stands for, here or in an enclosing body of the same block."""
        outer: _Frame | None = frame
        crossed: list[_Frame] = []
        while outer is not None:
            if reference.name in outer.values and not (crossed and reference.name == "input"):
                break
            crossed.append(outer)
            outer = outer.parent
        if outer is None:
            names = dict.fromkeys(name for within in crossed for name in within.values)
            self.lost(reference, names, below=any(reference.name in within.all_names for within in crossed))
            return None
        if reference.name in outer.hidden:
            help = "it exists in training only; what runs always cannot depend on it"
            self.report("E0219", f"`{reference.name}` is an auxiliary head", reference.mark, help=help)
            return None
        values = outer.values[reference.name]
        if reference.output is not None and reference.output not in values:
            outputs = [str(name) for name in values if name is not None]
            if None in values and values[None].shape is None:
                return values[None]
            if not outputs:
                self.report(
                    "E0221", f"`{reference.name}` has a single output", reference.mark, help=f"write `{reference.name}`"
                )
            else:
                help, _ = self.problems.suggest(reference.output, [f"{reference.name}.{name}" for name in outputs])
                what = f"`{reference.name}` has no output `{reference.output}`"
                self.report("E0221", what, reference.mark, help=help)
            return None
        value = (
            values[reference.output]
            if reference.output is not None
            else self.single(values, reference.name, reference.mark)
        )
        if value is None or not crossed:
            return value
        # The bodies between here and there take the value as a further input.
        for between in reversed(crossed):
            if between.sequential:
                self.report("E0218", "an entry of a list takes one tensor only", reference.mark, help=_NAME_THEM)
                return None
            key = (reference.name, reference.output)
            if key not in between.captures:
                between.captures[key] = _Value(Ref(INPUT - 1 - len(between.captures)), value.shape)
            value = between.captures[key]
        return value

    def single(self, values: _Values, name: str, mark: Mark) -> _Value | None:
        """The only output of an entry."""
        if None in values:
            return values[None]
        outputs = ", ".join(f"`{name}.{output}`" for output in values)
        self.report("E0221", f"`{name}` has {len(values)} outputs: say which one", mark, help=f"one of {outputs}")
        return None

    # Entries

    def entry(
        self,
        entry: Entry,
        name: str,
        flow: _Values,
        previous: str,
        scope: Scope,
        frame: _Frame,
        nodes: list[Node | None],
        body: Body,
    ) -> tuple[Node, _Values] | None:
        element = entry.element
        if element is None:
            return None  # reported when it was read
        if entry.auxiliary and (frame.parent is not None or self.where or body.form != "mapping"):
            self.report("E0219", "an auxiliary head is an entry of the network's own `layers`", entry.mark)
            return None
        condition: Any = True
        if entry.when is not None:
            condition = self.known(entry.when, scope, entry.mark, "`when`")
            if condition is None:
                return None
        if not isinstance(plain(condition), bool):
            message = f"`when` is true or false, got {plain(condition)!r}"
            self.report("E0213", message, entry.mark, help="compare it, as in `$(p > 0)`")
            return None
        present = bool(plain(condition))
        operands: list[_Value]
        if isinstance(element, LayerCall) and element.kind.many:
            found = [self.lookup(self.named(reference, scope), frame) for reference in element.operands]
            if any(value is None or value.shape is None for value in found):
                return None
            operands = [value for value in found if value is not None]
            if body.form == "list":
                self.report("E0218", f"`{element.kind.kind}` takes several tensors", element.mark, help=_NAME_THEM)
                return None
        else:
            value = (
                self.single(flow, previous, entry.mark)
                if entry.source is None
                else self.lookup(self.named(entry.source, scope), frame)
            )
            if value is None or value.shape is None:
                if isinstance(element, BlockCall):
                    for problem in self.faulty.get(id(element.block), ()):
                        problem.waiting += 1
                return None
            operands = [value]
            self.opened[-1].name, self.opened[-1].ref = name, value.ref
        shapes = tuple(value.shape for value in operands if value.shape is not None)
        refs = tuple(value.ref for value in operands)
        when = entry.when and (condition if self.symbolic else entry.when)
        if not present:
            node = Node(name, _ABSENT, entry.mark, refs, shapes, {None: shapes[0]}, when, False, entry.auxiliary)
            return node, {None: _Value(Ref(len(nodes)), shapes[0])}
        made: tuple[Any, dict[str | None, Shape]] | None
        if isinstance(element, LayerCall):
            made = self.layer(element, name, operands, nodes, scope)
        elif isinstance(element, BlockCall):
            at, elsewhere = entry.mark, element.block.mark.source is not entry.mark.source
            place = f"{at.source.name}:{at.line}" if elsewhere else f"line {at.line}"
            with self.inside(f"{name} ({place})"):
                made = self.instance(element, shapes[0], scope)
        else:
            with self.inside(name):
                graph = self.body(element, shapes, scope, frame, None)
            if graph is None:
                return None
            for capture in graph.captures:
                owner, _, output = capture.partition(".")
                value = self.lookup(Reference(owner, output or None, entry.mark), frame)
                if value is None:
                    return None
                refs += (value.ref,)
                assert value.shape is not None
                shapes += (value.shape,)
            made = graph, {output: graph.shape(ref) for output, ref in graph.results.items()}
        if made is None:
            return None
        thing, out = made
        if body.form == "list" and None not in out:
            self.report("E0218", f"`{name}` has several outputs", entry.mark, help=_NAME_THEM)
            return None
        if entry.auxiliary and None not in out:
            help = "a head gives one result: make each output a head of its own, or join them"
            self.report("E0219", f"the head `{name}` has several outputs", entry.mark, help=help)
            return None
        call = element if not isinstance(element, Body) else None
        node = Node(name, thing, entry.mark, refs, shapes, out, when, True, entry.auxiliary, call=call)
        return node, {output: _Value(Ref(len(nodes), output), shape) for output, shape in out.items()}

    def layer(
        self, call: LayerCall, name: str, operands: list[_Value], nodes: list[Node | None], scope: Scope
    ) -> tuple[Kind, dict[str | None, Shape]] | None:
        kind = call.ready
        shapes = tuple(value.shape for value in operands if value.shape is not None)
        if kind is None:
            before = len(self.problems)
            arguments = {key: self.value(value, scope, call.marks[key]) for key, value in call.arguments.items()}
            if len(self.problems) > before:
                return None
            # Faults of an argument's value are the parser's to word; the way there is ours.
            faults = Problems()
            kind = make_kind(call, arguments, faults)
            for problem in faults.sorted():
                with self.inside(name):
                    self.problems.add(self.placed(problem))
            if kind is None:
                return None
        x: Any = shapes if kind.many else shapes[0]
        faulty = False
        if isinstance(kind, Join):
            refs = [value.ref for value in operands]
            for position, fault in kind.join_faults(shapes, shortcuts(refs, nodes), keeping(refs, nodes)):
                faulty = True
                self.join_fault(fault, name, operands[position : position + 1], nodes, call.operands[position].mark)
        else:
            for fault in kind.requirements(x):
                faulty = True
                self.fault(fault, call, kind, name, call.marks.get(fault.argument or "", call.mark))
        if faulty:
            return None
        return kind, self.outputs(kind, x, call.mark)

    def outputs(self, kind: Kind, x: Any, mark: Mark) -> dict[str | None, Shape]:
        y = kind.output(x)
        found: dict[str | None, Shape] = dict(y) if isinstance(y, dict) else {None: y}
        if not self.symbolic and any(type(shape[0]) is Symbol for shape in found.values()):
            found = {name: (plain(shape[0]), *shape[1:]) for name, shape in found.items()}
        for shape in found.values():
            if volume(shape) >= 2**63:
                raise SpecError([self.placed(Problem("E0315", "the output has more than 2**63 elements", mark))])
        return found

    def fault(self, fault: Fault, call: LayerCall, kind: Kind, name: str, mark: Mark) -> None:
        fix = Fix(mark, fault.value) if fault.value and fault.argument in call.marks else None
        note, help = self.vanished(kind) if fault.code == "E0302" else ("", "")
        with self.inside(name):
            self.report(fault.code, fault.message, mark, label=fault.label, note=note, help=help or fault.help, fix=fix)

    def vanished(self, kind: Kind) -> tuple[str, str]:
        """Of a window that does not fit into the map: where the size went, and the input that is large enough."""
        self.vanishing += 1
        leaves = way(self.opened) if self.vanishing <= LOOKED_INTO else None
        if not leaves:
            return "", ""
        note = shrinking(leaves, tuple(body.name for body in self.opened))
        size = large_enough(leaves, lambda *plane: not any(f.code == "E0302" for f in kind.requirements((1, *plane))))
        if not note or size is None:
            return note, ""
        own = f"[{plain(leaves[0].node.in_shapes[leaves[0].operand][0])}, {size[0]}, {size[1]}]"
        return note, f"`input: {own}` is large enough for it; or use a smaller kernel, or more padding"

    def join_fault(self, fault: Fault, name: str, odd: list[_Value], nodes: list[Node | None], mark: Mark) -> None:
        """Tell of a join that does not fit; where a padding is the cause, there."""
        shape = odd[0].shape if odd else None
        cause = first_shrinking(odd[0].ref, nodes, shape[1:]) if shape and fault.code == "E0312" else None
        if cause is None:
            with self.inside(name):
                self.report(fault.code, fault.message, mark, label=fault.label, help=fault.help)
            return
        with self.inside(*cause.path):
            self.report(fault.code, fault.message, cause.mark, label=fault.label, help=cause.help, fix=cause.fix)

    def join(self, body: Body, parts: list[_Value], marks: list[tuple[str, Mark]], nodes: list[Node | None]) -> _Values:
        """The join of a body's branches, as its last node."""
        unknown: _Values = {None: _Value(Ref(INPUT), None)}
        assert body.join is not None
        assert isinstance(body.join.ready, Join)
        if any(part.shape is None for part in parts):
            return unknown
        shapes = tuple(part.shape for part in parts if part.shape is not None)
        kind = body.join.ready
        if not parts:
            self.report("E0310", "no branch is left to join: every `when` is false", body.mark)
            return unknown
        if len(parts) == 1:
            return {None: parts[0]}  # the other branches have a `when` that is false
        faulty = False
        refs = tuple(part.ref for part in parts)
        for position, fault in kind.join_faults(shapes, shortcuts(refs, nodes), keeping(refs, nodes)):
            faulty = True
            name, mark = marks[position] if marks else ("", body.join.mark)
            message = fault.message.replace("inputs of `", "branches of `join: ")
            self.join_fault(fault._replace(message=message), name, parts[position : position + 1], nodes, mark)
        if faulty:
            return unknown
        out = self.outputs(kind, shapes, body.join.mark)
        nodes.append(Node("join", kind, body.join.mark, refs, shapes, out))
        return {None: _Value(Ref(len(nodes) - 1), out[None])}

    def instance(self, call: BlockCall, x: Shape, scope: Scope) -> tuple[Instance, dict[str | None, Shape]] | None:
        """A block for given arguments and input; equal instances share their graph."""
        block = call.block
        outer: Scope = {"in_channels": x[0]}  # the arguments in the caller's names
        inner: Scope = {"in_channels": self.own(x[0], "in_channels")}  # and in the block's own
        before = len(self.problems)
        for name, parameter in block.parameters.items():
            if name in call.arguments:
                value = self.value(call.arguments[name], scope, call.marks[name])
                value = self.same(value, name, call, outer, scope)
                outer[name] = value
                inner[name] = self.own(value, name)
            else:
                outer[name] = self.same(self.value(parameter.default, outer, parameter.mark), name, call, outer, scope)
                own = isinstance(parameter.default, Expression)
                inner[name] = (
                    self.value(parameter.default, inner, parameter.mark) if own else self.own(outer[name], name)
                )
        if len(self.problems) > before:
            return None
        values = [plain(value) for value in outer.values()]
        key = (id(block), plain(x), *values, *map(type, values))
        if key in self.cache:
            graph = self.cache[key].graph
            self.grow(self.cache[key].entries, call.mark)
            for problem in self.cache[key].problems:
                problem.repeats += 1
        else:
            seen, before = len(self.problems), self.count
            graph = None
            own_input = (inner["in_channels"], *x[1:])
            with self.inside(f"block {block.name}", call=call.mark):
                if block.body is not None:
                    graph = self.body(block.body, (own_input,), inner, None, block)
            self.cache[key] = _Elaborated(graph, self.problems.since(seen), self.count - before)
            if graph is None:
                self.faulty.setdefault(id(block), []).extend(self.cache[key].problems)
        if graph is None:
            return None
        shapes = {output: self.outward(graph.shape(ref), outer) for output, ref in graph.results.items()}
        return Instance(graph, block, outer, x[0]), shapes

    def own(self, value: Any, name: str) -> Any:
        """A parameter's value as the block itself sees it."""
        return Symbol.parameter(plain(value), name) if self.symbolic else plain(value)

    def outward(self, shape: Shape, outer: Scope) -> Shape:
        """A block's result in the caller's names."""
        channels = shape[0]
        names = names_of(channels)
        if names:
            try:
                channels = evaluate_text(text_of(channels), outer)
            except ExpressionError:  # too long by now for a person to read
                channels = plain(channels)
            channels = also_of(channels, names_of([outer[name] for name in names if name in outer]))
        return (channels, *shape[1:])

    def same(self, value: Any, name: str, call: BlockCall, outer: Scope, scope: Scope) -> Any:
        """`padding: same` given to a block is p = d(k - 1)/2 of the kernel given beside it."""
        if name != "padding" or plain(value) != "same":
            return value
        at = call.marks.get(name, call.mark)
        given, marks = {"out_channels": 1}, {"out_channels": at}
        for other in ("kernel_size", "stride", "dilation"):
            parameter = call.block.parameters.get(other)
            if other in call.arguments:
                given[other] = self.value(call.arguments[other], scope, call.marks[other])
                marks[other] = call.marks[other]
            elif parameter is not None:
                given[other] = self.value(parameter.default, outer, parameter.mark)
                marks[other] = parameter.mark
        if given.get("kernel_size") is None:
            message = f"`same` needs a kernel, and block `{call.block.name}` has no `kernel_size`"
            help = "give the block a parameter `kernel_size`, or write the padding as a number"
            self.report("E0303", message, at, help=help)
            return None
        faults = Problems()
        window = make_kind(LayerCall(Conv2d, at, given, marks), given, faults)
        for problem in faults.sorted():
            self.problems.add(self.placed(problem))
        if window is None:
            return None
        for fault in same_faults(given["kernel_size"], given.get("stride", 1), given.get("dilation", 1)):
            fix = Fix(at, fault.value) if fault.value else None
            self.report(fault.code, fault.message, at, label=fault.label, help=fault.help, fix=fix)
            return None
        return same_padding(given["kernel_size"], given.get("dilation", 1))


_COUNT_THEM = "let the name carry the index: `index: i` beside the loop's `repeat` or `for`, and `{0}$i`"
_NAME_THEM = "give the entries names: write a mapping instead of the list"


_ABSENT = KINDS["identity"]()


def _least(splice: Splice, scope: Scope) -> int:
    """How many entries a loop unfolds to at least: what is not known before its turns counts nothing."""
    try:
        value = splice.rows if splice.count is None else splice.count
        turns = plain(value.evaluate(scope)) if isinstance(value, Expression) else value
    except ExpressionError:
        return 0
    turns = len(turns) if isinstance(turns, tuple) else turns
    if type(turns) is not int:
        return 0
    inside = (1 if isinstance(part, Entry) else _least(part, scope) for part in splice.entries)
    return min(turns * (1 + sum(inside)), 2**63)


def _mentioned(entries: tuple[Entry | Splice, ...]) -> Iterator[str]:
    """The names that entries and the bodies within them read."""
    for entry in entries:
        if isinstance(entry, Splice):
            yield from _mentioned(entry.entries)
            continue
        if entry.source is not None:
            yield entry.source.name
        if isinstance(entry.element, LayerCall):
            yield from (reference.name for reference in entry.element.operands)
        elif isinstance(entry.element, Body):
            yield from _mentioned(entry.element.entries)


def _plain_chain(nodes: tuple[Node, ...]) -> bool:
    """Whether each node takes exactly the one before it, so that an nn.Sequential does the same.

    An absent one counts: it hands its input on, and what a body is does not depend on what is left out.
    """
    for position, node in enumerate(nodes):
        before = Ref(position - 1) if position else Ref(INPUT)
        if node.inputs != (before,) or None not in node.shapes:
            return False
    return True


def _renumber(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """A list's entries count those that are present; an absent one hands its place on."""
    if all(node.present for node in nodes):
        return nodes
    numbered = []
    count = 0
    for node in nodes:
        numbered.append(node._replace(name=str(count)))
        count += node.present
    return tuple(numbered)
