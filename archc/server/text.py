"""Conversion between archc's places and the editor's, which start at 0 and count columns in units of an encoding."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property

from lsprotocol import types

from archc.problems import Mark
from archc.problems.mark import BREAKS

_ENDS = re.compile("\r\n|[\n\r]")
"""The line breaks of the protocol, which are fewer than YAML's."""

_WIDTH = {"utf-8": 1, "utf-16": 2, "utf-32": 4}


class Text:
    """A document's text, with conversions between archc's places and the editor's."""

    def __init__(self, text: str, encoding: str = "utf-16") -> None:
        self.text = text
        self.encoding = encoding
        self._encoding = f"{encoding}-le" if encoding != "utf-8" else encoding
        self._width = _WIDTH[encoding]

    @cached_property
    def _lines(self) -> list[int]:
        return [0, *(end.end() for end in _ENDS.finditer(self.text))]

    @cached_property
    def _marked_lines(self) -> list[int]:
        return [0, *(end.end() for end in BREAKS.finditer(self.text))]

    def _units(self, start: int, end: int) -> int:
        return len(self.text[start:end].encode(self._encoding, "surrogatepass")) // self._width

    def position(self, offset: int) -> types.Position:
        """The editor's position of a character."""
        line = bisect_right(self._lines, offset) - 1
        return types.Position(line, self._units(self._lines[line], offset))

    def offset(self, position: types.Position) -> int:
        """The index of the character at an editor's position, or of the nearest one."""
        if position.line >= len(self._lines):
            return len(self.text)
        start = self._lines[position.line]
        end = _ENDS.search(self.text, start)
        stop = end.start() if end else len(self.text)
        at, left = start, position.character
        while at < stop and left > 0:
            left -= self._units(at, at + 1)
            at += 1
        return at

    def mark_offset(self, line: int, column: int) -> int:
        """The index of the character at a line and column of a mark."""
        if line > len(self._marked_lines):
            return len(self.text)
        return min(self._marked_lines[line - 1] + column - 1, len(self.text))

    def place(self, offset: int) -> tuple[int, int]:
        """The line and column of a character, as in marks."""
        line = bisect_right(self._marked_lines, offset)
        return line, offset - self._marked_lines[line - 1] + 1

    def range(self, mark: Mark) -> types.Range:
        """The editor's range of a mark."""
        start = self.mark_offset(mark.line, mark.column)
        end = max(start, self.mark_offset(mark.end_line, mark.end_column))
        return self.range_of(start, end)

    def range_of(self, start: int, end: int) -> types.Range:
        """The editor's range of a stretch of characters."""
        return types.Range(self.position(start), self.position(end))

    @property
    def whole(self) -> types.Range:
        """The range of the whole document."""
        return self.range_of(0, len(self.text))
