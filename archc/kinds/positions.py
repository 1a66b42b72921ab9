"""Layers that take, move or repeat positions along axes; nothing is computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic import PlainValidator, WithJsonSchema

from archc.expressions.tree import choose, compare
from archc.kinds.arithmetic import is_expression, unless
from archc.kinds.axes import MOST_AXES, Axis, axes_type, axis_faults, each_of, one_or_more, place_of, single
from archc.kinds.base import Call, Fault, Inputs, Kind, Shape, Window, form
from archc.kinds.labels import listed, text, value_of
from archc.kinds.layout import instead, sizes_of
from archc.kinds.registry import register
from archc.kinds.types import Count, integer
from archc.limits import MAX_INTEGER
from archc.text import counted


def _end(value: Any) -> Any:
    return value if value is None else integer(value, -MAX_INTEGER)


@register
class Slice(Kind):
    """The positions of an axis from `start` up to `end`, every `step`-th of them, as in `x[:, :, start:end:step]`."""

    kind: ClassVar[str] = "slice"
    torch: ClassVar[str] = "archc.Slice"
    positional: ClassVar[tuple[str, ...]] = ("dim",)
    structural: ClassVar[tuple[str, ...]] = ("dim",)
    keeps_storage: ClassVar[bool] = True
    aliases: ClassVar[tuple[str, ...]] = ("narrow", "centercrop", "stridedslice")
    examples: ClassVar[tuple[str, ...]] = ("{dim: 2, start: 1, end: -1}", "{dim: -1, step: 2}")

    dim: Axis
    """The axis; 1 is the first after the batch."""
    start: Annotated[
        int, PlainValidator(lambda value: integer(value, -MAX_INTEGER)), WithJsonSchema({"type": "integer"})
    ] = 0
    """The first position; a negative one counts from the end."""
    end: Annotated[Any, PlainValidator(_end), WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "null"}]})] = None
    """The position after the last; a negative one counts from the end, `null` is the end."""
    step: Count = 1
    """The distance from one position to the next."""

    @classmethod
    def likely(cls, x: Shape) -> dict[str, list[Any]]:
        return {"dim": list(range(1, len(x) + 1)), "start": [0, 1, -1, -2], "end": [None, 1, 2, -1], "step": [1, 2, 3]}

    def label(self, inputs: Inputs) -> str:
        end = "" if self.end is None else text(self.end)
        step = "" if value_of(self.step) == 1 else f":{text(self.step)}"
        start = "" if value_of(self.start) == 0 else text(self.start)
        return f"slice {start}:{end}{step} of axis {text(self.dim)}"

    def _ends(self, length: Any) -> tuple[Any, Any]:
        """The first position, and the one after the last, counted from the start."""
        return _from_start(self.start, length), _from_start(unless(self.end, None, length), length)

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        (x,) = inputs
        faults = list(axis_faults(self.dim, x, "dim", self.kind))
        yield from faults
        if faults:
            return
        length = x[place_of(self.dim, x)]
        start, end = self._ends(length)
        for name, position, most in (("start", start, length - 1), ("end", end, length)):
            if not 0 <= position <= most:
                message = f"`slice` has its {name} at {getattr(self, name)}, but the axis has {length} positions"
                yield Fault("E0317", message, name, help=f"use a number from {-length} to {most}")
                return
        if end <= start:
            message = f"`slice` from {start} to {end} takes no position of an axis with {length}"
            yield Fault("E0308", message, "start" if self.end is None else "end", help="use a larger `end`")

    def output(self, inputs: Inputs) -> Shape:
        (x,) = inputs
        at = place_of(self.dim, x)
        start, end = self._ends(x[at])
        return (*x[:at], (end - start + self.step - 1) // self.step, *x[at + 1 :])

    def settled(self, inputs: Inputs) -> dict[str, Any]:
        (x,) = inputs
        at = place_of(self.dim, x)
        start, end = self._ends(x[at])
        return {"dim": 1 + at, "start": start, "end": None if end == x[at] else end, "step": self.step}

    def function(self, inputs: Inputs) -> Call:
        return Call("[]", (self.dim, self.start, self.end, self.step))

    def _window(self, inputs: Inputs, place: int) -> Window:
        (x,) = inputs
        return Window(1, self.step, -self._ends(x[place])[0]) if place == place_of(self.dim, x) else Window(1)

    def first_window(self, inputs: Inputs) -> Window:
        return self._window(inputs, 0)

    def windows(self, inputs: Inputs) -> tuple[Window, ...]:
        return tuple(self._window(inputs, place) for place in range(1, len(inputs[0])))


def _from_start(position: Any, length: Any) -> Any:
    """A position, counted from the start."""
    if is_expression(position):
        return choose(compare(position, "<", 0), position + length, position)
    return position + length if position < 0 else position


def _integers(value: Any) -> Any:
    if isinstance(value, list | tuple) and value:
        return tuple(integer(one, -MAX_INTEGER) for one in value)
    return integer(value, -MAX_INTEGER)


@register
class Roll(Kind):
    """Shifts the positions of axes; those that leave one end come back at the other (`torch.roll`)."""

    kind: ClassVar[str] = "roll"
    torch: ClassVar[str] = "archc.Roll"
    positional: ClassVar[tuple[str, ...]] = ("shifts", "dims")
    structural: ClassVar[tuple[str, ...]] = ("dims",)
    aliases: ClassVar[tuple[str, ...]] = ("cyclicshift", "shift")
    examples: ClassVar[tuple[str, ...]] = ("{shifts: 1, dims: 2}", "{shifts: [-3, -3], dims: [1, 2]}")

    shifts: Annotated[Any, PlainValidator(_integers), WithJsonSchema({"anyOf": one_or_more({"type": "integer"})})]
    """By how many positions, one number for each axis; negative numbers shift toward the start."""
    dims: Annotated[Any, *axes_type()]
    """The axis, or a list of axes; 1 is the first after the batch."""

    @classmethod
    def likely(cls, x: Shape) -> dict[str, list[Any]]:
        return {"shifts": [1, -1, 2], "dims": list(range(1, len(x) + 1))}

    def label(self, inputs: Inputs) -> str:
        axes = f"axis {text(self.dims)}" if not isinstance(self.dims, tuple) else f"axes {listed(self.dims, ', ')}"
        return f"roll {axes} by {listed(self.shifts, ', ')}"

    def _pairs(self) -> tuple[tuple[Any, int], ...]:
        """Shifts and their axes."""
        return tuple(zip(each_of(self.shifts), each_of(self.dims), strict=False))

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        (x,) = inputs
        axes, shifts = each_of(self.dims), each_of(self.shifts)
        if len(axes) != len(shifts):
            message = (
                f"`roll` gets {counted(len(shifts), 'shift')} for {len(axes)} {'axes' if len(axes) > 1 else 'axis'}"
            )
            yield Fault("E0317", message, "shifts", help="write one shift for each axis")
            return
        for axis in axes:
            yield from axis_faults(axis, x, "dims", self.kind)

    def settled(self, inputs: Inputs) -> dict[str, Any]:
        shifts, axes = zip(*((shift, 1 + place_of(axis, inputs[0])) for shift, axis in self._pairs()), strict=True)
        return {"shifts": single(shifts), "dims": single(axes)}

    def function(self, inputs: Inputs) -> Call:
        return Call("torch.roll", (self.shifts, self.dims))

    def _window(self, inputs: Inputs, place: int) -> Window:
        return Window(1, 1, sum(shift for shift, axis in self._pairs() if place_of(axis, inputs[0]) == place))

    def first_window(self, inputs: Inputs) -> Window:
        return self._window(inputs, 0)

    def windows(self, inputs: Inputs) -> tuple[Window, ...]:
        return tuple(self._window(inputs, place) for place in range(1, len(inputs[0])))


@register
class Expand(Kind):
    """Repeats axes of length 1 without a copy, as `x.expand(-1, 64, 56, 56)` does."""

    kind: ClassVar[str] = "expand"
    torch: ClassVar[str] = "archc.ExpandTo"
    positional: ClassVar[tuple[str, ...]] = ("sizes",)
    listed: ClassVar[tuple[str, ...]] = ("sizes",)
    keeps_storage: ClassVar[bool] = True
    repeats: ClassVar[bool] = True
    aliases: ClassVar[tuple[str, ...]] = ("broadcastto", "expandas", "tile")
    examples: ClassVar[tuple[str, ...]] = ("[-1, 56, 56]",)

    sizes: Annotated[
        tuple[int, ...],
        PlainValidator(sizes_of),
        WithJsonSchema(
            {"type": "array", "items": {"type": "integer", "minimum": -1}, "minItems": 1, "maxItems": MOST_AXES - 1}
        ),
    ]
    """The lengths of the axes after the batch; the number -1 keeps an axis as it is."""

    @classmethod
    def likely(cls, x: Shape) -> dict[str, list[Any]]:
        longer = [[length if length != 1 else size for length in x] for size in (2, 3)]
        return {"sizes": [*longer, [-1] * len(x), list(x)]}

    def label(self, inputs: Inputs) -> str:
        return f"expand to {'×'.join('·' if value_of(size) == -1 else text(size) for size in self.sizes)}"

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        (x,) = inputs
        if len(self.sizes) != len(x):
            message = f"`expand` gets {counted(len(self.sizes), 'size')} for an input of {form(x)}"
            yield Fault("E0317", message, "sizes", help="write one size for each axis after the batch")
            return
        for axis, (length, size) in enumerate(zip(x, self.sizes, strict=True), 1):
            if size not in (-1, length) and length != 1:
                message = f"`expand` cannot make {size} of axis {axis}, which has length {length}"
                yield Fault("E0317", message, "sizes", help="only axes of length 1 are repeated; -1 keeps an axis")
                return

    def output(self, inputs: Inputs) -> Shape:
        return tuple(instead(size, length) for size, length in zip(self.sizes, inputs[0], strict=True))

    def settled(self, inputs: Inputs) -> dict[str, Any]:
        return {"sizes": self.sizes}

    def function(self, inputs: Inputs) -> Call:
        return Call("expand", (-1, *self.sizes))

    def first_window(self, inputs: Inputs) -> Window:
        return _repeated(inputs[0][0])

    def windows(self, inputs: Inputs) -> tuple[Window, ...]:
        return tuple(map(_repeated, inputs[0][1:]))


def _repeated(length: int) -> Window:
    return Window(1, 0.0) if length == 1 else Window(1)
