"""What a body reads: two evaluations of it are the same if that is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from archc.expressions import Expression
from archc.language.spec import BlockCall, Body, ChosenCall, Entry, LayerCall, Reference, Splice


def names_read(body: Body) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The names in the expressions of a body, and those of entries around it that it may refer to.

    None if a reference carries an index: to what it refers is found out as it goes.
    """
    names: dict[str, None] = {}
    references: dict[str, None] = {}
    for part in _parts(body):
        if isinstance(part, Expression):
            names |= dict.fromkeys(sorted(part.names))
        elif part.template is not None or part.part is not None:
            return None
        elif part.name != "input":
            references[part.name] = None
    return tuple(names), tuple(references)


def expressions_of(part: Any) -> Iterator[Expression]:
    """Every expression in a part of a spec, also those in the names of entries and references."""
    for found in _parts(part):
        if isinstance(found, Expression):
            yield found
        else:
            names = (name.parts for name in (found.template, found.part) if name is not None)
            yield from (part for parts in names for part in parts if isinstance(part, Expression))


def _parts(part: Any) -> Iterator[Expression | Reference]:
    match part:
        case Expression():
            yield part
        case tuple():
            for item in part:
                yield from _parts(item)
        case Body():
            yield from _parts((part.entries, tuple(part.outputs.values())))
        case Splice():
            yield from _parts((part.count, part.rows, part.when, part.entries))
        case Entry():
            yield from _parts((part.when, part.source, part.element, () if part.name is None else part.name.parts))
        case Reference():
            yield part
        case LayerCall():
            yield from _parts((part.operands, tuple(part.arguments.values())))
        case BlockCall():
            yield from _parts(tuple(part.arguments.values()))
        case ChosenCall():
            yield from _parts((part.which, part.arguments))
