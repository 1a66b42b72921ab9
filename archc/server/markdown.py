"""Escaping of a spec's text within Markdown, because anyone may have written it."""

from __future__ import annotations

import re

from lsprotocol import types


def escaped(text: str) -> str:
    """A text on one line that is shown literally."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&$-])", r"\\\1", " ".join(text.split()))


def code(text: object) -> str:
    """A text as inline code, on one line."""
    return f"`{' '.join(str(text).replace('`', 'ˋ').split())}`"


_MARKS = re.compile(r"`([^`]*)`|\\([\W_])|\*\*|^\|[ |:-]+\|\n", re.MULTILINE)
"""Code, escaped characters, bold, and the line below a table's head."""


def plain(text: str) -> str:
    """Our Markdown as plain text."""
    return _MARKS.sub(lambda mark: mark[1] or mark[2] or "", text)


def content(text: str, *, markdown: bool) -> types.MarkupContent:
    """Markdown for an editor, as plain text if it doesn't support Markdown."""
    if markdown:
        return types.MarkupContent(types.MarkupKind.Markdown, text)
    return types.MarkupContent(types.MarkupKind.PlainText, plain(text))
