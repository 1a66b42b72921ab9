"""Networks that go down and up again, with a skip on each level: their drawing is a U."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from archc.drawing.layout.arrange import BEGIN, END, Plan
from archc.drawing.layout.piece import Point, Size2
from archc.drawing.layout.stack import GAP
from archc.drawing.layout.structure import Link

LEAST_SKIPS: Final = 2
"""So many skips within each other make a U."""
BETWEEN: Final = 90.0
"""From the way down to the way up."""


def u_shaped(sizes: Sequence[Size2], links: Sequence[Link]) -> Plan | None:
    """The drawing of a chain whose skips lie within each other; None for any other graph.

    The chain goes down on the left and up on the right. A skip runs across, from a node to the one at its height.
    """
    last = len(sizes) - 1
    chain = {(BEGIN, 0), (last, END), *((node, node + 1) for node in range(last))}
    skips = sorted(set(links) - chain)
    if not chain.issubset(links) or len(skips) < LEAST_SKIPS:
        return None
    for (source, target), (inner, back) in pairwise(skips):
        if not source < inner or not back < target:
            return None
    source, target = skips[-1]
    if source < 0 or skips[0][1] < 0 or target - source < 2:
        return None
    turn = (source + target) // 2  # the last node on the way down
    pairs = [*skips, (turn, turn + 1)] if turn + 1 < target else skips
    tops = _tops(sizes, pairs, turn)
    left = max(sizes[node].entry for node in range(turn + 1))
    reach = max(sizes[node].width - sizes[node].entry for node in range(turn + 1))
    right = left + reach + BETWEEN + max(sizes[node].entry for node in range(turn + 1, last + 1))
    axes = [left if node <= turn else right for node in range(last + 1)]
    places = {node: (axes[node] - sizes[node].entry, tops[node]) for node in range(last + 1)}
    width = right + max(sizes[node].width - sizes[node].entry for node in range(turn + 1, last + 1))
    height = max(top + sizes[node].height for node, (_, top) in places.items())
    lines: dict[Link, list[Point]] = {}
    for one, two in links:
        if one == BEGIN:
            lines[one, two] = [(left, 0.0), (left, tops[two])]
        elif two == END:
            lines[one, two] = [(right, tops[one]), (right, 0.0)]
        elif (one, two) in pairs:
            (x, y), (to_x, _) = places[one], places[two]
            middle = y + sizes[one].height / 2
            lines[one, two] = [(x + sizes[one].width, middle), (to_x, middle)]
        elif one == turn:  # around the corner
            x, middle = places[one][0] + sizes[one].width, tops[one] + sizes[one].height / 2
            lines[one, two] = [(x, middle), (right, middle), (right, tops[two] + sizes[two].height)]
        elif one < turn:
            lines[one, two] = [(left, tops[one] + sizes[one].height), (left, tops[two])]
        else:
            lines[one, two] = [(right, tops[one]), (right, tops[two] + sizes[two].height)]
    return Plan(width, height, left, right, places, lines, 0.0)


def _tops(sizes: Sequence[Size2], pairs: Sequence[Link], turn: int) -> list[float]:
    """The upper edges: the middles of each pair are at one height, and what lies between follows the way down or up."""
    middles: dict[int, float] = {}
    level = 0.0
    for place, (down, up) in enumerate(pairs):
        if place:
            before, after = pairs[place - 1]
            level += max(_distance(sizes, before, down), _distance(sizes, up, after))
        middles[down] = middles[up] = level
    first, end = pairs[0]
    for node in range(first):
        middles[node] = -_distance(sizes, node, first)
    for node in range(first + 1, turn + 1):
        if node not in middles:
            middles[node] = middles[node - 1] + _distance(sizes, node - 1, node)
    for node in reversed(range(pairs[-1][1] + 1, end)):
        if node not in middles:
            middles[node] = middles[node + 1] + _distance(sizes, node, node + 1)
    for node in range(end + 1, len(sizes)):
        middles[node] = middles[node - 1] - _distance(sizes, node - 1, node)
    tops = [middles[node] - sizes[node].height / 2 for node in range(len(sizes))]
    return [top - min(tops) for top in tops]


def _distance(sizes: Sequence[Size2], first: int, last: int) -> float:
    """From the middle of a node to that of a later one, with all between them stacked."""
    inner = sum(sizes[node].height + GAP for node in range(first + 1, last))
    return inner + GAP + (sizes[first].height + sizes[last].height) / 2
