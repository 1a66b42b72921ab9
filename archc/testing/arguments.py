"""Arguments of a layer kind: drawn from its own model, and repaired where its own requirements refuse them.

Nothing here knows a kind. The JSON Schema of the model says what each argument may be; `requirements` says
what of the input it cannot work with. What is refused is replaced, one argument at a time, by the nearest
value that is not: nothing is drawn again, so that examples shrink well and none is thrown away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from hypothesis import strategies as st
from pydantic import ValidationError

from archc.kinds import KINDS, Kind, Shape, volume

LARGEST = 2048
"""The most elements of one image that a drawn layer makes of a smaller input: a test has many to run."""

HEAVIEST = 10_000
"""The most parameters that a drawn layer has, for the same reason."""

Arguments = dict[str, Any]
Goal = Callable[[Kind], bool]


@st.composite
def layers(draw: st.DrawFn, kind: type[Kind], x: Shape) -> Kind:
    """A layer of a kind that takes inputs of shape x = (channels, height, width) or (features,).

    Raises ValueError for a kind that takes no such input, whatever its arguments.
    """
    return kind(**draw(valid_arguments(kind, x)))


@st.composite
def valid_arguments(draw: st.DrawFn, kind: type[Kind], x: Shape) -> Arguments:
    """Arguments, as a spec holds them, with which a kind takes inputs of shape x. Raises ValueError, as `layers`."""
    found = repaired(kind, draw_arguments(draw, kind, x), x)
    if found is None:
        raise ValueError(f"`{kind.kind}` takes no input of shape {x}")
    return found


def draw_arguments(draw: st.DrawFn, kind: type[Kind], x: Shape, sizes: tuple[int, ...] = ()) -> Arguments:
    """Arguments within their own ranges, which together or for the input may be illegal.

    `sizes` are integers that are likelier than others: channels to meet, parameters to use.
    """
    arguments: Arguments = {}
    likely = kind.likely(x)
    mask = 0
    for at, (name, field) in enumerate(kind.model_fields.items()):
        mask = mask >> 2 if at % 4 else draw(_MASK)  # one draw for four of them: draws are what takes time
        if mask & 3 != 3 and not field.is_required():
            continue
        if values := likely.get(name):
            arguments[name] = draw(st.sampled_from(values))
        else:
            arguments[name] = _value(draw, schema_of(kind)[name], field.get_default(), (*sizes, x[0]))
    return arguments


_MASK = st.integers(0, 255)
"""Two bits for each of four arguments: three of four optional ones are left out.

Small, for of a large range the small integers are drawn more often than the others.
"""


def repaired(kind: type[Kind], arguments: Arguments, x: Shape, goal: Goal | None = None) -> Arguments | None:
    """The arguments with as few changes as it takes to be legal for x (and to reach `goal`); None if none are found."""
    fields = kind.model_fields
    for wish in (arguments, {name: value for name, value in arguments.items() if fields[name].is_required()}):
        if is_valid(kind, wish, x, goal):
            return wish
        fault = fault_of(kind, wish, x)
        blamed = [name for name in fields if fault is not None and name == fault[1]]
        for name in blamed or fields:
            for value in _candidates(kind, name, wish.get(name), x):
                trial = {**wish, name: value}
                if is_valid(kind, trial, x, goal):
                    return trial
    if goal is not None:
        return None
    simplest = {
        name: _simplest(schema_of(kind)[name]) for name, field in kind.model_fields.items() if field.is_required()
    }
    if is_valid(kind, simplest, x, None):
        return simplest
    for name in kind.model_fields:
        for value in _candidates(kind, name, None, x):
            if is_valid(kind, {**simplest, name: value}, x, None):
                return {**simplest, name: value}
    return None


@cache
def schema_of(kind: type[Kind]) -> Mapping[str, Any]:
    """The JSON Schema of each argument."""
    properties: Mapping[str, Any] = kind.model_json_schema().get("properties", {})
    return properties


def fault_of(kind: type[Kind], arguments: Arguments, x: Shape) -> tuple[str, str | None] | None:
    """The code and the argument of the first fault, E0203 for an argument out of its range; None for a legal layer."""
    try:
        made = kind(**arguments)
    except ValidationError as error:
        place = error.errors()[0]["loc"]
        return ("E0203", str(place[0]) if place else None)
    fault = next(iter(made.requirements((x,))), None)
    return None if fault is None else (fault.code, fault.argument)


def is_valid(kind: type[Kind], arguments: Arguments, x: Shape, goal: Goal | None) -> bool:
    """Return True if a layer takes inputs of shape x, is small enough to test, and reaches the goal."""
    if fault_of(kind, arguments, x) is not None:
        return False
    made = kind(**arguments)
    y = made.output((x,))
    largest = max(map(volume, y.values() if isinstance(y, dict) else [y]))
    if largest > max(LARGEST, volume(x)) or made.parameters((x,)) > max(HEAVIEST, 2 * volume(x)):
        return False
    return goal is None or goal(made)


def _candidates(kind: type[Kind], name: str, wish: Any, x: Shape) -> list[Any]:
    """Values for an argument, those that are near to the wish first."""
    found = [*kind.likely(x).get(name, ()), *_examples(schema_of(kind)[name], x)]
    if type(wish) is int:
        return sorted(found, key=lambda value: abs(value - wish) if type(value) is int else 9)
    return found


def _value(draw: st.DrawFn, schema: Mapping[str, Any], default: Any, sizes: tuple[int, ...]) -> Any:
    """A value of an argument's type, small and plain."""
    if "anyOf" in schema:
        return _value(draw, schema["anyOf"][draw(st.integers(0, len(schema["anyOf"]) - 1))], default, sizes)
    if schema.get("type") == "array":
        least, most = schema.get("minItems", 0), schema.get("maxItems", schema.get("minItems", 0) + 2)
        count = least if least == most else draw(st.integers(least, most))
        return [_value(draw, schema["items"], None, sizes) for _ in range(count)]
    return draw(st.sampled_from(_scalars(schema, default, sizes)))


def _scalars(schema: Mapping[str, Any], default: Any, sizes: tuple[int, ...]) -> list[Any]:
    if "enum" in schema:
        return list(schema["enum"])
    if "const" in schema:
        return [schema["const"]]
    match schema.get("type"):
        case "boolean":
            return [True, False] if default is not True else [False, True]
        case "null":
            return [None]
        case "integer":
            least = schema.get("minimum", 0)
            return [*range(least, least + 4), *(size for size in sizes if size >= least)]
        case "number":
            least, most = schema.get("minimum", schema.get("exclusiveMinimum", 0)), schema.get("maximum", 2)
            ends = (most,) if "exclusiveMinimum" in schema else (least, most)
            return [value for value in (0.5, 0.25, 1.5, 2.0, 1e-3, *ends) if least <= value <= most]
    raise TypeError(f"no values are known for {schema}: give some in the kind's `likely`")


def _examples(schema: Mapping[str, Any], x: Shape) -> list[Any]:
    """Every plain value of an argument's type, the simplest first."""
    if "anyOf" in schema:
        return [value for option in reversed(schema["anyOf"]) for value in _examples(option, x)]
    if schema.get("type") == "array":
        count = max(schema.get("minItems", 1), 1)
        return [[item] * count for item in _examples(schema["items"], x)]
    return _scalars(schema, None, tuple(x))


def _simplest(schema: Mapping[str, Any]) -> Any:
    if "anyOf" in schema:
        return _simplest(schema["anyOf"][0])
    if schema.get("type") == "array":
        return [_simplest(schema["items"])] * max(schema.get("minItems", 1), 1)
    return _scalars(schema, None, ())[0]


def kinds_for(x: Shape, *, parts: bool = True) -> tuple[type[Kind], ...]:
    """The kinds that take a single input of shape x, of numbers; with `parts` also those that give several outputs."""
    lengths = tuple(min(length, 4 + axis) for axis, length in enumerate(x))
    return tuple(kind for kind, several in _kinds_for(lengths, tuple(KINDS.values())) if parts or not several)


def reads_integers(kind: type[Kind]) -> bool:
    """Return True if a kind reads integers: an input of the network that no other layer computes with."""
    return kind.integers is not Kind.integers


@cache
def _kinds_for(x: Shape, kinds: tuple[type[Kind], ...]) -> tuple[tuple[type[Kind], bool], ...]:
    """Each kind for which there are arguments, the one with the fewest first, and whether it gives several outputs."""
    found = []
    for kind in sorted(kinds, key=lambda kind: len(kind.model_fields)):
        placed = kind.features_last and len(x) > 1  # a map has its channels first
        apart = kind.many or kind.bare or kind.opaque or placed or reads_integers(kind)
        arguments = None if apart else repaired(kind, {}, x)
        if arguments is not None:
            found.append((kind, isinstance(kind(**arguments).output((x,)), dict)))
    return tuple(found)
