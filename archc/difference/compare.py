"""Comparison of two trees: which parts correspond, and what the report says about the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from archc.difference.align import Pair, align
from archc.difference.alike import Likeness
from archc.difference.change import ArgumentChange, Change
from archc.difference.tree import LEFT_OUT, Argument, Body, Part, as_written
from archc.difference.wiring import Inputs, Wiring


class Use(NamedTuple):
    """The location of a block, before and after."""

    before: str
    after: str


class Match(NamedTuple):
    """The paths of a layer that both networks have."""

    before: str
    after: str
    one: Part
    other: Part


@dataclass(slots=True, eq=False)
class Section:
    """The changes of one body: the network's own, or a block's, reported once for all its uses."""

    blocks: tuple[str, str] | None
    changes: tuple[Change, ...]
    uses: list[Use] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Comparison:
    """The result. `matches` are the layers that both have; `removed` and `added` are the paths of the others."""

    sections: list[Section]
    matches: list[Match]
    removed: list[tuple[str, Part]]
    added: list[tuple[str, Part]]


def compare(one: Body, other: Body, *, written_alike: bool = False) -> Comparison:
    """Compare two networks.

    Consequences of a reported change are not separate changes. This applies to the value of an expression over
    arguments, and with `written_alike` (both come from the same text) to everything.
    """
    comparer = _Comparer()
    whole = comparer.whole(one, other, reported=not written_alike)
    result = Comparison([], [], [], [])
    _unfold(whole, "", "", (), result, {})
    return result


# One body


@dataclass(slots=True, eq=False)
class _Inner:
    """The findings within one body and the nested bodies without a name; paths are relative to it."""

    one: Body
    other: Body
    changes: list[Change] = field(default_factory=list)
    matches: list[Match] = field(default_factory=list)
    removed: list[tuple[str, Part]] = field(default_factory=list)
    added: list[tuple[str, Part]] = field(default_factory=list)
    blocks: list[tuple[str, str, tuple[Change, ...], _Inner]] = field(default_factory=list)

    def take(self, below: _Inner) -> None:
        """Add the findings of a pair, except for its changes, which have an order."""
        self.matches += below.matches
        self.removed += below.removed
        self.added += below.added
        self.blocks += below.blocks


class _Comparer:
    def __init__(self) -> None:
        self.likeness = Likeness()
        self.known: dict[tuple[int, int, bool, Inputs], _Inner] = {}

    def whole(self, one: Body, other: Body, inputs: Inputs = None, *, reported: bool) -> _Inner:
        """Compare a network or a block; equal pairs are compared once."""
        key = (id(one), id(other), reported, inputs)
        if key not in self.known:
            self.known[key] = found = _Inner(one, other)
            self.bodies(one, other, "", "", found, reported, inputs)
        return self.known[key]

    def bodies(
        self, one: Body, other: Body, before: str, after: str, found: _Inner, reported: bool, inputs: Inputs
    ) -> None:
        pairs = align(one, other)
        wiring = Wiring(one, other, pairs, inputs)
        changes: list[tuple[float, Change]] = []  # with their positions among the parts of the second body
        both = {pair.one for pair in pairs}, {pair.other for pair in pairs}
        for i, part in enumerate(one.parts):
            if i not in both[0] and not _leaves_no_trace(i, one, other):
                found.removed.append((before + part.name, part))
                changes.append((wiring.place(i), Change(before + part.name, None, part, None)))
        for j, part in enumerate(other.parts):
            if j not in both[1] and not _leaves_no_trace(j, other, one):
                found.added.append((after + part.name, part))
                changes.append((j, Change(None, after + part.name, None, part)))
        for pair in pairs:
            below = _Inner(one, other)
            change = self.pair(one, other, pair, before, after, below, reported, wiring)
            changes += [(pair.other, inner) for inner in (*([change] if change else []), *below.changes)]
            found.take(below)
        reads = wiring.results()
        if reads is not None:
            changes.append((len(other.parts), Change(before[:-1], after[:-1], None, None, reads=reads)))
        if reported:
            found.changes += [change for _, change in sorted(changes, key=lambda placed: placed[0])]

    def pair(
        self, one: Body, other: Body, pair: Pair, before: str, after: str, found: _Inner, reported: bool, wiring: Wiring
    ) -> Change | None:
        a, b = one.parts[pair.one], other.parts[pair.other]
        paths = before + a.name, after + b.name
        moved = pair.moved and wiring.known and one.ordered and other.ordered
        arguments = (*_arguments(a, b), *_sharing(one, other, pair, wiring))
        change = Change(*paths, a, b, arguments, wiring.reads(pair), moved)
        if a.body is not None and b.body is not None:
            self.below(a, b, paths, found, reported, wiring.inputs(pair))
        elif change.replaced:
            found.removed.append((paths[0], a))
            found.added.append((paths[1], b))
        else:
            found.matches.append(Match(*paths, a, b))
        renamed = change.renamed and (wiring.known or not _may_be_a_function(a, other))
        says = change.arguments or change.reads or change.moved or renamed or change.replaced
        return change if says else None

    def below(self, a: Part, b: Part, paths: tuple[str, str], found: _Inner, reported: bool, inputs: Inputs) -> None:
        """Compare the content of two bodies: without a name within the same section, blocks in a separate one."""
        assert a.body is not None
        assert b.body is not None
        if not a.body.name or not b.body.name:
            self.bodies(a.body, b.body, f"{paths[0]}.", f"{paths[1]}.", found, reported, inputs)
            return
        blocks = a.body.block, b.body.block
        reported = reported and (None in blocks or not self.likeness.alike(*blocks))
        defaults = self.defaults(a, b) if reported else ()
        own = (Change("", "", a, b, defaults),) if defaults else ()
        found.blocks.append((*paths, own, self.whole(a.body, b.body, inputs, reported=reported)))

    def defaults(self, a: Part, b: Part) -> tuple[ArgumentChange, ...]:
        """The arguments of a block that neither use gives, and whose defaults differ."""
        assert a.body is not None
        assert b.body is not None
        one, other = a.body.block, b.body.block
        if one is None or other is None:
            return ()
        found = []
        for name, argument in a.arguments.items():
            after = b.arguments.get(name)
            if after is None or argument.written is not LEFT_OUT or after.written is not LEFT_OUT:
                continue
            defaults = one.parameters[name].default, other.parameters[name].default
            if argument.value != after.value and not self.likeness.alike(*defaults):
                old = Argument(argument.value, as_written(defaults[0], argument.value, a.body.scope))
                new = Argument(after.value, as_written(defaults[1], after.value, b.body.scope))
                found.append(ArgumentChange(name, old, new))
        return tuple(found)


def _arguments(a: Part, b: Part) -> tuple[ArgumentChange, ...]:
    """The arguments that differ, except for consequences of a reported change."""
    found = []
    if (a.body is None) == (b.body is None) and (a.body is not None or a.kind == b.kind):
        for name, before in a.arguments.items():
            after = b.arguments.get(name)
            if after is None or before.value == after.value:
                continue
            if before.written != after.written:  # the same expression: the value follows from a reported change
                found.append(ArgumentChange(name, before, after))
    if a.auxiliary != b.auxiliary and a.inputs is not None and b.inputs is not None:
        old, new = Argument(a.auxiliary, a.auxiliary), Argument(b.auxiliary, b.auxiliary)
        found.append(ArgumentChange("auxiliary", old, new))
    return tuple(found)


def _sharing(one: Body, other: Body, pair: Pair, wiring: Wiring) -> Iterator[ArgumentChange]:
    """The part whose weights a part uses, if it is another one than before."""
    before, after = one.parts[pair.one].shares, other.parts[pair.other].shares
    if wiring.known and (None if before is None else wiring.places.get(before, -1)) != after:
        names = [None if at is None else body.parts[at].name for body, at in ((one, before), (other, after))]
        old, new = (Argument(name, name) for name in names)
        yield ArgumentChange("share", old, new)


def _leaves_no_trace(at: int, here: Body, there: Body) -> bool:
    """Return True if a class doesn't show whether it has a part of the other network.

    The importer records no part that returns its input or that no output depends on, and writes some of the former.
    Whether the class has their weights is known from its state dict.
    """
    part = here.parts[at]
    without_effect = part.empty or at not in here.used
    return _may_be_a_function(part, there) or (without_effect and not (here.ordered and there.ordered))


def _may_be_a_function(part: Part, there: Body) -> bool:
    """Return True if only running both networks can show whether a part is missing.

    The wiring of a module is unknown: its `forward` may call functions, or use one ReLU three times. Its dropouts are
    reported, because they have no effect in inference.
    """
    if part.inputs is not None and there.results is not None:
        return False
    found = [layer for _, layer in leaves("", part)]
    if part.inputs is None and any(layer.layer is not None and layer.layer.role == "dropout" for layer in found):
        return False
    return not any(layer.tensors for layer in found)


# All bodies together


def _unfold(
    inner: _Inner,
    before: str,
    after: str,
    own: tuple[Change, ...],
    result: Comparison,
    sections: dict[tuple[Any, ...], Section],
) -> None:
    """Convert relative paths to full ones, and group equal changes of one block into one section."""
    changes = (*own, *inner.changes)
    if changes:
        blocks = (inner.one.name, inner.other.name) if before else None
        key = (blocks, tuple(change.key for change in changes))
        if key not in sections:
            sections[key] = Section(blocks, changes)
            result.sections.append(sections[key])
        sections[key].uses.append(Use(before[:-1], after[:-1]))
    result.matches += [m._replace(before=before + m.before, after=after + m.after) for m in inner.matches]
    result.removed += [leaf for path, part in inner.removed for leaf in leaves(before + path, part)]
    result.added += [leaf for path, part in inner.added for leaf in leaves(after + path, part)]
    for path_before, path_after, defaults, below in inner.blocks:
        _unfold(below, f"{before}{path_before}.", f"{after}{path_after}.", defaults, result, sections)


def leaves(path: str, part: Part) -> Iterator[tuple[str, Part]]:
    """The layers of a part, with their paths."""
    if part.body is None:
        yield path, part
        return
    for below in part.body.parts:
        yield from leaves(f"{path}.{below.name}", below)
