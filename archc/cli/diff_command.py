"""`archc diff`."""

from __future__ import annotations

import json
import sys
from typing import Any

from archc.difference import diff, difference_markdown, difference_text
from archc.problems import SpecError, text_report


def run(given: Any) -> int:
    """Print the difference. 0: equal; 1: different; 2: one of them cannot be used."""
    try:
        found = diff(given.before, given.after, given.input)
        equal = found.equal
    except SpecError as error:
        print(text_report(error.problems), file=sys.stderr)
        return 2
    match given.format:
        case "json":
            json.dump(found.to_dict(), sys.stdout, indent=2)
            print()
        case "markdown":
            print(difference_markdown(found))
        case _:
            print(difference_text(found))
    return 0 if equal else 1
