"""Numbers, shapes and names as text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final


def form(shape: tuple[int, ...]) -> str:
    """`64×112×112`."""
    return "×".join(map(str, shape))


def extent(sizes: tuple[int, ...]) -> str:
    """How much of each axis: `7` where all are equal, else `7×5`; `-` without axes."""
    if len(set(sizes)) == 1:
        return str(sizes[0])
    return form(sizes) if sizes else "-"


def engineering(count: int) -> str:
    """`1.498 G`: a count with three decimals and its prefix."""
    for size, prefix in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.3f} {prefix}"
    return str(count)


def amount(count: int) -> str:
    """`6.62 M`: a count in three digits."""
    for unit, sign in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= unit:
            return f"{count / unit:#.3g} {sign}".replace(". ", " ")
    return str(count)


def counted(count: int, thing: str) -> str:
    """`1 problem`, `2 problems`."""
    return f"{count} {thing}" if count == 1 else f"{count:,} {thing}s"


def mebibytes(size: int) -> str:
    """`25.3 MiB`, `812 KiB`: bytes in three digits with their unit."""
    if size < 1000:
        return f"{size} B"
    amount, unit = size / 2**10, "KiB"
    for larger in ("MiB", "GiB", "TiB", "PiB"):
        if amount < 1000:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.{0 if amount >= 100 else 1 if amount >= 10 else 2}f} {unit}"


def aligned(rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset(), *, ruled: bool = False) -> str:
    """Rows of one length in columns, those of `right` set right; `ruled` draws a line below the first."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    if ruled:
        lines.insert(1, "  ".join("─" * width for width in widths))
    return "\n".join(lines)


_UNSEEN: Final = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, with those of terminals
    r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # what reorders lines, or ends them for some readers
    r"\u00ad\u180e\u200b\u2060-\u2065\u206a-\u206f\ufeff\U000e0000-\U000e0fff"  # what cannot be seen
    r"\ud800-\udfff"  # halves of characters, and bytes of names that are not UTF-8
)
_WITHIN_LINES = re.compile(f"[{_UNSEEN}]")
_ON_A_LINE = re.compile(f"[\\t\\n{_UNSEEN}]")


def first_line(error: BaseException) -> str:
    """What an error of a library says, at most 300 characters of one line; its class if it says nothing."""
    said = getattr(error, "strerror", None) or str(error)
    return next((line.strip()[:300] for line in said.splitlines() if line.strip()), type(error).__name__)


def visible(text: str) -> str:
    """Lines as a terminal may show them: what moves the cursor, changes colors or hides is escaped as in JSON."""
    return _WITHIN_LINES.sub(_escaped, text)


def printable(text: str) -> str:
    """As `visible`, on one line."""
    return _ON_A_LINE.sub(_escaped, text)


def in_columns(text: str) -> str:
    """A line in which each character that is not to reach a terminal has a stand-in of the same width."""
    return _ON_A_LINE.sub(lambda found: " " if found[0] == "\t" else "�", text)


def _escaped(found: re.Match[str]) -> str:
    import json

    return json.dumps(found[0])[1:-1]


_MARKS = {ord(mark): f"\\{mark}" for mark in "\\`*_[]|#~"} | {ord("<"): "&lt;", ord(">"): "&gt;", ord("&"): "&amp;"}


def markdown(text: str) -> str:
    """A text as itself in markdown: no mark-up, no HTML."""
    return text.translate(_MARKS)
