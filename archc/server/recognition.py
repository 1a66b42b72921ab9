"""Recognition of specs among the YAML documents of an editor."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Final

from archc.language.header import ExtendKeys, SpecKeys, meanings_of

_DEFINING: Final = ("layers", "branches", "blocks", "extends")
_OURS = re.compile(
    rf"(?m)^(?:[\"']?(?:{'|'.join(_DEFINING)})[\"']?\s*:|[\"']?input[\"']?\s*:\s*\[|# yaml-language-server:.*archc)"
)
_FLOW = re.compile(rf"[\"']?(?:{'|'.join(_DEFINING)})[\"']?\s*:")
"""A key that only specs have, in a document that is a flow mapping."""

_TOP = re.compile(r"(?m)^([A-Za-z_][\w-]*)[ \t]*:")
_KEYS: Final = [*meanings_of(SpecKeys), *meanings_of(ExtendKeys)]
_NEAR = 0.75
"""The minimum similarity between a misspelled key and the intended one."""


def is_spec(text: str) -> bool:
    """Return True if a YAML document is intended as a spec.

    It has a key that other files don't have, perhaps misspelled.
    """
    if _OURS.search(text) is not None:
        return True
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        return _FLOW.search(text) is not None
    return _is_mistyped(text)


def _is_mistyped(text: str) -> bool:
    """Return True if a document has at least two top-level keys, all of them similar to keys of a spec."""
    meant: set[str] = set()
    for found in _TOP.finditer(text):
        near = get_close_matches(found[1].lower(), _KEYS, n=1, cutoff=_NEAR)
        if not near:
            return False
        meant.add(near[0])
    return len(meant) > 1 and not meant.isdisjoint((*_DEFINING, "input"))
