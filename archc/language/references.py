"""References in bodies that are not entered: of blocks without a use, and of entries that `when` leaves out.

Evaluation follows the references of what is there. The rest would fail only when somebody makes use of it, so the
names alone are looked at here; one that carries an index is left to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from archc.language.spec import Body, Entry, LayerCall, Name, Reference, Spec, Splice
from archc.limits import MAX_BLOCK_DEPTH


@dataclass(slots=True)
class _Names:
    """The entries of a body that were met so far, and those of the bodies around it."""

    outer: _Names | None = None
    plain: dict[str, None] = field(default_factory=dict)
    beginnings: set[str] = field(default_factory=set)  # of names that carry an index

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
        """All that can be named, but for what carries an index."""
        yield from self.plain
        if self.outer is not None:
            yield from self.outer.known()


def lost_references(spec: Spec) -> Iterator[tuple[Reference, Iterable[str]]]:
    """The references of a spec and its blocks that lead nowhere whatever is present, with the names known there."""
    for body in (spec.body, *(block.body for block in spec.blocks.values())):
        if body is not None:
            for reference, names in _lost(body, None, 0):
                yield reference, chain(["input"], names.known())


_Lost = Iterator[tuple[Reference, _Names]]


def _lost(body: Body, outer: _Names | None, depth: int) -> _Lost:
    names = _Names(outer)
    yield from _entries(body, body.entries, names, depth)
    yield from _unknown(_sources(body.outputs), names)


def _sources(outputs: tuple[Entry | Splice, ...]) -> Iterator[Reference]:
    for output in outputs:
        if isinstance(output, Splice):
            yield from _sources(output.entries)
        elif output.source is not None:
            yield output.source


def _unknown(references: Iterable[Reference], names: _Names) -> _Lost:
    for reference in references:
        if reference.template is None and reference.name not in names:
            yield reference, names


def _entries(body: Body, entries: tuple[Entry | Splice, ...], names: _Names, depth: int) -> _Lost:
    for entry in entries:
        if isinstance(entry, Splice):
            for name in _names(entry):  # a turn may read the turn before it
                names.add(name)
            yield from _entries(body, entry.entries, names, depth)
            continue
        element, source = entry.element, entry.source
        if source is not None and body.form != "list":  # in a list it is a fault of its own
            yield from _unknown((source,), names)
        if isinstance(element, LayerCall):
            yield from _unknown(element.operands, names)
        if isinstance(element, Body) and depth < MAX_BLOCK_DEPTH:
            yield from _lost(element, names, depth + 1)
        names.add(entry.name)


def _names(splice: Splice) -> Iterator[Name | None]:
    for entry in splice.entries:
        if isinstance(entry, Splice):
            yield from _names(entry)
        else:
            yield entry.name
