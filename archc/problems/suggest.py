"""Suggestions: the word that was meant."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from archc.problems.fix import Fix, correction
from archc.problems.mark import Mark

_SYNONYMS: dict[str, tuple[str, ...]] = {
    "args": ("arguments",),
    "cond": ("when",),
    "condition": ("when",),
    "features": ("out_features",),
    "filters": ("out_channels",),
    "if": ("when",),
    "inputs": ("from", "input"),
    "inputsize": ("input",),
    "k": ("kernel_size",),
    "kernel": ("kernel_size",),
    "hyperparameters": ("arguments",),
    "layers": ("match",),
    "merge": ("join",),
    "pad": ("padding",),
    "parameter": ("arguments",),
    "parameters": ("arguments",),
    "params": ("arguments", "parameters"),
    "poolsize": ("kernel_size",),
    "probability": ("p",),
    "rate": ("p",),
    "size": ("kernel_size",),
    "times": ("repeat",),
    "units": ("out_features",),
    "x": ("input",),
}
"""What papers and other libraries call it; the layer kinds add their own names."""


def also_called(name: str, words: Iterable[str]) -> None:
    """Let words, in lower case without underscores, suggest a name where it is known and they are not."""
    _nearest.cache_clear()
    for word in words:
        _SYNONYMS[word] = (*_SYNONYMS.get(word, ()), name)


def suggest(word: str, known: Iterable[str], mark: Mark | None = None) -> tuple[str, Fix | None]:
    """The help for an unknown word, and the fix where it is written at `mark`.

    The help names the nearest known word, or lists the known ones if they are few.
    """
    names = list(dict.fromkeys(known))
    near = nearest(word, names)
    if near:
        return f"did you mean `{near}`?", None if mark is None else correction(mark, word, near)
    if 0 < len(names) <= 12:
        return "known here: " + ", ".join(f"`{name}`" for name in names), None
    return "", None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The help for an unknown word that stands in no file."""
    return suggest(word, known)[0]


def nearest(word: str, names: list[str]) -> str:
    """The name that is meant by an unknown word; empty if none is likely."""
    return _nearest(word, tuple(names))


@lru_cache(maxsize=256)  # what reads a faulty entry again asks again
def _nearest(word: str, names: tuple[str, ...]) -> str:
    from difflib import get_close_matches

    for name in _SYNONYMS.get(_folded(word), ()):
        if name in names:
            return name
    word = word if word.endswith((".yaml", ".yml")) else word.rpartition(".")[2] or word  # `nn.Conv2d`
    folded = {_folded(name): name for name in reversed(names)}
    letters = sorted(word.lower())
    swapped = [name for name in names if sorted(name.lower()) == letters]
    if swapped:
        return swapped[0]
    near = get_close_matches(_folded(word), folded, n=1, cutoff=0.6)
    return folded[near[0]] if near else ""


def _folded(word: str) -> str:
    return word.lower().replace("_", "").removesuffix(".yaml").removesuffix(".yml")
