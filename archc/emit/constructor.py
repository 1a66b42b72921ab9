"""The constructor of a class: the modules it creates, in order, and the attributes that `forward` needs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from archc.emit.layout import (
    INDENT,
    Doc,
    Each,
    Group,
    Marked,
    Operation,
    document,
    flat,
    keyword,
    lay_out,
    marked,
    statement,
)
from archc.expressions import Binary, Expr, Level, Name, Text, free_names, lift, lower, substitute
from archc.kinds import Call
from archc.language.names import MODULE_ATTRIBUTES
from archc.plan.finish import RESERVED, every_step, in_classes, shown, values_of
from archc.plan.names import Names
from archc.plan.plan import Again, Assign, BodyPlan, Case, Chosen, ClassPlan, Layer, Loop, Make, Step, Use, makes

BY_NAME = frozenset({"kernel_size", "stride", "padding", "dilation", "groups", "bias"})
"""Arguments that are passed by name even if they are required, as usual with torch's layers."""

_FOLD = 3
"""This many equal neighbors in a chain become one line."""

Comments = dict[int, str]
"""Comments at the ends of lines, by the id of the entry."""


class Constructor:
    """Writes the lines of one class's constructor, and answers questions of `forward`."""

    def __init__(self, plan: ClassPlan, names: dict[int, str], comments: Comments) -> None:
        self.plan = plan
        self.names = names
        self.comments = comments
        self.chain = plan.body.chain and (plan.body.numbered or any(isinstance(s, Loop) for s in plan.body.steps))
        self.branches = plan.body.body.form == "branches"
        self.stored: dict[str, Doc] = {}  # values that `forward` reads, by attribute
        self.of_layers: set[str] = set()  # those that follow from the layers, so that they are stored after them
        self.by_value: dict[Any, str] = {}
        self.made_items: dict[int, Doc | None] = {}
        self.own = {id(step) for step in plan.body.steps}
        self.repeated = {id(make) for step in plan.body.steps if isinstance(step, Loop) for make in makes(step.steps)}
        self.outer = self.own | self.repeated  # entries that `forward` runs itself, not within a chain

        children = {make.name for make in plan.body.makes() if isinstance(make.name, str) and self.is_module(make)}
        self.attributes = Names(MODULE_ATTRIBUTES | children)
        self.locals = Names(RESERVED | self.known() | {name.name for name in plan.renamed.values()})

    # What is a module, and what is a function

    def is_module(self, make: Make) -> bool:
        """Return True if an entry is a module of its own, and not a share or a function that `forward` calls."""
        if isinstance(make.what, Again):
            return False
        if self.chain or not isinstance(make.what, Layer) or id(make) not in self.outer:
            return True
        layer = make.what
        if layer.kind.bare:
            return True
        if layer.infix:
            return False
        if layer.function is None:
            return True
        if id(make) not in self.repeated:
            return False
        values = (*layer.function.positional, *(value for _, value in layer.function.keywords))
        differs = free_names(tuple(tuple(v) if isinstance(v, list) else v for v in values)) - self.known()
        return bool(layer.function.target) and (make.when is not None or bool(differs))

    def known(self) -> set[str]:
        """The names that can be stored for `forward`: arguments and derived ones."""
        return {p.name for p in self.plan.parameters} | {local.name for local in self.plan.locals}

    def is_optional(self, make: Make) -> bool:
        """Return True if an entry is an attribute that may be None."""
        return make.when is not None and id(make) in self.own and not self.chain

    def store(self, value: Any, wanted: str) -> str:
        """The attribute that stores a value for `forward`: `self.depth`."""
        follows = not free_names(value) <= self.known()
        value = lift(shown(self.plan, value))
        if value not in self.by_value:
            name = value.name.replace(".", "_") if type(value) is Name else wanted
            name = self.attributes.take(name, f"{name}_")
            self.by_value[value] = f"self.{name}"
            self.stored[name] = document(value)
            if follows:
                self.of_layers.add(name)
        return self.by_value[value]

    def kept(self, name: str) -> Name:
        """The attribute that stores an argument or a local."""
        return Name(self.store(Name(name), name))

    def at_run_time(self, value: Any, own: dict[str, Name]) -> Any:
        """An expression in `forward`, in terms of attributes and its own variables `own`."""
        names = {name: own[name] if name in own else self.kept(name) for name in sorted(free_names(value))}
        return in_classes(self.plan, substitute(value, names))

    # Lines

    def lines(self) -> list[str]:
        """The statements, indented for a method's body."""
        plan = self.plan
        before = self.prelude()
        if self.chain and plan.body.numbered and self.simple(plan.body.steps):
            items, notes = self.items(plan.body.steps)
            return [*before, *lay_out(Group("super().__init__(", items, ")", notes, tall=True), 2 * INDENT)]
        after = self.steps(plan.body.steps, "self", 2 * INDENT)
        exports = [
            line
            for name, value in plan.exports.items()
            for line in statement(self.doc(value), 2 * INDENT, before=f"self.{name} = ")
        ]
        stored: list[str] = []
        for name, doc in self.stored.items():
            lines = stored if name not in self.of_layers else after
            lines += statement(doc, 2 * INDENT, before=f"self.{name} = ")
        return ["        super().__init__()", *before, *stored, *after, *exports]

    def prelude(self) -> list[str]:
        """The derived arguments in the order of the spec, and the checks of invalid arguments."""
        lines = []
        locals_ = {local.name: local for local in self.plan.locals}
        optional = {parameter.name: parameter for parameter in self.plan.parameters if parameter.derived is not None}
        for name in self.plan.declared:
            if name in optional:
                value = self.doc(optional[name].derived, Level.OR)
                choice = Operation((("", value), ("if", f"{name} is None"), ("else", name)))
                lines += statement(choice, 2 * INDENT, before=f"{name} = ")
            elif name in locals_:
                lines += statement(self.doc(locals_[name].definition), 2 * INDENT, before=f"{name} = ")
        for guard in self.plan.guards:
            lines += statement(self.doc(guard.condition), 2 * INDENT, before="if ", after=":")
            lines.append(f'{" " * 3 * INDENT}raise ValueError("{guard.message}")')
        return lines

    def doc(self, value: Any, least: Level = Level.CHOICE) -> Doc:
        """An expression with the names of the source."""
        return document(shown(self.plan, value), least)

    def steps(self, steps: Sequence[Step], holder: str, indent: int) -> list[str]:
        """The statements of steps whose entries belong to the module `holder`."""
        lines: list[str] = []
        for condition, group in groupby(steps, key=self.condition):
            found = list(group)
            inner = indent
            if condition is not None:
                optional = [step for step in found if isinstance(step, Make) and self.is_optional(step)]
                attributes = all(map(is_attribute, optional))  # only `add_module` puts a None into the order
                lines += [
                    f"{' ' * indent}self.{step.name}: {held_by(step)} | None = None"
                    if attributes
                    else f'{" " * indent}self.{adder(step)}("{step.name}", None)'
                    for step in optional
                ]
                lines += statement(self.doc(condition), indent, before="if ", after=":")
                inner += INDENT
            for step in found:
                if isinstance(step, Assign):
                    target = shown(self.plan, step.target).name
                    lines += self.assignment(target, shown(self.plan, step.value), inner)
                elif isinstance(step, Loop):
                    lines += self.loop(step, holder, inner)
                else:
                    lines += marked(self.made(step, holder, inner), (id(step),))
        return lines

    def assignment(self, target: str, value: Any, indent: int) -> list[str]:
        """`target = value`, or `target += more`."""
        match value:
            case Binary(Name(name), "+" | "-" | "*" | "//" as sign, more) if name == target:
                return statement(document(more), indent, before=f"{target} {sign}= ")
        return statement(document(value), indent, before=f"{target} = ")

    def condition(self, step: Step) -> Any:
        """The condition of the `if` around a step."""
        if isinstance(step, Loop | Assign):
            return step.when
        if isinstance(step, Make) and step.when is not None and self.is_module(step):
            if id(step) in self.repeated and not self.chain and not self.branches:
                return None  # an identity replaces it
            return None if self.is_optional(step) and self.on_one_line(step) is not None else step.when
        return None

    def on_one_line(self, make: Make) -> Doc | None:
        """`module if condition else None`, if it is short."""
        item = self.item(make)
        if (
            item is None
            or not is_attribute(make)
            or make.held is not None
            or (isinstance(make.what, Layer) and len(make.what.calls) > 1)
        ):
            return None
        value = Operation((("", item), ("if", self.doc(make.when, Level.OR)), ("else", "None")))
        text = flat(value)
        short = text is not None and 2 * INDENT + len(f"self.{make.name} = {text}") <= 120
        return Marked(value, (id(make),)) if short else None

    def loop(self, loop: Loop, holder: str, indent: int) -> list[str]:
        """A `for` statement with its body."""
        head = self.head(loop)
        body = self.steps(loop.steps, holder, indent + INDENT)
        if not body:
            return []
        return [*statement(head[1], indent, before=head[0], after=":"), *body]

    def head(self, loop: Loop, rename: Any = None) -> tuple[str, Doc]:
        """`for i, (a, b) in ` and the iterable."""
        read = self.read_in(loop)
        index = shown(self.plan, loop.index).name if loop.index.name in read else "_"
        show = rename or (lambda value: shown(self.plan, value))
        if loop.rows is None:
            return f"for {index} in ", Group("range(", (document(show(loop.count)),), ")", comma=False)
        names = [shown(self.plan, v).name if v.name in read else "_" for v in loop.variables]
        rows = document(show(lift(loop.rows)))
        target = ", ".join(names) if len(names) > 1 else names[0]
        if index == "_":
            return f"for {target} in ", rows
        target = f"({target})" if len(names) > 1 else target
        return f"for {index}, {target} in ", Group("enumerate(", (rows,), ")", comma=False)

    def read_in(self, loop: Loop) -> set[str]:
        """The names that the constructor reads in a loop's iterations."""
        found: set[str] = set()
        for step in every_step(loop.steps):
            if isinstance(step, Assign):
                found |= free_names(step.value)
            elif not isinstance(step, Make) or self.is_module(step) or self.chain:
                for value in values_of(step):
                    found |= free_names(value)
        return found

    def made(self, make: Make, holder: str, indent: int) -> list[str]:
        """The statements that create an entry and add it to its holder."""
        if not self.is_module(make):
            return []
        comment = self.comments.get(id(make), "")
        lines: list[str] = []
        attribute = holder == "self" and is_attribute(make)
        if self.is_optional(make) and self.condition(make) is None:
            item = self.on_one_line(make)
            assert item is not None
            return statement(item, indent, before=f"self.{make.name} = ", comment=comment)
        item = self.item(make)
        if item is None and isinstance(make.what, BodyPlan):
            own = f"self.{make.name}" if attribute else self.local(make)
            lines.append(f"{' ' * indent}{own} = nn.Sequential()")
            lines += self.steps(make.what.steps, own, indent)
            return lines if attribute else [*lines, *self.given(make, own, holder, indent)]
        if item is None:
            own = self.local(make)
            lines += self.by_cases(make, own, indent)
            return [*lines, *self.given(make, own, holder, indent)]
        if make.held is not None:
            own = shown(self.plan, make.held).name
            lines += statement(item, indent, before=f"{own} = ", comment=comment)
            return [*lines, *self.given(make, own, holder, indent)]
        if make.when is not None and id(make) in self.repeated and not self.chain and not self.branches:
            item = Operation((("", item), ("if", self.doc(make.when, Level.OR)), ("else", "nn.Identity()")))
        return [*lines, *self.given(make, item, holder, indent, comment)]

    def given(self, make: Make, item: Doc, holder: str, indent: int, comment: str = "") -> list[str]:
        """The statement that adds a module to its holder."""
        if make.name == "":
            return lay_out(Group(f"{holder}.append(", (item,), ")", comma=False), indent, comment=comment)
        if holder == "self" and is_attribute(make):
            return statement(item, indent, before=f"self.{make.name} = ", comment=comment)
        return lay_out(Group(f"{holder}.{adder(make)}(", (self.doc(make.name), item), ")"), indent, comment=comment)

    def local(self, make: Make) -> str:
        """A local that holds a module."""
        base = "".join(p for p in make.name.pieces if isinstance(p, str)) if isinstance(make.name, Text) else make.name
        base = base.strip("_")
        return self.locals.take(*([base] if base.isidentifier() else []), "layers")

    def by_cases(self, make: Make, own: str, indent: int) -> list[str]:
        """A layer whose class depends on an argument: an `if` for each."""
        made: list[tuple[Any, Doc]] = []
        if isinstance(make.what, Layer):
            made = [(condition, self.layer(call)) for condition, call in make.what.calls]
        elif isinstance(make.what, Chosen):
            made = [(case.when, self.case(case)) for case in make.what.cases]
        lines = []
        for position, (condition, call) in enumerate(made):
            word = "else:" if condition is None else ""
            if not word:
                lines += statement(self.doc(condition), indent, before="elif " if position else "if ", after=":")
            else:
                lines.append(" " * indent + word)
            before = f"{own}: nn.Module = " if position == 0 else f"{own} = "
            lines += statement(call, indent + INDENT, before=before)
        return lines

    # Items

    def item(self, make: Make) -> Doc | None:
        """An entry as one expression; None if it needs statements."""
        if id(make) not in self.made_items:
            self.made_items[id(make)] = self.new_item(make)
        return self.made_items[id(make)]

    def new_item(self, make: Make) -> Doc | None:
        """The uncached result of `item`."""
        match make.what:
            case Layer(_, calls):
                return self.layer(calls[0][1]) if len(calls) == 1 else None
            case Use():
                return self.use(make.what)
            case Chosen(_, cases):
                return self.case(cases[0]) if len(cases) == 1 else None
            case BodyPlan() as body:
                if not body.numbered or not self.simple(body.steps):
                    return None
                items, notes = self.items(body.steps)
                return Group("nn.Sequential(", items, ")", notes, tall=True)
            case Again():
                return None

    def simple(self, steps: Sequence[Step]) -> bool:
        """Return True if one expression can list the entries of a numbered chain."""
        return all((isinstance(step, Loop) and self.each(step) is not None) or self.listed(step) for step in steps)

    def listed(self, step: Step) -> bool:
        """Return True if an entry is an item of a list."""
        return isinstance(step, Make) and step.when is None and step.held is None and self.item(step) is not None

    def each(self, loop: Loop) -> Each | None:
        """`*(Layer(i) for i in range(count))`, for a loop of one unconditional entry."""
        if loop.when is not None or len(loop.steps) != 1 or not self.listed(loop.steps[0]):
            return None
        (make,) = loop.steps
        assert isinstance(make, Make)
        item = self.item(make)
        if item is None or flat(item) is None:
            return None
        before, rows = self.head(loop)
        return Each(Marked(item, (id(make),)), (prefixed_clause(before, rows),))

    def items(self, steps: Sequence[Step]) -> tuple[tuple[Doc, ...], tuple[str, ...]]:
        """A chain's entries, one per line, with equal neighbors folded."""
        rows: list[tuple[Doc, str, str | None]] = []
        for step in steps:
            if isinstance(step, Loop):
                each = self.each(step)
                assert each is not None
                rows.append((each, "", None))
            elif isinstance(step, Make):
                item = self.item(step)
                assert item is not None
                note = "" if isinstance(step.what, BodyPlan) else self.comments.get(id(step), "")
                rows.append((Marked(item, (id(step),)), note, flat(item)))
        folded: list[tuple[Doc, str]] = []
        for text, group in groupby(rows, key=lambda row: row[2]):
            found = list(group)
            if text is None or len(found) < _FOLD:
                folded += [(doc, note) for doc, note, _ in found]
            else:
                parts = tuple(part for doc, _, _ in found if isinstance(doc, Marked) for part in doc.parts)
                first = found[0][0].item if isinstance(found[0][0], Marked) else found[0][0]
                each = Each(Marked(first, parts), (f"for _ in range({len(found)})",))
                folded.append((each, found[-1][1]))
        return tuple(doc for doc, _ in folded), tuple(note for _, note in folded)

    def layer(self, made: Call) -> Doc:
        """A layer's constructor call."""
        positional = tuple(self.argument(value) for value in made.positional)
        keywords = tuple((name, self.argument(value)) for name, value in made.keywords)
        if made.kind is not None and made.kind.bare:
            return learned(made.target, positional[0], dict(keywords))
        items = (*map(as_argument, positional), *(keyword(name, as_argument(value)) for name, value in keywords))
        return Group(f"{self.plan.class_name(made.target)}(", items, ")")

    def case(self, case: Case) -> Doc:
        """A call of the callee that an argument names; a class takes its input channels by position."""
        positional: list[Doc] = [as_argument(self.argument(value)) for value in case.positional]
        keywords = [(name, as_argument(self.argument(value))) for name, value in case.given()]
        if case.targets and keywords and keywords[0][0] == "in_channels":
            positional.append(keywords.pop(0)[1])
        callee = flat(self.doc(case.callee, Level.ATOM))
        return Group(f"{callee}(", (*positional, *(keyword(name, doc) for name, doc in keywords)), ")")

    def argument(self, value: Any) -> Any:
        """An argument with the names of the source."""
        if isinstance(value, list):
            return [self.argument(item) for item in value]
        return shown(self.plan, value)

    def use(self, use: Use) -> Doc:
        """An instance of a class: required arguments by position, others by name if they differ from the default."""
        items: list[Doc] = []
        by_name = False
        given = use.given()
        for parameter in use.target.parameters:
            by_name = by_name or not parameter.required or parameter.name in BY_NAME
            if parameter.name not in given:
                continue
            value = lower(lift(given[parameter.name]))
            if parameter.required or isinstance(value, Expr) or not same(value, parameter.default):
                value = shown(self.plan, given[parameter.name])
                name = shown(use.target, Name(parameter.name)).name
                items.append(keyword(name, document(value)) if by_name else document(value))
        return Group(f"{self.names[id(use.target)]}(", tuple(items), ")")


def is_attribute(make: Make) -> bool:
    """Return True if an entry's name is a valid Python attribute."""
    return isinstance(make.name, str) and make.name.isidentifier()


def attribute(make: Make) -> str:
    """The module of a named entry, as the class's methods write it."""
    return f"self.{make.name}" if is_attribute(make) else f'getattr(self, "{make.name}")'


def adder(make: Make) -> str:
    """The method that adds an entry to its holder under a name that isn't a valid attribute."""
    return {"nn.Parameter": "register_parameter", "nn.Buffer": "register_buffer"}.get(held_by(make), "add_module")


def held_by(make: Make) -> str:
    """The type of an attribute."""
    return make.what.kind.torch if isinstance(make.what, Layer) and make.what.kind.bare else "nn.Module"


def learned(target: str, shape: Any, given: dict[str, Any]) -> Doc:
    """A tensor of a class with its initial values: `nn.Parameter(torch.zeros(1, 1, width))`."""
    function, fill = given.pop("function", ""), given.pop("fill", None)
    sizes = tuple(map(document, shape))
    tensor: Doc
    if function:
        named = tuple(keyword(name, document(item)) for name, item in given.items())
        tensor = Group(f"nn.init.{function}(", (Group("torch.empty(", sizes, ")"), *named), ")")
    elif "values" in given:
        values = given["values"]
        numbers = document(values) if isinstance(values, Expr) else Group("[", tuple(map(document, values)), "]")
        tensor = Group("torch.tensor(", (numbers, "dtype=torch.float32"), ")")
        if len(sizes) > 1:
            tensor = Group(f"{flat(tensor)}.view(", sizes, ")")
    elif not isinstance(fill, Expr) and fill == 0:
        tensor = Group("torch.zeros(", sizes, ")")
    else:
        tensor = Group("torch.ones(", sizes, ")")
        if isinstance(fill, Expr) or fill != 1:
            tensor = Operation((("", tensor), ("*", document(fill, Level.PRODUCT))))
    return Group(f"{target}(", (tensor,), ")", comma=False)


def as_argument(value: Any) -> Doc:
    """An argument's value, or a list of values, as a document."""
    return Group("[", tuple(map(document, value)), "]", packed=False) if isinstance(value, list) else document(value)


def prefixed_clause(before: str, rows: Doc) -> Doc:
    """A `for` clause of a generator."""
    return rows._replace(open=before + rows.open) if isinstance(rows, Group) else before + python_text_of(rows)


def python_text_of(doc: Doc) -> str:
    """A document on one line."""
    text = flat(doc)
    assert text is not None
    return text


def same(left: Any, right: Any) -> bool:
    """Return True if two constants have the same value and type."""
    return type(left) is type(right) and bool(left == right)
