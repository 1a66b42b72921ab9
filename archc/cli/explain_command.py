"""`archc explain`."""

from __future__ import annotations

import sys
from typing import Any

from archc.problems import did_you_mean
from archc.problems.codes import GROUPS, codes, plain_page, rule


def run(given: Any) -> int:
    """Print the page of a code, or every code with its rule."""
    known = codes()
    if given.code is None:
        print("\n\n".join(_group(begin, title, known) for begin, title in GROUPS.items()))
        return 0
    code = given.code.upper()
    if code not in known:
        print(f"archc explain: no error has the code `{given.code}`", file=sys.stderr)
        print(did_you_mean(code, known) or "codes look like E0312", file=sys.stderr)
        return 2
    print(plain_page(code))
    return 0


def _group(begin: str, title: str, known: list[str]) -> str:
    return "\n".join([title, *(f"  {code}  {rule(code)}" for code in known if code.startswith(begin))])
