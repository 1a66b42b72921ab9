"""Equality of integer expressions for all values of their names.

Expressions are compared as polynomials with integer coefficients over opaque atoms; everything except sums, differences
and products is an atom. Linear forms don't suffice, because `hidden * (n - 1)` must equal `hidden * n - hidden`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from archc.expressions.tree import (
    Binary,
    Choice,
    Compare,
    Const,
    Expr,
    Logic,
    Name,
    Unary,
    lift,
    lower,
    substitute,
    walk,
)

Polynomial = dict[tuple[Expr, ...], int]
"""Integer coefficients by monomial, which is a product of atoms in a fixed order."""

_MOST_TERMS = 64
"""A polynomial with more terms becomes an atom, because products of long sums grow too large."""


def polynomial(value: Any) -> Polynomial:
    """The polynomial of an integer or an expression; locals are replaced by their definitions."""
    expression = lift(value)
    match expression:
        case Const(int(number)):
            return {(): int(number)} if number else {}
        case Name(_, _, Expr() as definition):
            return polynomial(definition)
        case Unary("-", operand):
            return _add({}, polynomial(operand), -1)
        case Binary(left, "+" | "-" as sign, right):
            return _add(polynomial(left), polynomial(right), 1 if sign == "+" else -1)
        case Binary(left, "*", right):
            first, second = polynomial(left), polynomial(right)
            if len(first) * len(second) <= _MOST_TERMS:
                return _multiply(first, second)
    return {(_expanded(expression),): 1}


def _add(left: Polynomial, right: Polynomial, factor: int) -> Polynomial:
    total = dict(left)
    for monomial, count in right.items():
        total[monomial] = total.get(monomial, 0) + factor * count
    return {monomial: count for monomial, count in total.items() if count}


def _multiply(left: Polynomial, right: Polynomial) -> Polynomial:
    total: Polynomial = {}
    for first, times in left.items():
        for second, count in right.items():
            monomial = tuple(sorted(first + second, key=repr))
            total[monomial] = total.get(monomial, 0) + times * count
    return {monomial: count for monomial, count in total.items() if count}


def _expanded(expression: Expr) -> Expr:
    """An atom, with locals replaced by their definitions."""
    locals_ = {n.name: n.definition for n in walk(expression) if type(n) is Name and n.definition is not None}
    return lift(substitute(expression, locals_)) if locals_ else expression


def equal(left: Any, right: Any) -> bool:
    """Return True if two values are equal for all values of their names; False if that is unknown."""
    if left is right:
        return True
    if not (isinstance(left, Expr) or isinstance(right, Expr)):
        return bool(left == right)
    return lift(left) == lift(right) or not _add(polynomial(left), polynomial(right), -1)


def implied(condition: Any, truth: bool) -> Iterator[tuple[Expr, Expr]]:
    """The equalities that a condition implies if it is true, or false."""
    match condition:
        case Compare((left, right), ("==" | "!=" as sign,)) if (sign == "==") == truth:
            yield left, right
        case Logic("and" | "or" as word, operands) if (word == "and") == truth:
            for operand in operands:
                yield from implied(operand, truth)
        case Unary("not", operand):
            yield from implied(operand, not truth)
        case Name(_, _, Expr() as definition):
            yield from implied(definition, truth)


def equal_where(left: Any, right: Any, condition: Any, truth: bool) -> bool:
    """Return True if two values are equal whenever a condition is true (or false)."""
    if equal(left, right):
        return True
    for one, other in implied(condition, truth):
        for name, value in ((one, other), (other, one)):
            if type(name) is Name:
                scope = {name.name: value}
                left, right = (substitute(_expanded(lift(side)), scope) for side in (left, right))
                break
        else:
            if _multiple(_add(polynomial(left), polynomial(right), -1), _add(polynomial(one), polynomial(other), -1)):
                return True
        if equal(left, right):
            return True
    return False


def _multiple(of: Polynomial, what: Polynomial) -> bool:
    """Return True if a polynomial is an integer multiple of another."""
    if not what or of.keys() != what.keys():
        return False
    first = next(iter(what))
    factor, rest = divmod(of[first], what[first])
    return not rest and all(of[monomial] == factor * count for monomial, count in what.items())


def either(condition: Any, yes: Any, no: Any) -> Any:
    """`yes if condition else no`, or one of the two alone if that is equal in both cases."""
    condition = lower(condition) if isinstance(condition, Expr) else condition
    if not isinstance(condition, Expr):
        return yes if condition else no
    if equal_where(yes, no, condition, False):
        return yes
    if equal_where(yes, no, condition, True):
        return no
    return Choice(condition, lift(yes), lift(no))
