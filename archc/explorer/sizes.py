"""Which input sizes the explorer's slider offers."""

from __future__ import annotations

from typing import Final

from archc.graph import Network, walk

LEAST_RANGE: Final = 256
"""The slider reaches at least so far, and to twice the declared height."""

MAX_COMPUTED: Final = 150_000
"""So many shapes are computed at most: a network with more different layers gets fewer sizes, further apart."""


def offered_sizes(network: Network, smallest: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Sizes such as (height, width) from one row on, in the declared proportions, with the declared size among them.

    A network that takes vectors has no sizes. The smallest legal size and the one below it are among them too, where it
    has these proportions.
    """
    _, *axes = network.input
    if not axes:
        return [()]
    height = axes[0]
    last = max(2 * height, LEAST_RANGE)
    different = len({(layer.kind, layer.node.in_shapes) for layer in walk(network.graph)})
    step = max(1, -(-last * different // MAX_COMPUTED))
    rows = {*range(step, last + 1, step), height, smallest[0], smallest[0] - 1} - {0}
    return [tuple(max(1, round(row * axis / height)) for axis in axes) for row in sorted(rows)]
