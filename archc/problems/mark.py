"""Places: a stretch of a file that was read."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

BREAKS: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""What the YAML parser counts as the end of a line."""


class Source:
    """One file (or text) that was read: its name as the user wrote it, and its lines."""

    __slots__ = ("_lines", "name", "text")

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self._lines: list[str] = []

    def renew(self, text: str) -> None:
        """The file has another text now: the marks of what did not change stay."""
        self.text = text
        self._lines = []

    def line(self, number: int) -> str | None:
        """The text of line `number`, counted from 1; None beyond the end."""
        if not self._lines:
            self._lines = BREAKS.split(self.text)
        lines = self._lines
        return lines[number - 1] if 1 <= number <= len(lines) else None


class Mark(NamedTuple):
    """A stretch of a source; lines and columns count from 1, the end is exclusive."""

    source: Source
    line: int
    column: int
    end_line: int
    end_column: int

    @property
    def text(self) -> str:
        """What stands there, on its first line."""
        line = self.source.line(self.line) or ""
        return line[self.column - 1 : self.end_column - 1 if self.end_line == self.line else None]
