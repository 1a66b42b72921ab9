"""The statements of `forward`: which local holds which value, and when a name can be reused.

`x` is the main path. A value that is needed again later keeps its entry's name. A side path that ends in a join is
named after the common part of its entries' names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from archc.emit.constructor import Constructor, as_argument, attribute
from archc.emit.layout import INDENT, Doc, Group, Marked, Operation, document, flat, keyword, lay_out, marked, statement
from archc.expressions import Name, Text, free_names, lift
from archc.plan.finish import RESERVED
from archc.plan.names import Names
from archc.plan.plan import (
    BodyPlan,
    Input,
    Kept,
    Layer,
    Loop,
    Make,
    Operand,
    Step,
    Turn,
    Value,
    makes,
    plain_name,
    targets_of,
)

END = 1 << 60
_BODY = 2 * INDENT

Key = Any
"""The origin of a value: the id of an entry or a loop, or the index of an input."""


@dataclass(slots=True)
class Forward:
    """The method: the names of its arguments, its lines, and its return type."""

    arguments: tuple[str, ...]
    lines: list[str]
    result: str
    returns_any: bool


@dataclass(slots=True, eq=False)
class _Run:
    """A future statement: an entry that runs, or a loop; `reads` are its inputs."""

    step: Make | Loop
    name: str
    reads: list[Value]
    many: bool = False
    several: bool = False
    auxiliary: bool = False


def forward(constructor: Constructor) -> Forward:
    """The `forward` method of a class that isn't an nn.Sequential."""
    body = constructor.plan.body
    names = Names(RESERVED)
    inside = {make.name for make in body.makes() if isinstance(make.name, str)}
    inputs: dict[Key, str] = {("input", at): name for at, name in enumerate(constructor.plan.inputs)}
    names.taken |= set(inputs.values())
    for position, capture in enumerate(body.captures, len(inputs)):
        source = capture.value.source
        assert isinstance(source, Input)
        own = f"{source.name}_in" if source.name in inside else source.name
        inputs["input", position] = names.take(own, f"{own}_")
    writer = _Writer(constructor, names)
    statements = _Statements(writer, body.steps, inputs, "x", list(body.results.values()), _BODY)
    statements.declared = set(inputs.values())
    return writer.method(statements, tuple(inputs.values()))


class _Writer:
    """The state that the statements of one method share."""

    def __init__(self, constructor: Constructor, names: Names) -> None:
        self.constructor = constructor
        self.plan = constructor.plan
        self.names = names
        self.kept = ""
        if any(make.kept for make in self.plan.body.makes()):
            self.kept = names.take("kept", "kept_")
        self.heads = ""
        self.auxiliary = [make for make in self.plan.body.makes() if make.auxiliary]
        if self.auxiliary:
            self.heads = names.take("heads", "heads_")

    def method(self, statements: _Statements, arguments: tuple[str, ...]) -> Forward:
        """The whole method."""
        results = self.plan.body.results
        named = any(name is not None for name in results)
        lines = []
        if self.kept:
            lines.append(f"        {self.kept}: dict[str, Tensor] = {{}}")
        if self.heads:
            lines.append(f"        {self.heads}: dict[str, Tensor] = {{}}")
        join = statements.optional_join()
        inline = statements.inline()
        if inline is not None and not named:
            doc, typed = inline
            doc = Marked(doc, (id(statements.runs[-1].step),))
            return Forward(arguments, statement(doc, _BODY, before="return "), "Tensor", not typed)
        if join is not None and not named:
            text = statements.gathered(join)
            return Forward(arguments, [*lines, *statements.lines, f"        return {text}"], "Tensor", False)
        last = statements.run()
        result = "dict[str, Tensor]" if named else "Tensor"
        shown = [(name or "output", statements.read(value)) for name, value in results.items()]
        if named and self.plan.body.optional:
            tests = [
                statements.test(self.plan.body.optional[name]) if name in self.plan.body.optional else None
                for name in results
            ]
            outputs = self.names.take("outputs", "outputs_")
            first = next((at for at, test in enumerate(tests) if test is not None), len(tests))
            some: tuple[Doc, ...] = tuple(f'"{name}": {value}' for name, value in shown[:first])
            before = f"{outputs}: dict[str, Tensor] = "
            lines += [*statements.lines, *lay_out(Group("{", some, "}", packed=False), _BODY, before=before)]
            for (name, value), test in zip(shown[first:], tests[first:], strict=True):
                lines += [f"        if {test}:"] if test is not None else []
                lines.append(f'{" " * 4 * (2 + (test is not None))}{outputs}["{name}"] = {value}')
            lines += [f"        {outputs}.update({self.heads})"] if self.heads else []
            return Forward(arguments, [*lines, f"        return {outputs}"], result, False)
        if self.heads:
            result = "dict[str, Tensor]" if named else "Tensor | dict[str, Tensor]"
            return Forward(arguments, [*lines, *statements.lines, *self.with_heads(shown, named)], result, False)
        if named:
            entries: tuple[Doc, ...] = tuple(f'"{name}": {value}' for name, value in shown)
            lines += [*statements.lines, *lay_out(Group("{", entries, "}", packed=False), _BODY, before="return ")]
            return Forward(arguments, lines, result, False)
        if last is not None and last[0] == shown[0][1]:
            lines += [*statements.lines[: last[1]], *statement(last[2], _BODY, before="return ")]
            return Forward(arguments, lines, result, not last[3])
        return Forward(
            arguments,
            [*lines, *statements.lines, f"        return {shown[0][1]}"],
            result,
            statements.untyped(shown[0][1]),
        )

    def with_heads(self, shown: list[tuple[str, str]], named: bool) -> list[str]:
        """The return statement of a network with heads: in training mode the result and the heads by name.

        The dict is written for TorchScript, which doesn't support `**heads`.
        """
        entries: list[Doc] = [f'"{name}": {value}' for name, value in shown]
        if len({lift(make.when) for make in self.auxiliary}) == 1:  # either all of them exist or none
            entries += [f'"{make.name}": {self.heads}["{make.name}"]' for make in self.auxiliary]
            whole = Group("{", tuple(entries), "}", packed=False)
            plain = Group("{", tuple(entries[: len(shown)]), "}", packed=False) if named else shown[0][1]
            choice = Operation((("", whole), ("if", self.heads), ("else", plain)))
            return statement(choice, _BODY, before="return ")
        outputs = self.names.take("outputs", "outputs_")
        pad = " " * _BODY
        collected = lay_out(Group("{", tuple(entries), "}", packed=False), _BODY, before=f"{outputs} = ")
        collected += [f"{pad}{outputs}.update({self.heads})", f"{pad}return {outputs}"]
        if named:
            return collected
        inner = [" " * INDENT + line for line in collected]
        return [f"{pad}if {self.heads}:", *inner, f"{pad}return {shown[0][1]}"]


class _Statements:
    """The statements of a body, or of a loop's iteration."""

    def __init__(
        self,
        writer: _Writer,
        steps: Sequence[Step],
        given: dict[Key, str],
        holder: str,
        results: list[Value],
        indent: int,
        variables: dict[str, Name] | None = None,
    ) -> None:
        self.writer = writer
        self.constructor = writer.constructor
        self.given = given
        self.holder = holder
        self.results = results
        self.indent = indent
        self.variables = variables or {}
        self.steps = steps
        self.lines: list[str] = []
        self.declared = {holder}  # the method's arguments, which stay tensors to a type checker
        self.typed: dict[str, bool] = {}
        self.runs: list[_Run] = []
        self.passed: dict[Key, Value] = {}
        self.bare: dict[Key, str] = {}
        for step in steps:
            self.add(step)
        self.runs = self.needed()
        self.at = {id(run.step): position for position, run in enumerate(self.runs)}
        self.readers: dict[Key, list[int]] = {}
        for position, run in enumerate(self.runs):
            for value in run.reads:
                self.readers.setdefault(self.key(value), []).append(position)
        for value in results:
            self.readers.setdefault(self.key(value), []).append(END)
        self.texts: dict[Key, str] = dict(given)

    def add(self, step: Step) -> None:
        """Add a statement for a step that isn't a no-op."""
        if isinstance(step, Loop):
            name = next((plain_name(make.name) for make in makes(step.steps)), "") or "out"
            self.runs.append(_Run(step, name, [step.turn.start, *_outside(step)]))
        elif isinstance(step, Make):
            run = self.run_of(step)
            if run is not None:
                self.runs.append(run)

    def needed(self) -> list[_Run]:
        """The statements without functions whose results nothing reads. Modules run: they may keep statistics."""
        read = {self.key(value) for value in self.results}
        found = []
        for run in reversed(self.runs):
            if id(run.step) in read or self.acts(run.step):
                found.append(run)
                read |= {self.key(value) for value in run.reads}
        return found[::-1]

    def acts(self, step: Make | Loop) -> bool:
        """Return True if a step runs modules, or if another part of the class reads its value."""
        if isinstance(step, Loop) or step.auxiliary or step.kept:
            return True
        return step.layer is None or self.constructor.is_module(step.owner)

    def run_of(self, make: Make) -> _Run | None:
        """An entry as a statement; None if it returns its input."""
        reads = [operand.value for operand in make.inputs]
        layer = make.layer
        if layer is not None and layer.kind.bare and not make.expanded and make.when is None:
            self.bare[id(make)] = str(flat(self.tensor(make)))
            return None
        function = None if layer is None or make.auxiliary or self.constructor.is_module(make.owner) else layer.function
        if function is not None and layer is not None and not (function.target or layer.kind.many or make.kept):
            self.passed[id(make)] = reads[0]
            return None
        many = layer is not None and layer.kind.many
        return _Run(make, plain_name(make.name) or "out", reads, many, _several(make), make.auxiliary)

    def key(self, value: Value) -> Key:
        """The origin of a value, looking through entries that return their input."""
        source = value.source
        if isinstance(source, Input):
            return ("input", source.position)
        if isinstance(source, Turn):
            return ("turn", id(source))
        if isinstance(source, Kept):
            return ("kept", source.key)
        if id(source) in self.passed:
            return self.key(self.passed[id(source)])
        return id(source)

    def read(self, value: Value) -> str:
        """The expression of a value."""
        source = value.source
        while id(source) in self.passed:
            value = self.passed[id(source)]
            source = value.source
        if isinstance(source, Kept):
            key = flat(document(self.run_time(source.key))) if isinstance(source.key, Text) else f'"{source.key}"'
            text = f"{self.writer.kept}[{key}]"
        elif id(source) in self.bare:
            text = self.bare[id(source)]
        else:
            text = self.texts[self.key(value)]
        if value.output is None:
            return text
        layer = isinstance(source, Make) and source.layer is not None
        return f"{text}[{value.output}]" if layer else f'{text}["{value.output}"]'

    def run_time(self, value: Any) -> Any:
        """An expression in `forward`."""
        return self.constructor.at_run_time(value, self.variables)

    # Statements

    def run(self) -> tuple[str, int, Doc, bool] | None:
        """Write the statements.

        Returns the last one if it is an assignment: its target, its first line, its value, its type.
        """
        self.assign_names(self.places())
        last: tuple[str, int, Doc, bool] | None = None
        for run in self.runs:
            target = self.texts.get(id(run.step), "")
            before = len(self.lines)
            if isinstance(run.step, Loop):
                self.loop(run.step, target)
                last = None
                continue
            value, typed = self.value(run)
            if not target:
                self.unread(run.step, value)
                last = None
                continue
            plain = self.statement(run.step, target, value, typed)
            last = (target, before, plain, typed) if plain is not None else None
            self.typed[target] = typed
        return last

    def unread(self, make: Make, value: Doc) -> None:
        """Write the call of an entry whose result nothing reads."""
        condition, indent = self.test(make), self.indent
        if condition is not None:
            self.lines.append(f"{' ' * indent}if {condition}:")
            indent += INDENT
        self.lines += statement(Marked(value, (id(make),)), indent)

    def statement(self, make: Make, target: str, value: Doc, typed: bool) -> Doc | None:
        """Write the statement of an entry; return the assigned value if there is nothing else."""
        pad, marks = " " * self.indent, (id(make),)
        if make.auxiliary:
            tests = ["if self.training"]
            tests += [self.exists(head, head.when) for head in self.beside_head(make)]
            test = " and ".join(dict.fromkeys(tests))
            if self.open_test != (test, len(self.lines)):
                self.lines.append(f"{pad}{test}:")
            before = f'{self.writer.heads}["{make.name}"] = '
            self.lines += statement(Marked(value, marks), self.indent + INDENT, before=before)
            self.open_test = test, len(self.lines)
            return None
        condition = self.test(make)
        assigned: Doc | None = Marked(value, marks)
        if condition is not None:
            given = self.read(make.inputs[0].value)
            choice = Operation((("", Marked(value, marks)), ("if", condition), ("else", given)))
            if given == target:
                self.lines.append(f"{pad}if {condition}:")
                self.lines += statement(Marked(value, marks), self.indent + INDENT, before=f"{target} = ")
                assigned = None
            else:
                assigned = choice
        if assigned is not None and value != target:
            self.lines += statement(assigned, self.indent, before=f"{target} = ")
        if make.kept:
            key = flat(document(self.run_time(make.name))) if isinstance(make.name, Text) else f'"{make.name}"'
            self.lines.append(f"{pad}{self.writer.kept}[{key}] = {target}")
            return None
        return assigned

    def beside_head(self, make: Make) -> list[Make]:
        """The optional heads under one condition that run directly after each other, including this one."""
        if make.when is None:
            return []
        at, found = self.at[id(make)], [make]
        for positions in (range(at - 1, -1, -1), range(at + 1, len(self.runs))):
            for position in positions:
                other = self.runs[position].step
                if not (isinstance(other, Make) and other.auxiliary and lift(other.when) == lift(make.when)):
                    break
                found.append(other)
        return sorted(found, key=lambda head: self.at[id(head)])

    def test(self, make: Make) -> str | None:
        """The condition under which an optional entry runs."""
        if make.when is None:
            return None
        if self.constructor.is_module(make) and not self.constructor.is_optional(make):
            return None
        return self.exists(make, make.when)

    def exists(self, make: Make, when: Any) -> str:
        """The test of an entry's condition."""
        owner = make.owner
        if not (self.constructor.is_module(owner) and self.constructor.is_optional(owner)):
            return self.flag(when, plain_name(make.name))
        test = f"{attribute(owner)} is not None"
        return test if lift(when) == lift(owner.when) else f"{test} and {self.flag(when, plain_name(make.name))}"

    def flag(self, when: Any, name: str) -> str:
        """A condition that `forward` reads from an attribute."""
        if free_names(when) & self.variables.keys():
            return str(flat(document(self.run_time(when))))
        return self.constructor.store(when, name or "flag")

    def loop(self, loop: Loop, target: str) -> None:
        """A `for` statement in which `target` is carried from iteration to iteration."""
        start = self.read(loop.turn.start)
        if start != target:
            self.lines.append(f"{' ' * self.indent}{target} = {start}")
        indent = self.indent
        if loop.when is not None:
            flag = self.flag(loop.when, f"has_{target}")
            self.lines.append(f"{' ' * indent}if {flag}:")
            indent += INDENT
        layer, outer = "", self.variables
        rows: Doc = "self.children()"
        if self.only_child(loop) is not None:
            layer = self.writer.names.take("layer", "layer_")
            before = f"for {layer} in "
        else:
            before, rows = self.turns(loop)
        given = {**self.texts, ("turn", id(loop.turn)): target}
        assert loop.end is not None
        inner = _Statements(self.writer, loop.steps, given, target, [loop.end], indent + INDENT, self.variables)
        self.variables = outer
        inner.held_layer = layer
        inner.run()
        result = inner.read(loop.end)
        body = inner.lines
        if result != target:
            body.append(f"{' ' * (indent + INDENT)}{target} = {result}")
        if body:
            self.lines += [*statement(rows, indent, before=before, after=":"), *body]

    held_layer = ""
    open_test = ("", -1)

    def turns(self, loop: Loop) -> tuple[str, Doc]:
        """`for i in ` and the iterable, from attributes; defines the loop variables."""
        variables = dict(self.variables)
        for name in (*loop.variables, loop.index):
            text = self.constructor.plan.renamed[name.name].name
            variables[name.name] = Name(self.writer.names.take(text, f"{text}_"))
        turns = self.run_time(loop.turns)
        rows = None if loop.rows is None else document(self.run_time(loop.rows))
        self.variables = variables
        read = set[str]()
        for make in makes(loop.steps):
            kept = make.name if make.kept else None
            read |= free_names((make.runs, kept, make.when, tuple(operand.when for operand in make.inputs)))
            for operand in make.inputs:
                if isinstance(operand.value.source, Kept) and isinstance(operand.value.source.key, Text):
                    read |= free_names(operand.value.source.key)
            if make.layer is not None and make.layer.function is not None:
                values = (*make.layer.function.positional, *(v for _, v in make.layer.function.keywords))
                read |= free_names(tuple(tuple(v) if isinstance(v, list) else v for v in values))
        for inner in loop.steps:
            if isinstance(inner, Loop):
                read |= free_names((inner.count, inner.rows, inner.when))
        index = variables[loop.index.name].name if loop.index.name in read else "_"
        names = [variables[v.name].name if v.name in read else "_" for v in loop.variables]
        if rows is None or all(name == "_" for name in names):
            return f"for {index} in ", Group("range(", (document(turns),), ")", comma=False)
        target = ", ".join(names)
        if index == "_":
            return f"for {target} in ", rows
        target = f"({target})" if len(names) > 1 else target
        return f"for {index}, {target} in ", Group("enumerate(", (rows,), ")", comma=False)

    def only_child(self, loop: Loop) -> Make | None:
        """The only module of a loop, if the class has no other."""
        modules = [make for make in self.constructor.plan.body.makes() if self.constructor.is_module(make)]
        inside = [step for step in loop.steps if isinstance(step, Make) and self.constructor.is_module(step)]
        return inside[0] if len(modules) == 1 and inside == modules and loop.when is None else None

    # Expressions

    def value(self, run: _Run, operands: tuple[Doc, ...] | None = None) -> tuple[Doc, bool]:
        """The expression of an entry, and whether a type checker knows that it is a tensor."""
        make = run.step
        assert isinstance(make, Make)
        layer = make.layer
        inputs: tuple[Doc, ...] = operands or tuple(self.read(value) for value in run.reads)
        if layer is not None and layer.kind.bare:
            return self.each(make, inputs[0]), isinstance(make.name, str)
        if layer is not None and layer.infix:
            typed = all(isinstance(value, str) and not self.untyped(value) for value in inputs)  # Any + Tensor is Any
            return Operation(tuple((layer.infix if i else "", value) for i, value in enumerate(inputs))), typed
        if layer is None or self.constructor.is_module(make.owner):
            return self.called(make, inputs), False
        return self.joined(layer, inputs)

    def tensor(self, make: Make) -> Doc:
        """A tensor of the class itself."""
        if isinstance(make.name, str):
            return attribute(make)
        return Group("getattr(", ("self", flat(document(self.run_time(make.name))) or ""), ")")

    def each(self, make: Make, like: Doc) -> Doc:
        """A tensor of the class itself, expanded to the batch size of another value."""
        if not make.expanded:
            return self.tensor(make)
        assert isinstance(make.what, Layer)
        assert make.what.function is not None
        axes = ("-1",) * len(make.what.function.positional)
        return Group(f"{flat(self.tensor(make))}.expand(", (f"{flat(like)}.shape[0]", *axes), ")")

    def joined(self, layer: Layer, inputs: tuple[Doc, ...]) -> tuple[Doc, bool]:
        """The call of a layer's function; joins take a list."""
        function = layer.function
        assert function is not None
        first: Doc = inputs[0]
        if not function.target:
            return first, True
        if layer.kind.many and len(inputs) > 1:
            first = Group("[", inputs, "]", packed=False)
        rest = tuple(as_argument(self.argument(value)) for value in function.positional)
        named = tuple(keyword(name, as_argument(self.argument(value))) for name, value in function.keywords)
        typed = not function.target.startswith("nn.") and function.target not in ("torch.chunk", "torch.split")
        if layer.kind.spread:
            return Group(f"{function.target}(", (*inputs, *rest, *named), ")"), typed
        if function.target == "[]":
            return f"{flat(first)}[{', '.join(sliced(*map(self.argument, function.positional)))}]", True
        if "." not in function.target:
            return Group(f"{flat(first)}.{function.target}(", rest, ")"), True
        return Group(f"{function.target}(", (first, *rest, *named), ")"), typed

    def argument(self, value: Any) -> Any:
        """A function's argument in `forward`."""
        return [self.argument(item) for item in value] if isinstance(value, list) else self.run_time(value)

    def called(self, make: Make, inputs: tuple[Doc, ...]) -> Doc:
        """The call of an entry's module."""
        if self.held_layer:
            return Group(f"{self.held_layer}(", inputs, ")")
        if isinstance(make.runs, Text):
            name = flat(document(self.run_time(make.runs)))
            return Group(f"getattr(self, {name})(", inputs, ")")
        if make.runs != make.owner.name:  # one iteration of a loop
            return Group(f'getattr(self, "{make.runs}")(', inputs, ")")
        return Group(f"{attribute(make.owner)}(", inputs, ")")

    # Branches

    def optional_join(self) -> Make | None:
        """The join of branches that are optional or come from a loop."""
        last = self.runs[-1].step if self.runs else None
        if self.constructor.plan.body.body.form != "branches" or not isinstance(last, Make) or not last.joins:
            return None
        return last if any(operand.when is not None or operand.loops for operand in last.inputs) else None

    def inline(self) -> tuple[Doc, bool] | None:
        """Branches joined in one expression: each is used once, and only reads the input."""
        body = self.constructor.plan.body
        runs = self.runs
        if body.body.form != "branches" or body.captures or len(runs) < 1 or not runs[-1].many:
            return None
        *branches, join = runs
        if any(self.key(v) != ("input", 0) for run in branches for v in run.reads) or any(r.several for r in branches):
            return None
        if any(isinstance(run.step, Loop) for run in branches):
            return self.children(join)
        step = join.step
        assert isinstance(step, Make)
        if len(step.inputs) > 2 and isinstance(step.what, Layer) and step.what.infix:
            return None  # the branches run before the join, so that gradients add up in the same order
        by_key = {id(run.step): run for run in branches}
        operands = [self.operand(by_key, operand.value) for operand in step.inputs]
        optional = [position for position, operand in enumerate(step.inputs) if operand.when is not None]
        if not optional:
            return self.value(join, tuple(operands))
        layer = step.what
        if len(optional) == 1 and len(operands) == 2 and isinstance(layer, Layer) and layer.infix:
            (position,) = optional
            branch = step.inputs[position]
            make = branch.value.source
            assert isinstance(make, Make)
            test = self.exists(make, branch.when)
            both = Operation((("", operands[0]), (layer.infix, operands[1])))
            return Operation((("", both), ("if", test), ("else", operands[1 - position]))), False
        return self.children(join)

    def operand(self, by_key: dict[int, _Run], value: Value) -> Doc:
        """A branch of the input within an expression."""
        run = by_key.get(self.key(value)) if not isinstance(self.key(value), tuple) else None
        if run is None:
            return self.read(value)
        assert isinstance(run.step, Make)
        doc, _ = self.value(run, (self.given["input", 0],))
        return Marked(doc, (id(run.step),))

    def children(self, join: _Run) -> tuple[Doc, bool] | None:
        """`torch.cat([branch(x) for branch in self.children()], dim=1)`, if every branch is a module."""
        step = join.step
        assert isinstance(step, Make)
        sources = [operand.value.source for operand in step.inputs]
        if not all(isinstance(source, Make) and self.constructor.is_module(source) for source in sources):
            return None
        if any(
            isinstance(source, Make) and source.when is not None and id(source) in self.constructor.repeated
            for source in sources
        ):
            return None
        if not isinstance(step.what, Layer) or step.what.function is None or step.what.infix:
            return None
        branch = self.writer.names.take("branch", "branch_")
        rest = tuple(keyword(name, document(value)) for name, value in step.what.function.keywords)
        each = f"[{branch}({self.given['input', 0]}) for {branch} in self.children()]"
        return Group(f"{step.what.function.target}(", (each, *rest), ")"), True

    def gathered(self, join: Make) -> str:
        """Branches that are optional or come from a loop: collected in a list, then joined."""
        parts = self.writer.names.take("parts", "parts_")
        pad = " " * self.indent
        self.lines.append(f"{pad}{parts}: list[Tensor] = []")
        by_key = {id(operand.value.source): operand for operand in join.inputs}
        self.collect([step for step in self.steps if step is not join], by_key, parts, self.indent)
        assert isinstance(join.what, Layer)
        marks = (id(join),)
        if not join.what.infix:
            doc, _ = self.joined(join.what, (parts,))
            self.lines += statement(Marked(doc, marks), self.indent, before="x = ")
            return "x"
        part = self.writer.names.take("part", "part_")
        self.lines += [f"{pad}x = {parts}[0]", f"{pad}for {part} in {parts}[1:]:"]
        self.lines += marked([f"{pad}    x = x {join.what.infix} {part}"], marks)
        return "x"

    def collect(self, steps: Sequence[Step], branches: dict[int, Operand], parts: str, indent: int) -> None:
        """The statements that run the branches and append their results."""
        for step in steps:
            if isinstance(step, Loop):
                before, rows = self.turns(step)
                if step.when is not None:
                    self.lines.append(f"{' ' * indent}if {self.flag(step.when, 'has_branches')}:")
                    indent += INDENT
                self.lines += statement(rows, indent, before=before, after=":")
                self.collect(step.steps, branches, parts, indent + INDENT)
            elif isinstance(step, Make):
                self.branch(step, branches[id(step)], parts, indent)

    def branch(self, make: Make, operand: Operand, parts: str, indent: int) -> None:
        """The statements of one branch."""
        inner = indent
        if operand.when is not None:
            test = self.exists(make, operand.when)
            self.lines.append(f"{' ' * indent}if {test}:")
            inner += INDENT
        run = self.run_of(make)
        value: Doc = self.read(operand.value) if run is None else self.value(run)[0]
        if operand.value.output is not None:
            value = f"{flat(value)}[{operand.value.output}]"
        lines = lay_out(Group(f"{parts}.append(", (Marked(value, (id(make),)),), ")", comma=False), inner)
        self.lines += lines

    # Names

    def last(self, key: Key) -> int:
        return max(self.readers.get(key, [-1]))

    def places(self) -> dict[int, str]:
        """The name of each statement's value: `x`, `own` (its entry's name) or `line` (a side path)."""
        places: dict[int, str] = {}
        joins = self.joins()
        holder = next((key for key, text in self.given.items() if text == self.holder), None)
        for position, run in enumerate(self.runs):
            readers = self.readers.get(id(run.step), [])
            if run.auxiliary:
                places[position] = "own"
                continue
            if not readers and isinstance(run.step, Make) and not run.step.kept:
                continue  # it needs no name
            single = [r for r in readers if r != END and not self.runs[r].many and not self.runs[r].auxiliary]
            kept = len(readers) > 1 and len(set(single)) < 2
            free = self.last(holder) <= position
            if run.several or kept or not readers:
                places[position] = "own"
            elif free and not self.beside(position, joins, places):
                places[position] = "x"
                holder = id(run.step)
            else:
                places[position] = "line"
        return places

    def joins(self) -> dict[int, int]:
        """The position of the join into which each statement's value flows.

        Only statements count for which every value on the way has one reader.
        """
        found: dict[int, int] = {}
        for position in reversed(range(len(self.runs))):
            readers = self.readers.get(id(self.runs[position].step), [])
            if len(readers) != 1 or readers[0] == END:
                continue
            reader = self.runs[readers[0]]
            if reader.many:
                found[position] = readers[0]
            elif not reader.several and len(reader.reads) == 1 and readers[0] in found:
                found[position] = found[readers[0]]
        return found

    def beside(self, position: int, joins: dict[int, int], places: dict[int, str]) -> bool:
        """Return True if the value flows into a join together with another side path."""
        if position not in joins:
            return False
        reads = [self.at.get(self.key(value)) for value in self.runs[joins[position]].reads]
        return any(at is not None and places.get(at) == "line" for at in reads)

    def assign_names(self, places: dict[int, str]) -> None:
        """Give every statement its target."""
        lines: dict[int, int] = {}
        members: dict[int, list[str]] = {}
        for position, place in places.items():
            if place == "line":
                before = self.at.get(self.key(self.runs[position].reads[0]), -1)
                goes_on = (
                    not self.runs[position].many
                    and before in lines
                    and self.last(id(self.runs[before].step)) == position
                )
                start = lines[before] if goes_on else position
                lines[position] = start
                members.setdefault(start, []).append(self.runs[position].name)
        own = {p: self.name(self.runs[p].name) for p, place in places.items() if place == "own"}
        line_names: dict[int, str] = {}
        for start, found in members.items():
            # The first side path without a common name is the block's own, `out`; later ones are branches.
            wanted = [_common(found), "" if line_names else "out", found[-1], f"{found[-1]}_out"]
            line_names[start] = self.name(*filter(None, wanted))
        for position, place in places.items():
            run = self.runs[position]
            text = self.holder if place == "x" else own[position] if place == "own" else line_names[lines[position]]
            self.texts[id(run.step)] = text

    def name(self, *wanted: str) -> str:
        """A new name, with `_` appended if it is used."""
        found = [name for name in wanted if name.isidentifier()] or ["out"]
        return self.writer.names.take(*found, f"{found[-1]}_")

    def untyped(self, text: str) -> bool:
        """Return True if a type checker doesn't know the type of a local."""
        return text not in self.declared and not self.typed.get(text, False)


def sliced(axis: int, *bounds: Any) -> Iterator[str]:
    """The indices of a slice: `:, :, 1:-1`, or `..., 1:-1, :` where the axis counts from the last."""
    texts = [
        "" if value == default else str(flat(document(value)))
        for value, default in zip(bounds, (0, None, 1), strict=True)
    ]
    gap = "" if all(re.fullmatch(r"-?\w*", text) for text in texts) else " "  # as formatters write it
    found = texts[0]
    for text in texts[1:] if texts[2] else texts[1:2]:
        found += f"{gap if found and not found.endswith(':') else ''}:{gap if text else ''}{text}"
    yield from (":",) * axis if axis > 0 else ("...",)
    yield found
    yield from (":",) * (-1 - axis)


def _several(make: Make) -> bool:
    """Return True if an entry has several results."""
    if make.layer is not None:
        return make.layer.function is not None and make.layer.function.target in ("torch.chunk", "torch.split")
    what = make.owner.what
    bodies = [what] if isinstance(what, BodyPlan) else [target.body for target in targets_of(what)]
    return any(name is not None for body in bodies for name in body.results)


def _outside(loop: Loop) -> list[Value]:
    """The values that a loop's iterations read from outside."""
    inside = {id(step) for step in makes(loop.steps)} | {id(loop.turn)}
    inside |= {id(step) for step in loop.steps} | {id(s.turn) for s in loop.steps if isinstance(s, Loop)}
    return [
        operand.value
        for make in makes(loop.steps)
        for operand in make.inputs
        if id(operand.value.source) not in inside and not isinstance(operand.value.source, Kept)
    ]


def _common(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    letters = takewhile(lambda column: len(set(column)) == 1, zip(*names, strict=False))
    prefix = "".join(column[0] for column in letters).rstrip("_")
    return prefix if len(prefix) > 1 else ""
