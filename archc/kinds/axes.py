"""The axes of a tensor as arguments.

They have PyTorch's numbers: 0 is the batch, which stays where it is, and negative numbers count from the last axis.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from archc.kinds.base import AXES, Fault, Shape, Window, form, shown
from archc.kinds.types import integer

MOST_AXES = 8
"""Axes of a tensor, the batch among them."""

DIMENSIONS = {
    1: ("channels",),
    **{1 + rank: ("channels", *axes) for rank, axes in AXES.items()},
    **{rank: ("channels", *(f"axis{axis}" for axis in range(2, 1 + rank))) for rank in range(2 + max(AXES), MOST_AXES)},
}
"""The names of the elements of a shape, by its rank."""


def _axis(value: Any) -> int:
    """The value, if it is an axis after the batch. Raises PydanticCustomError."""
    if value == 0 and type(value) is int:
        raise PydanticCustomError("batch_axis", "axis 0 is the batch, which every layer keeps; axis 1 comes after it")
    return integer(value, -MOST_AXES + 1, MOST_AXES - 1)


_AXIS = {"type": "integer", "not": {"const": 0}}

Axis = Annotated[int, PlainValidator(_axis), WithJsonSchema(_AXIS)]
"""An axis of a tensor: 1 is the first after the batch, -1 the last."""


def axes_type(*, optional: bool = False) -> Any:
    """Validator and JSON Schema of an axis, or of a list of axes, which becomes a tuple."""

    def check(value: Any) -> Any:
        if optional and value is None:
            return None
        if not isinstance(value, list | tuple):
            return _axis(value)
        if not value:
            what = "expected an axis or a list of axes, got {shown}"
            raise PydanticCustomError("axes", what, {"shown": shown(value)})
        return tuple(map(_axis, value))

    options = [*([{"type": "null"}] if optional else []), *one_or_more(_AXIS)]
    return (PlainValidator(check), WithJsonSchema({"anyOf": options}))


def one_or_more(item: dict[str, Any]) -> list[dict[str, Any]]:
    """The JSON Schemas of a value for an axis, and of a list with one for each of several axes."""
    return [item, {"type": "array", "items": item, "minItems": 1, "maxItems": MOST_AXES - 1}]


def each_of(value: Any) -> tuple[Any, ...]:
    """The values for several axes as a tuple; a single value is one for one axis."""
    return value if isinstance(value, tuple) else (value,)


def single(values: Iterable[Any]) -> Any:
    """The only one of the values, or all of them as a tuple."""
    found = tuple(values)
    return found[0] if len(found) == 1 else found


def place_of(axis: int, x: Shape) -> int:
    """The position in a shape without its batch of an axis that it has."""
    return axis - 1 if axis > 0 else axis + len(x)


def axis_faults(axis: Any, x: Shape, argument: str, kind: str) -> Iterator[Fault]:
    """Yield an error unless a tensor has the axis."""
    if axis > len(x) or axis < -len(x):
        axes = f"its input of {form(x)} has the axes 1 to {len(x)}" if len(x) > 1 else "its input has only axis 1"
        yield Fault("E0317", f"`{kind}` gets axis {axis}, but {axes}", argument, help=f"use an axis up to {len(x)}")


def mixing(x: Shape, places: Container[int]) -> tuple[Window, ...]:
    """The windows along the axes of a tensor: every position for those at `places`, one for the others."""
    return tuple(Window(None if at in places else 1) for at in range(len(x)))
