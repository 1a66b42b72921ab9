"""Iteration over the keys and plain values of a document, and the names in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from archc.reading import Map, Seq
from archc.server.places import Place
from archc.server.text import Text

_TOKENS: Final = re.compile(r"''.*?''|\\\".*?\\\"|'[^']*'|\"[^\"]*\"|[A-Za-z_][A-Za-z0-9_]*")
"""The names and strings of an expression, with or without YAML quotes around it."""
_EXPRESSION: Final = re.compile(r"\$(?:\(.*\)|[A-Za-z][A-Za-z0-9_]*)", re.DOTALL)
_SEGMENT: Final = re.compile(r"[^.\s]+")


class Word(NamedTuple):
    """A name, and its start and end in the document's text."""

    text: str
    start: int
    end: int


def places(root: Map) -> Iterator[Place]:
    """Every key and plain value, in the order of the text."""
    yield from _below(root, (), ())


def _below(node: Map | Seq, steps: tuple[Any, ...], holders: tuple[Any, ...]) -> Iterator[Place]:
    pairs: Any = node.items() if isinstance(node, Map) else enumerate(node)
    for step, value in pairs:
        here, around = (*steps, step), (*holders, node)
        if isinstance(node, Map):
            yield Place(here, around, True)
        if isinstance(value, Map | Seq):
            yield from _below(value, here, around)
        else:
            yield Place(here, around, False)


def written(place: Place) -> Any:
    """The key or value at a place."""
    return place.steps[-1] if place.on_key else place.value


def words(place: Place, text: Text) -> Iterator[Word]:
    """The names at a place: in an expression its names, otherwise the parts between dots."""
    what = written(place)
    if not isinstance(what, str):
        return
    mark = place.mark
    start, end = text.mark_offset(mark.line, mark.column), text.mark_offset(mark.end_line, mark.end_column)
    if text.text[start : start + 1] in ("'", '"'):
        start, end = start + 1, end - 1
    if "$" not in what:
        yield from (Word(found[0], *found.span()) for found in _SEGMENT.finditer(text.text, start, end))
        return
    for expression in _EXPRESSION.finditer(text.text, start, end):
        for found in _TOKENS.finditer(text.text, *expression.span()):
            if found[0][0] not in "'\"\\":
                yield Word(found[0], *found.span())
