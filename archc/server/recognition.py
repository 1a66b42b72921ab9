"""Recognition of specs among the YAML documents of an editor."""

from __future__ import annotations

import re
from difflib import get_close_matches
from itertools import islice
from typing import Final

from archc.language.header import ExtendKeys, SpecKeys, meanings_of

_DEFINING: Final = ("layers", "branches", "blocks", "extends")
_OURS = re.compile(
    rf"(?m)^(?:[\"']?(?:{'|'.join(_DEFINING)})[\"']?\s*:|[\"']?input[\"']?\s*:\s*\[|# yaml-language-server:.*archc)"
)
_FLOW = re.compile(rf"[\"']?(?:{'|'.join(_DEFINING)})[\"']?\s*:")
"""A key that only specs have, in a document that is a flow mapping."""

_TOP = re.compile(r"(?m)^([A-Za-z_][\w-]*)[ \t]*:(?:\s*(\[\s*\d))?")
_IN_FLOW = re.compile(r"[\"']?([A-Za-z_][\w-]*)[\"']?\s*:(?=\s*[\[{])(?:\s*(\[\s*\d))?")
"""A key with a list or a mapping; the second group finds a list of numbers, as the value of `input` is."""

_KEYS: Final = [*meanings_of(SpecKeys), *meanings_of(ExtendKeys)]
_NEAR = 0.75
"""The minimum similarity between a misspelled key and the intended one."""

_FIRST = 50
"""How many keys are compared: a long file of another tool has thousands, and a spec has few at the top."""


def is_spec(text: str) -> bool:
    """Return True if a YAML document is intended as a spec.

    It has a key that other files don't have, perhaps misspelled.
    """
    if _OURS.search(text) is not None:
        return True
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        return _FLOW.search(text) is not None or _is_mistyped(_IN_FLOW, text)
    return _is_mistyped(_TOP, text)


def _is_mistyped(keys: re.Pattern[str], text: str) -> bool:
    """Return True if a key seems to be one that only specs have, and half of the keys seem to be of a spec."""
    near, others, decisive = 0, 0, False
    for found in islice(keys.finditer(text), _FIRST):
        close = get_close_matches(found[1].lower(), _KEYS, n=1, cutoff=_NEAR)
        if not close:
            others += 1
            continue
        near += 1
        decisive |= close[0] in _DEFINING or (close[0] == "input" and found[2] is not None)
    return decisive and near >= others
