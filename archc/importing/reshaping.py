"""Changes of shape as layers: a chain of `flatten` and `unflatten`, or a channel shuffle that one of them ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from archc.importing.graph import Operation, Value
from archc.kinds import Shape

Layer = tuple[str, Mapping[str, Any]]
"""A layer type with its arguments."""


def reshaping(old: Shape, new: Shape) -> tuple[Layer, ...]:
    """The layers that give a tensor another shape, from the last axes on; shapes are without the batch."""
    steps: list[Layer] = []
    rank = len(old) + 1
    for (first, end), sizes in reversed(_groups(old, new)):
        if end - first > 1:
            ends = {"start_dim": 1 + first, "end_dim": -1 if end == rank - 1 else end}
            defaults = {"start_dim": 1, "end_dim": -1}
            steps.append(("flatten", {name: at for name, at in ends.items() if at != defaults[name]}))
            rank -= end - first - 1
        if len(sizes) > 1:
            steps.append(("unflatten", {"dim": 1 + first, "unflattened_size": sizes}))
            rank += len(sizes) - 1
    return tuple(steps)


def _groups(old: Shape, new: Shape) -> list[tuple[tuple[int, int], Shape]]:
    """The axes from one to another of an old shape, and the sizes that they become in a new one, as few as may be."""
    found: list[tuple[tuple[int, int], Shape]] = []
    i = j = 0
    while i < len(old) and j < len(new):
        start, begin = i, j
        i, j = i + 1, j + 1
        while (here := prod(old[start:i])) != (there := prod(new[begin:j])):
            i, j = (i + 1, j) if here < there else (i, j + 1)
        found.append(((start, i), new[begin:j]))
    if found:  # axes of length 1 are left
        (start, _), sizes = found[-1]
        found[-1] = (start, len(old)), (*sizes, *new[j:])
    return found


def shuffled(layer: Layer, value: Value, operations: Sequence[Operation]) -> tuple[Layer, Value]:
    """The layer and its input; a channel shuffle if it flattens two swapped axes that were made of the channels."""
    if layer != ("flatten", {"end_dim": 2}) or value.operation < 0:
        return layer, value
    swapped = operations[value.operation]
    if swapped.kind != "permute" or swapped.inputs[0].operation < 0:
        return layer, value
    parted = operations[swapped.inputs[0].operation]
    if parted.kind != "unflatten" or parted.arguments["dim"] != 1 or len(parted.arguments["unflattened_size"]) != 2:
        return layer, value
    if tuple(swapped.arguments["dims"]) != (0, 2, 1, *range(3, 1 + len(parted.shapes[0]))):
        return layer, value
    return ("channel_shuffle", {"groups": parted.arguments["unflattened_size"][0]}), parted.inputs[0]
