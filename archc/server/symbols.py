"""The outline of a document: blocks with their arguments and entries, and the network's own entries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lsprotocol import types

from archc.problems import Mark
from archc.reading import Map, Seq
from archc.server.analysis import Analysis
from archc.server.figures import called, common_output, layers_of
from archc.server.places import key_mark, value_mark
from archc.server.slots import Role, slot_at


def symbols(analysis: Analysis) -> list[types.DocumentSymbol]:
    """The outline; empty if nothing can be parsed."""
    return [] if analysis.root is None else list(_below(analysis, analysis.root, ()))


def _below(analysis: Analysis, holder: Map | Seq, steps: tuple[Any, ...]) -> Iterator[types.DocumentSymbol]:
    above = slot_at(steps).role
    pairs: Any = holder.items() if isinstance(holder, Map) else enumerate(holder)
    for step, node in pairs:
        here = (*steps, step)
        inner = list(_below(analysis, node, here)) if isinstance(node, Map | Seq) else []
        if above is Role.PARAMETERS:
            yield _symbol(analysis, holder, step, types.SymbolKind.Variable, "", [])
        elif above is Role.BLOCKS:
            yield _symbol(analysis, holder, step, types.SymbolKind.Class, "block", inner)
        elif above is Role.ENTRIES or (above is Role.ENTRY and isinstance(step, int)):
            detail = [called(node) or "", common_output(layers_of(analysis, holder, step))]
            yield _symbol(analysis, holder, step, types.SymbolKind.Field, "  ".join(filter(None, detail)), inner)
        else:
            yield from inner


def _symbol(
    analysis: Analysis,
    holder: Map | Seq,
    step: Any,
    kind: types.SymbolKind,
    detail: str,
    children: list[types.DocumentSymbol],
) -> types.DocumentSymbol:
    key, value = key_mark(holder, step), value_mark(holder, step)
    whole = Mark(key.source, *key[1:3], *max(key[3:5], value[3:5]))
    name = f"[{step}]" if isinstance(step, int) else step or "''"
    chosen = key if isinstance(holder, Map) else key._replace(end_line=key.line, end_column=key.column)
    place, named = analysis.text.range(whole), analysis.text.range(chosen)
    place.end = max([place.end, *(child.range.end for child in children)])  # an incomplete entry has no end
    return types.DocumentSymbol(name, kind, place, named, detail=detail, children=children)
