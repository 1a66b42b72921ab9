"""Expressions of drawn specs: the text that a spec holds, and the value that it has by Python's own operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Names = Mapping[str, Any]
"""Parameters, loop variables and `in_channels`, with their values."""


@dataclass(frozen=True, slots=True)
class Formula:
    """`$name` or `$(…)`; `compute` is the same in Python."""

    text: str
    compute: Callable[[Names], Any]

    def __repr__(self) -> str:
        return self.text


def evaluated(value: Any, names: Names) -> Any:
    """A value of a spec with its formulas computed; lists become tuples."""
    if isinstance(value, Formula):
        return value.compute(names)
    if isinstance(value, list | tuple):
        return tuple([evaluated(item, names) for item in value])
    return value


def named(name: str) -> Formula:
    """`$name`."""
    return Formula(f"${name}", lambda scope: scope[name])


def _negated(name: str) -> Formula:
    return Formula(f"$(not {name})", lambda scope: not scope[name])


def formulas_of(wanted: Any, names: Names) -> list[Formula]:
    """Ways to write a number or a truth value as it follows from `names`, plainest first."""
    found: list[Formula] = []
    for name, value in names.items():
        if type(value) is type(wanted) and value == wanted:
            found.append(named(name))
        elif isinstance(value, bool) and isinstance(wanted, bool):
            found.append(_negated(name))
    for name, value in names.items():
        if isinstance(value, str) and isinstance(wanted, bool):
            found += _of_word(wanted, name, value)
        if type(value) is int and type(wanted) is int:
            found += _of_integer(wanted, name, value)
        elif type(value) is int and isinstance(wanted, bool):
            found += _of_truth(wanted, name, value)
    flag = next((name for name, value in names.items() if isinstance(value, bool)), None)
    if flag is not None and type(wanted) is int:
        other = wanted + 1
        first, second = (wanted, other) if names[flag] else (other, wanted)
        text = f"$({first} if {flag} else {second})"
        found.append(Formula(text, lambda scope: first if scope[flag] else second))
    return found


def _of_integer(wanted: int, name: str, value: int) -> list[Formula]:
    found = []
    if value > 1 and wanted % value == 0 and wanted > value:
        times = wanted // value
        found.append(Formula(f"$({name} * {times})", lambda scope: scope[name] * times))
    if wanted and value // wanted > 1 and value // (value // wanted) == wanted:
        parts = value // wanted
        found.append(Formula(f"$({name} // {parts})", lambda scope: scope[name] // parts))
    if wanted > value:
        more = wanted - value
        found.append(Formula(f"$({name} + {more})", lambda scope: scope[name] + more))
        found.append(Formula(f"$(max({name}, {wanted}))", lambda scope: max(scope[name], wanted)))
    if 0 <= wanted < value:
        less = value - wanted
        found.append(Formula(f"$({name} - {less})", lambda scope: scope[name] - less))
        if value % less == wanted:
            found.append(Formula(f"$({name} % {less})", lambda scope: scope[name] % less))
        found.append(Formula(f"$(min({wanted}, {name}))", lambda scope: min(wanted, scope[name])))
    return found


def _of_word(wanted: bool, name: str, value: str) -> list[Formula]:
    if wanted:
        return [
            Formula(f"$({name} == '{value}')", lambda scope: scope[name] == value),
            Formula(f"$({name} != null)", lambda scope: scope[name] is not None),
        ]
    return [Formula(f"$({name} != '{value}')", lambda scope: scope[name] != value)]


def _of_truth(wanted: bool, name: str, value: int) -> list[Formula]:
    if wanted:
        return [
            Formula(f"$({name} == {value})", lambda scope: scope[name] == value),
            Formula(f"$({name} > {value - 1})", lambda scope: scope[name] > value - 1),
            Formula(f"$({name} in [{value}, {value + 2}])", lambda scope: scope[name] in (value, value + 2)),
        ]
    return [
        Formula(f"$({name} != {value})", lambda scope: scope[name] != value),
        Formula(f"$({name} > {value})", lambda scope: scope[name] > value),
        Formula(f"$(not {name} <= {value})", lambda scope: not scope[name] <= value),
    ]
