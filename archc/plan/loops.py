"""Loops of a plan: closed forms for the dimensions that they carry, and names with an index."""

from __future__ import annotations

import re
from typing import Any

from archc.expressions import (
    Compare,
    Const,
    Expr,
    Item,
    Name,
    Text,
    either,
    equal,
    free_names,
    lift,
    substitute,
)
from archc.plan import plan as p
from archc.plan.plan import (
    Assign,
    Loop,
    Value,
)


def closed_form(name: Name, start: Any, end: Any, loop: Loop, differing: set[str]) -> tuple[Any, Any] | None:
    """The value of a dimension in an iteration and after the loop, as expressions over the loop's index.

    `end` is the value that one iteration computes from `name`: it adds the same amount each time, or it doesn't read
    `name`. None if there is no closed form.
    """
    step = end - name
    if not free_names(step) & differing:
        return start + loop.index * step, start + loop.turns * step
    if free_names(end) & differing <= {loop.index.name}:
        at = loop.index.name
        if equal(substitute(end, {at: -1}), start):
            return substitute(end, {at: loop.index - 1}), substitute(end, {at: loop.turns - 1})
    return None


def after_the_last(name: Name, start: Any, end: Any, loop: Loop, differing: set[str]) -> Expr | None:
    """The value of a carried dimension after the loop, if it only depends on the last iteration."""
    if loop.when is not None or name.name in free_names(end):
        return None
    last: dict[str, Any] = {loop.index.name: loop.turns - 1}
    if loop.rows is not None:
        row = Item(lift(loop.rows), Const(-1))
        several = len(loop.variables) > 1
        last |= {v.name: Item(row, Const(i)) if several else row for i, v in enumerate(loop.variables)}
    end = substitute(end, last)
    if free_names(end) & differing:
        return None
    some = substitute(Compare((lift(loop.turns), Const(0)), (">",)), {})
    return lift(either(some, end, start))


def unify(known: str | Text, wanted: str | Text) -> dict[str, Any] | None:
    """The values of the loop variables for which a loop's entry has the wanted name; None if it never has."""
    if isinstance(known, str):
        return {} if known == wanted or isinstance(wanted, Text) else None
    if isinstance(wanted, str):
        pattern = "".join(re.escape(piece) if isinstance(piece, str) else "([0-9]+)" for piece in known.pieces)
        match = re.fullmatch(pattern, wanted)
        found: list[Any] = [int(number) for number in match.groups()] if match else []
        if match is None:
            return None
    else:
        if len(known.pieces) != len(wanted.pieces):
            return None
        pairs = list(zip(known.pieces, wanted.pieces, strict=True))
        if any((isinstance(a, str) or isinstance(b, str)) and a != b for a, b in pairs):
            return None
        found = [b for a, b in pairs if not isinstance(a, str)]
    solved: dict[str, Any] = {}
    for piece, value in zip((piece for piece in known.pieces if not isinstance(piece, str)), found, strict=True):
        names = free_names(piece)
        if len(names) == 1:
            (name,) = names
            offset = piece - Name(name)
            if not isinstance(offset, Expr):
                solved[name] = value - offset
    return solved


def is_chain(steps: list[p.Step], given: Value) -> bool:
    """Return True if each entry takes exactly the previous result."""
    before: Any = given.source
    for step in steps:
        if isinstance(step, Assign):
            continue
        if isinstance(step, Loop):
            if step.turn.start.source is not before or not is_chain(step.steps, Value(step.turn, ())):
                return False
            before = step
            continue
        if len(step.inputs) != 1 or step.auxiliary or step.kept or isinstance(step.what, p.Again):
            return False
        if isinstance(step.what, p.Layer) and step.what.kind.bare:
            return False
        if step.inputs[0].value.source is not before or step.inputs[0].value.output is not None:
            return False
        before = step
    return True
