"""The error for a network that uses operations which archc has no word for: it lists all of them at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from archc.importing.graph import Unsupported
from archc.problems import Problem, SpecError

_PLACES = 3
"""Places that a message lists for one operation."""


def refuse_unsupported(source: str, unsupported: Sequence[Unsupported]) -> None:
    """Raise SpecError (E0801) with one problem for each sort of operation, if there are any."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for operation, place, reason in unsupported:
        found[operation, reason].append(place)
    problems = []
    for (operation, reason), places in sorted(found.items(), key=lambda entry: -len(entry[1])):
        distinct = [place for place in dict.fromkeys(places) if place]
        shown = ", ".join(distinct[:_PLACES]) + (f" and {len(distinct) - _PLACES} more" * (len(distinct) > _PLACES))
        times = f" ({len(places)} times)" if len(places) > 1 else ""
        what = f"archc has no layer type for `{operation}`{times}" + (f": {reason}" if reason else "")
        problems.append(Problem("E0801", what, file=source, note=f"at {shown}" if shown else ""))
    if problems:
        raise SpecError(problems)
