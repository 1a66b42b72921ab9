"""Layers that rearrange a map: padding, upsampling, shuffling, splitting, averaging."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from archc.expressions.symbol import names_of, plain
from archc.kinds.base import (
    Call,
    Count,
    Fault,
    Flag,
    Kind,
    OptionalPair,
    Real,
    Shape,
    Symbolic,
    Window,
    Word,
    integer,
    integer_type,
    need_map,
    opened,
    pair,
    shown,
)
from archc.kinds.convolution import AXES, group_faults, repeats_edge
from archc.limits import MAX_OUTPUTS


class Identity(Kind):
    """The input itself."""

    kind: ClassVar[str] = "identity"
    torch: ClassVar[str] = "nn.Identity"
    keeps_storage: ClassVar[bool] = True

    def function(self, x: Shape) -> Call:
        return Call("")


def _sides(value: Any) -> Any:
    value = opened(value)
    if isinstance(value, list | tuple):
        if len(value) != 4:
            raise PydanticCustomError(
                "sides", "expected an integer or [left, right, top, bottom], got {shown}", {"shown": shown(value)}
            )
        return tuple(integer(side, 0) for side in value)
    return integer(value, 0)


class Pad(Kind):
    """Padding of a map: one number for all sides, or [left, right, top, bottom]."""

    kind: ClassVar[str] = "pad"
    torch: ClassVar[str] = "nn.ZeroPad2d"
    positional: ClassVar[tuple[str, ...]] = ("padding",)

    padding: Annotated[
        Any,
        PlainValidator(_sides),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "integer", "minimum": 0},
                    {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 4, "maxItems": 4},
                ]
            }
        ),
    ]
    """Positions added at every side, or `[left, right, top, bottom]`."""
    mode: Annotated[Literal["constant", "reflect", "replicate", "circular"], Word] = "constant"
    """What they hold: `value`, or mirrored, repeated or wrapped values of the map."""
    value: Real = 0.0
    """What the mode `constant` puts there."""

    def _lengths(self) -> tuple[int, int, int, int]:
        sides = plain(self.padding)
        return sides if isinstance(sides, tuple) else (sides, sides, sides, sides)

    def requirements(self, x: Shape) -> Iterator[Fault]:
        if len(x) != 3:
            yield from need_map(x, self.kind)
            return
        left, right, top, bottom = self._lengths()
        for axis, size, side in (("width", x[2], max(left, right)), ("height", x[1], max(top, bottom))):
            if (self.mode == "reflect" and side >= size) or (self.mode == "circular" and side > size):
                yield Fault(
                    "E0307",
                    f"`mode: {self.mode}` cannot pad the {axis} {size} by {side}",
                    "padding",
                    help="use less padding or another mode",
                )
                return

    def size_from(self) -> tuple[bool, tuple[Any, ...]]:
        return True, (self.padding,)

    def output(self, x: Shape) -> Shape:
        left, right, top, bottom = self._lengths()
        return (x[0], x[1] + top + bottom, x[2] + left + right)

    def call(self, x: Shape) -> Call:
        match self.mode:
            case "reflect":
                return Call("nn.ReflectionPad2d", (self.padding,))
            case "replicate":
                return Call("nn.ReplicationPad2d", (self.padding,))
            case "circular":
                return Call("nn.CircularPad2d", (self.padding,))
        if not names_of(self.value) and self.value == 0:
            return Call("nn.ZeroPad2d", (self.padding,))
        return Call("nn.ConstantPad2d", (self.padding, self.value))

    def windows(self, x: Shape) -> tuple[Window, Window]:
        left, _, top, _ = self._lengths()
        first, second = (
            Window(1, 1, side, repeats_edge(self.mode, size)) for side, size in zip((top, left), x[1:], strict=True)
        )
        return (first, second)

    @property
    def needs_input(self) -> bool:
        return self.mode in ("reflect", "replicate")


class Upsample(Kind):
    """A map resized to `size`, or by `scale_factor`: out = floor(in · scale_factor)."""

    kind: ClassVar[str] = "upsample"
    torch: ClassVar[str] = "nn.Upsample"

    size: OptionalPair = None
    """Height and width of the output; either this or `scale_factor`."""
    scale_factor: Annotated[Annotated[float, Field(gt=0, le=1024)] | None, Symbolic] = None
    """Output size over input size; either this or `size`."""
    mode: Annotated[Literal["nearest", "nearest-exact", "bilinear", "bicubic"], Word] = "nearest"
    """How a value between positions is found."""
    align_corners: Annotated[bool | None, Symbolic] = None
    """Let the outermost positions of both maps coincide; for `bilinear` and `bicubic`."""

    def requirements(self, x: Shape) -> Iterator[Fault]:
        if len(x) != 3:
            yield from need_map(x, self.kind)
            return
        if (self.size is None) == (self.scale_factor is None):
            yield Fault("E0203", "`upsample` takes either `size` or `scale_factor`", help="write `scale_factor: 2`")
            return
        if self.align_corners is not None and self.mode.startswith("nearest"):
            yield Fault(
                "E0203",
                f"`align_corners` has no meaning for `mode: {self.mode}`",
                "align_corners",
                help="leave it out",
            )
            return
        for axis, size in zip(AXES, self.output(x)[1:], strict=True):
            if size < 1:
                yield Fault(
                    "E0308", f"`upsample` leaves a {axis} of {size}", "scale_factor", help="use a larger factor"
                )
                return

    def size_from(self) -> tuple[bool, tuple[Any, ...]]:
        return self.size is None, (self.size, self.scale_factor)

    def output(self, x: Shape) -> Shape:
        if self.size is not None:
            return (x[0], *pair(self.size))
        assert self.scale_factor is not None
        factor = float(self.scale_factor)
        return (x[0], int(x[1] * factor), int(x[2] * factor))

    def windows(self, x: Shape) -> tuple[Window, Window]:
        reach = {"bilinear": 2, "bicubic": 4}.get(self.mode, 1)
        y = self.output(x)
        before = max(reach // 2 - 1, 0)
        first, second = (Window(min(reach, x[i]), x[i] / y[i], before, inside=x[i] == 1) for i in (1, 2))
        return (first, second)


class ChannelShuffle(Kind):
    """Channels of g groups interleaved (ShuffleNet, https://arxiv.org/abs/1707.01083)."""

    kind: ClassVar[str] = "channel_shuffle"
    torch: ClassVar[str] = "nn.ChannelShuffle"
    positional: ClassVar[tuple[str, ...]] = ("groups",)

    groups: Count
    """Groups that are interleaved; they divide the channels."""

    def requirements(self, x: Shape) -> Iterator[Fault]:
        if len(x) != 3:
            yield from need_map(x, self.kind)
            return
        yield from group_faults(x[0], x[0], self.groups)


class Chunk(Kind):
    """Channels in `chunks` equal parts, the outputs `0`, `1`, …; use them as `name.0`."""

    kind: ClassVar[str] = "chunk"
    torch: ClassVar[str] = "archc.Chunk"
    positional: ClassVar[tuple[str, ...]] = ("chunks",)
    keeps_storage: ClassVar[bool] = True

    chunks: Annotated[int, *integer_type(1, MAX_OUTPUTS, "MAX_OUTPUTS")]
    """How many parts; they divide the channels."""

    def requirements(self, x: Shape) -> Iterator[Fault]:
        for fault in group_faults(x[0], x[0], self.chunks):
            yield Fault(fault.code, fault.message.replace("groups of", "chunks of"), "chunks", fault.label, fault.help)

    def output(self, x: Shape) -> dict[str, Shape]:
        return {str(i): (x[0] // self.chunks, *x[1:]) for i in range(int(self.chunks))}

    @property
    def needs_output(self) -> bool:
        return True  # autograd lets nobody write into one of several views

    def function(self, x: Shape) -> Call:
        return Call("torch.chunk", (self.chunks,), (("dim", 1),))


def _sections(value: Any) -> Any:
    value = opened(value)
    if not isinstance(value, list | tuple) or not value:
        raise PydanticCustomError("sections", "expected a list of channel counts, got {shown}", {"shown": shown(value)})
    return tuple(integer(size, 1) for size in value)


class Split(Kind):
    """Channels in parts of the given sizes, the outputs `0`, `1`, …; use them as `name.0`."""

    kind: ClassVar[str] = "split"
    torch: ClassVar[str] = "archc.Split"
    positional: ClassVar[tuple[str, ...]] = ("sections",)
    keeps_storage: ClassVar[bool] = True

    sections: Annotated[
        tuple[int, ...],
        PlainValidator(_sections),
        WithJsonSchema({"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1}),
    ]
    """Channels of each part; they add up to the input's."""

    def requirements(self, x: Shape) -> Iterator[Fault]:
        total = sum(map(int, self.sections))
        if total != x[0]:
            yield Fault(
                "E0313",
                f"the sections add up to {total}, the input has {plain(x[0])} channels",
                "sections",
                help=f"make them add up to {plain(x[0])}",
            )

    def settled(self, x: Shape) -> dict[str, Any]:
        return {"sections": plain(self.sections)}

    def output(self, x: Shape) -> dict[str, Shape]:
        return {str(i): (size, *x[1:]) for i, size in enumerate(self.sections)}

    @property
    def needs_output(self) -> bool:
        return True  # autograd lets nobody write into one of several views

    def function(self, x: Shape) -> Call:
        return Call("torch.split", (list(self.sections),), (("dim", 1),))


class Mean(Kind):
    """The mean over height and width: a vector of the channels, or 1×1 maps with `keepdim`."""

    kind: ClassVar[str] = "mean"
    torch: ClassVar[str] = "archc.Mean"

    keepdim: Flag = False
    """Give 1×1 maps instead of a vector."""

    def requirements(self, x: Shape) -> Iterator[Fault]:
        return need_map(x, self.kind)

    def size_from(self) -> tuple[bool, tuple[Any, ...]]:
        return False, ()

    def output(self, x: Shape) -> Shape:
        return (x[0], 1, 1) if self.keepdim else (x[0],)

    def function(self, x: Shape) -> Call:
        keep: tuple[tuple[str, Any], ...] = (("keepdim", self.keepdim),) if self.keepdim else ()
        return Call("torch.mean", (), (("dim", (2, 3)), *keep))

    def windows(self, x: Shape) -> tuple[Window, Window]:
        return (Window(None), Window(None))
