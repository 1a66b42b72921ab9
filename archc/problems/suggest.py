"""Suggestions: the word that was meant."""

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A help line that names the nearest known word, or lists the known ones if they are few."""
    from difflib import get_close_matches

    names = list(dict.fromkeys(known))
    folded = {name.lower().replace("_", ""): name for name in reversed(names)}
    letters = sorted(word.lower())
    swapped = [name for name in names if sorted(name.lower()) == letters]
    if swapped:
        return f"did you mean `{swapped[0]}`?"
    near = get_close_matches(word.lower().replace("_", ""), folded, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{folded[near[0]]}`?"
    if 0 < len(names) <= 12:
        return "known here: " + ", ".join(f"`{name}`" for name in names)
    return ""
