"""Texts of a spec within markdown: they are their author's, who may be anybody."""

from __future__ import annotations

import re

from lsprotocol import types


def escaped(text: str) -> str:
    """A text that shows as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&$-])", r"\\\1", " ".join(text.split()))


def code(text: object) -> str:
    """A text as code, on one line."""
    return f"`{' '.join(str(text).replace('`', 'ˋ').split())}`"


_MARKS = re.compile(r"`([^`]*)`|\\([\W_])|\*\*|^\|[ |:-]+\|\n", re.MULTILINE)
"""Code, escaped characters, bold, and the line below a table's head."""


def plain(text: str) -> str:
    """A text in our markdown as it reads without the marks."""
    return _MARKS.sub(lambda mark: mark[1] or mark[2] or "", text)


def content(text: str, *, markdown: bool) -> types.MarkupContent:
    """A text in markdown for an editor that shows it, or does not."""
    if markdown:
        return types.MarkupContent(types.MarkupKind.Markdown, text)
    return types.MarkupContent(types.MarkupKind.PlainText, plain(text))
