"""The syntax of a spec's text, for formatting: collections, scalars and comments."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from archc.problems import Source
from archc.problems.mark import BREAKS
from archc.reading import events

BLANKS = " \t"
"""The white space around YAML text; any other, such as a no-break space, is part of the text."""

BLOCK = ("|", ">")
"""The styles of block scalars."""


@dataclass(slots=True)
class Scalar:
    """A scalar as written, by lines; `value` is its text without quotes and folding.

    The lines of a block scalar are its header, without a comment, and its content without the indentation. The other
    lines have no white space around them.
    """

    lines: list[str]
    value: str
    style: str
    first: int
    last: int


@dataclass(slots=True)
class Lines:
    """The lines of a text with YAML's line breaks, and the parts that scalars cover.

    `taken` has the covered columns of each line. `kept` are the blank lines that belong to a block scalar's value.
    """

    texts: list[str]
    breaks: list[str]
    taken: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    kept: set[int] = field(default_factory=set)

    def take(self, first: int, start: int, last: int, end: int) -> list[str]:
        """The text from one place to another, by line, which a scalar covers from now on."""
        found = []
        for number in range(first, last + 1):
            line = self.texts[number]
            columns = (start if number == first else 0, end if number == last else len(line))
            self.taken.setdefault(number, []).append(columns)
            found.append(line[slice(*columns)])
        return found

    def is_blank(self, number: int) -> bool:
        """Return True for a blank line that is not part of a value."""
        return number not in self.kept and not self.texts[number].strip(BLANKS)


@dataclass(slots=True)
class Collection:
    """A mapping or a list; the entries of a list have no keys.

    `column` is where it starts. `bare` is a mapping with one key within `[…]` and without braces: `[dropout: 0.5,
    relu]`.
    """

    mapping: bool
    flow: bool
    first: int
    column: int
    bare: bool = False
    last: int = 0
    entries: list[Entry] = field(default_factory=list)


Value = Scalar | Collection


@dataclass(slots=True)
class Entry:
    """A key (of a mapping) and its value; `first` and `column` are the location of the key or dash."""

    key: Scalar | None
    value: Value
    first: int
    column: int


class Comment(NamedTuple):
    """A comment `# …` with its location, either `alone` on its line or after other text."""

    line: int
    column: int
    text: str
    alone: bool


def read_syntax(source: Source) -> tuple[Collection, deque[Comment], Lines]:
    """The root mapping, the comments in order, and the lines of a text that is a valid spec."""
    lines = Lines(BREAKS.split(source.text), BREAKS.findall(source.text))
    root: Collection | None = None
    stack: list[tuple[Collection, Scalar | None]] = []

    def place(value: Value, column: int) -> None:
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
            while not parent.flow and lines.texts[line][parent.column : parent.column + 1] != "-":
                line -= 1  # the dash is alone, above its value
            parent.entries.append(Entry(None, value, line, parent.column))
        stack[-1] = (parent, None)

    key_columns: dict[int, int] = {}
    for event in events(source):
        kind = type(event).__name__
        if kind == "ScalarEvent":
            scalar = _scalar(event, lines, stack[-1][0].column)
            key_columns[id(scalar)] = event.start_mark.column
            place(scalar, event.start_mark.column)
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            start = event.start_mark
            mapping, flow = kind == "MappingStartEvent", bool(event.flow_style)
            bare = mapping and flow and lines.texts[start.line][start.column] != "{"
            made = Collection(mapping, flow, start.line, start.column, bare)
            place(made, start.column)
            stack.append((made, None))
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            closed, _ = stack.pop()
            inner = closed.entries[-1].value.last if closed.entries else closed.first
            closed.last = event.end_mark.line if closed.flow else inner
    assert root is not None
    return root, deque(_comments(lines)), lines


def _scalar(event: Any, lines: Lines, indent: int) -> Scalar:
    """A scalar within a collection that starts at the column `indent`."""
    if event.style in BLOCK:
        return _block_scalar(event, lines, indent)
    first, last = event.start_mark, event.end_mark
    if (first.line, first.column) == (last.line, last.column):  # omitted, so its location may be after the text
        line = min(first.line, len(lines.texts) - 1)
        return Scalar([""], event.value, "", line, line)
    found = lines.take(first.line, first.column, last.line, last.column)
    if set(lines.breaks[first.line : last.line]) - {"\n"}:
        return _escaped(event, last.line)
    for number in range(len(found)):
        line = found[number].lstrip(BLANKS) if number else found[number]
        if number + 1 < len(found):
            trimmed = line.rstrip(BLANKS)
            backslashes = len(trimmed) - len(trimmed.rstrip("\\"))
            # A backslash escapes the blank after it; without that blank, it would escape the line break.
            line = line[: len(trimmed) + 1] if event.style == '"' and backslashes % 2 else trimmed
        found[number] = line
    return Scalar(found, event.value, event.style or "", first.line, last.line)


_HEADER = re.compile(r"[|>](?P<indicators>[-+0-9]*)")


def _block_scalar(event: Any, lines: Lines, indent: int) -> Scalar:
    first, last, value = event.start_mark.line, event.end_mark.line, event.value
    if event.end_mark.column == 0:  # the location is after its last line break
        last -= 1
    header = _HEADER.match(lines.texts[first], event.start_mark.column)
    assert header is not None
    lines.take(first, event.start_mark.column, first, header.end())
    content = lines.take(first + 1, 0, last, len(lines.texts[last]))
    if set(lines.breaks[first + 1 : last + 1]) - {"\n"}:
        return _escaped(event, last)
    stated = re.sub("[-+]", "", header["indicators"])
    columns = indent + int(stated) if stated else _indentation(content)
    content = [line[min(columns, len(line) - len(line.lstrip(" "))) :] for line in content]
    chomping = re.sub("[0-9]", "", header["indicators"])
    if value and not value.endswith("\n"):
        chomping = "-"  # a text at the end of the file has no last line break, but the formatted file has one
    if chomping == "+":
        lines.kept.update(range(first + 1, last + 1))
    else:
        while content and not content[-1]:
            content.pop()
    begun = next((at for at, line in enumerate(content) if line.strip(" ")), len(content))
    indicated = any(line.startswith((" ", "\t")) for line in content[: begun + 1])
    style = f"{event.style}{'?' if indicated else ''}{chomping}"
    return Scalar([style, *content], value, event.style, first, first + len(content))


def _indentation(content: list[str]) -> int:
    """The indentation of a block scalar that doesn't declare it."""
    columns = 0
    for line in content:
        text = line.lstrip(" ")
        columns = max(columns, len(line) - len(text))
        if text:
            break
    return columns


def _escaped(event: Any, last: int) -> Scalar:
    """A scalar with line breaks that other programs don't recognize: on one line, with escapes."""
    return Scalar([quoted(event.value)], event.value, '"', event.start_mark.line, last)


_UNSEEN = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def quoted(value: str) -> str:
    """A text in double quotes on one line, with escapes for invisible characters."""
    text = json.dumps(value, ensure_ascii=False)
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(scalar: Scalar) -> str:
    """A scalar on one line, for use within `{…}` or `[…]`."""
    if scalar.style in BLOCK:
        return quoted(scalar.value)
    if len(scalar.lines) == 1:
        return scalar.lines[0]
    if scalar.style != '"' and all(scalar.lines):
        return " ".join(scalar.lines)
    return quoted(scalar.value)


def key_text(scalar: Scalar) -> str:
    """A key on one line; an omitted one is written, because the parser doesn't accept it everywhere."""
    return one_line(scalar) or '""'


def _comments(lines: Lines) -> Iterator[Comment]:
    for number, line in enumerate(lines.texts):
        for match in re.finditer("#", line):
            column = match.start()
            if not any(start <= column < end for start, end in lines.taken.get(number, ())):
                yield Comment(number, column, line[column:].rstrip(BLANKS), not line[:column].strip(BLANKS))
                break
