"""Text with styles: plain in a file, colored on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from archc.text import visible

STYLES: Final = {
    "": "",
    "added": "32",
    "changed": "33",
    "error": "1;31",
    "warning": "1;33",
    "good": "32",
    "help": "1;36",
    "margin": "1;34",
    "quiet": "2",
    "removed": "31",
    "strong": "1",
}
"""The parameters of the SGR control sequence of each style (ECMA-48, section 8.3.117)."""


class Part(NamedTuple):
    """A piece of a line in one style, a key of STYLES."""

    text: str
    style: str = ""


class Styled:
    """Lines of parts. `str` returns plain text, and `painted` colored text for a terminal."""

    def __init__(self, lines: Iterable[Iterable[Part]]) -> None:
        self.lines = [list(line) for line in lines]

    def __str__(self) -> str:
        return "\n".join("".join(part.text for part in line).rstrip() for line in self.lines)

    def painted(self) -> str:
        """Return the text with colors. Control characters in the parts are escaped, so only styles reach a terminal."""
        return "\n".join("".join(map(_painted, line)) for line in self.lines)


def plain(text: str, style: str = "") -> Styled:
    """Return lines in one style."""
    return by_line(text, lambda line: style)


def by_line(text: str, style: Callable[[str], str]) -> Styled:
    """Return lines, each in its own style."""
    return Styled([Part(line, style(line))] for line in text.split("\n"))


def joined(blocks: Iterable[Styled]) -> Styled:
    """Return blocks of lines with an empty line between them."""
    lines: list[list[Part]] = []
    for block in blocks:
        lines += [[Part("")]] if lines else []
        lines += block.lines
    return Styled(lines)


def _painted(part: Part) -> str:
    text = visible(part.text)
    return f"\x1b[{STYLES[part.style]}m{text}\x1b[0m" if part.style and text.strip() else text
