"""Alignment of the parts of two bodies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from archc.difference.tree import Body, Part

_NAMESAKE: Final = 1000.0
_EQUAL: Final = 100.0
_ALIKE: Final = 10.0
"""The score for treating two parts as one, because they share a name, the structure, or the type."""

_LEAST_OVERLAP: Final = 0.5
"""Bodies with different names are the same if they share at least this fraction of their layers."""

_MOST_CELLS: Final = 100_000
"""Larger tables are split at equal parts."""

_MOST_EDITS: Final = 1000
"""The maximum number of parts between equal ones."""


class Pair(NamedTuple):
    """The positions of a part in the two bodies; `moved` if its order among the others changed."""

    one: int
    other: int
    moved: bool = False


def align(one: Body, other: Body) -> list[Pair]:
    """Pair the parts of two bodies, in the order of the first.

    Parts with the same name are a pair, except for numbers, which are only positions. The others are paired in order,
    so that as much as possible stays the same. If several pairings are equally good, the choice doesn't depend on the
    direction.
    """
    if _key(other) < _key(one):
        return sorted(Pair(b, a, moved) for a, b, moved in _align(other, one))
    return _align(one, other)


def _key(body: Body) -> list[tuple[str, str, str]]:
    return [(part.name, part.kind, str(part.values)) for part in body.parts]


def _align(one: Body, other: Body) -> list[Pair]:
    a, b = one.parts, other.parts
    names: dict[str, int] = {}
    if not one.numbered and not other.numbered:
        names = {part.name: i for i, part in enumerate(b) if not part.nameless}
    scores = _Scores(a, b, names)
    pairs = [Pair(i, j) for i, j in _in_order(a, b, scores)]
    taken = {pair.one for pair in pairs}
    moved = [
        Pair(i, names[part.name], True)
        for i, part in enumerate(a)
        if part.name in names and not part.nameless and i not in taken
    ]
    return sorted(pairs + moved)


class _Scores:
    """The score for pairing a part of one body with a part of the other; 0 if they don't correspond."""

    def __init__(self, a: Sequence[Part], b: Sequence[Part], names: dict[str, int]) -> None:
        self.a, self.b = a, b
        shared = {part.name for part in a if not part.nameless} & names.keys()
        self.named_a = [part.name if part.name in shared and not part.nameless else None for part in a]
        self.named_b = [part.name if part.name in shared and not part.nameless else None for part in b]
        self.digests_a = [part.digest for part in a]
        self.digests_b = [part.digest for part in b]
        self.numbered = not names

    def equal(self, i: int, j: int) -> bool:
        """Return True if two parts certainly correspond."""
        return self.named_a[i] == self.named_b[j] and self.digests_a[i] == self.digests_b[j]

    def of(self, i: int, j: int) -> float:
        """The score of two parts at their positions."""
        worth = self.structure(i, j)
        if self.named_a[i] is not None or self.named_b[j] is not None:
            return _NAMESAKE + worth if self.named_a[i] == self.named_b[j] else 0.0
        # Of several identical parts, prefer the one with the same number.
        return worth + _ALIKE / 2 if worth and self.a[i].name == self.b[j].name else worth

    def structure(self, i: int, j: int) -> float:
        """The score of two parts, regardless of their names."""
        one, other = self.a[i], self.b[j]
        if self.digests_a[i] == self.digests_b[j]:
            return _EQUAL
        if one.body is not None and other.body is not None:
            return self.bodies(one.body, other.body)
        if one.body is not None or other.body is not None:
            return 0.0
        if one.kind == other.kind:
            same = len(set(one.values) & set(other.values))
            return _ALIKE * (1 + same / (1 + len(one.values)))
        # Another activation at the same place is a change; elsewhere only the name shows that it is the same part.
        unnamed = self.numbered or (one.nameless and other.nameless)
        return _ALIKE / 4 if unnamed and _sort(one) == _sort(other) else 0.0

    def bodies(self, one: Body, other: Body) -> float:
        """The score of two bodies, based on their layers."""
        kinds = _overlap(one.kinds, other.kinds)
        share = _overlap(one.weighty, other.weighty) if one.weighty or other.weighty else kinds
        if one.name and one.name == other.name:
            return _ALIKE + (_EQUAL - 2 * _ALIKE) * share
        if self.numbered:
            share = max(share, kinds / 2)
            return (_EQUAL - 2 * _ALIKE) * share if share >= _LEAST_OVERLAP / 2 else 0.0
        return (_EQUAL - 2 * _ALIKE) * share if share >= _LEAST_OVERLAP else 0.0


def _sort(part: Part) -> str:
    """The file of a layer's kind: kinds from the same file do similar things."""
    return type(part.layer).__module__


def _overlap(one: Counter[Any], other: Counter[Any]) -> float:
    return 2 * (one & other).total() / max(1, one.total() + other.total())


def _in_order(a: Sequence[Part], b: Sequence[Part], scores: _Scores) -> list[tuple[int, int]]:
    """The pairs with the highest total score, in the order of both bodies."""
    start = 0
    while start < min(len(a), len(b)) and scores.equal(start, start):
        start += 1
    end = 0
    while end < min(len(a), len(b)) - start and scores.equal(len(a) - 1 - end, len(b) - 1 - end):
        end += 1
    head = [(i, i) for i in range(start)]
    tail = [(len(a) - i, len(b) - i) for i in range(end, 0, -1)]
    return head + _between(scores, start, len(a) - end, start, len(b) - end) + tail


def _between(scores: _Scores, a0: int, a1: int, b0: int, b1: int) -> list[tuple[int, int]]:
    if (a1 - a0) * (b1 - b0) <= _MOST_CELLS:
        return _table(scores, a0, a1, b0, b1)
    anchors = _common(scores, a0, a1, b0, b1)
    if anchors is None:  # long, with little in common: pair by position
        both = zip(range(a0, a1), range(b0, b1), strict=False)
        return [(i, j) for i, j in both if scores.of(i, j)]
    pairs: list[tuple[int, int]] = []
    i, j = a0, b0
    for x, y in [*anchors, (a1, b1)]:
        if (x - i) * (y - j) <= _MOST_CELLS:
            pairs += _table(scores, i, x, j, y)
        pairs += [(x, y)] * (x < a1)
        i, j = x + 1, y + 1
    return pairs


class _Stretch(NamedTuple):
    """Pairs (x, x - diagonal) for x from `start` to `end`, and the stretch before them."""

    before: _Stretch | None
    diagonal: int
    start: int
    end: int


def _common(scores: _Scores, a0: int, a1: int, b0: int, b1: int) -> list[tuple[int, int]] | None:
    """The longest common sequence of certain pairs; None if more than _MOST_EDITS parts are in between.

    Myers, 1986, https://doi.org/10.1007/BF01840446: the furthest point on each diagonal for a number of edits.
    """
    n, m = a1 - a0, b1 - b0
    reached: dict[int, tuple[int, _Stretch | None]] = {1: (0, None)}
    for edits in range(_MOST_EDITS + 1):
        for diagonal in range(-edits, edits + 1, 2):
            above, left = reached.get(diagonal + 1, (-1, None)), reached.get(diagonal - 1, (-1, None))
            down = diagonal == -edits or (diagonal != edits and left[0] < above[0])
            start, found = above if down else (left[0] + 1, left[1])
            x = start
            while x < n and x - diagonal < m and scores.equal(a0 + x, b0 + x - diagonal):
                x += 1
            if x > start:
                found = _Stretch(found, diagonal, start, x)
            reached[diagonal] = x, found
            if x >= n and x - diagonal >= m:
                return [(a0 + i, b0 + j) for i, j in _pairs(found)]
    return None


def _pairs(last: _Stretch | None) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    while last is not None:
        pairs += [(x, x - last.diagonal) for x in range(last.end - 1, last.start - 1, -1)]
        last = last.before
    return pairs[::-1]


def _table(scores: _Scores, a0: int, a1: int, b0: int, b1: int) -> list[tuple[int, int]]:
    """The best pairs of two stretches, by dynamic programming over their suffixes."""
    best = [[0.0] * (b1 - b0 + 1) for _ in range(a1 - a0 + 1)]
    for i in range(a1 - 1, a0 - 1, -1):
        row, below = best[i - a0], best[i - a0 + 1]
        for j in range(b1 - 1, b0 - 1, -1):
            value = scores.of(i, j)
            row[j - b0] = max(below[j - b0], row[j - b0 + 1], below[j - b0 + 1] + value if value else 0.0)
    pairs: list[tuple[int, int]] = []
    i, j = a0, b0
    while i < a1 and j < b1:
        here = best[i - a0][j - b0]
        value = scores.of(i, j)
        if value and here == best[i - a0 + 1][j - b0 + 1] + value:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif here == best[i - a0 + 1][j - b0]:
            i += 1
        else:
            j += 1
    return pairs
