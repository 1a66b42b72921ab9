"""The arithmetic of kinds, on numbers and on expressions alike.

A kind's shapes and calls are asked for with numbers, thousands of times a second, and once for each class of the
source with expressions over its parameters. An expression has no truth value, so these functions decide what is known
and write a choice for what is not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeGuard

from archc.expressions.tree import Axis, Choice, Expr, Item, Items, Logic, Name, Slice, choose, compare
from archc.expressions.tree import axis as axis_of


def axis(value: Any, index: int) -> Any:
    """The element for one axis of an argument: a number applies to all axes, a list has one element per axis."""
    if type(value) is int:  # nearly always, and this is where inference spends its time
        return value
    return value[index] if type(value) is tuple else axis_of(value, index)


def is_expression(value: Any) -> TypeGuard[Expr]:
    """Return True for a value that is not known."""
    return isinstance(value, Expr)


def sides(value: Any, rank: int = 2) -> tuple[int, ...]:
    """A plain integer, or a list with one for each of `rank` axes, as a tuple."""
    return value if type(value) is tuple else (value,) * rank


def is_open(value: Any) -> bool:
    """Return True for an expression that may have any sort of value: a word, nothing, a number or a list."""
    return isinstance(value, Logic | Choice | Item | Axis) or (isinstance(value, Name) and not value.form)


def may_be_list(value: Any) -> bool:
    """Return True for a list, and for an expression that may have one as its value."""
    if isinstance(value, Choice):
        return may_be_list(value.yes) or may_be_list(value.no)
    if isinstance(value, Name):
        return value.form != "integer"
    return isinstance(value, tuple | Items | Item | Slice | Logic)


def unless(value: Any, special: Any, instead: Any) -> Any:
    """An argument's value, or the value that the `special` one (None, `same`) means."""
    if is_expression(value):
        return choose(compare(value, "==", special), instead, value) if is_open(value) else value
    return instead if value == special else value


def per_axis(*arguments: Any) -> bool:
    """Return True where one of the arguments differs by axis, or may do so."""
    return any(map(may_be_list, arguments))


class Numbered(dict[str, tuple[Any, ...]]):
    """The outputs `0`, `1`, … of a layer that has an unknown number of them: each is made when it is looked up."""

    def __init__(self, part: Callable[[int], tuple[Any, ...]]) -> None:
        super().__init__()
        self._part = part

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.isdigit()

    def __missing__(self, name: str) -> tuple[Any, ...]:
        if name not in self:
            raise KeyError(name)
        return self._part(int(name))
