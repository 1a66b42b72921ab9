"""Texts and coordinates within SVG."""

from __future__ import annotations

import re
from html import escape

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml(text: str) -> str:
    """Escape a text for XML elements and attributes; characters that XML doesn't allow are replaced."""
    return escape(_ILLEGAL.sub("\ufffd", text))


def num(value: float) -> str:
    """A coordinate, rounded to a tenth."""
    return (
        f"{value:.1f}".removesuffix(".0").replace("-0", "0") if abs(value) < 0.05 else f"{value:.1f}".removesuffix(".0")
    )
