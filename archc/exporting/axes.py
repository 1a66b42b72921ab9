"""The dynamic axes of an exported file, and the inputs for tracing and comparing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from archc.graph import Network
from archc.inference import Sizes
from archc.kinds.base import AXES
from archc.problems import Problem, SpecError, did_you_mean

BATCH = "batch"


@dataclass(frozen=True, slots=True)
class Axes:
    """The names of the dynamic axes by position, and the input shapes (with the batch) for tracing and comparing."""

    positions: Mapping[int, str]
    sample: tuple[int, ...]
    checks: tuple[tuple[int, ...], ...]

    @property
    def lengths(self) -> list[str]:
        """The dynamic axes other than the batch."""
        return [name for name in self.positions.values() if name != BATCH]


def dynamic_axes(network: Network, names: Sequence[str]) -> Axes:
    """Look up axes by their names. Raises SpecError (E0505) if there is no such axis or its length can't change."""
    size = network.input
    known = (BATCH, "", *AXES.get(len(size) - 1, ()))
    file = network.spec.source.name
    for name in names:
        if not name or name not in known:
            listed = [word for word in known if word]
            help = did_you_mean(name, listed) or f"use {', '.join(listed)}"
            raise SpecError(
                [Problem("E0505", f"the input of {network.spec.name} has no axis `{name}`", help=help, file=file)]
            )
    positions = {known.index(name): name for name in names}
    lengths = [position - 1 for position in sorted(positions) if position]
    batch = 2 if 0 in positions else 1  # PyTorch treats an axis of length 1 as constant
    checks = [(batch, *size), (3, *size)] if 0 in positions else [(1, *size)]
    if lengths:
        checks.append((batch, *_other_size(network, lengths)))
    return Axes(positions, (batch, *size), tuple(checks))


def _other_size(network: Network, axes: Sequence[int]) -> tuple[int, ...]:
    """An input size at which the network runs, with other lengths of these axes. Raises SpecError (E0505)."""
    sizes = Sizes(network)
    declared = network.input
    changes: tuple[Callable[[int], int], ...] = (
        lambda length: length + 32,
        lambda length: 2 * length,
        lambda length: length + 1,
        lambda length: length // 2,
        lambda length: length - 1,
    )
    for change in changes:
        other = tuple(change(length) if axis in axes else length for axis, length in enumerate(declared))
        if all(other) and other != declared and sizes.legal(*other[1:]):
            return other
    what = f"{network.spec.name} runs at its declared input size only, so no axis but the batch can be dynamic"
    help = "put a global pool before the `flatten`"
    raise SpecError([Problem("E0505", what, help=help, file=network.spec.source.name)])
