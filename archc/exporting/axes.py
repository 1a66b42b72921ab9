"""The dynamic axes of an exported file, and the inputs for tracing and comparing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from archc.graph import Network
from archc.inference import Sizes
from archc.inference.sizes import resized
from archc.kinds.base import AXES
from archc.problems import Problem, SpecError, did_you_mean

BATCH = "batch"
Shapes = tuple[tuple[int, ...], ...]
"""One for each input."""


@dataclass(frozen=True, slots=True)
class Axes:
    """The names of the dynamic axes of each input by position, and input shapes (with the batch).

    `sample` are the shapes for tracing, and each of the `checks` those for a comparison.
    """

    positions: tuple[Mapping[int, str], ...]
    sample: Shapes
    checks: tuple[Shapes, ...]

    @property
    def lengths(self) -> list[str]:
        """The dynamic axes other than the batch."""
        return [name for name in self.positions[0].values() if name != BATCH]


def dynamic_axes(network: Network, names: Sequence[str]) -> Axes:
    """Look up axes by their names. Raises SpecError (E0505) if there is no such axis or its length can't change.

    Other axes than the batch are those of the first input, and of inputs with the same sizes, which change with it.
    """
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
    batched = {position: name for position, name in positions.items() if name == BATCH}
    lengths = [position - 1 for position in sorted(positions) if position]
    batch = 2 if 0 in positions else 1  # PyTorch treats an axis of length 1 as constant
    shapes = tuple(network.inputs.values())
    checks = [_batch(batch, shapes), _batch(3, shapes)] if 0 in positions else [_batch(1, shapes)]
    if lengths:
        checks.append(_batch(batch, resized(network, _other_size(network, lengths)[1:])))
    by_input: tuple[Mapping[int, str], ...] = tuple(positions if shape[1:] == size[1:] else batched for shape in shapes)
    return Axes(by_input, _batch(batch, shapes), tuple(checks))


def _batch(images: int, shapes: Shapes) -> Shapes:
    return tuple((images, *shape) for shape in shapes)


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
