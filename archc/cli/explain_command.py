"""`archc explain`."""

from __future__ import annotations

from typing import Any

from archc.problems import Problem, SpecError, did_you_mean
from archc.problems.codes import RULES


def run(given: Any) -> int:
    """Print the rule behind a code."""
    code = given.code.upper()
    if code not in RULES:
        help = did_you_mean(code, RULES) or "codes look like E0312"
        raise SpecError([Problem("E0204", f"no error has the code `{given.code}`", help=help)])
    print(f"{code}: {RULES[code]}")
    return 0
