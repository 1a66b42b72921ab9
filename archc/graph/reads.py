"""The dependencies of a body: two evaluations with equal dependencies have equal results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from archc.expressions import Expression
from archc.language.spec import BlockCall, Body, ChosenCall, Entry, InitRule, LayerCall, Reference, Share, Splice


def names_read(body: Body) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The names in the expressions of a body, and the names of enclosing entries that it may refer to.

    None if a reference contains an expression, because its target is only known during evaluation.
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
    """Every expression in a part of a spec, including those in the names of entries and in references."""
    for found in _parts(part):
        if isinstance(found, Expression):
            yield found
        else:
            names = (name.parts for name in (found.template, found.part) if name is not None)
            yield from (part for parts in names for part in parts if isinstance(part, Expression))


def _parts(part: Any) -> Iterator[Expression | Reference]:
    """The expressions and references of a part, in order; iterative, because a spec may have 100,000 entries."""
    waiting = [part]
    while waiting:
        part = waiting.pop()
        match part:
            case Entry():
                element = part.element
                if part.when is not None or part.sources:
                    waiting += (element, *part.sources, part.when)
                elif type(element) is not LayerCall or element.operands or element.ready is None:
                    waiting.append(element)
                if part.name is not None and not part.name.fixed:
                    waiting += reversed(part.name.parts)
            case Expression() | Reference():
                yield part
            case LayerCall():
                if part.ready is None:  # otherwise its arguments are plain values
                    waiting += reversed(part.arguments.values())
                waiting += reversed(part.operands)
            case BlockCall():
                waiting += reversed(part.arguments.values())
            case Share():
                waiting.append(part.owner)
            case tuple():
                waiting += reversed(part)
            case Body():
                waiting += reversed((*part.entries, *part.outputs))
            case Splice():
                waiting += reversed((part.count, part.rows, part.when, *part.entries))
            case InitRule():
                waiting += [argument for _, given in part.tensors.values() for argument in given.values()]
            case ChosenCall():
                waiting += (*reversed(part.arguments), part.which)
