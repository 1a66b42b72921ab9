"""Suggestions: the word that was meant."""

from __future__ import annotations

from collections.abc import Iterable

from archc.problems.fix import Fix, correction
from archc.problems.mark import Mark

_SYNONYMS = {
    "activation": ("relu",),
    "avgpool": ("avg_pool2d",),
    "batchnorm": ("batch_norm2d",),
    "bn": ("batch_norm2d",),
    "cat": ("concat",),
    "concatenate": ("concat",),
    "conv": ("conv2d",),
    "deconv": ("conv_transpose2d",),
    "dense": ("linear",),
    "droppath": ("stochastic_depth",),
    "fc": ("linear",),
    "features": ("out_features",),
    "filters": ("out_channels",),
    "fullyconnected": ("linear",),
    "gap": ("adaptive_avg_pool2d",),
    "globalaveragepooling2d": ("adaptive_avg_pool2d",),
    "globalavgpool": ("adaptive_avg_pool2d",),
    "inputs": ("from", "input"),
    "inputsize": ("input",),
    "k": ("kernel_size",),
    "kernel": ("kernel_size",),
    "lrn": ("local_response_norm",),
    "maxpool": ("max_pool2d",),
    "merge": ("join",),
    "mul": ("multiply",),
    "pad": ("padding", "pad"),
    "params": ("parameters",),
    "poolsize": ("kernel_size",),
    "probability": ("p",),
    "rate": ("p",),
    "size": ("kernel_size",),
    "sum": ("add",),
    "swish": ("silu",),
    "times": ("repeat",),
    "units": ("out_features",),
    "zeropad2d": ("pad",),
}
"""What papers and other libraries call it."""


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
