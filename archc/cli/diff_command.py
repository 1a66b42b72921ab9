"""`archc diff`."""

from __future__ import annotations

from typing import Any

from archc.difference import diff, difference_markdown, difference_text
from archc.problems import SpecError, styled_report
from archc.styled import by_line
from archc.terminal import say, say_json, width


def run(given: Any) -> int:
    """Print the difference. 0: equal; 1: different; 2: an error."""
    try:
        found = diff(given.before, given.after, given.input)
        equal = found.equal
    except SpecError as error:
        say(styled_report(error.problems), error=True)
        return 2
    match given.format:
        case "json":
            say_json(found.to_dict())
        case "markdown":
            say(difference_markdown(found))
        case _:
            say(by_line(difference_text(found, width()), _style))
    return 0 if equal else 1


def _style(line: str) -> str:
    """The style of a line of the report: headings are bold, rows are colored by their sign."""
    signs = {"+": "added", "-": "removed", "~": "changed"}
    return signs.get(line[2:3], "") if line.startswith("  ") else "strong"
