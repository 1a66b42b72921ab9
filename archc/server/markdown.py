"""Texts of a spec within markdown: they are their author's, who may be anybody."""

from __future__ import annotations

import re


def escaped(text: str) -> str:
    """A text that shows as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&$-])", r"\\\1", " ".join(text.split()))


def code(text: object) -> str:
    """A text as code, on one line."""
    return f"`{' '.join(str(text).replace('`', 'ˋ').split())}`"
