"""The last pass over a plan: it removes unused parts, and gives every local its name in the source."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from archc.expressions import Compare, Const, Expr, Name, free_names, lift, lower, substitute
from archc.kinds import Call
from archc.language.spec import Callee
from archc.plan.hoist import hoist
from archc.plan.names import Names
from archc.plan.plan import (
    Again,
    Assign,
    BodyPlan,
    Chosen,
    ClassPlan,
    Layer,
    Loop,
    Make,
    Parameter,
    Step,
    Use,
    targets_of,
)

RESERVED = frozenset(
    {"F", "Tensor", "module", "name", "nn", "self", "torch", "x", *dir(__import__("builtins"))}
) | frozenset(__import__("keyword").kwlist + __import__("keyword").softkwlist)
"""Names that locals of a constructor must not have."""


UNKNOWN = "?"
"""The prefix of names for sizes that have no expression."""


class UnknownRead(Exception):
    """Raised if a class needs an unknown size; `owner` is its block."""

    def __init__(self, owner: int) -> None:
        self.owner = owner


def finished(root: ClassPlan) -> list[ClassPlan]:
    """The classes of a plan in order of use, with only the arguments and locals that are read."""
    order = used(root)
    # The arguments of a class depend on what it reads and exports, and its exports on what its users read, including to
    # export it again. So both start with everything possible, and shrink.
    before = -1
    while before != (before := sum(len(plan.parameters) + len(plan.exports) for plan in order)):
        for plan in order:
            if plan.nested:
                plan.parameters = _taken(plan, _read(plan))
        _keep_exports_that_are_read(order)
    together = _called_alike(order)
    waiting: dict[int, dict[str, None]] = {}
    for plan in order:
        hoist(plan.body.steps)
        read = _keep_what_is_read(plan, id(plan) in together)
        group = together.get(id(plan), ())
        waiting[id(plan)] = read
        if group and all(id(member) in waiting for member in group):
            shared = set().union(*(waiting[id(member)] for member in group))
            for member in group:
                member.parameters = _kept(member, shared)
    for plan in order:
        _rename(plan)
    return order


def _called_alike(order: list[ClassPlan]) -> dict[int, list[ClassPlan]]:
    """For each class, the classes that one call may refer to: they take the same arguments, even if unused."""
    groups: dict[int, list[ClassPlan]] = {}
    for plan in order:
        for step in every_step(plan.body.steps):
            for case in step.what.cases if isinstance(step, Make) and isinstance(step.what, Chosen) else ():
                members = {id(other): other for target in case.targets for other in groups.get(id(target), [target])}
                groups |= {key: list(members.values()) for key in members}
    return groups


def _keep_exports_that_are_read(order: list[ClassPlan]) -> None:
    """Remove exported attributes that no user of the class reads; users come first."""
    wanted: dict[int, set[str]] = {}
    for plan in reversed(order):
        kept = wanted.get(id(plan), set())
        plan.exports = {name: value for name, value in plan.exports.items() if name in kept}
        steps = list(every_step(plan.body.steps))
        values = [*(value for step in steps for value in read_by(step)), *plan.exports.values()]
        values += [guard.condition for guard in plan.guards]
        read = {name for value in values for name in free_names(value)}
        for make in steps:
            if isinstance(make, Make) and isinstance(make.what, Use) and make.held is not None:
                held = f"{make.held.name}."
                names = {name.removeprefix(held) for name in read if name.startswith(held)}
                wanted.setdefault(id(make.what.target), set()).update(names)
                if not names:
                    make.held = None


def used(root: ClassPlan) -> list[ClassPlan]:
    """A class and the classes that it uses, which come first."""
    found: dict[int, ClassPlan] = {}

    def visit(plan: ClassPlan) -> None:
        for make in every_step(plan.body.steps):
            for target in targets_of(make.what) if isinstance(make, Make) else ():
                if id(target) not in found:
                    visit(target)
        found.setdefault(id(plan), plan)

    visit(root)
    return list(found.values())


def every_step(steps: Iterable[Step]) -> Iterator[Step]:
    """Every step of a class, including those in loops and nested chains."""
    for step in steps:
        yield step
        if isinstance(step, Loop):
            yield from every_step(step.steps)
        elif isinstance(step, Make) and isinstance(step.what, BodyPlan):
            yield from every_step(step.what.steps)


def every_make(classes: Iterable[ClassPlan]) -> Iterator[Make]:
    """Every entry of several classes."""
    for plan in classes:
        for step in every_step(plan.body.steps):
            if isinstance(step, Make):
                yield step


def values_of(step: Step) -> Iterator[Any]:
    """The expressions on a step's own lines."""
    if isinstance(step, Loop):
        yield from (step.when, step.count, step.rows)
    elif isinstance(step, Make):
        yield from (step.when, step.name)
        yield from (operand.when for operand in step.inputs)
        if isinstance(step.what, Layer):
            for condition, call in step.what.calls:
                yield condition
                yield from _arguments(call)
            if step.what.function is not None:
                yield from _arguments(step.what.function)
        elif isinstance(step.what, Again):
            yield step.what.name
            if step.what.layer is not None and step.what.layer.function is not None:
                yield from _arguments(step.what.layer.function)
        elif isinstance(step.what, Use):
            yield from step.what.given().values()
        elif isinstance(step.what, Chosen):
            for case in step.what.cases:
                yield from (case.when, case.callee)
                yield from _arguments(Call("", case.positional, tuple(case.given())))


def read_by(step: Step) -> Iterator[Any]:
    """The expressions that a step reads."""
    if isinstance(step, Assign):
        yield step.value
    else:
        yield from values_of(step)


def _arguments(call: Call) -> Iterator[Any]:
    for value in (*call.positional, *(value for _, value in call.keywords)):
        yield tuple(value) if isinstance(value, list) else value


def _read(plan: ClassPlan) -> dict[str, None]:
    """The names that a class reads, in order of appearance."""
    steps = list(every_step(plan.body.steps))
    read: dict[str, None] = {}

    def note(value: Any) -> None:
        read.update(dict.fromkeys(sorted(free_names(value), key=str)))

    for step in steps:
        for value in values_of(step):
            note(value)
    for value in (*plan.exports.values(), *(guard.condition for guard in plan.guards)):
        note(value)
    for rule in plan.init:
        rule.replaced(note)
    assigns = [step for step in steps if isinstance(step, Assign)]
    count = -1
    while count != len(read):
        count = len(read)
        for assign in assigns:
            if assign.target.name in read:
                note(assign.value)
    derived = {local.name: local.definition for local in plan.locals}
    derived |= {parameter.name: parameter.derived for parameter in plan.parameters if parameter.derived is not None}
    for name in reversed(plan.declared):
        if name in read and name in derived:
            note(derived[name])
    return read


def _taken(plan: ClassPlan, read: Iterable[str]) -> list[Parameter]:
    """The arguments of a nested class: everything that it reads but doesn't create."""
    steps = list(every_step(plan.body.steps))
    own = {name for step in steps if isinstance(step, Loop) for name in step.names}
    own |= {step.target.name for step in steps if isinstance(step, Assign)}
    own |= {make.held.name for make in steps if isinstance(make, Make) and make.held is not None}
    return [Parameter(name, plan.annotations(name)) for name in read if name.partition(".")[0] not in own]


def _keep_what_is_read(plan: ClassPlan, whole: bool) -> dict[str, None]:
    """Remove the locals and arguments that a class doesn't read; a `whole` class keeps its arguments."""
    read = _read(plan)
    if any(name.startswith(UNKNOWN) for name in read):
        raise UnknownRead(plan.owner)
    plan.locals = [local for local in plan.locals if local.name in read]
    if plan.nested:
        plan.parameters = _taken(plan, read)
    elif not whole:
        plan.parameters = _kept(plan, read)
    _drop(plan.body.steps, read)
    return read


def _kept(plan: ClassPlan, read: Collection[str]) -> list[Parameter]:
    """The arguments of a class that are read, in Python's order: required ones first."""
    kept = [parameter for parameter in plan.parameters if parameter.name in read]
    return sorted(kept, key=lambda parameter: not parameter.required)


def _drop(steps: list[Step], read: dict[str, None]) -> None:
    steps[:] = [step for step in steps if not isinstance(step, Assign) or step.target.name in read]
    for step in steps:
        if isinstance(step, Loop):
            _drop(step.steps, read)
        elif isinstance(step, Make) and isinstance(step.what, BodyPlan):
            _drop(step.what.steps, read)


# Names


def _rename(plan: ClassPlan) -> None:
    """Give the locals of a class unique names."""
    plan.renamed = {}
    _coalesce(plan.body.steps, plan.renamed)
    names = Names(RESERVED | {p.name for p in plan.parameters} | {local.name for local in plan.locals})
    for parameter in plan.parameters:
        if "#" in parameter.name:
            plan.renamed[parameter.name] = Name(names.take(parameter.name.partition("#")[0]))
    used = _loop_names(plan.body.steps, names.taken, plan.renamed)
    names.taken |= used
    for step in every_step(plan.body.steps):
        local = step.target if isinstance(step, Assign) else step.held if isinstance(step, Make) else None
        if local is not None and local.name not in plan.renamed:
            base = local.name.partition("#")[0]
            wanted = [base, "in_channels", base] if base == "channels" else [base]
            plan.renamed[local.name] = Name(names.take(*wanted))


def _loop_names(steps: Iterable[Step], taken: set[str], renamed: dict[str, Name]) -> set[str]:
    """The names of loop variables; consecutive loops can use the same names."""
    used: set[str] = set()
    for step in steps:
        if isinstance(step, Make) and isinstance(step.what, BodyPlan):
            used |= _loop_names(step.what.steps, taken, renamed)
        if not isinstance(step, Loop):
            continue
        names = Names(taken)
        read = {name for inner in every_step(step.steps) for value in read_by(inner) for name in free_names(value)}
        for variable in (*step.variables, step.index):
            if variable.name not in read:
                renamed[variable.name] = Name("_")
                continue
            renamed[variable.name] = Name(names.take(variable.name.partition("#")[0]))
        used |= names.taken | _loop_names(step.steps, names.taken, renamed)
    return used


def _coalesce(steps: list[Step], renamed: dict[str, Name]) -> None:
    """Merge the local of an inner loop with that of the outer one, if they only copy each other."""
    assigns = list(_assigned(steps))
    pairs = [(a.target.name, a.value.name) for a in assigns if type(a.value) is Name and "#" in a.value.name]
    for inner, outer in pairs:
        if (outer, inner) in pairs and inner not in renamed and outer not in renamed:
            renamed[inner] = Name(outer)
            _remove(steps, {inner, outer})
    for step in steps:
        if isinstance(step, Loop):
            _coalesce(step.steps, renamed)
        elif isinstance(step, Make) and isinstance(step.what, BodyPlan):
            _coalesce(step.what.steps, renamed)


def _assigned(steps: Iterable[Step]) -> Iterator[Assign]:
    """The assignments of an iteration, including nested chains but not inner loops."""
    for step in steps:
        if isinstance(step, Assign):
            yield step
        elif isinstance(step, Make) and isinstance(step.what, BodyPlan):
            yield from _assigned(step.what.steps)


def _remove(steps: list[Step], pair: set[str]) -> None:
    """Remove assignments between the two locals of a pair."""
    steps[:] = [
        step
        for step in steps
        if not (isinstance(step, Assign) and type(step.value) is Name and {step.target.name, step.value.name} == pair)
    ]
    for step in steps:
        if isinstance(step, Make) and isinstance(step.what, BodyPlan):
            _remove(step.what.steps, pair)


def shown(plan: ClassPlan, value: Any) -> Any:
    """A value with the names of the source."""
    value = in_classes(plan, value)
    if not isinstance(value, Expr | tuple) or not free_names(value):
        return value
    if type(value) is Name and value.name not in plan.renamed and "#" not in value.name:
        return value
    while True:
        renamed = {name: plan.renamed[name] for name in free_names(value) if name in plan.renamed}
        if not renamed:
            break
        value = substitute(value, renamed)
    dotted = {name: plan.renamed[name.partition(".")[0]] for name in free_names(value) if "#" in name}
    return substitute(value, {n: Name(f"{first.name}.{n.partition('.')[2]}") for n, first in dotted.items()})


def in_classes(plan: ClassPlan, value: Any) -> Any:
    """Replace layers and blocks in a value by the classes in the source: `nn.ReLU`, `Bottleneck`."""
    if isinstance(value, Callee):
        target = value.target
        if isinstance(target, type):
            return Name(plan.class_name(target.torch))
        return Name(plan.classes[id(target)]) if id(target) in plan.classes else str(value)
    if isinstance(value, tuple):
        return tuple(in_classes(plan, item) for item in value)
    if not isinstance(value, Expr):
        return value
    if isinstance(value, Const):
        return lift(in_classes(plan, value.value)) if isinstance(value.value, Callee) else value
    parts = tuple(in_classes(plan, part) for part in value.parts())
    if isinstance(value, Compare):
        pairs = list(zip(value.parts(), value.parts()[1:], strict=False))
        signs = tuple(
            _IDENTITY.get(sign, sign) if any(map(_is_layer, pair)) else sign
            for sign, pair in zip(value.signs, pairs, strict=True)
        )
        return value if parts == value.operands and signs == value.signs else Compare(parts, signs)
    changed = any(new is not old for new, old in zip(parts, value.parts(), strict=True))
    return value.rebuild(parts) if changed else value


_IDENTITY = {"==": "is", "!=": "is not"}


def _is_layer(value: Any) -> bool:
    """Return True if a value is a layer's class."""
    return isinstance(lower(value), Callee) or (type(value) is Name and value.form == "layer")
