"""Hovers: a layer with its costs, a name with its values, a key with its meaning."""

from __future__ import annotations

import re
from typing import Any

from lsprotocol import types

from archc.expressions import ExpressionError, is_expression, parse_expression
from archc.kinds.base import shown
from archc.language.spec import is_known
from archc.reading import Map
from archc.server.analysis import Analysis, Scope
from archc.server.documentation import argument_name, call_doc, initializer_doc, key_doc
from archc.server.figures import called, figures_at, figures_of
from archc.server.markdown import code, content
from archc.server.names import INDEX, referred, variables
from archc.server.places import Place, place_at, value_mark
from archc.server.slots import Role, Slot, slot_at
from archc.text import form

_VALUES = 8
"""The maximum number of different values that are listed for a name."""

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def hover(analysis: Analysis, offset: int, *, markdown: bool = True) -> types.Hover | None:
    """The hover at a place, as plain text unless `markdown`."""
    place = place_at(analysis.root, *analysis.text.place(offset)) if analysis.root is not None else None
    if place is None:
        return None
    word = word_at(analysis.text.text, offset)
    said = [part for part in _said(analysis, place, word) if part]
    if not said:
        return None
    return types.Hover(content("\n\n".join(said), markdown=markdown), analysis.text.range(place.mark))


def word_at(text: str, offset: int) -> str:
    """The name around a character."""
    start = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    line = text[start : end if end >= 0 else None]
    return next((found[0] for found in NAME.finditer(line) if found.start() <= offset - start <= found.end()), "")


def _said(analysis: Analysis, place: Place, word: str) -> list[str]:
    """The parts of the hover at a place."""
    root, holder, step = analysis.root, place.holders[-1], place.steps[-1]
    assert root is not None
    written = step if place.on_key else place.value
    if isinstance(written, str) and "$" in written:
        whole = [written] if is_expression(written) else [found[0] for found in INDEX.finditer(written)]
        names = [f"${word}"] if word in variables(root, place, analysis.extended) else []
        return [_values(analysis, place, text) for text in dict.fromkeys([*names, *whole])]
    above = slot_at(place.steps[:-1])
    if place.on_key:
        if above.role is Role.ENTRIES:
            return _entry(analysis, holder, step)
        if above.role is Role.PARAMETERS:
            return [_values(analysis, place, f"${step}")]
        if above.role is Role.BLOCKS:
            return [call_doc(str(step), analysis.blocks)]
        if above.role is Role.ENTRY and called(holder) == step:
            return [figures_at(analysis, place.mark), call_doc(str(step), analysis.blocks)]
        return [key_doc(above, str(step), analysis.blocks)]
    slot = slot_at(place.steps)
    match slot.role:
        case Role.CALL | Role.ARGUMENT:
            name = argument_name(slot, analysis.blocks)
            return [key_doc(Slot(Role.CALL, slot.target), name, analysis.blocks)]
        case Role.ENTRY | Role.JOIN:
            return [figures_at(analysis, place.mark), call_doc(str(place.value), analysis.blocks)]
        case Role.REFERENCE:
            entry = referred(place, str(place.value))
            return [] if entry is None else _entry(analysis, *entry)
        case Role.INITIALIZER:
            return [initializer_doc(str(place.value))]
        case Role.IMPORTED:
            return [call_doc(str(place.value), analysis.blocks)]
    return []


def _entry(analysis: Analysis, holder: Any, step: Any) -> list[str]:
    """The hover on an entry's name: the call, and shapes and costs."""
    call = called(holder[step])
    title = f"**{step}**" if call is None else f"**{step}**: {code(call)}"
    if not isinstance(holder[step], str | Map) and analysis.network is not None:
        shape = analysis.network.inputs.get(step) if analysis.root and holder is analysis.root.get("inputs") else None
        return [f"**{step}**: an input" + (f" of {form(shape)}" if shape else "")]
    return [title, figures_of(analysis, holder, step)]


def _values(analysis: Analysis, place: Place, text: str) -> str:
    """An expression with its values in all instances of the entry around it."""
    try:
        expression = parse_expression(text, place.mark)
    except ExpressionError:
        return ""
    values: dict[str, None] = {}
    for scope in _scopes(analysis, place):
        if not all(is_known(scope.get(name)) for name in expression.names):
            continue
        try:
            values[shown(expression.evaluate(scope))] = None
        except ExpressionError:
            continue
    if not values:
        return code(text)
    some = ", ".join(map(code, list(values)[:_VALUES]))
    return f"{code(text)} = {some}" + (f" and {len(values) - _VALUES} more" if len(values) > _VALUES else "")


def _scopes(analysis: Analysis, place: Place) -> list[Scope]:
    """The values of names in the entry around a place; for an argument, in the body that it belongs to."""
    for count in range(len(place.steps), 0, -1):
        if slot_at(place.steps[:count]).role is Role.ENTRY:
            return analysis.scopes(value_mark(place.holders[count - 1], place.steps[count - 1]))
    owner: Any = place.up(2).value if place.steps[:1] == ("blocks",) and len(place.steps) > 1 else analysis.root
    bodies = [owner.values_at[key] for key in ("layers", "branches") if isinstance(owner, Map) and key in owner]
    return [scope for mark in bodies for scope in analysis.scopes(mark)]
