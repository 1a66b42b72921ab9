"""Which YAML documents are specs: an editor may send any."""

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
"""What only a spec has, in a document that is one mapping in braces."""

_TOP = re.compile(r"(?m)^([A-Za-z_][\w-]*)[ \t]*:")
_KEYS: Final = [*meanings_of(SpecKeys), *meanings_of(ExtendKeys)]
_NEAR = 0.75
"""How alike a mistyped key and the one that was meant are, at least."""


def is_spec(text: str) -> bool:
    """Whether a YAML document is meant to be a spec: by a key that others do not have, which may be mistyped."""
    if _OURS.search(text) is not None:
        return True
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        return _FLOW.search(text) is not None
    return _is_mistyped(text)


def _is_mistyped(text: str) -> bool:
    """Whether a document's top-level keys, two or more, are all those of a spec or near to one."""
    meant: set[str] = set()
    for found in _TOP.finditer(text):
        near = get_close_matches(found[1].lower(), _KEYS, n=1, cutoff=_NEAR)
        if not near:
            return False
        meant.add(near[0])
    return len(meant) > 1 and not meant.isdisjoint((*_DEFINING, "input"))
