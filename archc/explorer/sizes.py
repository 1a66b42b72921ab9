"""Which input sizes the explorer's slider offers."""

from __future__ import annotations

from typing import Final

from archc.graph import Network, walk

LEAST_RANGE: Final = 256
"""The slider reaches at least so far, and to twice the declared height."""

MAX_COMPUTED: Final = 150_000
"""So many shapes are computed at most: a network with more different layers gets fewer sizes, further apart."""


def offered_sizes(network: Network, smallest: tuple[int, int]) -> list[tuple[int, int]]:
    """(height, width) from one row on, in the declared proportions, with the declared size among them.

    The smallest legal size and the one below it are among them too, where it has these proportions.
    """
    _, height, width = network.input
    last = max(2 * height, LEAST_RANGE)
    different = len({(layer.kind, layer.node.in_shapes) for layer in walk(network.graph)})
    step = max(1, -(-last * different // MAX_COMPUTED))
    rows = {*range(step, last + 1, step), height, smallest[0], smallest[0] - 1} - {0}
    return [(row, width if row == height else max(1, round(row * width / height))) for row in sorted(rows)]
