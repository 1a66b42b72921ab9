"""Folding ranges: mappings and lists that span several lines, and runs of comments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lsprotocol import types

from archc.reading import Map, Seq
from archc.server.analysis import Analysis
from archc.server.places import key_mark, value_mark

_COMMENTS = re.compile(r"(?m)^[ \t]*#.*(?:\r?\n[ \t]*#.*)+")


def folding(analysis: Analysis) -> list[types.FoldingRange]:
    """The ranges that can be folded, from the line that stays visible to the last hidden one."""
    text = analysis.text
    found = [] if analysis.root is None else list(_below(analysis, analysis.root))
    if analysis.ours:
        for comment in _COMMENTS.finditer(text.text):
            first, last = text.position(comment.start()).line, text.position(comment.end()).line
            found.append(types.FoldingRange(first, last, kind=types.FoldingRangeKind.Comment))
    return sorted(found, key=lambda each: (each.start_line, -each.end_line))


def _below(analysis: Analysis, node: Map | Seq) -> Iterator[types.FoldingRange]:
    pairs: Any = node.items() if isinstance(node, Map) else enumerate(node)
    for step, inner in pairs:
        if not isinstance(inner, Map | Seq):
            continue
        first = analysis.text.range(key_mark(node, step)).start.line
        last = _last_line(analysis, node, step)
        if last > first:
            yield types.FoldingRange(first, last)
        yield from _below(analysis, inner)


def _last_line(analysis: Analysis, holder: Map | Seq, step: Any) -> int:
    """The line of the last character of a value; a block collection has no end until the next one starts."""
    node: Any = holder[step]
    mark = value_mark(holder, step)
    text = analysis.text
    start, end = text.mark_offset(mark.line, mark.column), text.mark_offset(mark.end_line, mark.end_column)
    if not isinstance(node, Map | Seq) or not node or text.text[start : start + 1] in ("{", "["):
        return text.position(start + len(text.text[start:end].rstrip())).line
    return _last_line(analysis, node, next(reversed(node)) if isinstance(node, Map) else len(node) - 1)
