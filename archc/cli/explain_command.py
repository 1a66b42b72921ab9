"""`archc explain`."""

from __future__ import annotations

import sys
from typing import Any

from archc.problems import did_you_mean
from archc.problems.codes import RULES


def run(given: Any) -> int:
    """Print the rule behind a code."""
    code = given.code.upper()
    if code not in RULES:
        print(f"archc explain: no error has the code `{given.code}`", file=sys.stderr)
        print(did_you_mean(code, RULES) or "codes look like E0312", file=sys.stderr)
        return 2
    print(f"{code}: {RULES[code]}")
    return 0
