"""Where a long chain goes on in the next column."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, inf
from typing import Final

EXACT: Final = 300
"""Rows up to which the best breaks are looked for; longer chains are cut evenly."""


def split(heights: Sequence[float], gap: float, breaks: Sequence[float], room: float) -> list[range]:
    """The rows in as many columns as `room` asks for, of about the same height.

    `breaks` are the costs of beginning a column with a row; a column twice as high as the mean costs 1.
    """
    total = sum(heights) + gap * max(len(heights) - 1, 0)
    if total <= room:
        return [range(len(heights))]
    # The highest row is the least height that columns can have: no more of them than it fills.
    count = min(ceil(total / max(room, *heights)), len(heights))
    if count == 1:
        return [range(len(heights))]
    mean = (total - gap * (count - 1)) / count
    if len(heights) > EXACT:
        return _evenly(heights, gap, mean)
    starts = [0.0]
    for height in heights:
        starts.append(starts[-1] + height + gap)
    costs = [0.0] + [inf] * len(heights)
    begins: list[list[int]] = []
    for column in range(count):
        before, costs = costs, [inf] * (len(heights) + 1)
        begins.append([0] * (len(heights) + 1))
        for end in range(column + 1, len(heights) + 1):
            for start in range(column, end):
                height = starts[end] - starts[start] - gap
                cost = before[start] + (height / mean - 1) ** 2 + (breaks[start] if start else 0.0)
                if cost < costs[end]:
                    costs[end], begins[column][end] = cost, start
    columns: list[range] = []
    end = len(heights)
    for column in reversed(range(count)):
        columns.append(range(begins[column][end], end))
        end = begins[column][end]
    return columns[::-1]


def _evenly(heights: Sequence[float], gap: float, mean: float) -> list[range]:
    columns: list[range] = []
    start, height = 0, 0.0
    for place, one in enumerate(heights):
        if place > start and height + one > mean:
            columns.append(range(start, place))
            start, height = place, 0.0
        height += one + gap
    return [*columns, range(start, len(heights))]
