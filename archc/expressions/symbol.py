"""A value that remembers how it was computed from a block's parameters.

Inside a block, a parameter's value is `Symbol(128, "c3")`: kinds compute with it as with an integer, and
what comes out carries both the number (which is checked) and the expression (which is emitted). Sums are
kept as linear combinations, so `c1 + c3 + c5 + pool` and `in_channels + growth_rate * 3` read as a person
would write them; everything else is an opaque term with its precedence.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from enum import IntEnum
from typing import Any


class Level(IntEnum):
    """How tightly an expression binds, in Python's order."""

    TERNARY = 0
    OR = 1
    AND = 2
    NOT = 3
    COMPARE = 4
    SUM = 5
    PRODUCT = 6
    UNARY = 7
    POWER = 8
    ATOM = 9


class Symbol:
    """A number, truth value, text or tuple together with the expression that gives it.

    `terms` maps each term of a sum to its integer coefficient; `constant` is added to them.
    An expression that is no sum is one term with the coefficient 1.
    """

    __slots__ = ("constant", "names", "terms", "value")

    def __init__(
        self,
        value: Any,
        terms: dict[tuple[str, Level], int],
        constant: int = 0,
        names: frozenset[str] = frozenset(),
    ) -> None:
        self.value = value
        self.terms = terms
        self.constant = constant
        self.names = names

    @classmethod
    def parameter(cls, value: Any, name: str) -> Symbol:
        """The value of the parameter `name`; a pair's elements are `name[0]` and `name[1]`."""
        if isinstance(value, tuple):
            value = tuple(
                cls(plain(v), {(f"{name}[{i}]", Level.ATOM): 1}, 0, frozenset({name})) for i, v in enumerate(value)
            )
        return cls(value, {(name, Level.ATOM): 1}, 0, frozenset({name}))

    @classmethod
    def term(cls, value: Any, text: str, level: Level, names: frozenset[str]) -> Symbol:
        """An expression that is not a sum."""
        return cls(value, {(text, level): 1}, 0, names)

    @property
    def level(self) -> Level:
        """How tightly the expression binds."""
        if len(self.terms) + (self.constant != 0) > 1:
            return Level.SUM
        ((_, level), coefficient), *_ = self.terms.items()
        return {1: level, -1: Level.UNARY}.get(coefficient, Level.PRODUCT)

    def __str__(self) -> str:
        first = self.constant > 0 and all(coefficient < 0 for coefficient in self.terms.values())
        text = str(self.constant) if first else ""
        ordered = sorted(self.terms.items(), key=lambda item: item[1] < 0)
        for (term, level), coefficient in ordered:
            size = abs(coefficient)
            needed = Level.PRODUCT if size != 1 or len(self.terms) + (self.constant != 0) > 1 else Level.TERNARY
            shown = term if level >= needed else f"({term})"
            shown = shown if size == 1 else f"{shown} * {size}"
            if not text:
                text = shown if coefficient > 0 else f"-{shown if level >= Level.UNARY else f'({shown})'}"
            else:
                text += f" {'+' if coefficient > 0 else '-'} {shown}"
        if self.constant and not first:
            text += f" {'+' if self.constant > 0 else '-'} {abs(self.constant)}"
        return text

    def __repr__(self) -> str:
        return f"Symbol({self.value!r}, {str(self)!r})"

    # Numbers in, numbers out: a symbol answers as its value wherever no expression is kept.
    def __bool__(self) -> bool:
        return bool(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __index__(self) -> int:
        return operator.index(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __eq__(self, other: object) -> bool:
        return bool(self.value == plain(other))

    def __hash__(self) -> int:
        return hash(self.value)

    def __lt__(self, other: Any) -> bool:
        return bool(self.value < plain(other))

    def __le__(self, other: Any) -> bool:
        return bool(self.value <= plain(other))

    def __gt__(self, other: Any) -> bool:
        return bool(self.value > plain(other))

    def __ge__(self, other: Any) -> bool:
        return bool(self.value >= plain(other))

    def __add__(self, other: Any) -> Any:
        return _linear(self, other, 1)

    def __radd__(self, other: Any) -> Any:
        return _linear(other, self, 1)

    def __sub__(self, other: Any) -> Any:
        return _linear(self, other, -1)

    def __rsub__(self, other: Any) -> Any:
        return _linear(other, self, -1)

    def __mul__(self, other: Any) -> Any:
        return _product(self, other)

    def __rmul__(self, other: Any) -> Any:
        return _product(other, self)

    def __floordiv__(self, other: Any) -> Any:
        if type(other) is int and other > 0 and type(self.value) is int:
            parts = [*self.terms.values(), self.constant]
            if all(part % other == 0 for part in parts):
                terms = {term: coefficient // other for term, coefficient in self.terms.items()}
                return Symbol(self.value // other, terms, self.constant // other, self.names)
        return binary(self, "//", other)

    def __rfloordiv__(self, other: Any) -> Any:
        return binary(other, "//", self)

    def __mod__(self, other: Any) -> Any:
        return binary(self, "%", other)

    def __rmod__(self, other: Any) -> Any:
        return binary(other, "%", self)


Value = Any
"""A plain value (int, float, bool, str, None, tuple) or a Symbol of one."""


def plain(value: Value) -> Any:
    """The value alone, without its expression; tuples are unwrapped too."""
    if type(value) is int:
        return value
    if type(value) is Symbol:
        value = value.value
    if type(value) is tuple:
        return tuple([plain(item) for item in value])
    return value


def names_of(value: Value) -> frozenset[str]:
    """The parameters that a value's expression reads."""
    if type(value) is Symbol:
        return value.names
    if isinstance(value, tuple | list):
        return frozenset().union(*(names_of(item) for item in value))
    return frozenset()


def also_of(value: Value, names: frozenset[str]) -> Value:
    """The value, which follows from further names that its text does not read: at other values it is another one."""
    if names <= names_of(value):
        return value
    if type(value) is Symbol:
        return Symbol(value.value, value.terms, value.constant, value.names | names)
    text = text_of(value)
    return Symbol.term(plain(value), text, Level.UNARY if text.startswith("-") else Level.ATOM, names | names_of(value))


def text_of(value: Value, least: Level = Level.TERNARY) -> str:
    """The Python expression of a value, in parentheses if it binds less tightly than `least`."""
    if type(value) is Symbol:
        text = str(value)
        return text if value.level >= least else f"({text})"
    if type(value) is tuple:
        inner = ", ".join(text_of(item) for item in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, list):
        return f"[{', '.join(map(text_of, value))}]"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, float) and value in (float("inf"), -float("inf")):
        return f'float("{value}")'
    text = repr(value)
    return f"({text})" if text.startswith("-") and least > Level.UNARY else text


def quoted(text: str) -> str:
    """A Python string literal in double quotes, plain ASCII."""
    import json

    return json.dumps(text)


def _is_int(value: Any) -> bool:
    return type(plain(value)) is int


def _linear(left: Value, right: Value, sign: int) -> Value:
    if not (_is_int(left) and _is_int(right)):
        return binary(left, "+" if sign > 0 else "-", right)
    value = plain(left) + sign * plain(right)
    terms: dict[tuple[str, Level], int] = {}
    constant = 0
    for part, factor in ((left, 1), (right, sign)):
        if type(part) is Symbol:
            for term, coefficient in part.terms.items():
                terms[term] = terms.get(term, 0) + factor * coefficient
            constant += factor * part.constant
        else:
            constant += factor * part
    terms = {term: coefficient for term, coefficient in terms.items() if coefficient}
    if not terms:
        return value
    return Symbol(value, terms, constant, names_of(left) | names_of(right))


def _product(left: Value, right: Value) -> Value:
    if not (_is_int(left) and _is_int(right)):
        return binary(left, "*", right)
    factor, symbol = (left, right) if type(left) is int else (right, left)
    if type(factor) is not int:
        return binary(left, "*", right)
    value = factor * symbol.value
    if factor == 0:
        return 0
    if factor != 1 and symbol.level <= Level.SUM and symbol.terms:
        return binary(left, "*", right)
    terms = {term: coefficient * factor for term, coefficient in symbol.terms.items()}
    return Symbol(value, terms, symbol.constant * factor, symbol.names)


BINARY: dict[str, tuple[Callable[[Any, Any], Any], Level]] = {
    "+": (operator.add, Level.SUM),
    "-": (operator.sub, Level.SUM),
    "*": (operator.mul, Level.PRODUCT),
    "/": (operator.truediv, Level.PRODUCT),
    "//": (operator.floordiv, Level.PRODUCT),
    "%": (operator.mod, Level.PRODUCT),
    "**": (operator.pow, Level.POWER),
}


def binary(left: Value, sign: str, right: Value) -> Value:
    """`left sign right`, kept as one term when either side is a symbol."""
    compute, level = BINARY[sign]
    value = compute(plain(left), plain(right))
    if type(left) is not Symbol and type(right) is not Symbol:
        return value
    right_level, left_level = Level(level + 1), level
    space = " "
    if sign == "**":
        left_level = right_level = Level.ATOM
        # As the formatter writes powers: close together where both operands are names or numbers.
        space = "" if all(re.fullmatch(r"\w+", text_of(side, Level.ATOM)) for side in (left, right)) else " "
    text = f"{text_of(left, left_level)}{space}{sign}{space}{text_of(right, right_level)}"
    return Symbol.term(value, text, level, names_of(left) | names_of(right))


def product_of(*factors: Value) -> Value:
    """A product that keeps its factors in sight: `256 * 6 * 6` for a flattened map."""
    kept = [factor for factor in factors if type(factor) is Symbol or factor != 1]
    value = 1
    for factor in factors:
        value *= plain(factor)
    if len(kept) <= 1:
        return kept[0] if kept else 1
    text = " * ".join(text_of(factor, Level.PRODUCT if i == 0 else Level.UNARY) for i, factor in enumerate(kept))
    return Symbol.term(value, text, Level.PRODUCT, frozenset().union(*map(names_of, kept)))
