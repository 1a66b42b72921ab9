"""The statements of `forward`: which local name holds which value, and when a name can be reused.

`x` carries the main line. A value that is needed again after the line has gone on keeps its entry's name;
a side line that ends in a join is named after what its entries have in common.
"""

from __future__ import annotations

import builtins
import keyword
from dataclasses import dataclass, field
from itertools import takewhile

from archc.emit.layout import Doc, Group, Marked, flat
from archc.emit.naming import Names
from archc.emit.template import Step, Template
from archc.expressions import text_of
from archc.graph import INPUT, Ref

_RESERVED = {*dir(builtins), *keyword.softkwlist, "Tensor", "nn", "self", "torch", "x"}
END = 1 << 60


@dataclass(slots=True)
class Statement:
    """`target = value`, or `return value` where the target is empty; `steps` are the ids of those that it runs."""

    target: str
    value: Doc
    annotated: bool = False
    auxiliary: bool = False
    names: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()


@dataclass(slots=True)
class Forward:
    """The body of `forward`: statements, and what is returned by output name (None: a single tensor).

    `collected` is a free name: that of a dict of the heads, where several flags decide which of them there are.
    """

    arguments: tuple[str, ...]
    statements: list[Statement]
    results: list[tuple[str | None, str]]
    heads: list[str] = field(default_factory=list)
    collected: str = ""


def forward(template: Template) -> Forward:
    """The statements of a class that is not a plain nn.Sequential."""
    return _Namer(template).run()


class _Namer:
    def __init__(self, template: Template) -> None:
        self.template = template
        self.steps = template.steps
        self.readers: dict[int, list[int]] = {}
        for position, step in enumerate(self.steps):
            if self.runs(step):
                for ref in step.inputs:
                    self.readers.setdefault(self.source(ref).node, []).append(position)
        for _, ref in template.results:
            self.readers.setdefault(self.source(ref).node, []).append(END)
        inside = {step.name for step in self.steps}
        outside = [name.replace(".", "_") for name in template.captures]
        self.locals = Names(_RESERVED)
        self.captures = tuple(self.local(f"{name}_in" if name in inside else name) for name in outside)
        self.names: dict[int, str] = {INPUT: "x"}
        self.names.update({INPUT - 1 - i: name for i, name in enumerate(self.captures)})
        self.lines: dict[int, int] = {}  # position -> the first position of its side line
        self.members: dict[int, list[str]] = {}
        self.holder: int = INPUT  # the value that `x` holds

    def runs(self, step: Step) -> bool:
        """Whether the step is a statement; an absent entry and an identity are not."""
        return step.present and not (step.function is not None and not step.function.target)

    def source(self, ref: Ref) -> Ref:
        """The value behind entries that hand theirs on."""
        while ref.node >= 0 and not self.runs(self.steps[ref.node]):
            ref = self.steps[ref.node].inputs[0]
        return ref

    def local(self, *wanted: str) -> str:
        """A name of its own, with `_` behind it where it is taken."""
        return self.locals.take(*wanted, f"{wanted[-1]}_")

    def last(self, node: int) -> int:
        return max(self.readers.get(node, [-1]))

    def run(self) -> Forward:
        inline = self.inline()
        if inline is not None:
            return Forward(("x",), [inline], [])
        plan = self.places()
        statements: list[Statement] = []
        self.assign_names(plan)
        for position, step in enumerate(self.steps):
            if self.runs(step):
                target = self.names[position]
                value = self.value(step)
                statements.append(Statement(target, value, False, step.auxiliary, (step.name,), (id(step),)))
        results = [(name, self.read(ref)) for name, ref in self.template.results]
        heads = [self.names[p] for p, step in enumerate(self.steps) if step.auxiliary and self.runs(step)]
        self.finish(statements, results, bool(heads))
        collected = self.local("heads") if heads else ""
        return Forward(("x", *self.captures), statements, results, heads, collected)

    # Expressions

    def read(self, ref: Ref) -> str:
        ref = self.source(ref)
        name = self.names[ref.node]
        if ref.output is None:
            return name
        several = self.steps[ref.node]
        part = ref.output if several.layer else f'"{ref.output}"'  # a layer gives a tuple, a body a dict
        return f"{name}[{part}]"

    def value(self, step: Step, operands: tuple[Doc, ...] | None = None) -> Doc:
        inputs: tuple[Doc, ...] = operands or tuple(self.read(ref) for ref in step.inputs)
        if step.infix:
            return f" {step.infix} ".join(str(flat(operand)) for operand in inputs)
        if step.function is None:
            return Group(f"self.{step.name}(", inputs, ")")
        call = step.function
        first: Doc = Group("[", inputs, "]") if step.many else inputs[0]
        rest = [text_of(value) for value in call.positional]
        named = [f"{name}={text_of(value)}" for name, value in call.keywords]
        return Group(f"{call.target}(", (first, *rest, *named), ")")

    # Branches that need no names

    def inline(self) -> Statement | None:
        """Branches joined in one expression: each used once, each reading the input alone."""
        template = self.template
        if template.form != "branches" or template.captures:
            return None
        present = [step for step in self.steps if step.present]
        if len(present) < 2 or not present[-1].many:
            return None
        *branches, join = present
        if any(ref.node != INPUT for step in branches for ref in step.inputs) or any(s.several for s in branches):
            return None
        operands = tuple(Marked(self.operand(step), (id(step),)) for step in branches)
        value = self.value(join, operands)
        steps = tuple(map(id, present)) if join.infix else (id(join),)
        return Statement("" if join.function is not None else "x", value, steps=steps)

    def operand(self, step: Step) -> Doc:
        """A branch of the input within an expression."""
        if not self.runs(step):
            return "x"
        return Group(f"self.{step.name}(", ("x",), ")") if step.function is None else self.value(step, ("x",))

    # Names

    def places(self) -> dict[int, str]:
        """For each step: `x`, `own` (its entry's name) or `line` (a side line)."""
        places: dict[int, str] = {}
        joins = self.joins()
        for position, step in enumerate(self.steps):
            if not self.runs(step):
                continue
            readers = self.readers.get(position, [])
            if step.auxiliary:
                places[position] = "own"
                continue
            single = [r for r in readers if r != END and not self.steps[r].many and not self.steps[r].auxiliary]
            kept = len(readers) > 1 and len(set(single)) < 2
            free = self.last(self.holder) <= position
            if step.several or kept or not readers:
                places[position] = "own"
            elif free and not self.beside(position, joins, places):
                places[position] = "x"
                self.holder = position
            else:
                places[position] = "line"
        return places

    def joins(self) -> dict[int, int]:
        """For each step whose value flows, read once each time, into a join: the position of the join."""
        found: dict[int, int] = {}
        for position in reversed(range(len(self.steps))):
            readers = self.readers.get(position, [])
            if len(readers) != 1 or readers[0] == END:
                continue
            reader = self.steps[readers[0]]
            if reader.many:
                found[position] = readers[0]
            elif not reader.several and len(reader.inputs) == 1 and readers[0] in found:
                found[position] = found[readers[0]]
        return found

    def beside(self, position: int, joins: dict[int, int], places: dict[int, str]) -> bool:
        """Whether the value flows into a join beside another side line."""
        if position not in joins:
            return False
        return any(places.get(self.source(ref).node) == "line" for ref in self.steps[joins[position]].inputs)

    def assign_names(self, places: dict[int, str]) -> None:
        for position, place in places.items():
            if place == "line":
                before = self.source(self.steps[position].inputs[0]).node
                goes_on = not self.steps[position].many and self.last(before) == position and before in self.lines
                start = self.lines[before] if goes_on else position
                self.lines[position] = start
                self.members.setdefault(start, []).append(self.steps[position].name)
        own = {p: self.local(self.steps[p].name) for p, place in places.items() if place == "own"}
        line_names: dict[int, str] = {}
        for start, members in self.members.items():
            # The first line without a name in common is the block's own: `out`; later ones are branches.
            wanted = [_common(members), "" if line_names else "out", members[-1], f"{members[-1]}_out"]
            line_names[start] = self.local(*filter(None, wanted))
        for position, place in places.items():
            if place == "x":
                self.names[position] = "x"
            elif place == "own":
                self.names[position] = own[position]
            else:
                self.names[position] = line_names[self.lines[position]]

    def finish(self, statements: list[Statement], results: list[tuple[str | None, str]], heads: bool) -> None:
        """Return a typed value: torch's functions are typed, a module's result needs a declared name."""
        if len(results) != 1 or results[0][0] is not None:
            return
        name = results[0][1]
        if not heads and statements and statements[-1].target == name and _typed(statements[-1].value):
            statements[-1].target = ""
            results.clear()
            return
        if name != "x" and name.isidentifier():
            for statement in statements:
                if statement.target == name:
                    statement.annotated = not _typed(statement.value)
                    break


def _typed(value: Doc) -> bool:
    return (
        isinstance(value, Group)
        and value.open.startswith("torch.")
        and value.open not in ("torch.chunk(", "torch.split(")
    )


def _common(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    letters = takewhile(lambda column: len(set(column)) == 1, zip(*names, strict=False))
    prefix = "".join(column[0] for column in letters).rstrip("_")
    return prefix if len(prefix) > 1 else ""
