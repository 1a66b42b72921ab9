"""Semantic tokens: the meaning of each word for the colors of an editor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lsprotocol import types

from archc.expressions.tree import FUNCTIONS
from archc.kinds import KINDS
from archc.kinds.initializers import INITIALIZERS
from archc.server.analysis import Analysis
from archc.server.figures import called
from archc.server.places import Place
from archc.server.slots import Role, slot_at
from archc.server.walk import places, words, written

_TYPES: Final = {
    "class": types.SemanticTokenTypes.Class,
    "function": types.SemanticTokenTypes.Function,
    "keyword": types.SemanticTokenTypes.Keyword,
    "parameter": types.SemanticTokenTypes.Parameter,
    "property": types.SemanticTokenTypes.Property,
    "variable": types.SemanticTokenTypes.Variable,
}
LEGEND: Final = types.SemanticTokensLegend([kind.value for kind in _TYPES.values()], [])
_NUMBERS: Final = {name: number for number, name in enumerate(_TYPES)}

_KEYS: Final = {
    Role.ENTRIES: "variable",
    Role.PARAMETERS: "parameter",
    Role.BLOCKS: "class",
    Role.CALL: "property",
    Role.FUNCTION: "property",
    Role.SPEC: "keyword",
    Role.BLOCK: "keyword",
    Role.INIT: "keyword",
    Role.EXPECT: "keyword",
}
_VALUES: Final = {Role.REFERENCE: "variable", Role.IMPORTED: "class", Role.JOIN: "function"}


def tokens(analysis: Analysis, start: int = 0, end: int | None = None) -> types.SemanticTokens:
    """The tokens of a stretch of the text, in the protocol's relative encoding."""
    data: list[int] = []
    line = column = 0
    for first, last, kind in _stretches(analysis, start, len(analysis.text.text) if end is None else end):
        place, stop = analysis.text.position(first), analysis.text.position(last)
        if place.line != stop.line or (place.line, place.character) < (line, column) or first == last:
            continue  # tokens of several lines, which some editors don't support
        column = column if place.line == line else 0
        data += (place.line - line, place.character - column, stop.character - place.character, _NUMBERS[kind], 0)
        line, column = place.line, place.character
    return types.SemanticTokens(data)


def _stretches(analysis: Analysis, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    text = analysis.text
    for place in places(analysis.root) if analysis.root is not None else ():
        mark = place.mark
        first, last = text.mark_offset(mark.line, mark.column), text.mark_offset(mark.end_line, mark.end_column)
        if last < start or first > end or not isinstance(written(place), str):
            continue
        if "$" in str(written(place)):
            for word in words(place, text):
                yield word.start, word.end, "function" if word.text in FUNCTIONS else "parameter"
        elif kind := _kind(analysis, place):
            yield first, last, kind


def _kind(analysis: Analysis, place: Place) -> str:
    """The token type of a key or value; empty if it has none."""
    what, above, slot = str(written(place)), slot_at(place.steps[:-1]), slot_at(place.steps)
    if place.on_key:
        if above.role is Role.ENTRY:
            return _called(analysis, what) if called(place.holders[-1]) == what else "keyword"
        if above.role is Role.INITIALIZER:
            return "function" if what in INITIALIZERS else ""
        return _KEYS.get(above.role, "")
    if slot.role is Role.ENTRY:
        return _called(analysis, what)
    return _VALUES.get(slot.role, "")


def _called(analysis: Analysis, name: str) -> str:
    return "class" if name in analysis.blocks else "function" if name in KINDS else ""
