"""Locations in the files that archc reads."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

BREAKS: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""The line breaks of the YAML parser."""


class Source:
    """A file or text: its name as the user wrote it, and its lines."""

    __slots__ = ("_lines", "name", "text")

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self._lines: list[str] = []

    def renew(self, text: str) -> None:
        """Replace the text after an edit; the marks of unchanged parts stay valid."""
        self.text = text
        self._lines = []

    def line(self, number: int) -> str | None:
        """The text of line `number`, counted from 1; None after the last line."""
        if not self._lines:
            self._lines = BREAKS.split(self.text)
        lines = self._lines
        return lines[number - 1] if 1 <= number <= len(lines) else None


class Mark(NamedTuple):
    """A stretch of a source. Lines and columns count from 1, and the end is exclusive."""

    source: Source
    line: int
    column: int
    end_line: int
    end_column: int

    @property
    def text(self) -> str:
        """The text at this place, on its first line."""
        line = self.source.line(self.line) or ""
        return line[self.column - 1 : self.end_column - 1 if self.end_line == self.line else None]
