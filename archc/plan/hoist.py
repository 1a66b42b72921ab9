"""Common subexpressions of a constructor: each long one becomes a local, named after its use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

from archc.expressions import Axis, Binary, Compare, Const, Expr, Item, Name, Slice, free_names, lift, lower, walk
from archc.kinds import Call
from archc.plan.plan import Assign, BodyPlan, Chosen, Layer, Loop, Make, Step, Use

_LONG = 8
"""An expression with at least this many nodes gets a name."""

_numbers = count(1)


def hoist(steps: list[Step]) -> None:
    """Name expressions that steps compute more than once, before the first step that needs them."""
    changing = {name for step in steps for name in _changed(step)}
    uses: Counter[Expr] = Counter()
    first: dict[Expr, int] = {}
    for position, step in enumerate(steps):
        for value in _values(step):
            if isinstance(value, int | str | float | Name | None):
                continue
            for node in walk(value):
                if _is_long(node) and not free_names(node) & changing:
                    uses[node] += 1
                    first.setdefault(node, position)
    found = [node for node, times in uses.items() if times > 1]
    found = [node for node in found if not any(_within(node, other) and uses[other] == uses[node] for other in found)]
    names: dict[Expr, Name] = {}
    for node in sorted(found, key=lambda node: -node.size):
        wanted = next((name for step in steps for name, value in _named(step) if value == node), "size")
        names[node] = Name(f"{wanted}#h{next(_numbers)}", "integer", node)
    for step in steps:
        _replace(step, names)
    met = {node: position for position, node in enumerate(uses)}
    for node in sorted(names, key=lambda node: (first[node], met[node]), reverse=True):
        steps.insert(first[node], Assign(names[node], node))
    for step in list(steps):
        if isinstance(step, Loop):
            hoist(step.steps)
        elif isinstance(step, Make) and isinstance(step.what, BodyPlan):
            hoist(step.what.steps)


def _is_long(node: Expr) -> bool:
    return node.size >= _LONG and bool(node.names) and _has_a_value(node)


def _has_a_value(node: Expr) -> bool:
    """Return True if an expression can be computed early, because it can't fail where it wasn't computed before."""
    for part in walk(node):
        match part:
            case Binary(_, "/" | "//" | "%", right) if not (isinstance(right, Const) and right.value):
                return False
            case Binary(_, "**", _) | Item() | Slice() | Axis() | Compare():
                return False
    return True


def _within(node: Expr, other: Expr) -> bool:
    return node != other and any(part == node for part in walk(other))


def _changed(step: Step) -> Iterator[str]:
    """The names that a step assigns, itself or in iterations."""
    if isinstance(step, Assign):
        yield step.target.name
    elif isinstance(step, Loop):
        yield from step.names
        for inner in step.steps:
            yield from _changed(inner)
    else:
        if step.held is not None:
            yield step.held.name
        if isinstance(step.what, BodyPlan):
            for inner in step.what.steps:
                yield from _changed(inner)


def _named(step: Step) -> Iterator[tuple[str, Any]]:
    """The arguments of what a step creates, with their names."""
    if isinstance(step, Loop):
        for inner in step.steps:
            yield from _named(inner)
    elif isinstance(step, Make):
        match step.what:
            case BodyPlan(steps=steps):
                for inner in steps:
                    yield from _named(inner)
            case Use() as use:
                yield from ((name, value) for name, value in use.given().items() if "#" not in name)
            case Chosen(_, cases):
                yield from (named for case in cases for named in case.given() if "#" not in named[0])
            case Layer(kind, calls):
                for _, call in calls:
                    yield from call.keywords
                    yield from zip(kind.positional, call.positional, strict=False)


def _values(step: Step) -> Iterator[Any]:
    """The values that the constructor computes for a step and those within it."""
    if isinstance(step, Assign):
        yield lift(step.value)
    elif isinstance(step, Loop):
        for inner in step.steps:
            yield from _values(inner)
    else:
        match step.what:
            case BodyPlan(steps=steps):
                for inner in steps:
                    yield from _values(inner)
            case Use() as use:
                yield from use.given().values()
            case Chosen(_, cases):
                for case in cases:
                    yield from (tuple(v) if isinstance(v, list) else v for v in case.positional)
                    yield from (tuple(v) if isinstance(v, list) else v for _, v in case.given())
            case Layer(_, calls):
                for _, call in calls:
                    yield from (tuple(v) if isinstance(v, list) else v for v in call.positional)
                    yield from (tuple(v) if isinstance(v, list) else v for _, v in call.keywords)


def _replace(step: Step, names: dict[Expr, Name]) -> None:
    if not names:
        return
    if isinstance(step, Assign):
        step.value = replaced(step.value, names)
    elif isinstance(step, Loop):
        for inner in step.steps:
            _replace(inner, names)
    else:
        match step.what:
            case BodyPlan(steps=steps):
                for inner in steps:
                    _replace(inner, names)
            case Use() as use:
                use.arguments = {name: replaced(value, names) for name, value in use.arguments.items()}
            case Chosen() as chosen:
                chosen.cases = tuple(
                    case._replace(
                        positional=replaced(case.positional, names),
                        keywords=tuple((name, replaced(value, names)) for name, value in case.keywords),
                    )
                    for case in chosen.cases
                )
            case Layer() as layer:
                layer.calls = tuple((condition, _call(call, names)) for condition, call in layer.calls)


def _call(call: Call, names: dict[Expr, Name]) -> Call:
    keywords = tuple((name, replaced(value, names)) for name, value in call.keywords)
    return call._replace(positional=tuple(replaced(value, names) for value in call.positional), keywords=keywords)


def replaced(value: Any, names: dict[Expr, Name]) -> Any:
    """A value with some of its expressions replaced by names."""
    if isinstance(value, tuple | list):
        items: Iterable[Any] = [replaced(item, names) for item in value]
        return type(value)(items)
    return lower(_renamed(value, names)) if isinstance(value, Expr) else value


def _renamed(node: Expr, names: dict[Expr, Name]) -> Expr:
    if node in names:
        return names[node]
    parts = tuple(_renamed(part, names) for part in node.parts())
    changed = any(new is not old for new, old in zip(parts, node.parts(), strict=True))
    return node.rebuild(parts) if changed else node
