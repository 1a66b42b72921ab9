"""Formatting of numbers, shapes and names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final


def form(shape: tuple[int, ...]) -> str:
    """Format a shape: `64×112×112`."""
    return "×".join(map(str, shape))


def extent(sizes: tuple[int, ...]) -> str:
    """Format one number per axis: `7` if all are equal, otherwise `7×5`; `-` without axes."""
    if len(set(sizes)) == 1:
        return str(sizes[0])
    return form(sizes) if sizes else "-"


def engineering(count: int) -> str:
    """Format a count with three decimals and an SI prefix: `1.498 G`."""
    for size, prefix in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.3f} {prefix}"
    return str(count)


def amount(count: int) -> str:
    """Format a count with three digits: `6.62 M`."""
    for unit, sign in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= unit:
            return f"{count / unit:#.3g} {sign}".replace(". ", " ")
    return str(count)


def counted(count: int, thing: str) -> str:
    """Format a count with a noun: `1 problem`, `2 problems`."""
    return f"{count} {thing}" if count == 1 else f"{count:,} {thing}s"


def mebibytes(size: int) -> str:
    """Format a number of bytes with three digits: `25.3 MiB`, `812 KiB`."""
    if size < 1000:
        return f"{size} B"
    amount, unit = size / 2**10, "KiB"
    for larger in ("MiB", "GiB", "TiB", "PiB"):
        if amount < 1000:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.{0 if amount >= 100 else 1 if amount >= 10 else 2}f} {unit}"


def aligned(
    rows: Sequence[Sequence[str]],
    right: frozenset[int] = frozenset(),
    *,
    ruled: bool = False,
    width: int | None = None,
) -> str:
    """Rows of equal length as aligned columns.

    The columns in `right` are right-aligned, and `ruled` draws a line below the first row. If a width is given and a
    row is longer, its longest texts continue on the next line.
    """
    widths = _widths(rows)
    if width is not None and _total(widths) > width:
        rows = _folded(rows, widths, _total(widths) - width, right)
        widths = _widths(rows)
    lines = []
    for row in rows:
        cells = [
            cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    if ruled:
        lines.insert(1, "  ".join("─" * width for width in widths))
    return "\n".join(lines)


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + 2 * len(widths) - 2


_NARROWEST: Final = 12
"""The minimum width of a text column."""


def _folded(
    rows: Sequence[Sequence[str]], widths: Sequence[int], excess: int, right: frozenset[int]
) -> list[list[str]]:
    """Wrap the widest texts of rows to save some columns; numbers aren't wrapped."""
    room = list(widths)
    for at in sorted(set(range(len(widths))) - right, key=lambda at: -widths[at]):
        room[at] = max(_NARROWEST, widths[at] - max(0, excess))
        excess -= widths[at] - room[at]
    found = []
    for row in rows:
        cells = [wrapped(cell, room[at]) for at, cell in enumerate(row)]
        lines = range(max(map(len, cells)))
        found += [[cell[line] if line < len(cell) else "" for cell in cells] for line in lines]
    return found


def wrapped(text: str, width: int) -> list[str]:
    """Wrap a text at spaces and after the dots of names; a longer word stays whole."""
    lines = [""]
    for part in re.split(r"(?<= )|(?<=\w\.)(?=[A-Za-z_])", text):
        if lines[-1] and len(lines[-1]) + len(part.rstrip(" ")) > width:
            lines.append("")
        lines[-1] += part
    return [line.rstrip(" ") for line in lines]


def fitted(rows: Sequence[Sequence[str]], right: frozenset[int], width: int | None, spare: Sequence[int] = ()) -> str:
    """Rows as in `aligned`, ruled. To fit the width, the columns of `spare` are omitted first, one by one."""
    omitted: list[int] = []
    for column in spare:
        if width is None or _total(_widths(_without(rows, omitted))) <= width:
            break
        omitted.append(column)
    kept = [at for at in range(len(rows[0])) if at not in omitted]
    numbers = frozenset(kept.index(at) for at in right if at in kept)
    text = aligned(_without(rows, omitted), numbers, ruled=True, width=width)
    names = ", ".join(dict.fromkeys(rows[0][at] for at in omitted))
    return f"{text}\n\nhidden at this width: {names}" if omitted else text


def _without(rows: Sequence[Sequence[str]], columns: Sequence[int]) -> list[list[str]]:
    return [[cell for at, cell in enumerate(row) if at not in columns] for row in rows]


def hanging(first: str, text: str, width: int | None) -> str:
    """A text after a label, with further lines indented below its start."""
    if width is None:
        return first + text
    return first + f"\n{' ' * len(first)}".join(wrapped(text, max(_NARROWEST, width - len(first))))


_UNSEEN: Final = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, including those of terminals
    r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # characters that reorder lines, or end them for some readers
    r"\u00ad\u180e\u200b\u2060-\u2065\u206a-\u206f\ufeff\U000e0000-\U000e0fff"  # invisible characters
    r"\ud800-\udfff"  # surrogates, and bytes of file names that aren't UTF-8
)
_WITHIN_LINES = re.compile(f"[{_UNSEEN}]")
_ON_A_LINE = re.compile(f"[\\t\\n{_UNSEEN}]")


def first_line(error: BaseException) -> str:
    """The message of a library's error, at most 300 characters of one line, or its class if there is no message."""
    said = getattr(error, "strerror", None) or str(error)
    return next((line.strip()[:300] for line in said.splitlines() if line.strip()), type(error).__name__)


def visible(text: str) -> str:
    """Escape characters that move the cursor, change colors or are invisible, as in JSON."""
    return _WITHIN_LINES.sub(_escaped, text)


def printable(text: str) -> str:
    """Like `visible`, on one line."""
    return _ON_A_LINE.sub(_escaped, text)


def in_columns(text: str) -> str:
    """Replace each character that must not reach a terminal by one of the same width."""
    return _ON_A_LINE.sub(lambda found: " " if found[0] == "\t" else "�", text)


def _escaped(found: re.Match[str]) -> str:
    import json

    return json.dumps(found[0])[1:-1]


_MARKS = {ord(mark): f"\\{mark}" for mark in "\\`*_[]|#~"} | {ord("<"): "&lt;", ord(">"): "&gt;", ord("&"): "&amp;"}


def markdown(text: str) -> str:
    """Escape a text so that Markdown shows it literally."""
    return text.translate(_MARKS)
