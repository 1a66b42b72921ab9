"""Convolutions (Dumoulin & Visin, 2016, https://arxiv.org/abs/1603.07285, for the arithmetic)."""

from collections.abc import Iterator
from math import gcd
from typing import Annotated, Any, ClassVar, Literal

from archc.expressions.symbol import Symbol, plain
from archc.kinds.base import (
    FLOAT,
    Count,
    Fault,
    Flag,
    Kind,
    NaturalPair,
    PaddingOrSame,
    Pair,
    Shape,
    Stored,
    Window,
    Word,
    form,
    need_map,
    pair,
    volume,
)

AXES = ("height", "width")


def same_padding(kernel_size: Any, dilation: Any) -> Any:
    """The padding that keeps the size at stride 1: p = d(k - 1)/2, by axis if the axes differ."""
    kernel = kernel_size.value if type(kernel_size) is Symbol and isinstance(kernel_size.value, tuple) else kernel_size
    spread = dilation.value if type(dilation) is Symbol and isinstance(dilation.value, tuple) else dilation
    if isinstance(kernel, tuple) or isinstance(spread, tuple):
        kernels = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        spreads = spread if isinstance(spread, tuple) else (spread, spread)
        sides = tuple(d * (k - 1) // 2 for k, d in zip(kernels, spreads, strict=True))
        return sides[0] if type(sides[0]) is int and sides[0] == sides[1] and type(sides[1]) is int else sides
    return spread * (kernel - 1) // 2


def same_faults(kernel_size: Any, stride: Any, dilation: Any) -> Iterator[Fault]:
    """Why `same` has no padding here: an even d(k - 1) is needed, and stride 1."""
    kernels, strides, dilations = pair(kernel_size), pair(stride), pair(dilation)
    if strides != (1, 1):
        half = max(dilations) * (max(kernels) - 1) // 2
        yield Fault(
            "E0304",
            f"`padding: same` means out = in, but stride {max(strides)} makes the output smaller",
            "padding",
            label="needs stride 1",
            help=f"write the padding as a number: `padding: {half}` halves an even size at stride 2",
            value=str(half),
        )
        return
    for k, d in zip(kernels, dilations, strict=True):
        if d * (k - 1) % 2:
            yield Fault(
                "E0303",
                f"no padding keeps the size for kernel {k}: p = (k - 1)/2 = {d * (k - 1) / 2:g} is no integer",
                "padding",
                label="needs an odd kernel",
                help=f"use an odd kernel such as {k + 1} or {k - 1}, or write the padding as a number",
            )
            return


def kernel_faults(x: Shape, kernel_size: Any, padding: Any, dilation: Any, kind: str) -> Iterator[Fault]:
    """A fault for the first axis on which the window is larger than the padded input."""
    kernels, paddings, dilations = pair(kernel_size), pair(padding), pair(dilation)
    for axis in (0, 1):
        extent = dilations[axis] * (kernels[axis] - 1) + 1
        size = x[1 + axis] + 2 * paddings[axis]
        if extent > size:
            padded = f" padded to {size}" if paddings[axis] else ""
            dilated = f" (kernel {kernels[axis]} with dilation {dilations[axis]})" if dilations[axis] > 1 else ""
            yield Fault(
                "E0302",
                f"`{kind}`: a window of {extent}{dilated} does not fit into the {AXES[axis]} {x[1 + axis]}{padded}",
                "kernel_size",
                label=f"the input is {form(x)}",
                help="use a smaller kernel, more padding, or a larger input",
            )
            return


def _weights(channels: tuple[int, int], kernel_size: Any, layer: "Conv2d | ConvTranspose2d") -> dict[str, Stored]:
    kernel = pair(kernel_size)
    found = {"weight": Stored((*channels, int(kernel[0]), int(kernel[1])))}
    if layer.bias:
        found["bias"] = Stored((int(layer.out_channels),))
    return found


class Conv2d(Kind):
    """2-D convolution: out = floor((in + 2p - d(k - 1) - 1) / s) + 1 on each axis."""

    kind: ClassVar[str] = "conv2d"
    torch: ClassVar[str] = "nn.Conv2d"
    positional: ClassVar[tuple[str, ...]] = ("in_channels", "out_channels")

    out_channels: Count
    """Channels of the output: the number of filters."""
    kernel_size: Pair
    """Height and width of the window."""
    stride: Pair = 1
    """Step of the window."""
    padding: PaddingOrSame = 0
    """Positions added at each side of the map; `same` keeps the size at stride 1: p = d(k - 1)/2."""
    dilation: Pair = 1
    """Distance between neighbouring taps of the kernel."""
    groups: Count = 1
    """Parts of the channels, each with filters of its own; as many as input channels: a depthwise convolution."""
    bias: Flag = True
    """Add a learned number to each output channel."""
    padding_mode: Annotated[Literal["zeros", "reflect", "replicate", "circular"], Word] = "zeros"
    """What the padding holds: zeros, mirrored, repeated or wrapped values."""

    def _padding(self) -> Any:
        return same_padding(self.kernel_size, self.dilation) if self.padding == "same" else self.padding

    def requirements(self, x: Shape) -> Iterator[Fault]:
        if len(x) != 3:
            yield from need_map(x, self.kind)
            return
        yield from group_faults(x[0], self.out_channels, self.groups)
        if self.padding == "same":
            faults = list(same_faults(self.kernel_size, self.stride, self.dilation))
            if faults:
                yield from faults
                return
        padding = pair(self._padding())
        if self.padding_mode in ("reflect", "circular"):
            for axis in (0, 1):
                least = padding[axis] + (self.padding_mode == "reflect")
                if padding[axis] and x[1 + axis] < least:
                    yield Fault(
                        "E0307",
                        f"`padding_mode: {self.padding_mode}` cannot pad the {AXES[axis]} {x[1 + axis]}"
                        f" by {padding[axis]}",
                        "padding",
                        help="use less padding or `padding_mode: zeros`",
                    )
                    return
        yield from kernel_faults(x, self.kernel_size, padding, self.dilation, self.kind)

    def size_from(self) -> tuple[bool, tuple[Any, ...]]:
        kept = self.padding == "same"  # whatever the kernel is
        return True, () if kept else (self.kernel_size, self.stride, self.padding, self.dilation)

    def output(self, x: Shape) -> Shape:
        kernel, stride = pair(self.kernel_size), pair(self.stride)
        padding, dilation = pair(self._padding()), pair(self.dilation)
        height, width = (
            (x[1 + i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in (0, 1)
        )
        return (self.out_channels, height, width)

    def derived(self, x: Shape) -> dict[str, Any]:
        return {"in_channels": x[0]}

    def settled(self, x: Shape) -> dict[str, Any]:
        padding = self.model_copy(update={"padding": self._padding()}) if self.padding == "same" else self
        return Kind.settled(padding, x)

    def written(self) -> dict[str, Any]:
        given = super().written()
        if self.padding == "same":
            padding = self._padding()
            if type(padding) is Symbol or padding not in (0, (0, 0)):
                given["padding"] = padding
            else:
                del given["padding"]
        return given

    def tensors(self, x: Shape) -> dict[str, Stored]:
        return _weights((int(self.out_channels), int(x[0]) // int(self.groups)), self.kernel_size, self)

    def macs(self, x: Shape, y: Shape) -> int:
        kernel = pair(self.kernel_size)
        return int(y[0]) * int(y[1]) * int(y[2]) * (int(x[0]) // int(self.groups)) * kernel[0] * kernel[1]

    @property
    def needs_input(self) -> bool:
        return self.padding_mode != "circular"  # which is copied piece by piece

    @property
    def pads_first(self) -> bool:
        return self.padding_mode != "zeros"

    def kept(self, x: Shape, images: int) -> int:
        if self.padding_mode == "zeros":
            return 0
        padding = pair(self._padding())  # torch pads before it convolves: the padded map is what it keeps
        return FLOAT * images * volume((x[0], x[1] + 2 * padding[0], x[2] + 2 * padding[1]))

    def scratch(self, x: Shape, images: int) -> int:
        return self.kept(x, images)

    def windows(self, x: Shape) -> tuple[Window, Window]:
        kernel, stride = pair(self.kernel_size), pair(self.stride)
        padding, dilation = pair(self._padding()), pair(self.dilation)
        first, second = (
            Window(dilation[i] * (kernel[i] - 1) + 1, stride[i], padding[i], repeats_edge(self.padding_mode, x[1 + i]))
            for i in (0, 1)
        )
        return (first, second)


def repeats_edge(mode: str, length: int) -> bool:
    """Whether a padding holds nothing but the values of the map's edges: all of a map of one position does."""
    return mode == "replicate" or (mode == "circular" and length == 1)


def group_faults(in_channels: Any, out_channels: Any, groups: Any) -> Iterator[Fault]:
    """A fault unless the groups divide both the input's and the output's channels."""
    count = plain(groups)
    for channels, which in ((plain(in_channels), "input"), (plain(out_channels), "output")):
        if channels % count:
            divisors = [d for d in range(1, min(channels, 4096) + 1) if channels % d == 0]
            nearest = min(divisors, key=lambda d: abs(d - count))
            yield Fault(
                "E0306",
                f"groups of {count} do not divide the {channels} {which} channels",
                "groups",
                label=f"{channels} / {count} is no integer",
                help=f"use a divisor of {channels}, such as {nearest}",
            )
            return


class ConvTranspose2d(Kind):
    """Transposed convolution: out = (in - 1)s - 2p + d(k - 1) + output_padding + 1 on each axis."""

    kind: ClassVar[str] = "conv_transpose2d"
    torch: ClassVar[str] = "nn.ConvTranspose2d"
    positional: ClassVar[tuple[str, ...]] = ("in_channels", "out_channels")

    out_channels: Count
    """Channels of the output."""
    kernel_size: Pair
    """Height and width of the window."""
    stride: Pair = 1
    """Step of the window on the output: the factor by which a map grows."""
    padding: NaturalPair = 0
    """Positions taken off at each side of the output."""
    output_padding: NaturalPair = 0
    """Added to the output's size at one side: the stride leaves several sizes open."""
    groups: Count = 1
    """Parts of the channels, each with filters of its own."""
    bias: Flag = True
    """Add a learned number to each output channel."""
    dilation: Pair = 1
    """Distance between neighbouring taps of the kernel."""

    def requirements(self, x: Shape) -> Iterator[Fault]:
        if len(x) != 3:
            yield from need_map(x, self.kind)
            return
        yield from group_faults(x[0], self.out_channels, self.groups)
        stride, dilation, extra = pair(self.stride), pair(self.dilation), pair(self.output_padding)
        for i in (0, 1):
            if extra[i] >= max(stride[i], dilation[i]):
                yield Fault(
                    "E0309",
                    f"output_padding {extra[i]} is not smaller than stride {stride[i]} or dilation {dilation[i]}",
                    "output_padding",
                    help=f"use at most {max(stride[i], dilation[i]) - 1}",
                )
                return
        for axis, size in zip(AXES, self.output(x)[1:], strict=True):
            if size < 1:
                yield Fault("E0308", f"`{self.kind}` leaves a {axis} of {size}", "padding", help="use less padding")
                return

    def size_from(self) -> tuple[bool, tuple[Any, ...]]:
        return True, (self.kernel_size, self.stride, self.padding, self.output_padding, self.dilation)

    def output(self, x: Shape) -> Shape:
        kernel, stride, padding = pair(self.kernel_size), pair(self.stride), pair(self.padding)
        extra, dilation = pair(self.output_padding), pair(self.dilation)
        height, width = (
            (x[1 + i] - 1) * stride[i] - 2 * padding[i] + dilation[i] * (kernel[i] - 1) + extra[i] + 1 for i in (0, 1)
        )
        return (self.out_channels, height, width)

    def derived(self, x: Shape) -> dict[str, Any]:
        return {"in_channels": x[0]}

    def tensors(self, x: Shape) -> dict[str, Stored]:
        return _weights((int(x[0]), int(self.out_channels) // int(self.groups)), self.kernel_size, self)

    def macs(self, x: Shape, y: Shape) -> int:
        kernel = pair(self.kernel_size)
        return int(x[0]) * int(x[1]) * int(x[2]) * (int(y[0]) // int(self.groups)) * kernel[0] * kernel[1]

    @property
    def needs_input(self) -> bool:
        return True

    def windows(self, x: Shape) -> tuple[Window, Window]:
        kernel, stride = pair(self.kernel_size), pair(self.stride)
        padding, dilation = pair(self.padding), pair(self.dilation)
        result = []
        for i in (0, 1):
            # Output o reads the inputs j with j s = o + p - d t for a tap t < k: every `step`-th tap, if any.
            step = stride[i] // gcd(stride[i], dilation[i])
            reach = (kernel[i] - 1) // step * step * dilation[i]
            before = (reach - padding[i]) / stride[i]
            result.append(Window(reach // stride[i] + 1, 1 / stride[i], before, inside=True))
        return (result[0], result[1])
