"""What a wrong value was meant to be; a value is proposed only if it is valid in that place."""

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
"""Words of other libraries, with the value that they stand for."""
_NEAR = {"true": True, "false": False, "same": "same"}
"""Words that a mistyped one can stand for."""
_FORMULA = re.compile(r"(?=.*[A-Za-z])(?=.*[-+*/])[\w\s+*/()-]{1,60}")


def intended(value: Any, accepts: Callable[[Any], bool], names: Set[str] | None, mark: Mark) -> tuple[str, str | None]:
    """The help for a wrong value and the text to write instead, None if there is none.

    `names` are those that an expression there can use; None if the value may be that of an expression.
    """
    if names is None:
        return "", None
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
    """What a plain value may stand for: how it is written, the value, and the help."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        yield f"{value:.0f}", int(value), f"write `{value:.0f}`"
    if not isinstance(value, str):
        return
    if value in _TRUTH:
        yield _TRUTH[value], _TRUTH[value] == "true", f"write `{_TRUTH[value]}`"
    if value in _NOTHING:
        yield "null", None, "for no value, write `null`"
    if value in _WORDS:
        number, help = _WORDS[value]
        yield str(number), number, help
    if re.fullmatch(r"-?\d{1,9}", value):
        yield value, int(value), f"write it without quotes: `{value}`"
