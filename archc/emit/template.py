"""What the class of a body would say, as data: attributes, steps and results, values with their expressions.

Two instances of one body have the same template up to values and conditions; `merge` finds the one that
serves all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from archc.emit.naming import Names
from archc.expressions import ExpressionError, Level, Symbol, evaluate_text, names_of, plain, text_of
from archc.graph import Ref
from archc.kinds import Call

if TYPE_CHECKING:
    from archc.emit.classes import ClassDef


class Make(NamedTuple):
    """A module of torch.nn (or of archc's helpers), constructed."""

    call: Call


class MakeClass(NamedTuple):
    """An instance of another emitted class; `arguments` by parameter name."""

    target: ClassDef
    arguments: tuple[tuple[str, Any], ...]


class Chain(NamedTuple):
    """An nn.Sequential; `named` where its entries have names."""

    attributes: tuple[Attribute | Loop, ...]
    named: bool


Item = Make | MakeClass | Chain


class Attribute(NamedTuple):
    """One child. `when` is its condition; where it is kept, `conditional`. A child may be absent."""

    name: str
    item: Item | None
    when: Any
    present: bool
    conditional: bool
    auxiliary: bool
    shape: str


class Loop(NamedTuple):
    """A `repeat` within a chain: `times` turns. Once merged it has one row, in terms of `variable`."""

    times: Any
    rows: tuple[tuple[Attribute, ...], ...]
    variable: str


class Step(NamedTuple):
    """One entry as `forward` runs it: a child, or a function of its inputs."""

    name: str
    inputs: tuple[Ref, ...]
    function: Call | None
    infix: str
    many: bool
    several: bool
    layer: bool
    present: bool
    auxiliary: bool


class Template(NamedTuple):
    """A class without its name."""

    form: str
    sequential: bool
    attributes: tuple[Attribute | Loop, ...]
    steps: tuple[Step, ...]
    captures: tuple[str, ...]
    results: tuple[tuple[str | None, Ref], ...]


VARIABLES = ("i", "j", "k", "turn")
"""What the turns of a loop are counted with."""

IN_COMPREHENSIONS = (*VARIABLES, "layer")
"""The names that a comprehension of the source binds."""

_TURN = ""
"""Key of a scope within a loop: (instance, variable, turn). No name of a spec is empty."""


def signature(part: Any) -> Any:
    """What a template says, as something to look up: expressions by their text, not by their value."""
    kind = type(part)
    if kind is Symbol:
        return ("$", str(part))
    if isinstance(part, tuple):
        return part if kind is Ref else (kind, *map(signature, part))
    if kind in (str, int, bool, float, type(None)):
        return (kind, part)
    return (kind, id(part))


class Different(Exception):
    """Instances that one class cannot serve."""


Scope = dict[str, Any]


def merge(parts: Sequence[Any], scopes: Sequence[Scope]) -> Any:
    """The one template (or part of one) that serves every instance. Raises Different.

    A value may be any of the instances' expressions that gives every instance its own value, or their number.
    """
    first = parts[0]
    if any(type(part) is not type(first) for part in parts) and not all(_is_value(part) for part in parts):
        raise Different
    if isinstance(first, Attribute):
        return _merge_attributes(parts, scopes)
    if isinstance(first, Loop):
        return _merge_loops(parts, scopes)
    if isinstance(first, Step):
        return _merge_steps(parts, scopes)
    if isinstance(first, Call):
        parts = _aligned(parts)
        first = parts[0]
    if isinstance(first, tuple) and not isinstance(first, Ref):
        if any(len(part) != len(first) for part in parts):
            raise Different
        columns = [merge(column, scopes) for column in zip(*parts, strict=True)]
        return type(first)(*columns) if hasattr(first, "_fields") else tuple(columns)
    if _is_value(first):
        return _merge_values(parts, scopes)
    if any(part is not first and part != first for part in parts):
        raise Different
    return first


def _aligned(calls: Sequence[Call]) -> Sequence[Call]:
    """Calls of one layer with the same keywords: what one of them leaves out has torch's default."""
    kind = calls[0].kind
    written = [dict(call.keywords) for call in calls]
    if kind is None or any(call.kind is not kind for call in calls) or len({tuple(given) for given in written}) == 1:
        return calls
    fields = kind.model_fields
    names = {name for given in written for name in given}
    if not names <= fields.keys():
        return calls
    order = [name for name in fields if name in names]
    filled = [tuple((name, given.get(name, fields[name].default)) for name in order) for given in written]
    return [call._replace(keywords=keywords) for call, keywords in zip(calls, filled, strict=True)]


def _is_value(part: Any) -> bool:
    return isinstance(part, Symbol | bool | int | float)


def _merge_values(values: Sequence[Any], scopes: Sequence[Scope]) -> Any:
    for candidate in (*values, *_by_turn(values, scopes), plain(values[0])):
        if all(_gives(candidate, value, scope) for value, scope in zip(values, scopes, strict=True)):
            return candidate
    raise Different


def _by_turn(values: Sequence[Any], scopes: Sequence[Scope]) -> Iterator[Any]:
    """Values that change with the turn of a loop: by a constant step, with its number, or after the first turn."""
    places = {scope[_TURN]: position for position, scope in enumerate(scopes) if _TURN in scope}
    pair = next((((n, v, 0), (n, v, 1)) for n, v, turn in places if turn == 0 and (n, v, 1) in places), None)
    if pair is None:
        return
    first, second = values[places[pair[0]]], values[places[pair[1]]]
    variable = pair[0][1]
    if type(plain(first)) is type(plain(second)) is int:
        step = second - first
        if type(step) is not Symbol or all(coefficient > 0 for coefficient in step.terms.values()):
            yield first + step * Symbol.parameter(0, variable)
    if type(first) is type(second) is bool and first is not second:
        yield Symbol.term(first, f"{variable} {'==' if first else '>'} 0", Level.COMPARE, frozenset({variable}))
        return
    names = names_of(first) | names_of(second) | {variable}
    if type(first) is Symbol:
        pieces = [re.split(r"\b(\d+)\b", text_of(value)) for value in (first, second)]
        counted = [variable if pair == ("0", "1") else pair[0] for pair in zip(*pieces, strict=False)]
        yield Symbol.term(plain(first), "".join(counted), first.level, frozenset(names))
    text = f"{text_of(first, Level.OR)} if {variable} == 0 else {text_of(second)}"
    yield Symbol.term(plain(first), text, Level.TERNARY, frozenset(names))


def _merge_loops(parts: Sequence[Loop], scopes: Sequence[Scope]) -> Loop:
    """One row for every turn of every instance."""
    times = _merge_values([part.times for part in parts], scopes)
    taken = {name for scope in scopes for name in scope}
    variable = Names(taken).take(*VARIABLES)
    rows, within = [], []
    for instance, (part, scope) in enumerate(zip(parts, scopes, strict=True)):
        for turn, row in enumerate(part.rows):
            rows.append(row)
            within.append({**scope, variable: turn, _TURN: (instance, variable, turn)})
    if not rows:
        raise Different
    return Loop(times, (merge(rows, within),), variable)


def _gives(candidate: Any, value: Any, scope: Scope) -> bool:
    wanted = plain(value)
    if type(candidate) is not Symbol:
        return type(candidate) is type(wanted) and bool(candidate == wanted)
    try:
        given = plain(evaluate_text(text_of(candidate), scope))
    except ExpressionError:
        return False
    return type(given) is type(wanted) and bool(given == wanted)


def _merge_attributes(parts: Sequence[Attribute], scopes: Sequence[Scope]) -> Attribute:
    first = parts[0]
    chosen = [(part, scope) for part, scope in zip(parts, scopes, strict=True) if part.present]
    if not chosen:
        return first
    item = merge([part.item for part, _ in chosen], [scope for _, scope in chosen])
    shape = chosen[0][0].shape
    base = chosen[0][0]._replace(item=item, shape=shape)
    if any(part.auxiliary != first.auxiliary for part in parts):
        raise Different
    if len(chosen) == len(parts):
        if any(part.name != first.name for part in parts):
            raise Different
        return base
    condition = _merge_values([part.when for part in parts], scopes)
    if type(condition) is not Symbol:
        raise Different
    return base._replace(when=condition, conditional=True)


def _merge_steps(parts: Sequence[Step], scopes: Sequence[Scope]) -> Step:
    chosen = [(part, scope) for part, scope in zip(parts, scopes, strict=True) if part.present]
    if not chosen:
        return parts[0]
    first = chosen[0][0]
    if len(chosen) < len(parts):
        # An absent entry hands on what the present one takes.
        if any(part.inputs != first.inputs for part in parts) or first.several:
            raise Different
        parts, scopes = [part for part, _ in chosen], [scope for _, scope in chosen]
    if any(part._replace(function=None) != first._replace(function=None) for part in parts):
        raise Different
    if first.function is None:
        if any(part.function is not None for part in parts):
            raise Different
        return first
    return first._replace(function=merge([part.function for part in parts], scopes))
