"""The axes of a tensor as arguments.

They have PyTorch's numbers: 0 is the batch, which stays where it is, and negative numbers count from the last axis.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from archc.kinds.base import Fault, Shape, form
from archc.kinds.types import integer

MOST_AXES = 8
"""Axes of a tensor, the batch among them."""


def axis_of(value: Any) -> int:
    """The value, if it is an axis after the batch. Raises PydanticCustomError."""
    if value == 0 and type(value) is int:
        raise PydanticCustomError("batch_axis", "axis 0 is the batch, which every layer keeps; axis 1 comes after it")
    return integer(value, -MOST_AXES + 1, MOST_AXES - 1)


Axis = Annotated[int, PlainValidator(axis_of), WithJsonSchema({"type": "integer", "not": {"const": 0}})]
"""An axis of a tensor: 1 is the first after the batch, -1 the last."""


def place_of(axis: int, x: Shape) -> int:
    """The position in a shape without its batch of an axis that it has."""
    return axis - 1 if axis > 0 else axis + len(x)


def axis_faults(axis: Any, x: Shape, argument: str, kind: str) -> Iterator[Fault]:
    """Yield an error unless a tensor has the axis."""
    if axis > len(x) or axis < -len(x):
        axes = f"its input of {form(x)} has the axes 1 to {len(x)}" if len(x) > 1 else "its input has only axis 1"
        yield Fault("E0317", f"`{kind}` gets axis {axis}, but {axes}", argument, help=f"use an axis up to {len(x)}")
