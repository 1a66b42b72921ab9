"""Layers that move the axes of a tensor, join or part them, and cut pieces out of it; nothing is computed."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Annotated, Any, ClassVar

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from archc.expressions.tree import product_of
from archc.kinds.arithmetic import is_expression
from archc.kinds.axes import MOST_AXES, Axis, axis_faults, mixing, place_of
from archc.kinds.base import Call, Fault, Inputs, Kind, Shape, Window, form, shown
from archc.kinds.labels import listed, text
from archc.kinds.registry import register
from archc.kinds.types import integer
from archc.limits import MAX_INTEGER


def _axes(value: Any) -> Any:
    if not isinstance(value, list | tuple) or not value:
        raise PydanticCustomError("axes", "expected a list of axes, got {shown}", {"shown": shown(value)})
    return tuple(integer(axis, -MOST_AXES + 1, MOST_AXES - 1) for axis in value)


@register
class Permute(Kind):
    """Puts the axes into another order, such as channels last: [0, 2, 3, 1]."""

    kind: ClassVar[str] = "permute"
    torch: ClassVar[str] = "archc.Permute"
    positional: ClassVar[tuple[str, ...]] = ("dims",)
    structural: ClassVar[tuple[str, ...]] = ("dims",)
    keeps_storage: ClassVar[bool] = True
    aliases: ClassVar[tuple[str, ...]] = ("transpose", "rearrange", "movedim")
    examples: ClassVar[tuple[str, ...]] = ("[0, 2, 3, 1]",)

    dims: Annotated[
        tuple[int, ...],
        PlainValidator(_axes),
        WithJsonSchema({"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": MOST_AXES}),
    ]
    """The axes of the input in their new order, the batch (0) first."""

    @classmethod
    def likely(cls, x: Shape) -> dict[str, list[Any]]:
        rank = len(x)
        turned = [[0, *range(1 + by, 1 + rank), *range(1, 1 + by)] for by in range(rank)]
        return {"dims": [*turned, [0, *range(rank, 0, -1)]]}

    def label(self, inputs: Inputs) -> str:
        return f"permute {listed(self.dims, ', ')}"

    def _order(self) -> tuple[int, ...]:
        """The place in the input's shape of each axis of the output."""
        rank = len(self.dims) - 1
        return tuple(axis - 1 if axis > 0 else axis + rank for axis in self.dims[1:])

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        (x,) = inputs
        every = list(range(len(x) + 1))
        exist = all(-len(every) <= axis < len(every) for axis in self.dims)
        if not exist or sorted(axis % len(every) for axis in self.dims) != every or self.dims[0] % len(every):
            wrong = f"{shown(list(self.dims))} is not a permutation of the axes of its input of {form(x)}"
            help = f"write each of the axes 0 to {len(x)} once, starting with 0, the batch"
            yield Fault("E0317", f"`permute`: {wrong}", "dims", help=help)

    def output(self, inputs: Inputs) -> Shape:
        return tuple(inputs[0][at] for at in self._order())

    def settled(self, inputs: Inputs) -> dict[str, Any]:
        return {"dims": (0, *[1 + at for at in self._order()])}

    def function(self, inputs: Inputs) -> Call:
        return Call("torch.permute", (self.dims,))

    def moves(self, inputs: Inputs, at: int = 0) -> tuple[int | None, ...]:
        order = self._order()
        return tuple(order.index(axis) for axis in range(len(order)))


@register
class Flatten(Kind):
    """Makes one axis of the axes from `start_dim` to `end_dim`; of a feature map, a vector of C × H × W features."""

    kind: ClassVar[str] = "flatten"
    torch: ClassVar[str] = "nn.Flatten"
    structural: ClassVar[tuple[str, ...]] = ("start_dim", "end_dim")
    keeps_storage: ClassVar[bool] = True
    examples: ClassVar[tuple[str, ...]] = ("", "{start_dim: 2}")

    start_dim: Axis = 1
    """The first of the axes; 1 is the first after the batch."""
    end_dim: Axis = -1
    """The last of the axes; -1 is the last of all."""

    @classmethod
    def likely(cls, x: Shape) -> dict[str, list[Any]]:
        return {"start_dim": list(range(1, len(x) + 1)), "end_dim": [-1, len(x)]}

    def label(self, inputs: Inputs) -> str:
        whole = (self.start_dim, self.end_dim) == (1, -1)
        return "to a vector" if whole else f"flatten from axis {text(self.start_dim)}"

    def _ends(self, x: Shape) -> tuple[int, int]:
        return place_of(self.start_dim, x), place_of(self.end_dim, x)

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        (x,) = inputs
        faults = [*axis_faults(self.start_dim, x, "start_dim", "flatten")]
        faults += [] if faults else axis_faults(self.end_dim, x, "end_dim", "flatten")
        yield from faults
        first, last = self._ends(x)
        if not faults and first > last:
            message = f"`flatten` from axis {self.start_dim} to {self.end_dim} ends before it starts"
            yield Fault("E0317", message, "end_dim", help="`end_dim: -1` is the last axis")

    def output(self, inputs: Inputs) -> Shape:
        (x,) = inputs
        first, last = self._ends(x)
        return (*x[:first], product_of(*x[first : last + 1]), *x[last + 1 :])

    def function(self, inputs: Inputs) -> Call:
        return Call("torch.flatten", (self.start_dim, *([] if self.end_dim == -1 else [self.end_dim])))

    def moves(self, inputs: Inputs, at: int = 0) -> tuple[int | None, ...]:
        first, last = self._ends(inputs[0])
        return tuple(
            axis if axis < first or first == last == axis else None if axis <= last else axis - (last - first)
            for axis in range(len(inputs[0]))
        )

    def first_window(self, inputs: Inputs) -> Window:
        return Window(1)

    def windows(self, inputs: Inputs) -> tuple[Window, ...]:
        first, last = self._ends(inputs[0])
        return mixing(inputs[0], range(first, last + 1) if last > first else ())[1:]


def sizes_of(value: Any) -> tuple[int, ...]:
    """A list of lengths, some of which may be -1. Raises PydanticCustomError."""
    if not isinstance(value, list | tuple) or not value:
        raise PydanticCustomError("sizes", "expected a list of sizes, got {shown}", {"shown": shown(value)})
    return tuple(size if size == -1 and type(size) is int else integer(size, 1) for size in value)


def _sizes(value: Any) -> tuple[int, ...]:
    found = sizes_of(value)
    if found.count(-1) > 1:
        raise PydanticCustomError("sizes", "only one size may be -1, got {shown}", {"shown": shown(value)})
    return found


def instead(size: Any, value: Any) -> Any:
    """A size, or the value in the place of -1, which no expression gives."""
    return size if is_expression(size) or size != -1 else value


@register
class Unflatten(Kind):
    """Makes several axes of one: 64 features become a 64×1×1 map, 56 rows 8 windows of 7."""

    kind: ClassVar[str] = "unflatten"
    torch: ClassVar[str] = "nn.Unflatten"
    positional: ClassVar[tuple[str, ...]] = ("dim", "unflattened_size")
    structural: ClassVar[tuple[str, ...]] = ("dim",)
    listed: ClassVar[tuple[str, ...]] = ("unflattened_size",)
    keeps_storage: ClassVar[bool] = True
    aliases: ClassVar[tuple[str, ...]] = ("reshape", "view", "expanddims", "unsqueeze")
    examples: ClassVar[tuple[str, ...]] = (
        "{dim: 1, unflattened_size: [64, 1, 1]}",
        "{dim: 2, unflattened_size: [-1, 7]}",
    )

    dim: Axis
    """The axis; 1 is the first after the batch."""
    unflattened_size: Annotated[
        tuple[int, ...],
        PlainValidator(_sizes),
        WithJsonSchema({"type": "array", "items": {"type": "integer", "minimum": -1}, "minItems": 1, "maxItems": 7}),
    ]
    """The lengths of the axes that it becomes; one may be the number -1, and follows from the others."""

    @classmethod
    def likely(cls, x: Shape) -> dict[str, list[Any]]:
        lengths = {length for length in x if length > 1}
        halves = [[2, length // 2] for length in lengths if length % 2 == 0]
        ones = [[length, 1] for length in x]
        return {"dim": list(range(1, len(x) + 1)), "unflattened_size": [[-1, 1], *ones, *halves, [-1, 2], [1, -1, 1]]}

    def label(self, inputs: Inputs) -> str:
        return f"axis {text(self.dim)} to {listed(self.unflattened_size)}"

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        (x,) = inputs
        faults = list(axis_faults(self.dim, x, "dim", self.kind))
        yield from faults
        if faults:
            return
        length, known = x[place_of(self.dim, x)], prod(size for size in self.unflattened_size if size != -1)
        if length != known and (length % known or -1 not in self.unflattened_size):
            sizes = listed(self.unflattened_size)
            message = f"`unflatten` cannot make {sizes} of an axis of {length}"
            help = f"the sizes must multiply to {length}"
            yield Fault("E0313", message, "unflattened_size", help=help)
        elif len(x) + len(self.unflattened_size) > MOST_AXES:
            message = f"`unflatten` gives more than {MOST_AXES - 1} axes"
            yield Fault("E0301", message, "unflattened_size")

    def output(self, inputs: Inputs) -> Shape:
        (x,) = inputs
        at = place_of(self.dim, x)
        rest = x[at]
        for size in self.unflattened_size:
            rest = rest // instead(size, 1)
        return (*x[:at], *(instead(size, rest) for size in self.unflattened_size), *x[at + 1 :])

    def settled(self, inputs: Inputs) -> dict[str, Any]:
        return {"dim": 1 + place_of(self.dim, inputs[0]), "unflattened_size": self.unflattened_size}

    def function(self, inputs: Inputs) -> Call:
        return Call("torch.unflatten", (self.dim, self.unflattened_size))

    def moves(self, inputs: Inputs, at: int = 0) -> tuple[int | None, ...]:
        cut, count = place_of(self.dim, inputs[0]), len(self.unflattened_size)
        long = [place for place, size in enumerate(self.unflattened_size) if size != 1]
        own = cut + long[0] if len(long) == 1 else None
        return tuple(axis if axis < cut else own if axis == cut else axis + count - 1 for axis in range(len(inputs[0])))


@register
class Select(Kind):
    """Takes one position of an axis, which is gone afterwards: the class token is `{dim: 1, index: 0}`."""

    kind: ClassVar[str] = "select"
    torch: ClassVar[str] = "archc.Select"
    positional: ClassVar[tuple[str, ...]] = ("dim", "index")
    structural: ClassVar[tuple[str, ...]] = ("dim",)
    keeps_storage: ClassVar[bool] = True
    aliases: ClassVar[tuple[str, ...]] = ("index", "gettoken")
    examples: ClassVar[tuple[str, ...]] = ("{dim: 1, index: 0}",)

    dim: Axis
    """The axis; 1 is the first after the batch."""
    index: Annotated[
        int, PlainValidator(lambda value: integer(value, -MAX_INTEGER)), WithJsonSchema({"type": "integer"})
    ]
    """The position; -1 is the last."""

    @classmethod
    def likely(cls, x: Shape) -> dict[str, list[Any]]:
        return {"dim": list(range(1, len(x) + 1)), "index": [0, -1]}

    def label(self, inputs: Inputs) -> str:
        return f"select {text(self.index)} of axis {text(self.dim)}"

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        (x,) = inputs
        faults = list(axis_faults(self.dim, x, "dim", "select"))
        yield from faults
        if len(x) == 1 and not faults:
            message = "`select` needs an input with more than one axis, but gets a vector"
            yield Fault("E0301", message, help="use it before the `flatten`")
        elif not faults and not -(length := x[place_of(self.dim, x)]) <= self.index < length:
            message = f"`select` takes position {self.index} of an axis with {length}"
            yield Fault("E0317", message, "index", help=f"use 0 to {length - 1}")

    def output(self, inputs: Inputs) -> Shape:
        (x,) = inputs
        at = place_of(self.dim, x)
        return (*x[:at], *x[at + 1 :])

    def function(self, inputs: Inputs) -> Call:
        return Call("torch.select", (self.dim, self.index))

    def moves(self, inputs: Inputs, at: int = 0) -> tuple[int | None, ...]:
        gone = place_of(self.dim, inputs[0])
        return tuple(None if axis == gone else axis - (axis > gone) for axis in range(len(inputs[0])))
