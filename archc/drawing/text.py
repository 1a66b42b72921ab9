"""Estimated widths of texts, without a font file: no usual sans-serif font has a larger width."""

from __future__ import annotations

import unicodedata
from itertools import accumulate, takewhile

# The wider of DejaVu Sans and Liberation Sans (which has Arial's widths), in hundredths of the font's size, from the
# space to the tilde; the other usual fonts (Helvetica, Segoe UI, Roboto, San Francisco) lie between or below.
_REGULAR = """
    32 41 46 84 64 96 78 28 40 40 50 84 32 37 32 34 64 64 64 64 64 64 64 64 64 64 34 34 84 84 84 56 102
    69 69 73 78 67 62 78 76 30 50 67 56 87 75 79 67 79 73 67 62 74 69 99 69 67 69 40 34 40 84 56 50 62
    64 55 64 62 36 64 64 28 28 58 28 98 64 62 64 64 42 53 40 64 60 82 60 60 53 64 34 64 84
"""
_BOLD = """
    35 46 53 84 70 101 88 31 46 46 53 84 38 42 38 37 70 70 70 70 70 70 70 70 70 70 40 40 84 84 84 62 100
    78 77 74 84 69 69 83 84 38 56 78 64 100 84 86 74 86 78 73 69 82 78 111 78 73 73 46 37 46 84 56 50 68
    72 60 72 68 44 72 72 35 35 67 35 105 72 69 72 72 50 60 48 72 66 93 65 66 59 72 37 72 84
"""
_WIDTHS = [dict(zip(map(chr, range(32, 127)), map(int, table.split()), strict=True)) for table in (_REGULAR, _BOLD)]
_OTHERS = {"×": 84, "·": 38, "–": 56, "…": 100, "→": 100}


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """The width of a line of text in a font of `size`, in the same unit."""
    known = _WIDTHS[bold]
    return sum(known.get(char) or _width(char) for char in text) * size / 100


def _width(char: str) -> int:
    if char in _OTHERS:
        return _OTHERS[char]
    return 0 if unicodedata.combining(char) else 115  # an ideograph, or whatever the viewer's fonts have


def cut(text: str, width: float, size: float, *, bold: bool = False) -> str:
    """The text, shortened with `…` if it is wider than `width`."""
    if text_width(text, size, bold=bold) <= width:
        return text
    room = width - text_width("…", size, bold=bold)
    ends = accumulate(text_width(char, size, bold=bold) for char in text)
    return text[: sum(1 for _ in takewhile(lambda end: end <= room, ends))].rstrip() + "…"
