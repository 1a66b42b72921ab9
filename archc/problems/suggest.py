"""Suggestions: the word that was meant."""

from __future__ import annotations

from collections.abc import Iterable

from archc.problems.fix import Fix, correction
from archc.problems.mark import Mark


def suggest(word: str, known: Iterable[str], mark: Mark | None = None) -> tuple[str, Fix | None]:
    """The help for an unknown word, and the fix where it is written at `mark`.

    The help names the nearest known word, or lists the known ones if they are few.
    """
    names = list(dict.fromkeys(known))
    near = _nearest(word, names)
    if near:
        return f"did you mean `{near}`?", None if mark is None else correction(mark, word, near)
    if 0 < len(names) <= 12:
        return "known here: " + ", ".join(f"`{name}`" for name in names), None
    return "", None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The help for an unknown word that stands in no file."""
    return suggest(word, known)[0]


def _nearest(word: str, names: list[str]) -> str:
    from difflib import get_close_matches

    folded = {name.lower().replace("_", ""): name for name in reversed(names)}
    letters = sorted(word.lower())
    swapped = [name for name in names if sorted(name.lower()) == letters]
    if swapped:
        return swapped[0]
    near = get_close_matches(word.lower().replace("_", ""), folded, n=1, cutoff=0.6)
    return folded[near[0]] if near else ""
