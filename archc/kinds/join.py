"""Joins: several tensors become one. They take a list of inputs."""

from collections import Counter
from collections.abc import Callable, Container, Iterator
from typing import Any, ClassVar, Literal

from archc.expressions.algebra import equal_where
from archc.expressions.tree import Choice, Expr, choose, compare, lower
from archc.kinds.axes import Axis, axis_faults, place_of
from archc.kinds.base import FLOAT, Call, Fault, Inputs, Kind, Role, Shape, Window, form, need_map, volume
from archc.kinds.registry import register
from archc.kinds.spatial import ALIGNED, resizing


class Join(Kind):
    """The base of the joins. `inputs` are shapes in the order in which they are written."""

    many: ClassVar[bool] = True
    broadcasts: ClassVar[bool] = False
    """Whether PyTorch repeats an axis of length 1 as often as the other inputs need it."""
    least: ClassVar[int] = 2
    """The smallest number of inputs."""
    role: ClassVar[Role] = "join"

    def joined_axis(self, rank: int) -> int | None:
        """The place in a shape of the axis along which it puts its inputs side by side; None if there is none."""
        return None

    def equal_axes(self, rank: int) -> list[int]:
        """The places in a shape at which all inputs have the same size, or 1 if it broadcasts."""
        return [at for at in range(rank) if at != self.joined_axis(rank)] if self.seen is None else []

    def join_faults(
        self,
        inputs: Inputs,
        shortcuts: Container[int] = frozenset(),
        keeps: Callable[[int], bool] = lambda _: False,
    ) -> Iterator[tuple[int, Fault, int]]:
        """Faults, each with the position of the input to blame, and of one that is as it should be.

        To blame are those that differ from the majority.

        Where there is none, `shortcuts` are to blame if a stride brings them to the others' size, the inputs that are
        handed on unchanged; else what is not of the size that an input `keeps`; else the smaller maps.
        """
        if len(inputs) < self.least:
            what = "joins two or more" if self.least == 2 else f"takes {self.least}"
            yield 0, Fault("E0310", f"`{self.kind}` {what} inputs, but gets {len(inputs)}"), 0
            return
        if self.most is not None and len(inputs) > self.most:
            message = f"`{self.kind}` takes {self.most} inputs, but gets {len(inputs)}"
            yield self.most, Fault("E0310", message), 0
            return
        yield from self.shape_faults(inputs, shortcuts, keeps)

    def shape_faults(
        self, inputs: Inputs, shortcuts: Container[int], keeps: Callable[[int], bool]
    ) -> Iterator[tuple[int, Fault, int]]:
        """As `join_faults`, for a number of inputs that it takes."""
        ranks = [len(x) for x in inputs]
        usual = _usual(ranks)
        if len(set(ranks)) > 1:
            message = f"`{self.kind}` cannot join feature maps with vectors"
            if not {1, 3}.issuperset(ranks):
                message = f"`{self.kind}` cannot join inputs with different numbers of axes"
            for odd in _differing(ranks, usual)[:_REPORTED]:
                right = ranks.index(usual)
                label = f"gives {form(inputs[odd])}, but the others give {form(inputs[right])}"
                yield odd, Fault("E0310", message, label=label, help=self._aligned(inputs[odd], inputs[right])), right
            return
        joined = self.joined_axis(usual)
        sizes = [x[1:] for x in inputs]
        gates = [self.broadcasts and all(length == 1 for length in size) for size in sizes]  # they scale every position
        counted = [size for size, gate in zip(sizes, gates, strict=True) if not gate] or sizes
        size = _usual_size(sizes, counted, shortcuts, keeps)
        wanted = self._wanted(size, counted)
        unequal = [at for at in range(len(sizes)) if not self._fits(sizes[at], wanted, joined)][:_REPORTED]
        repaired = set()
        if joined != 0:
            channels = [x[0] for x in inputs]
            many = [value for value in channels if value != 1] if self.broadcasts else []  # one channel is repeated
            usual = _usual(many or channels, [value for at, value in enumerate(channels) if at not in shortcuts])
            for odd in _differing(channels, usual)[:_REPORTED]:
                if self.broadcasts and channels[odd] == 1:
                    continue
                stride = _stride(sizes[odd], size)
                if stride > 1:
                    repaired.add(odd)
                written = f"out_channels: {usual}, stride: {stride}" if stride > 1 else f"out_channels: {usual}"
                help = f"a 1×1 convolution with `{written}` makes them equal"
                if not sizes[odd]:
                    help = f"a layer `linear: {usual}` makes them equal"
                label = f"gives {channels[odd]} channel{'s' * (channels[odd] != 1)}, {_others(channels, odd, usual)}"
                fault = Fault("E0311", f"`{self.kind}` needs equal channels", label=label, help=help)
                yield odd, fault, channels.index(usual)
        for odd in unequal:
            if odd in repaired:
                continue
            help = f"make this branch give {form(size)}"
            stride = _stride(sizes[odd], size)
            help += f", as with `stride: {stride}`" if stride > 1 else ""
            label = f"gives {form(sizes[odd])}, {_others([form(size) for size in sizes], odd, form(size))}"
            fault = Fault("E0312", f"inputs of `{self.kind}` differ in height and width", label=label, help=help)
            yield odd, fault, sizes.index(size)

    def _wanted(self, size: tuple[int, ...], counted: list[tuple[int, ...]]) -> tuple[int, ...]:
        """The size that all are held against: an axis of length 1 is repeated where others are longer."""
        if not self.broadcasts:
            return size
        longer = ([other[axis] for other in counted if other[axis] != 1] for axis in range(len(size)))
        return tuple(
            length if length != 1 else _usual(other or [1]) for length, other in zip(size, longer, strict=True)
        )

    def _fits(self, size: tuple[int, ...], wanted: tuple[int, ...], joined: int | None) -> bool:
        return all(
            length == other or (self.broadcasts and length == 1) or at == joined
            for at, (length, other) in enumerate(zip(size, wanted, strict=True), 1)
        )

    def _aligned(self, odd: Shape, right: Shape) -> str:
        """Why the ranks must be equal, and the way to make them so, if a vector has a number for each channel."""
        if not self.broadcasts or len(odd) > 1 or odd[0] != right[0]:
            return ""
        sizes = [odd[0], *(1 for _ in right[1:])]
        help = f"`unflatten: {{dim: 1, unflattened_size: {sizes}}}` makes it {form(tuple(sizes))}"
        return f"{help}; PyTorch aligns axes from the last one, so the batch would be aligned with another axis"

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        for _, fault, _ in self.join_faults(inputs):
            yield fault


def _usual(values: list[Any], better: list[Any] | None = None) -> Any:
    """The commonest value; of equally common ones the first of the `better` values, or the first."""
    found = _commonest(values)
    return next((value for value in better or () if value in found), found[0])


def _usual_size(
    sizes: list[tuple[int, ...]],
    counted: list[tuple[int, ...]],
    shortcuts: Container[int],
    keeps: Callable[[int], bool],
) -> tuple[int, ...]:
    """The commonest; of equally common ones that to which a stride brings a shortcut, a kept one, or the largest."""
    found: list[tuple[int, ...]] = _commonest(counted)
    if len(found) == 1:
        return found[0]
    short = {size for at, size in enumerate(sizes) if at in shortcuts}
    brought = (size for size in found if any(_stride(shortcut, size) > 1 for shortcut in short))
    kept = (size for at, size in enumerate(sizes) if size in found and keeps(at))
    return next(brought, None) or next(kept, None) or max(found)


def _commonest(values: list[Any]) -> list[Any]:
    counts = Counter(values)
    most = max(counts.values())
    return [value for value, count in counts.items() if count == most]


_REPORTED = 16
"""The maximum number of inputs of one join to report, because more of them have the same cause."""


def _differing(values: list[Any], usual: Any) -> list[int]:
    return [at for at, value in enumerate(values) if value != usual]


def _stride(size: tuple[int, ...], wanted: tuple[int, ...]) -> int:
    """The stride of a 1×1 window, or one that keeps its size otherwise, that makes one size of another; 0 if none."""
    for stride in range(1, 5):
        if tuple((length - 1) // stride + 1 for length in size) == wanted:
            return stride
    return 0


def _others(values: list[Any], odd: int, usual: Any) -> str:
    others = set(values[:odd] + values[odd + 1 :])
    if len(others) > 1:
        return f"but the others give {usual}"
    return f"but the other input{'s give' if len(values) > 2 else ' gives'} {usual}"


@register
class Concat(Join):
    """Puts tensors side by side along an axis, by default the channels (`torch.cat`)."""

    kind: ClassVar[str] = "concat"
    torch: ClassVar[str] = "archc.Concat"
    structural: ClassVar[tuple[str, ...]] = ("dim",)
    aliases: ClassVar[tuple[str, ...]] = ("cat", "concatenate")

    dim: Axis = 1
    """The axis; 1 is the first after the batch, -1 the last."""

    def joined_axis(self, rank: int) -> int | None:
        return self.dim - 1 if self.dim > 0 else self.dim + rank

    def shape_faults(
        self, inputs: Inputs, shortcuts: Container[int], keeps: Callable[[int], bool]
    ) -> Iterator[tuple[int, Fault, int]]:
        for at, x in enumerate(inputs):
            for fault in axis_faults(self.dim, x, "dim", self.kind):
                yield at, fault._replace(argument=None), at
                return
        yield from super().shape_faults(inputs, shortcuts, keeps)

    def output(self, inputs: Inputs) -> Shape:
        at = place_of(self.dim, inputs[0])
        return (*inputs[0][:at], sum([x[at] for x in inputs]), *inputs[0][at + 1 :])

    def function(self, inputs: Inputs) -> Call:
        return Call("torch.cat", (), (("dim", self.dim),))

    def moves(self, inputs: Inputs, at: int = 0) -> tuple[int | None, ...]:
        joined = place_of(self.dim, inputs[0])
        return tuple(None if axis == joined > 0 else axis for axis in range(len(inputs[0])))


def _broadcast(one: Any, other: Any) -> Any:
    """The length of an axis: of two lengths the one that is not 1, for they are equal, or one of them is 1.

    Of two expressions for one length, the shorter.
    """
    for size, another in ((one, other), (other, one)):
        known = lower(size) if isinstance(size, Expr) else size
        if not isinstance(known, Expr):
            return another if known == 1 else size
    if equal_where(one, other, True, True):
        return other if _words(other) < _words(one) else one
    return choose(compare(one, "==", 1), other, one)


def _words(size: Expr) -> tuple[bool, int]:
    return isinstance(size, Choice), size.size


class Elementwise(Join):
    """Computes element by element, with PyTorch's broadcasting: axes have equal lengths, or one of them has 1."""

    broadcasts: ClassVar[bool] = True

    def output(self, inputs: Inputs) -> Shape:
        first, *others = inputs
        for x in others:
            first = tuple(map(_broadcast, first, x))
        return first

    def scratch(self, inputs: Inputs, images: int) -> int:
        """The result so far, while the last of three inputs or more is joined to it."""
        return FLOAT * images * volume(self.output(inputs[:-1])) if len(inputs) > 2 else 0


@register
class Add(Elementwise):
    """Adds inputs element by element."""

    kind: ClassVar[str] = "add"
    torch: ClassVar[str] = "archc.Add"
    infix: ClassVar[str] = "+"
    aliases: ClassVar[tuple[str, ...]] = ("sum",)


@register
class Subtract(Elementwise):
    """Subtracts the second input from the first, element by element."""

    kind: ClassVar[str] = "subtract"
    torch: ClassVar[str] = "archc.Subtract"
    infix: ClassVar[str] = "-"
    most: ClassVar[int | None] = 2
    aliases: ClassVar[tuple[str, ...]] = ("sub", "minus", "difference")


@register
class Multiply(Elementwise):
    """Multiplies inputs element by element; a 1×1 feature map scales a whole feature map (a gate)."""

    kind: ClassVar[str] = "multiply"
    torch: ClassVar[str] = "archc.Multiply"
    infix: ClassVar[str] = "*"
    aliases: ClassVar[tuple[str, ...]] = ("mul",)

    def needs_input(self, inputs: Inputs) -> bool:
        return True

    def kept(self, inputs: Inputs, images: int) -> int:
        products = (self.output(inputs[:count]) for count in range(2, len(inputs)))  # the last one is the output
        return FLOAT * images * sum(map(volume, products))


@register
class Maximum(Elementwise):
    """The larger of two inputs, element by element (`torch.maximum`)."""

    kind: ClassVar[str] = "maximum"
    torch: ClassVar[str] = "archc.Maximum"
    reads_itself: ClassVar[bool] = True
    spread: ClassVar[bool] = True
    most: ClassVar[int | None] = 2
    aliases: ClassVar[tuple[str, ...]] = ("max", "maxout")

    def needs_input(self, inputs: Inputs) -> bool:
        return True

    def function(self, inputs: Inputs) -> Call:
        return Call("torch.maximum")


@register
class Resize(Join):
    """Resizes the first input to the height and width of the second (`torch.nn.functional.interpolate`)."""

    kind: ClassVar[str] = "resize"
    torch: ClassVar[str] = "archc.Resize"
    most: ClassVar[int | None] = 2
    seen: ClassVar[int | None] = 1
    role: ClassVar[Role] = "reshape"
    aliases: ClassVar[tuple[str, ...]] = ("interpolate", "resizelike", "upsamplelike")

    mode: Literal["nearest", "nearest-exact", "bilinear", "bicubic"] = "nearest"
    """Interpolation method."""
    align_corners: bool | None = None
    """Align the corner positions of input and output; for `bilinear` and `bicubic`."""

    def label(self, inputs: Inputs) -> str:
        return f"resize to {form(inputs[1][1:])}" if len(inputs) > 1 else "resize"

    def shape_faults(
        self, inputs: Inputs, shortcuts: Container[int], keeps: Callable[[int], bool]
    ) -> Iterator[tuple[int, Fault, int]]:
        for at, x in enumerate(inputs):
            if len(x) != 3:
                yield at, next(need_map((x,), self.kind)), at
        if self.align_corners is not None and self.mode not in ALIGNED:
            message = f"`align_corners` does not apply to `mode: {self.mode}`"
            yield 0, Fault("E0203", message, help="remove it"), 0

    def output(self, inputs: Inputs) -> Shape:
        return (inputs[0][0], *inputs[1][1:])

    def windows(self, inputs: Inputs) -> tuple[Window, ...]:
        return resizing(self.mode, inputs[0][1:], inputs[1][1:])


@register
class Crop(Join):
    """Cuts the middle out of the first input, of the size of the second: the skips of the first U-Net."""

    kind: ClassVar[str] = "crop"
    torch: ClassVar[str] = "archc.Crop"
    most: ClassVar[int | None] = 2
    seen: ClassVar[int | None] = 1
    keeps_storage: ClassVar[bool] = True
    role: ClassVar[Role] = "reshape"
    aliases: ClassVar[tuple[str, ...]] = ("centercrop", "croplike", "cropping2d")

    def label(self, inputs: Inputs) -> str:
        return f"crop to {form(inputs[1][1:])}" if len(inputs) > 1 else "crop"

    def shape_faults(
        self, inputs: Inputs, shortcuts: Container[int], keeps: Callable[[int], bool]
    ) -> Iterator[tuple[int, Fault, int]]:
        x, like = inputs
        if len(x) != len(like):
            message = f"`crop` cannot cut {form(like)} out of {form(x)}: they have different numbers of axes"
            yield 0, Fault("E0310", message), 1
        elif any(length < wanted for length, wanted in zip(x[1:], like[1:], strict=True)):
            message = f"`crop` cannot cut {form(like[1:])} out of {form(x[1:])}"
            yield 0, Fault("E0312", message, help="the first input is cropped; swap them"), 1

    def output(self, inputs: Inputs) -> Shape:
        return (inputs[0][0], *inputs[1][1:])

    def windows(self, inputs: Inputs) -> tuple[Window, ...]:
        sizes = zip(inputs[0][1:], inputs[1][1:], strict=True)
        return tuple(Window(1, 1, -((length - wanted) // 2)) for length, wanted in sizes)
