"""A difference as Markdown, for a pull request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from archc.difference import report
from archc.difference.difference import Difference
from archc.text import aligned, markdown

_MARKS: Final = {"+": "+", "-": "-", "~": "!"}
"""The signs by which a code host colors the lines of a diff."""


def difference_markdown(difference: Difference) -> str:
    """The report as Markdown: a heading, the totals as a table, and the changes and keys in expandable sections."""
    before, after = (markdown(side.label) for side in (difference.before, difference.after))
    untraced = [markdown(f"{_capital(line)}.") for line in report.untraced(difference)]
    if difference.equal:
        how = "Equal by their modules and outputs" if untraced else "Structurally equal"
        return "\n\n".join([f"### {before} → {after}", f"{how}; checkpoints load.", *untraced])
    verdict, keys = report.state(difference.state)
    parts = [f"### {before} → {after}", *untraced, _table(list(report.figures(difference)), right=True)]
    parts.append(f"Checkpoints {verdict}.")
    if run := report.run(difference):
        parts.append(f"{run[0].upper()}{run[1:]}.")
    if difference.initialization:
        parts.append("Weights are initialized by different rules.")
    settings = report.settings(difference)
    if settings:
        parts.append(_lines("Settings", settings))
    parts += [_lines(_capital(report.heading(one)), _marked(report.change_rows(one))) for one in difference.sections]
    effects = report.effects(difference)
    if effects:
        parts.append(_folded("Effects", _table(effects)))
    if keys:
        parts.append(_folded("Keys of the state dict", _fenced(aligned(_marked(keys)).splitlines())))
    return "\n\n".join(parts)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _marked(rows: Iterable[report.ChangeRow]) -> list[report.Row]:
    return [(_MARKS[row.mark], *row[1:]) for row in rows]


def _lines(heading: str, rows: Sequence[report.Row]) -> str:
    return f"**{markdown(heading)}**\n\n{_fenced(aligned(rows).splitlines())}"


def _fenced(lines: Sequence[str]) -> str:
    """A code block whose fence doesn't occur in the lines."""
    fence = "```"
    while any(fence in line for line in lines):
        fence += "`"
    return "\n".join([f"{fence}diff", *lines, fence])


def _table(rows: Sequence[report.Row], *, right: bool = False) -> str:
    rule = ["---", *("---:" if right and i < 3 else "---" for i in range(1, len(rows[0])))]
    return "\n".join(f"| {' | '.join(map(markdown, row))} |" for row in (rows[0], rule, *rows[1:]))


def _folded(heading: str, text: str) -> str:
    return f"<details><summary>{heading}</summary>\n\n{text}\n\n</details>"
