"""Proposals for wrong values; a value is only proposed if it is valid in its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Set
from typing import Any

from archc.expressions import ExpressionError, parse_expression
from archc.problems import Mark
from archc.problems.suggest import nearest

_TRUTH = {"yes": "true", "on": "true", "True": "true", "no": "false", "off": "false", "False": "false"}
_NOTHING = {"None", "none", "nil", "NULL"}
_WORDS = {"valid": (0, "for no padding, write `padding: 0`")}
"""Words of other libraries, with archc's value for each."""
_NEAR = {"true": True, "false": False, "same": "same"}
"""Values for which misspellings are recognized."""
_FORMULA = re.compile(r"(?=.*[A-Za-z])(?=.*[-+*/])[\w\s+*/()-]{1,60}")


def intended(value: Any, accepts: Callable[[Any], bool], names: Set[str] | None, mark: Mark) -> tuple[str, str | None]:
    """The help for a wrong value, and the text to write instead, or None.

    `names` can be used in an expression there; None if the value is the result of an expression, so that another
    place gives it.
    """
    if names is None:
        if isinstance(value, float) and accepts(round(value)):
            return "use `//` for integer division, or `round(…)`", None
        if isinstance(value, tuple) and any(map(accepts, value)):
            return "the value is a list: use one of its elements, such as `$(widths[0])`", None
        if not isinstance(value, str) or accepts(value):
            return "", None
        near = nearest(value, list(_NEAR))
        text = next((text for text, found, _ in _readings(value) if accepts(found)), near)
        if text and (text != near or accepts(_NEAR[near])):
            return f"the value comes from an expression: where it is given, write `{text}`", None
        return (f"to use an argument, write `${value}` where this value is given" if value.isidentifier() else ""), None
    for text, found, help in _readings(value):
        if accepts(found):
            return help, text
    if not isinstance(value, str) or accepts(value):
        return "", None
    if value in names:
        return f"to use an argument, write `${value}`", f"${value}"
    if _FORMULA.fullmatch(value):
        try:
            formula = parse_expression(f"$({value})", mark)
        except ExpressionError:
            return "", None
        if formula.names <= names:
            return f"to use an expression, write `$({value})`", f"$({value})"
    near = nearest(value, list(_NEAR))
    return (f"did you mean `{near}`?", near) if near and accepts(_NEAR[near]) else ("", None)


def _readings(value: Any) -> Iterator[tuple[str, Any, str]]:
    """Possible intentions behind a plain value: its text, the value, and the help."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        yield f"{value:.0f}", int(value), f"write `{value:.0f}`"
    if not isinstance(value, str):
        return
    if value in _TRUTH:
        yield _TRUTH[value], _TRUTH[value] == "true", f"write `{_TRUTH[value]}`"
    if value in _NOTHING:
        yield "null", None, "for no value, write `null`"
        yield "0", 0, "for none, write `0`"
    if value.lower() in _WORDS:
        number, help = _WORDS[value.lower()]
        yield str(number), number, help
    if re.fullmatch(r"-?\d{1,9}", value):
        yield value, int(value), f"write it without quotes: `{value}`"


def is_count(value: Any) -> bool:
    """Return True if a value can be the number of iterations of a loop."""
    return type(value) is int and value >= 0
