"""Patterns that select parts of a network by name, for `--freeze` and `--lr-scale`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from archc.patterns import matches
from archc.problems import Problem, SpecError, did_you_mean


def select(names: Iterable[str], patterns: Sequence[str], option: str, network: str) -> set[str]:
    """The names that patterns select. The last matching pattern decides, and a pattern with `!` deselects.

    Raises SpecError (E0701) if a pattern matches no name.
    """
    names = list(names)
    for pattern in patterns:
        require_match(names, pattern.removeprefix("!"), option, network)

    def chosen(name: str) -> bool:
        last = next((p for p in reversed(patterns) if matches(name, p.removeprefix("!"))), "!")
        return not last.startswith("!")

    return {name for name in names if chosen(name)}


def require_match(names: Sequence[str], pattern: str, option: str, network: str) -> None:
    """Raise SpecError (E0701) if a pattern matches none of the names."""
    if any(matches(name, pattern) for name in names):
        return
    parts = [name.split(".") for name in names]
    known = {".".join(part[:end]) for part in parts for end in range(1, len(part) + 1)}
    what = f"`{option}`: no parameter of {network} matches `{pattern}`"
    help = did_you_mean(pattern, known) or "a pattern is a layer's name, such as `layer1`, and may contain `*`"
    raise SpecError([Problem("E0701", what, file="recipe", help=help)])
