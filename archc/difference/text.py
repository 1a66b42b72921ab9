"""A difference as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from archc.difference import report
from archc.difference.difference import Difference
from archc.text import aligned, hanging

_MOST_SECTIONS: Final = 8
_MOST_ROWS: Final = 30
_MOST_KEYS: Final = 15


def difference_text(difference: Difference, width: int | None = None) -> str:
    """The whole report, wrapped to a terminal's width if given; one line if both are equal."""

    def part(heading: str, rows: Sequence[tuple[str, ...]], most: int, right: frozenset[int] = frozenset()) -> str:
        lines = aligned(rows[:most], right, width=width and width - 2).splitlines() if rows else []
        if len(rows) > most:
            lines.append(f"… and {len(rows) - most:,} more (--format json has all)")
        return "\n".join([hanging("", heading, width), *(f"  {line}" for line in lines)])

    parts = [report.verdict(difference)]
    parts += [hanging("", line, width) for line in report.untraced(difference)]
    if difference.equal:
        return "\n\n".join(parts)
    settings = report.settings(difference)
    if settings:
        parts.append(part("settings", settings, _MOST_ROWS))
    shown, hidden = difference.sections[:_MOST_SECTIONS], len(difference.sections) - _MOST_SECTIONS
    parts += [part(report.heading(section), report.change_rows(section), _MOST_ROWS) for section in shown]
    if hidden > 0:
        parts.append(f"… and {hidden:,} more blocks (--format json has all)")
    effects = report.effects(difference)
    if effects:
        parts.append(part("effects", effects, _MOST_ROWS))
    parts.append(part("figures", list(report.figures(difference)), _MOST_ROWS, frozenset({1, 2})))
    if difference.initialization:
        parts.append("weights are initialized by different rules")
    if run := report.run(difference):
        parts.append(run)
    verdict, keys = report.state(difference.state)
    parts.append(part(f"checkpoints {verdict}", keys, _MOST_KEYS))
    return "\n\n".join(parts)
