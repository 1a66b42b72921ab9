"""Incremental parsing of a text that changes: unchanged parts keep their nodes and marks.

An edit usually affects a few entries of a block mapping or a list. Only these are parsed again and replaced. Entries
above stay as they are, and entries below move if lines were added. This is possible between two lines that each start
an entry of the same collection, because the YAML parser is in the same state there, regardless of the previous entries.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final, NamedTuple

from archc.problems import Mark, Problems, Source, SpecError
from archc.problems.mark import BREAKS
from archc.reading.builder import Builder
from archc.reading.reader import events, read_text
from archc.reading.tree import Map, Seq

_BEYOND: Final = re.compile(r"(?:\A|(?<=[\r\n\x85\u2028\u2029]))(?:---|\.\.\.|%)|[\0\ufeff]|\?\s")
"""Syntax that affects more than its entry: document marks, directives, byte order marks, keys that wait for a value."""

_MARK: Final[Any] = tuple.__new__  # like Mark's own constructor, but faster: an edit may move 100,000

_NO_ENTRY: Final = " \t\r\n\x85\u2028\u2029#{["
"""Characters that can't start an entry of a block collection."""


class Rereader:
    """Parses successive versions of one document; the marks of a tree always show the newest text."""

    def __init__(self) -> None:
        self._root: Map | None = None

    def read(self, text: str, name: str, faults: Problems | None = None) -> Map:
        """Parse a text, like `read_text`. Raises SpecError."""
        root = None if self._root is None else _reread(self._root, text)
        if root is None:
            root = read_text(text, name, faults=faults)
            if faults:
                return root  # with duplicate keys, the tree lacks a part of the text
        self._root = root
        return root


class _Change(NamedTuple):
    """An edit of a text: the offsets of its lines, and the offsets between which it changed."""

    text: str
    starts: list[int]
    first: int
    last: int

    def start(self, line: int) -> int:
        """The offset of a line, counted from 1."""
        return self.starts[line - 1] if line <= len(self.starts) else len(self.text)


class _Part(NamedTuple):
    """Entries of a collection to parse again: an index range, and the stretch of the old text.

    It starts with the line of the first entry and ends at the next one, where all inner collections close.
    """

    holder: Map | Seq
    first: int
    last: int
    start: int
    end: int


class _Entry(NamedTuple):
    """An entry of a mapping or, with an empty key, of a list."""

    key: str
    key_mark: Mark
    value: Any
    mark: Mark


def _reread(root: Map, text: str) -> Map | None:
    """The new tree, from the previous tree and its text; None if the edit isn't within entries of a collection."""
    source = root.mark.source
    old = source.text
    if _open_end(old) or _open_end(text):
        return None
    first = _common(old, text)
    last = len(old) - _common(old[first:][::-1], text[first:][::-1])
    change = _Change(old, [0, *(end.end() for end in BREAKS.finditer(old))], first, last)
    way = _way(root, change)
    if not way:
        return None
    part = way[-1]
    piece = text[part.start : part.end + len(text) - len(old)]
    made = _read(piece, part, source, bisect_right(change.starts, part.start), len(way) - 1)
    if made is None:
        return None
    added = len(BREAKS.findall(piece)) - len(BREAKS.findall(old[part.start : part.end]))
    whole = _with(part, list(_entries(made)), made.mark[3:5] if part.end == len(old) else None, added)
    for inner, outer in zip(way[:0:-1], way[-2::-1], strict=True):
        if whole is None:
            return None
        (above,) = islice(_entries(outer.holder), outer.first, outer.last)
        together = outer.holder.mark[3:5] == inner.holder.mark[3:5]
        end = whole.mark[3:5] if together else None
        whole = _with(outer, [above._replace(value=whole, mark=whole.mark)], end, added)
    if not isinstance(whole, Map):
        return None
    source.renew(text)
    return whole


def _open_end(text: str) -> bool:
    """Return True if the last line neither starts nor ends an entry.

    Then the open collections don't all close there.
    """
    last = text[max(text.rfind(end) for end in "\n\r\x85\u2028\u2029") + 1 :]
    return last != "" and last.lstrip(" ")[:1] in ("", "#")


def _common(a: str, b: str) -> int:
    """The length of the common prefix of two texts."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


# The entries that an edit lies within


def _way(root: Map, change: _Change) -> list[_Part]:
    """The parts of collections that contain an edit, from the outermost to the innermost."""
    way: list[_Part] = []
    node: Any = root
    while isinstance(node, Map | Seq):
        part = _part(node, change)
        if part is None:
            break
        way.append(part)
        if part.last > part.first + 1:
            break
        (node,) = islice(node.values() if isinstance(node, Map) else node, part.first, part.last)
    return way


def _part(node: Map | Seq, change: _Change) -> _Part | None:
    """The entries of a collection that contain an edit; None if it isn't within them."""
    starts = _starts(node, change)
    first = bisect_right(starts, change.first) - 1
    if first < 0:
        return None
    if first and starts[first] == change.first:
        first -= 1  # removed lines don't have to be read
    # The line break before an entry must be unchanged, too.
    last = max(first + 1, bisect_left(starts, change.last + 1))
    if last < len(starts):
        return _Part(node, first, last, starts[first], starts[last] + node.mark.column - 1)
    if node.mark.end_line >= len(change.starts):
        return _Part(node, first, last, starts[first], len(change.text))
    end = change.start(node.mark.end_line)
    return _Part(node, first, last, starts[first], end + node.mark.end_column - 1) if change.last < end else None


def _starts(node: Map | Seq, change: _Change) -> list[int]:
    """The offset of the line of each entry; empty in brackets, or if an entry isn't the first thing on its line."""
    column, found = node.mark.column, []
    for number, (mark, sign) in enumerate(_signs(node)):
        start = change.start(mark.line)
        line = change.text[start : start + mark.column - 1]
        if line[: column - 1].strip(" ") or line[column - 1 :].strip(" ") != sign or mark.column < column:
            return []
        if number == 0 and isinstance(node, Map) and mark[1:3] != node.mark[1:3]:
            return []
        found.append(start)
    return found


def _signs(node: Map | Seq) -> Iterator[tuple[Mark, str]]:
    """The location of each entry, and the text before it in the collection's columns."""
    if isinstance(node, Map):
        yield from ((mark, "") for mark in node.keys_at.values())
    else:
        yield from ((mark, "-") for mark in node.items_at)


# Reading and putting in


def _read(piece: str, part: _Part, source: Source, line: int, depth: int) -> Map | Seq | None:
    """Parse the entries in a stretch of the new text, from a line on; None if they aren't such entries."""
    column = part.holder.mark.column
    if piece[: column - 1].strip(" ") or piece[column - 1 : column] in _NO_ENTRY or _BEYOND.search(piece):
        return None
    builder = Builder(source, depth)
    try:
        piece.encode()
        for event in events(Source(source.name, "\n" * (line - 1) + piece)):
            builder.take(event)
    except (SpecError, UnicodeEncodeError):
        return None
    root = builder.root
    fits = type(root) is type(part.holder) and root.mark[1:3] == (line, column) and not builder.problems
    return root if fits else None


def _entries(node: Map | Seq) -> Iterator[_Entry]:
    if isinstance(node, Map):
        for key, value in node.items():
            yield _Entry(key, node.keys_at[key], value, node.values_at[key])
    else:
        for value, mark in zip(node, node.items_at, strict=True):
            yield _Entry("", mark, value, mark)


def _with(part: _Part, entries: list[_Entry], end: tuple[int, int] | None, added: int) -> Map | Seq | None:
    """A collection with the entries of a part replaced and later ones moved; None if a key would be duplicated."""
    old = part.holder
    if end is None:
        end = (old.mark.end_line + added, old.mark.end_column)
    whole = list(_entries(old))
    below = whole[part.last :]
    whole[part.first :] = [*entries, *([_moved(each, added) for each in below] if added else below)]
    found = _collection(old, Mark(*old.mark[:3], *end), whole)
    return found if len(found) == len(whole) else None


def _collection(like: Map | Seq, mark: Mark, entries: Iterable[_Entry]) -> Map | Seq:
    if isinstance(like, Map):
        table = Map(mark)
        for key, key_mark, value, at in entries:
            table[key], table.keys_at[key], table.values_at[key] = value, key_mark, at
        return table
    found = Seq(mark)
    for _, _, value, at in entries:
        found.append(value)
        found.items_at.append(at)
    return found


def _moved(entry: _Entry, added: int) -> _Entry:
    """An entry with its content, moved by some lines."""
    return _Entry(entry.key, _down(entry.key_mark, added), _lower(entry.value, added), _down(entry.mark, added))


def _lower(value: Any, added: int) -> Any:
    """A value, moved by some lines. It often is most of a document, so this avoids an `_Entry` for each entry."""
    if isinstance(value, Map):
        table = Map(_down(value.mark, added))
        for key, inner in value.items():
            table[key] = _lower(inner, added) if isinstance(inner, Map | Seq) else inner
        table.keys_at = {key: _down(mark, added) for key, mark in value.keys_at.items()}
        table.values_at = {key: _down(mark, added) for key, mark in value.values_at.items()}
        return table
    if isinstance(value, Seq):
        found = Seq(_down(value.mark, added))
        found += [_lower(inner, added) for inner in value]
        found.items_at = [_down(mark, added) for mark in value.items_at]
        return found
    return value


def _down(mark: Mark, added: int) -> Mark:
    source, line, column, end_line, end_column = mark
    return _MARK(Mark, (source, line + added, column, end_line + added, end_column))  # type: ignore[no-any-return]
