"""Between two layers: at which height each line goes sideways, so that few lines cross and none lies on another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

CLOSE: Final = 8.0
"""Lines that are nearer to each other look like one."""
MOST: Final = 40
"""Lines up to which the best order is looked for; more have a track each."""
OVERLAP: Final = 1000
"""What a line on another costs, in crossings."""


class Net(NamedTuple):
    """The line of a source: it comes down at `top` and goes on down at each of `bottoms`."""

    source: int
    top: float
    bottoms: Sequence[float]

    @property
    def span(self) -> tuple[float, float]:
        """From its leftmost to its rightmost point."""
        return min(self.top, *self.bottoms), max(self.top, *self.bottoms)


def tracks(nets: Sequence[Net]) -> dict[int, int]:
    """The track of each source, 0 the uppermost; straight lines need none."""
    sideways = [net for net in nets if any(bottom != net.top for bottom in net.bottoms)]
    if len(sideways) > MOST:
        return {net.source: track for track, net in enumerate(sideways)}
    found: dict[int, int] = {}
    placed: list[Net] = []
    for net in _ordered(sideways):
        left, right = net.span
        meeting = [found[o.source] for o in placed if o.span[0] < right + CLOSE and left < o.span[1] + CLOSE]
        found[net.source] = max(meeting, default=-1) + 1
        placed.append(net)
    return found


def _ordered(nets: list[Net]) -> list[Net]:
    """From top to bottom: each is put where it costs least among those before it."""
    order: list[Net] = []
    for net in nets:
        above = sum(_cost(net, other) for other in order)
        least, best = above, 0
        for place, other in enumerate(order, 1):
            above += _cost(other, net) - _cost(net, other)
            if above < least:
                least, best = above, place
        order.insert(best, net)
    return order


def _cost(upper: Net, lower: Net) -> int:
    """Crossings of two lines, one above the other, and parts in which they are one."""
    (left, right), (other_left, other_right) = upper.span, lower.span
    count = int(left < lower.top < right)
    for bottom in upper.bottoms:
        count += other_left < bottom < other_right
        count += OVERLAP * (abs(bottom - lower.top) < CLOSE)
    return count
