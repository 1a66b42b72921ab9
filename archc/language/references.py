"""References in unevaluated bodies: of unused blocks, and of entries that `when` omits.

Evaluation follows the other references. Errors in unevaluated bodies would only appear when they are used, so their
names are checked here, except names with expressions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from archc.language.spec import Body, Entry, LayerCall, Name, Reference, Share, Spec, Splice
from archc.limits import MAX_BLOCK_DEPTH


@dataclass(slots=True)
class _Names:
    """The entries of a body so far, and those of enclosing bodies."""

    outer: _Names | None = None
    plain: dict[str, None] = field(default_factory=dict)
    beginnings: set[str] = field(default_factory=set)  # of names with expressions

    def add(self, name: Name | None) -> None:
        if name is None:
            return
        if all(isinstance(part, str) for part in name.parts):
            self.plain[name.text] = None
        else:
            self.beginnings.add(name.parts[0] if isinstance(name.parts[0], str) else "")

    def __contains__(self, name: str) -> bool:
        if name == "input" or name in self.plain:
            return True
        if self.beginnings and any(name[:length] in self.beginnings for length in range(len(name) + 1)):
            return True
        return self.outer is not None and name in self.outer

    def known(self) -> Iterator[str]:
        """All known names, except those with expressions."""
        yield from self.plain
        if self.outer is not None:
            yield from self.outer.known()


def lost_references(spec: Spec) -> Iterator[tuple[Reference, Iterable[str]]]:
    """The references of a spec and its blocks that are wrong for all conditions, with the names known there."""
    for body in (spec.body, *(block.body for block in spec.blocks.values())):
        if body is not None:
            for reference, names in _lost(body, None, 0):
                yield reference, chain(["input"], names.known())


_Lost = Iterator[tuple[Reference, _Names]]


def _lost(body: Body, outer: _Names | None, depth: int) -> _Lost:
    names = _Names(outer, dict.fromkeys(body.inputs))
    yield from _entries(body, body.entries, names, depth)
    yield from _unknown(_sources(body.outputs), names)


def _sources(outputs: tuple[Entry | Splice, ...]) -> Iterator[Reference]:
    """The entries that outputs name."""
    for output in outputs:
        if isinstance(output, Splice):
            yield from _sources(output.entries)
        else:
            yield from output.sources


def _unknown(references: Iterable[Reference], names: _Names) -> _Lost:
    for reference in references:
        if reference.template is None and reference.name not in names:
            yield reference, names


def _entries(body: Body, entries: tuple[Entry | Splice, ...], names: _Names, depth: int) -> _Lost:
    for entry in entries:
        if isinstance(entry, Splice):
            if not entry.entries:
                names.beginnings.add("")  # a loop with an error: its entries may have any names
            for name in _names(entry):  # an iteration may read the previous one
                names.add(name)
            yield from _entries(body, entry.entries, names, depth)
            continue
        element = entry.element
        if body.form != "list":  # `from` in a list is reported separately
            yield from _unknown(entry.sources, names)
        if isinstance(element, LayerCall):
            yield from _unknown(element.operands, names)
        if isinstance(element, Share):
            yield from _unknown([element.owner], names)
        if isinstance(element, Body) and depth < MAX_BLOCK_DEPTH:
            yield from _lost(element, names, depth + 1)
        names.add(entry.name)


def reads(body: Body, name: str) -> bool:
    """Return True if something in a body may read a declared input; a reference with an index may name any."""
    first = name == next(iter(body.inputs))
    if first and (body.form == "branches" or _takes_input(body.entries)):
        return True
    return any(
        reference.template is not None or reference.name == name or (first and reference.name == "input")
        for reference in mentioned(body)
    )


def _takes_input(entries: tuple[Entry | Splice, ...]) -> bool:
    """Return True if the input of a chain flows into an entry. Loops can be empty, and heads pass nothing on."""
    for entry in entries:
        if isinstance(entry, Splice):
            if _takes_input(entry.entries):
                return True
            continue
        if not (entry.sources or (isinstance(entry.element, LayerCall) and entry.element.operands)):
            return True
        if not entry.auxiliary:
            return False
    return True


def mentioned(body: Body) -> Iterator[Reference]:
    """Every reference in a body and in those nested in it."""
    yield from _sources(body.outputs)
    waiting = list(body.entries)
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, Splice):
            waiting += entry.entries
            continue
        yield from entry.sources
        if isinstance(entry.element, LayerCall):
            yield from entry.element.operands
        elif isinstance(entry.element, Body):
            yield from mentioned(entry.element)


def _names(splice: Splice) -> Iterator[Name | None]:
    for entry in splice.entries:
        if isinstance(entry, Splice):
            yield from _names(entry)
        else:
            yield entry.name
