"""Numbers for many input sizes, compressed with run lengths.

A number that depends on the input size is a list of integers, one per size. Divided by their common factor, the lists
of a whole network have few different values: its 28×28 feature maps of 32 and of 192 channels grow in the same way. So
a number is stored as [factor, curve], and a curve as `value, count, value, count, …`.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from math import gcd

from archc.inference.scan import Scanned, Series

Figure = list[int]
"""[factor, index of the curve]."""


class SeriesTable:
    """The distinct curves of a page, and the distinct shapes made of them."""

    def __init__(self) -> None:
        self.curves: list[list[int]] = []
        self.shapes: list[list[Figure]] = []
        self._curves: dict[tuple[int, ...], int] = {}
        self._shapes: dict[int, tuple[int, Series]] = {}
        self._macs: dict[int, tuple[Figure | int, Scanned]] = {}

    def figure(self, values: Iterable[int]) -> Figure:
        """A compressed number; its value is 0 at sizes where it doesn't exist."""
        known = tuple(values)
        factor = gcd(*known) or 1
        curve = known if factor == 1 else tuple(value // factor for value in known)
        number = self._curves.setdefault(curve, len(self.curves))
        if number == len(self.curves):
            self.curves.append(run_lengths(curve))
        return [factor, number]

    def macs(self, found: Scanned) -> Figure | int:
        """The multiply-adds of a layer over the sizes; 0 if it never has any."""
        seen = self._macs.get(id(found))
        if seen is None:
            seen = self._macs[id(found)] = (self.figure(found.macs) if any(found.macs) else 0, found)
        return seen[0]

    def shape(self, series: Series) -> int:
        """The index of a shape over the sizes; [] if it never exists."""
        seen = self._shapes.get(id(series))
        if seen is None:
            rank = max((len(shape) for shape in series if shape is not None), default=0)
            axes = (tuple(0 if shape is None else int(shape[axis]) for shape in series) for axis in range(rank))
            seen = self._shapes[id(series)] = (len(self.shapes), series)  # the reference keeps the id unique
            self.shapes.append([self.figure(axis) for axis in axes])
        return seen[0]


def run_lengths(values: Iterable[int]) -> list[int]:
    """Run-length encoding: `value, count, value, count, …`."""
    return [part for value, run in groupby(values) for part in (value, sum(1 for _ in run))]
