"""Comparison of wiring: whether corresponding parts read the same tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from archc.difference.align import Pair
from archc.difference.tree import Body, Part
from archc.graph import INPUT, Ref

Token = tuple[Any, ...]
"""A tensor that both bodies have: an input, or an output of a pair, numbered as in the first body."""

Names = tuple[str, ...]

Inputs = tuple[tuple[Token, ...], tuple[Token, ...]] | None
"""The tensors of the inputs of two bodies; equal ones have equal tokens. None if they correspond by position."""


def _own_input(i: int) -> Token:
    """The token of an input that is itself in both bodies."""
    return ("input", i)


class Wiring:
    """The tensors of two bodies, as far as they correspond.

    Parts that were added, removed or moved are skipped: a part that reads an added part reads the same tensor as
    before.
    """

    def __init__(self, one: Body, other: Body, pairs: list[Pair], inputs: Inputs) -> None:
        self.one, self.other = one, other
        self.nested = inputs is not None
        self.pairs = pairs
        self.input_a: Callable[[int], Token] = inputs[0].__getitem__ if inputs else _own_input
        self.input_b: Callable[[int], Token] = inputs[1].__getitem__ if inputs else _own_input
        self.known = one.results is not None and other.results is not None
        self.places = {pair.one: pair.other for pair in pairs}
        self.last = [-1]  # for each part of the first body, the position of the last pair before it
        for i in range(len(one.parts)):
            self.last.append(self.places.get(i, self.last[-1]))
        self.names_a = {pair.one: pair.one for pair in pairs}
        self.names_b = {pair.other: pair.one for pair in pairs}
        still = [pair for pair in pairs if not pair.moved]
        if self.known:
            self.roots_a = self._roots(one, {pair.one: pair.one for pair in still}, self.input_a)
            self.roots_b = self._roots(other, {pair.other: pair.one for pair in still}, self.input_b)

    def place(self, gone: int) -> float:
        """The position that a removed part would have among the parts of the second body."""
        return self.last[gone] + 0.5

    def reads(self, pair: Pair) -> tuple[Names, Names] | None:
        """The names of a pair's inputs, before and after, if they differ."""
        if not self.known:
            return None
        one, other = self.one.parts[pair.one], self.other.parts[pair.other]
        assert one.inputs is not None
        assert other.inputs is not None
        count = self._by_position(one, other)
        a, b = one.inputs[:count], other.inputs[:count]
        return None if self._same(a, b) else (self._shown(self.one, a), self._shown(self.other, b))

    def _by_position(self, one: Part, other: Part) -> int | None:
        """The number of inputs of a pair that correspond by their positions, from the first on; None for all.

        All inputs of layers and of blocks do. Of other bodies the first one does; further ones are compared where they
        are read. The order of several inputs means nothing if the importer chose it.
        """
        if one.body is None and other.body is None:
            return None
        if not (self.one.ordered and self.other.ordered):
            return 1 if len(one.inputs or ()) == len(other.inputs or ()) == 1 else 0
        blocks = one.body is not None and other.body is not None and one.body.name and other.body.name
        return None if blocks else 1

    def results(self) -> tuple[Names, Names] | None:
        """The names of the bodies' results, before and after, if they differ."""
        if not self.known:
            return None
        assert self.one.results is not None
        assert self.other.results is not None
        a, b = self.one.results, self.other.results
        if self.nested and not (self.one.ordered and self.other.ordered):
            a, b = ({name: each[name] for name in a if name in b} for each in (a, b))  # others may be unused
        if list(a) == list(b) and all(self._same((a[name],), (b[name],)) for name in a):
            return None
        return _outputs(self.one, a), _outputs(self.other, b)

    def inputs(self, pair: Pair) -> Inputs:
        """The inputs of two bodies; two of them may be the same tensor."""
        parts = self.one.parts[pair.one], self.other.parts[pair.other]
        one, other = parts[0].inputs, parts[1].inputs
        if one is None or other is None or not self.known or self._by_position(*parts) is None:
            return None
        changed = self.reads(pair) is not None

        def same(i: int, j: int) -> bool:
            # A change of the first input is reported for the bodies themselves.
            return i == j if changed and not (i and j) else self._same((one[i],), (other[j],))

        matches_b = [next((i for i in range(len(one)) if same(i, j)), None) for j in range(len(other))]
        tokens_b = [("new input", j) if i is None else _own_input(i) for j, i in enumerate(matches_b)]
        matches_a = [next((j for j in range(len(other)) if same(i, j)), None) for i in range(len(one))]
        tokens_a = [_own_input(i) if j is None else tokens_b[j] for i, j in enumerate(matches_a)]
        return tuple(tokens_a), tuple(tokens_b)

    # Values

    def _roots(
        self, body: Body, still: dict[int, int], input: Callable[[int], Token]
    ) -> Callable[[Ref], frozenset[Token]]:
        behind: list[frozenset[Token]] = []

        def of(ref: Ref) -> frozenset[Token]:
            ref = body.origin(ref)
            if ref.node < 0:
                return frozenset({input(INPUT - ref.node)})
            return frozenset({(still[ref.node], ref.output)}) if ref.node in still else behind[ref.node]

        for part in body.parts:
            # Parts that both networks have aren't skipped.
            here = len(behind) not in still
            behind.append(frozenset().union(*map(of, part.inputs or ())) if here else frozenset())
        return of

    def _tokens(
        self, body: Body, refs: Iterable[Ref], names: dict[int, int], input: Callable[[int], Token]
    ) -> list[Token | None]:
        return [
            input(INPUT - ref.node) if ref.node < 0 else (names[ref.node], ref.output) if ref.node in names else None
            for ref in map(body.origin, refs)
        ]

    def _same(self, a: tuple[Ref, ...], b: tuple[Ref, ...]) -> bool:
        tokens_a = self._tokens(self.one, a, self.names_a, self.input_a)
        tokens_b = self._tokens(self.other, b, self.names_b, self.input_b)
        if tokens_a == tokens_b and None not in tokens_a:
            return True
        if len(a) == len(b):
            return all(
                (x is not None and x == y) or bool(self.roots_a(u) & self.roots_b(v))
                for x, y, u, v in zip(tokens_a, tokens_b, a, b, strict=True)
            )
        return [token for token in tokens_a if token] == [token for token in tokens_b if token]

    def _shown(self, body: Body, refs: tuple[Ref, ...]) -> Names:
        return tuple(_name(body, ref) for ref in refs)


def _name(body: Body, ref: Ref) -> str:
    if ref.node < 0:
        return "input" if ref.node == INPUT else "an outer value"
    name = body.parts[ref.node].name
    return name if ref.output is None else f"{name}.{ref.output}"


def _outputs(body: Body, results: dict[str | None, Ref]) -> Names:
    named = ((name, _name(body, ref)) for name, ref in results.items())
    return tuple(f"{name} = {value}" if name not in (None, value) else value for name, value in named)
