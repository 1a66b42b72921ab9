"""Folding of equal neighbors into one box (`×3`), and a limit on the number of boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from archc.drawing.model import BEGIN, Size

MOST_UNITS: Final = 160
"""A body shows at most this many boxes; one box replaces the middle of a longer body."""

MOST_PERIOD: Final = 12
"""The longest sequence of boxes that is searched for repetitions."""


class Wire(NamedTuple):
    """A tensor that a box reads.

    It has the source box (or BEGIN), the output of the source, the shape, and the input of the reader.
    """

    source: int
    output: str | None
    shape: Size
    slot: int = 0


class Run(NamedTuple):
    """`times` repetitions of `period` boxes, starting at the box `start`.

    The boxes of a `hidden` run are only counted.
    """

    start: int
    period: int
    times: int
    hidden: bool = False

    @property
    def end(self) -> int:
        """The index of the first box after the run."""
        return self.start + self.period * self.times


def fold(contents: Sequence[Any], wires: Sequence[Sequence[Wire]], ends: Sequence[Wire]) -> list[Run]:
    """Group the boxes into runs, in order.

    The repetitions of a run are equal, and only the last box is read from outside.
    """
    readers: list[list[int]] = [[] for _ in contents]
    for reader, inputs in enumerate(wires):
        for wire in inputs:
            if wire.source != BEGIN:
                readers[wire.source].append(reader)
    for wire in ends:
        if wire.source != BEGIN:
            readers[wire.source].append(len(contents))
    runs: list[Run] = []
    start = 0
    while start < len(contents):
        run = Run(start, 1, 1)
        for period in range(1, min(MOST_PERIOD, (len(contents) - start) // 2) + 1):
            times = _turns(start, period, contents, wires, readers)
            if times >= (2 if period == 1 else 3):
                run = Run(start, period, times)
                break
        runs.append(run)
        start = run.end
    return runs


def elide(runs: list[Run], most: int) -> list[Run]:
    """The runs, with one hidden run in place of the middle ones if there are more than `most`."""
    if len(runs) <= most:
        return runs
    head, tail = runs[: most // 2], runs[len(runs) - most // 2 :]
    hidden = Run(head[-1].end, tail[0].start - head[-1].end, 1, hidden=True)
    return [*head, hidden, *tail]


def _turns(
    start: int, period: int, contents: Sequence[Any], wires: Sequence[Sequence[Wire]], readers: Sequence[Sequence[int]]
) -> int:
    """The number of times that the boxes from `start` on repeat."""
    if contents[start] != contents[start + period] or not _closed(start, period, wires, readers):
        return 1
    first = [_relative(start + place, start, wires) for place in range(period)]
    times = 1
    begin = start + period
    while begin + period <= len(contents):
        last = begin - 1
        for place in range(period):
            here = begin + place
            if contents[here] != contents[start + place] or _relative(here, begin, wires) != first[place]:
                return times
            if any(begin > wire.source != last for wire in wires[here]):
                return times
        if any(not begin <= reader < begin + period for reader in readers[last]):
            return times
        if not _closed(begin, period, wires, readers):
            return times
        times += 1
        begin += period
    return times


def _closed(begin: int, period: int, wires: Sequence[Sequence[Wire]], readers: Sequence[Sequence[int]]) -> bool:
    """Return True if one tensor enters these boxes and only the last box is read from outside."""
    end = begin + period
    entering = {wire[:2] for place in range(begin, end) for wire in wires[place] if wire.source < begin}
    leaving = any(reader >= end for place in range(begin, end - 1) for reader in readers[place])
    return len(entering) == 1 and not leaving


def _relative(box: int, begin: int, wires: Sequence[Sequence[Wire]]) -> list[tuple[int | None, str | None]]:
    """The inputs of a box, relative to the first box of its repetition; None for an input from outside."""
    return [(None, None) if w.source < begin else (w.source - begin, w.output) for w in wires[box]]
