"""Makes different structures of one class equal: parts that only some instances have become optional ones.

Two instances of ResNet's `BasicBlock` differ in their `downsample`, two of MobileNet's `InvertedResidual` in their
first convolution and their shortcut. Both get the entries of both; those that an instance doesn't have are `absent`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from archc.importing.tree import Body, Entry, Layer, Share, Use
from archc.kinds import KINDS


class _Absent:
    """The value of an argument in a part that an instance doesn't have."""

    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = _Absent()

CONTAINERS: Final = frozenset({"", "ModuleDict", "ModuleList", "Sequential"})
"""Classes that say nothing about what is in them."""


class _Pair(NamedTuple):
    """An entry of two bodies: the position in each, or None; `inner` pairs the entries of bodies below.

    In the body number `empty` the entry is an identity, which is no part at all.
    """

    one: int | None
    other: int | None
    inner: tuple[_Pair, ...] = ()
    empty: int | None = None


class Instance(NamedTuple):
    """A body that may become a use of a block, and the entry that holds it."""

    entry: Entry
    body: Body


def merged(groups: Sequence[Sequence[Instance]]) -> list[list[Instance]]:
    """Groups of instances with one structure each, as fewer groups: bodies get the structure of their group."""
    done: list[list[Instance]] = []
    for group in sorted(groups, key=lambda group: -sum(1 for _ in _leaves(group[0].body))):
        for at, known in enumerate(done):
            bodies = _join([each.body for each in known], [each.body for each in group])
            if bodies is not None:
                entries = [each.entry for each in (*known, *group)]
                done[at] = [Instance(*pair) for pair in zip(entries, bodies, strict=True)]
                break
        else:
            done.append(list(group))
    return done


def _join(known: Sequence[Body], group: Sequence[Body]) -> list[Body] | None:
    """Both groups in one structure; None if there is none that serves both."""
    one, other = list(known), list(group)
    if _ends_with_shortcut(one[0]) != _ends_with_shortcut(other[0]):
        branches = [[_as_branches(body) for body in bodies] for bodies in (one, other)]
        if any(body is None for bodies in branches for body in bodies):
            return None
        one, other = ([body for body in bodies if body is not None] for bodies in branches)
    elif other[0].form != one[0].form:
        branched = [_as_branches(body) for body in other]
        if any(body is None for body in branched):
            return None
        other = [body for body in branched if body is not None]
    pairs = _pairs(one[0], other[0])
    if pairs is None or not _mostly_equal(pairs):
        return None
    for wiring in (0, 1):
        padded = [_padded(body, pairs, 0, other[0], wiring) for body in one]
        padded += [_padded(body, pairs, 1, one[0], wiring) for body in other]
        if all(_reads_the_same(old, new) for old, new in zip([*one, *other], padded, strict=True)):
            return padded
    return None


def _leaves(body: Body) -> Iterator[Entry]:
    for entry in body.entries:
        if isinstance(entry.element, Body):
            yield from _leaves(entry.element)
        else:
            yield entry


# Residual blocks with and without a shortcut


def _ends_with_shortcut(body: Body) -> bool:
    """Return True if a body's last entry adds its input; True for one that is written as branches already."""
    if body.form == "branches":
        return True
    last = body.entries[-1] if body.entries else None
    return (
        last is not None
        and isinstance(last.element, Layer)
        and last.element.kind is KINDS["add"]
        and (len(last.operands) == 2 and "input" in last.operands)
    )


def _as_branches(body: Body) -> Body | None:
    """A body as the branches `block` and `shortcut`, the latter absent if there is none; None if it has other parts."""
    if body.form == "branches":
        return body
    residual = _ends_with_shortcut(body)
    entries = body.entries[:-1] if residual else body.entries
    if not entries or entries[0].source or any(entry.operands or entry.source for entry in entries):
        return None
    first, *rest = entries
    if rest:
        inner = first.element
        plain = all(isinstance(entry.element, Layer) and not entry.element.kind.state for entry in rest)
        if not (isinstance(inner, Body) and inner.form == "list" and plain):
            return None
        start = len(inner.entries)
        more = [replace(entry, name=str(start + at)) for at, entry in enumerate(rest)]
        first = replace(first, element=replace(inner, entries=[*inner.entries, *more]))
    shortcut = Entry("shortcut", Layer(KINDS["identity"], {}), absent=not residual)
    return replace(body, form="branches", entries=[first, shortcut], join="add")


# Pairs


def _pairs(one: Body, other: Body) -> tuple[_Pair, ...] | None:
    """The entries of both bodies in one order, with as many pairs as possible, later ones first."""
    if one.form != other.form or one.outputs or other.outputs or list(one.inputs) != list(other.inputs):
        return None
    a, b = one.entries, other.entries
    named = one.form != "list"
    matches = [[_match(x, y, named) for y in b] for x in a]
    best = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]  # of what is before a position in each
    for i in range(len(a)):
        for j in range(len(b)):
            best[i + 1][j + 1] = max(best[i][j + 1], best[i + 1][j], best[i][j] + 1 if matches[i][j] is not None else 0)
    found: list[_Pair] = []
    i, j = len(a), len(b)
    while i or j:
        paired = matches[i - 1][j - 1] if i and j else None
        if paired is not None and best[i][j] == best[i - 1][j - 1] + 1:
            i, j = i - 1, j - 1
            found.append(paired._replace(one=i, other=j))
        elif i and (not j or best[i - 1][j] >= best[i][j - 1]):
            i -= 1
            found.append(_Pair(i, None))
        else:
            j -= 1
            found.append(_Pair(None, j))
    alone = (
        {a[pair.one].name for pair in found if pair.one is not None and pair.other is None},
        {b[pair.other].name for pair in found if pair.other is not None and pair.one is None},
    )
    return None if named and alone[0] & alone[1] else tuple(reversed(found))


def _match(one: Entry, other: Entry, named: bool) -> _Pair | None:
    """A pair of entries, without their positions; None if they can't be one."""
    if named and one.name != other.name:
        return None
    if isinstance(one.element, Body) and isinstance(other.element, Body):
        pairs = _pairs(one.element, other.element)
        return _Pair(None, None, pairs) if pairs is not None and _mostly_equal(pairs) else None
    if _what(one.element) == _what(other.element):
        return _Pair(None, None)
    if named and _is_identity(one) != _is_identity(other) and not (one.operands or other.operands):
        return _Pair(None, None, empty=0 if _is_identity(one) else 1)
    return None


def _is_identity(entry: Entry) -> bool:
    return isinstance(entry.element, Layer) and entry.element.kind is KINDS["identity"]


def _what(element: Layer | Use | Body | Share) -> Any:
    if isinstance(element, Share):
        return "share", element.owner
    if isinstance(element, Layer):
        return element.structure
    return element.block.name if isinstance(element, Use) else id(element)


def _mostly_equal(pairs: Sequence[_Pair]) -> bool:
    """Return True if more entries are in both bodies than in one alone."""
    both = sum(pair.one is not None and pair.other is not None for pair in pairs)
    return both * 2 >= len(pairs) and both > 0


def _padded(body: Body, pairs: Sequence[_Pair], side: int, other: Body, wiring: int) -> Body:
    """A body with the entries of both; those of the other body alone are absent.

    Entries that both have take the inputs that they have in the body number `wiring`.
    """
    own, others = explicit_inputs(body), explicit_inputs(other)
    entries: list[Entry] = []
    previous = "input"
    for at, pair in enumerate(pairs):
        mine, theirs = (pair.one, pair.other) if side == 0 else (pair.other, pair.one)
        if mine is None or pair.empty == side:
            assert theirs is not None
            entry = _without_values(other.entries[theirs])
        else:
            entry = body.entries[mine]
            if pair.inner and theirs is not None:
                beneath = other.entries[theirs].element
                assert isinstance(entry.element, Body)
                assert isinstance(beneath, Body)
                entry = replace(entry, element=_padded(entry.element, pair.inner, side, beneath, wiring))
        if body.form == "mapping":
            inputs = others[entry.name] if mine is None or (theirs is not None and wiring != side) else own[entry.name]
            if entry.operands:
                entry = replace(entry, operands=inputs)
            else:
                entry = replace(entry, source="" if inputs[0] == previous else inputs[0])
            previous = entry.name
        entries.append(replace(entry, name=str(at)) if body.form == "list" else entry)
    return replace(body, entries=entries)


def _without_values(entry: Entry) -> Entry:
    """A copy of an entry that an instance doesn't have."""

    def copied(element: Layer | Use | Body | Share) -> Layer | Use | Body | Share:
        if isinstance(element, Body):
            inner = [replace(each, element=copied(each.element)) for each in element.entries]
            return replace(element, entries=inner)
        return replace(element, arguments=dict.fromkeys(element.arguments, ABSENT))

    return replace(entry, element=copied(entry.element), absent=True)


# References


def explicit_inputs(body: Body) -> dict[str, tuple[str, ...]]:
    """The names that each entry takes, with those that follow from the order."""
    found: dict[str, tuple[str, ...]] = {}
    previous = "input"
    for entry in body.entries:
        found[entry.name] = entry.operands or (entry.source or previous,)
        previous = "input" if body.form == "branches" else entry.name
    return found


def _reads_the_same(before: Body, after: Body) -> bool:
    """Return True if each entry of an instance takes the same values once those that are absent are left out."""
    if before.form == "list" or after.form == "branches":
        return True  # a chain
    inputs, old = explicit_inputs(after), explicit_inputs(before)
    absent = {entry.name for entry in after.entries if entry.absent}

    def resolved(name: str, inputs: dict[str, tuple[str, ...]]) -> str:
        base, dot, part = name.partition(".")
        while base in absent:
            if dot or len(inputs.get(base, ())) != 1:
                return ""
            base, dot, part = inputs[base][0].partition(".")
        return f"{base}{dot}{part}"

    return resolved(after.entries[-1].name, inputs) == resolved(before.entries[-1].name, old) and all(
        [resolved(name, inputs) for name in inputs[entry.name]] == [resolved(name, old) for name in old[entry.name]]
        for entry in after.entries
        if not entry.absent
    )
