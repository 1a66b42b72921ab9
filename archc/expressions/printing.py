"""Printing of expression trees in a spec's or Python's syntax, from one table of operations."""

from __future__ import annotations

import json
import re
from enum import IntEnum
from typing import Any, NamedTuple

from archc.expressions.tree import (
    Axis,
    Binary,
    Call,
    Choice,
    Compare,
    Const,
    Expr,
    Item,
    Items,
    Logic,
    Name,
    Slice,
    Text,
    Unary,
    lift,
    walk,
)


class Level(IntEnum):
    """The precedence levels of Python, in order."""

    CHOICE = 0
    OR = 1
    AND = 2
    NOT = 3
    COMPARE = 4
    SUM = 5
    PRODUCT = 6
    UNARY = 7
    POWER = 8
    ATOM = 9


class Operand(NamedTuple):
    """An operand of an operation: the text before it, and its minimum precedence."""

    sign: str
    value: Expr
    least: Level


_SIGNS = {
    "+": Level.SUM,
    "-": Level.SUM,
    "*": Level.PRODUCT,
    "/": Level.PRODUCT,
    "//": Level.PRODUCT,
    "%": Level.PRODUCT,
    "**": Level.POWER,
}


def operands(node: Expr, python: bool = True) -> tuple[Level, list[Operand]]:
    """The precedence of a node and its operands in order; no operands for an atom."""
    if type(node) is Name:
        return Level.ATOM, []
    match node:
        case Const(value) if type(value) in (int, float) and repr(value).startswith("-"):
            return Level.UNARY, []
        case Unary("not", operand):
            return Level.NOT, [Operand("not", operand, Level.NOT)]
        case Unary(_, operand):
            return Level.UNARY, [Operand("-", operand, Level.UNARY)]
        case Binary(left, "**", right):
            return Level.POWER, [Operand("", left, Level.ATOM), Operand("**", right, Level.UNARY)]
        case Binary(left, sign, right):
            level = _SIGNS[sign]
            before = operands(left, python)
            chain = before[1] if before[0] == level else [Operand("", left, level)]
            return level, [*chain, Operand(sign, right, Level(level + 1))]
        case Compare(values, signs) if python and len(signs) > 1 and any(map(_is_word, values[1:])):
            # Pair by pair, because `a in (True,) == b` for `a == True == b` would compare the tuple with `b`.
            pairs = zip(values, signs, values[1:], strict=False)
            return operands(Logic("and", tuple([Compare((one, other), (sign,)) for one, sign, other in pairs])))
        case Compare(values, signs):
            first, *rest = (Operand(sign, value, Level.SUM) for sign, value in zip(("", *signs), values, strict=True))
            return Level.COMPARE, [first, *(_literal(operand) if python else operand for operand in rest)]
        case Logic(word, values):
            level = Level.AND if word == "and" else Level.OR
            return level, [Operand(word if i else "", value, Level(level + 1)) for i, value in enumerate(values)]
        case Choice(condition, yes, no):
            parts = [Operand("", yes, Level.OR), Operand("if", condition, Level.OR), Operand("else", no, Level.CHOICE)]
            return Level.CHOICE, parts
        case Call("ceil", (value,)) if python:  # `math.ceil`, without an import: an emitted file only imports torch
            floor = Call("int", (Binary(Unary("-", value), "//", Const(1)),))
            return operands(Unary("-", floor), python)
        case Axis(value, index):
            test: Expr = Call("isinstance", (value, Name("tuple")))
            return operands(Choice(test, Item(value, Const(index)), value), python)
    return Level.ATOM, []


def _literal(operand: Operand) -> Operand:
    """`x == True` becomes `x in (True,)`, because linters reject the former and `x is True` differs for 1."""
    if operand.sign in ("==", "!=") and _is_word(operand.value):
        return Operand("in" if operand.sign == "==" else "not in", Items((operand.value,)), operand.least)
    return operand


def _is_word(value: Expr) -> bool:
    """Return True if a value is True, False or None."""
    return isinstance(value, Const) and (value.value is None or type(value.value) is bool)


def text_of(value: Any, least: Level = Level.CHOICE, python: bool = False) -> str:
    """A value or tree on one line, in parentheses if its precedence is lower than `least`."""
    node = lift(value)
    level, parts = operands(node, python)
    if not parts:
        text = _atom(node, python)
    elif isinstance(node, Binary) and node.sign == "**":
        left, right = (text_of(part.value, part.least, python) for part in parts)
        # Like the formatter, write powers without spaces if both operands are names or numbers.
        close = python and all(re.fullmatch(r"-?[\w.]+", side) for side in (left, right))
        text = f"{left}**{right}" if close else f"{left} ** {right}"
    else:
        words = []
        for sign, operand, needed in parts:
            shown = text_of(operand, needed, python)
            words.append(f"-{shown}" if sign == "-" and len(parts) == 1 else f"{sign} {shown}" if sign else shown)
        text = " ".join(words)
    return text if level >= least else f"({text})"


def python_text(value: Any, least: Level = Level.CHOICE) -> str:
    """A value or tree as Python source on one line."""
    return text_of(value, least, python=True)


def _atom(node: Expr, python: bool) -> str:
    match node:
        case Const(value):
            return literal(value) if python else _yaml(value)
        case Name(name):
            return name
        case Call(function, arguments):
            return f"{function}({', '.join(text_of(argument, python=python) for argument in arguments)})"
        case Item(base, index):
            return f"{text_of(base, Level.ATOM, python)}[{text_of(index, python=python)}]"
        case Slice(base, _, _):
            start, stop = ("" if end == Const(None) else text_of(end, python=python) for end in node.parts()[1:])
            return f"{text_of(base, Level.ATOM, python)}[{start}:{stop}]"
        case Items(items):
            inner = ", ".join(text_of(item, python=python) for item in items)
            if not python:
                return f"[{inner}]"
            return f"({inner},)" if len(items) == 1 else f"({inner})"
        case Text(parts) if any(_has_quotes(part) for part in parts):
            text = "".join(part if isinstance(part, str) else "{}" for part in parts)
            values = [text_of(part, python=True) for part in parts if isinstance(part, Expr)]
            return f'"{text}".format({", ".join(values)})'
        case Text(parts):
            inner = "".join(part if isinstance(part, str) else f"{{{_inside(part)}}}" for part in parts)
            return f'f"{inner}"' if any(isinstance(part, Expr) for part in parts) else f'"{inner}"'
    raise TypeError(f"{type(node).__name__} is not printed")


def _has_quotes(part: str | Expr) -> bool:
    """Return True if a part of a name contains a string, which an f-string of Python 3.11 can't contain."""
    texts = [node.value for node in walk(part) if isinstance(node, Const) and isinstance(node.value, str)]
    return any(set("\"'\\") & set(literal(text)[1:-1]) for text in texts)


def _inside(part: Expr) -> str:
    """An expression within a double-quoted f-string: its own strings are single-quoted."""
    return python_text(part).replace('"', "'")


def literal(value: Any) -> str:
    """A Python literal in the formatter's style, in ASCII."""
    if isinstance(value, str):
        text = json.dumps(value)
        if value.count('"') > value.count("'"):
            inner = text[1:-1].replace('\\"', '"').replace("'", "\\'")
            return f"'{inner}'"
        return text
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return f'float("{value}")'
    return repr(value)


def _yaml(value: Any) -> str:
    return repr(value) if isinstance(value, str) else "null" if value is None else json.dumps(value)
