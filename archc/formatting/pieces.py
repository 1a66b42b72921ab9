"""A spec's text as pieces to be laid out anew: collections, scalars as they are written, and comments."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from archc.problems import Source
from archc.reading import events


@dataclass(slots=True)
class Scalar:
    """A scalar as it stands in the text, by lines; `value` is its text without quotes and folding."""

    lines: list[str]
    value: str
    style: str
    first: int
    last: int


@dataclass(slots=True)
class Collection:
    """A mapping or a list. A list's entries have no keys; `column` is where it begins.

    `bare` is a mapping of one key within `[…]` that has no brackets of its own: `[dropout: 0.5, relu]`.
    """

    mapping: bool
    flow: bool
    first: int
    column: int
    bare: bool = False
    last: int = 0
    entries: list[Entry] = field(default_factory=list)


Piece = Scalar | Collection


@dataclass(slots=True)
class Entry:
    """A key (of a mapping) and its value; `first` and `column` are the place of the key, or of the dash."""

    key: Scalar | None
    value: Piece
    first: int
    column: int


class Comment(NamedTuple):
    """`# …` with its place; `alone` on its line or behind something."""

    line: int
    column: int
    text: str
    alone: bool


def pieces(source: Source) -> tuple[Collection, deque[Comment], list[str]]:
    """The root mapping, the comments in their order, and the lines, of a text that reads as a spec."""
    lines = source.text.split("\n")
    taken: dict[int, list[tuple[int, int]]] = {}  # by line: the columns that scalars cover
    root: Collection | None = None
    stack: list[tuple[Collection, Scalar | None]] = []

    def place(value: Piece, column: int) -> None:
        nonlocal root
        if not stack:
            assert isinstance(value, Collection)
            root = value
            return
        parent, key = stack[-1]
        if parent.mapping and key is None:
            assert isinstance(value, Scalar)
            stack[-1] = (parent, value)
            return
        if key is not None:
            parent.entries.append(Entry(key, value, key.first, key_columns[id(key)]))
        else:
            line = value.first
            while not parent.flow and lines[line][parent.column : parent.column + 1] != "-":
                line -= 1  # the dash stands alone, above its value
            parent.entries.append(Entry(None, value, line, parent.column))
        stack[-1] = (parent, None)

    key_columns: dict[int, int] = {}
    for event in events(source):
        kind = type(event).__name__
        if kind == "ScalarEvent":
            scalar = _scalar(event, lines, taken)
            key_columns[id(scalar)] = event.start_mark.column
            place(scalar, event.start_mark.column)
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            start = event.start_mark
            mapping, flow = kind == "MappingStartEvent", bool(event.flow_style)
            bare = mapping and flow and lines[start.line][start.column] != "{"
            made = Collection(mapping, flow, start.line, start.column, bare)
            place(made, start.column)
            stack.append((made, None))
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            closed, _ = stack.pop()
            inner = closed.entries[-1].value.last if closed.entries else closed.first
            closed.last = event.end_mark.line if closed.flow else inner
    assert root is not None
    return root, deque(_comments(lines, taken)), lines


def _scalar(event: Any, lines: list[str], taken: dict[int, list[tuple[int, int]]]) -> Scalar:
    first, last = event.start_mark, event.end_mark
    end_line, end_column = last.line, last.column
    block = event.style in ("|", ">")
    if block and end_column == 0:  # the place behind its last line break
        end_line, end_column = end_line - 1, len(lines[end_line - 1])
    found = []
    for number in range(first.line, end_line + 1):
        start = first.column if number == first.line else 0
        end = end_column if number == end_line else len(lines[number])
        taken.setdefault(number, []).append((start, end))
        found.append(lines[number][start:end])
    if block and "+" not in found[0]:
        while len(found) > 1 and not found[-1].strip():
            found.pop()
            end_line -= 1
    return Scalar(found, event.value, event.style or "", first.line, end_line)


def one_line(scalar: Scalar) -> str:
    """A scalar within `{…}` or `[…]`: on one line."""
    if len(scalar.lines) == 1:
        return scalar.lines[0].rstrip()
    if scalar.style != '"' and all(line.strip() for line in scalar.lines):
        return " ".join(line.strip() for line in scalar.lines)
    return json.dumps(scalar.value, ensure_ascii=False)


def _comments(lines: list[str], taken: dict[int, list[tuple[int, int]]]) -> Iterator[Comment]:
    for number, line in enumerate(lines):
        for match in re.finditer(r"(?:^|(?<=\s))#", line):
            column = match.start()
            if not any(start <= column < end for start, end in taken.get(number, ())):
                yield Comment(number, column, line[column:].rstrip(), not line[:column].strip())
                break
