"""The input sizes of the explorer's slider."""

from __future__ import annotations

from typing import Final

from archc.graph import Network, walk

LEAST_RANGE: Final = 256
"""The slider reaches at least this size, and twice the declared height."""

MAX_COMPUTED: Final = 150_000
"""The maximum number of shapes to compute: a network with more different layers gets fewer sizes, further apart."""


def offered_sizes(network: Network, smallest: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Sizes such as (height, width) in the declared proportions, starting with one row and including the declared size.

    A network that takes vectors has no sizes. The smallest valid size and the one below it are included if they have
    these proportions.
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
