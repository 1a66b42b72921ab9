"""Inlay hints: the output shape of each entry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lsprotocol import types

from archc.reading import Map, Seq
from archc.server.analysis import Analysis
from archc.server.figures import common_output, layers_of
from archc.server.places import key_mark, value_mark
from archc.server.slots import Role, slot_at


def hints(analysis: Analysis, start: int, end: int) -> list[types.InlayHint]:
    """The output shape after each entry in a stretch of the text, if all instances of the entry have the same one."""
    found = []
    for holder, step in _entries(analysis.root, ()):
        last = value_mark(holder, step)
        if last.end_line != key_mark(holder, step).line:
            continue  # its own entries have hints
        at = analysis.text.mark_offset(last.end_line, last.end_column)
        shape = common_output(layers_of(analysis, holder, step)) if start <= at <= end else ""
        if shape:
            found.append(types.InlayHint(analysis.text.position(at), shape, padding_left=True))
    return found


def _entries(node: Any, steps: tuple[Any, ...]) -> Iterator[tuple[Map | Seq, Any]]:
    """Every entry of a spec."""
    pairs = node.items() if isinstance(node, Map) else enumerate(node) if isinstance(node, Seq) else ()
    for step, inner in pairs:
        if slot_at((*steps, step)).role is Role.ENTRY:
            yield node, step
        yield from _entries(inner, (*steps, step))
