"""Convolutions (Dumoulin & Visin, 2016, https://arxiv.org/abs/1603.07285, for the arithmetic)."""

from collections.abc import Iterator, Mapping
from math import gcd
from typing import Any, ClassVar, Literal

from archc.kinds.arithmetic import axis, is_expression, is_open, may_be_list, per_axis, sides, unless
from archc.kinds.base import AXES, FLOAT, Fault, Inputs, Kind, Role, Shape, State, Window, form, need_map, volume
from archc.kinds.labels import listed, over, text, value_of, window
from archc.kinds.registry import register
from archc.kinds.types import (
    Count,
    Flag,
    Natural1d,
    Natural2d,
    Natural3d,
    Padding1d,
    Padding2d,
    Padding3d,
    Size1d,
    Size2d,
    Size3d,
)

_STATE: Mapping[str, State] = {"weight": State(fans=True), "bias": State(flags=("bias",), nullable=True)}


def same_padding(kernel_size: Any, dilation: Any, rank: int = 2) -> Any:
    """The padding that keeps the size at stride 1: p = d(k - 1)/2, by axis if the axes differ or may do so."""
    if not per_axis(kernel_size, dilation):
        return dilation * (kernel_size - 1) // 2
    found = tuple([axis(dilation, i) * (axis(kernel_size, i) - 1) // 2 for i in range(rank)])
    return found[0] if all(type(side) is int and side == found[0] for side in found) else found


def same_faults(kernel_size: Any, stride: Any, dilation: Any, rank: int = 2) -> Iterator[Fault]:
    """Why `same` has no padding here: an even d(k - 1) is needed, and stride 1."""
    kernels, strides, dilations = (sides(value, rank) for value in (kernel_size, stride, dilation))
    if set(strides) != {1}:
        half = max(dilations) * (max(kernels) - 1) // 2
        yield Fault(
            "E0304",
            f"`padding: same` keeps the input size, but stride {max(strides)} makes the output smaller",
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
                f"`padding: same` is impossible with kernel {k}: p = (k - 1)/2 = {d * (k - 1) / 2:g} is not an integer",
                "padding",
                label="needs an odd kernel",
                help=f"use an odd kernel such as {k + 1} or {k - 1}, or write the padding as a number",
            )
            return


def kernel_faults(x: Shape, kernel_size: Any, padding: Any, dilation: Any, kind: str) -> Iterator[Fault]:
    """A fault for the first axis on which the window is larger than the padded input."""
    rank = len(x) - 1
    kernels, paddings, dilations = (sides(value, rank) for value in (kernel_size, padding, dilation))
    for i in range(rank):
        extent = dilations[i] * (kernels[i] - 1) + 1
        size = x[1 + i] + 2 * paddings[i]
        if extent > size:
            padded = f" padded to {size}" if paddings[i] else ""
            dilated = f" (kernel {kernels[i]} with dilation {dilations[i]})" if dilations[i] > 1 else ""
            yield Fault(
                "E0302",
                f"`{kind}`: a window of {extent}{dilated} does not fit in the {AXES[rank][i]} {x[1 + i]}{padded}",
                "kernel_size",
                label=f"the input is {form(x)}",
                help="use a smaller kernel, more padding, or a larger input",
            )
            return


class Conv(Kind):
    """Convolution along any number of axes: out = floor((in + 2p - d(k - 1) - 1) / s) + 1 on each."""

    rank: ClassVar[int] = 2
    """The axes after the channels."""
    positional: ClassVar[tuple[str, ...]] = ("in_channels", "out_channels")
    state: ClassVar[Mapping[str, State]] = _STATE
    role: ClassVar[Role] = "conv"
    title: ClassVar[str] = "conv"
    channel_arguments: ClassVar[tuple[str, ...]] = ("out_channels", "groups", "bias")

    out_channels: Count
    """Channels of the output: the number of filters."""
    kernel_size: Size2d
    """Size of the window: an integer, or one for each axis (height and width)."""
    stride: Size2d = 1
    """Step of the window."""
    padding: Padding2d = 0
    """Padding on each side; `same` keeps the size at stride 1: p = d(k - 1)/2."""
    dilation: Size2d = 1
    """Spacing between the elements of the kernel."""
    groups: Count = 1
    """Number of groups, each with separate filters; depthwise if each input channel is a group."""
    bias: Flag = True
    """Add a learned bias to each output channel."""
    padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros"
    """Values of the padding: zeros, or mirrored, repeated or wrapped values of the input."""

    @classmethod
    def likely(cls, x: Shape) -> dict[str, list[Any]]:
        return {"groups": divisors(x[0])}

    def label(self, inputs: Inputs) -> str:
        return _label(self, inputs, "/")

    def _padding(self) -> Any:
        return same_padding(self.kernel_size, self.dilation, self.rank) if self.padding == "same" else self.padding

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        (x,) = inputs
        if len(x) != 1 + self.rank:
            yield from need_map(inputs, self.kind, self.rank)
            return
        if self.groups != 1:
            yield from group_faults(x[0], self.out_channels, self.groups)
        if self.padding == "same":
            faults = list(same_faults(self.kernel_size, self.stride, self.dilation, self.rank))
            if faults:
                yield from faults
                return
        if self.padding_mode in ("reflect", "circular"):
            padding = sides(self._padding(), self.rank)
            for i in range(self.rank):
                least = padding[i] + (self.padding_mode == "reflect")
                if padding[i] and x[1 + i] < least:
                    size = f"{AXES[self.rank][i]} {x[1 + i]}"
                    yield Fault(
                        "E0307",
                        f"`padding_mode: {self.padding_mode}` cannot pad the {size} by {padding[i]}",
                        "padding",
                        help="use less padding or another mode",
                    )
                    return
        if min(self.output(inputs)[1:]) < 1:
            yield from kernel_faults(x, self.kernel_size, self._padding(), self.dilation, self.kind)

    def output(self, inputs: Inputs) -> Shape:
        sizes = inputs[0][1:]
        k, s, p, d = self.kernel_size, self.stride, self.padding, self.dilation
        if p == "same":
            return (self.out_channels, *sizes)
        found = [self.out_channels]
        if type(k) is type(s) is type(p) is type(d) is int:  # nearly always
            reach = 2 * p - d * (k - 1) - 1
            for n in sizes:
                found.append((n + reach) // s + 1)  # noqa: PERF401 - a comprehension is slower for two
            return tuple(found)
        if is_open(p):
            p = unless(p, "same", same_padding(k, d, self.rank))
        for i, n in enumerate(sizes):
            found.append((n + 2 * axis(p, i) - axis(d, i) * (axis(k, i) - 1) - 1) // axis(s, i) + 1)
        return tuple(found)

    def derived(self, inputs: Inputs) -> dict[str, Any]:
        return {"in_channels": inputs[0][0]}

    def settled(self, inputs: Inputs) -> dict[str, Any]:
        padding = self.model_copy(update={"padding": self._padding()}) if self.padding == "same" else self
        return Kind.settled(padding, inputs)

    def written(self) -> dict[str, Any]:
        given = super().written()
        if self.padding == "same":
            windows = (self.kernel_size, self.dilation)
            unknown = any(is_expression(value) and may_be_list(value) for value in windows)
            padding = "same" if unknown else self._padding()
            given["padding"] = padding
            if padding in (0, (0,) * self.rank):
                del given["padding"]
        return given

    def shapes(self, inputs: Inputs) -> dict[str, tuple[int, ...]]:
        return _shapes(self, (self.out_channels, inputs[0][0] // self.groups))

    def macs(self, inputs: Inputs, y: Shape) -> int:
        channels: int = inputs[0][0] // self.groups
        return volume(y) * channels * volume(sides(self.kernel_size, self.rank))

    def needs_input(self, inputs: Inputs) -> bool:
        return self.padding_mode != "circular"  # which is copied piece by piece

    @property
    def pads_first(self) -> bool:
        return self.padding_mode != "zeros"

    def kept(self, inputs: Inputs, images: int) -> int:
        if self.padding_mode == "zeros":
            return 0
        channels, *sizes = inputs[0]
        padding = self._padding()  # torch pads before it convolves: the padded map is what it keeps
        padded = [size + 2 * axis(padding, i) for i, size in enumerate(sizes)]
        return FLOAT * images * volume((channels, *padded))

    def scratch(self, inputs: Inputs, images: int) -> int:
        return self.kept(inputs, images)

    def windows(self, inputs: Inputs) -> tuple[Window, ...]:
        padding = self._padding()
        return tuple(
            Window(
                axis(self.dilation, i) * (axis(self.kernel_size, i) - 1) + 1,
                axis(self.stride, i),
                axis(padding, i),
                repeats_edge(self.padding_mode, length),
            )
            for i, length in enumerate(inputs[0][1:])
        )


def divisors(count: int) -> list[int]:
    """What divides a number of channels."""
    return [part for part in range(1, count + 1) if count % part == 0]


def _label(layer: "Conv | ConvTranspose", inputs: Inputs, sign: str) -> str:
    groups = value_of(layer.groups)
    depthwise = groups > 1 and groups == inputs[0][0]
    what = f"{'depthwise ' if depthwise else ''}{layer.title}"
    parts = [f"{window(layer.kernel_size, layer.rank)} {what}", text(layer.out_channels)]
    if groups > 1 and not depthwise:
        parts.append(f"{text(layer.groups)} groups")
    if value_of(layer.dilation) not in (1, (1,) * layer.rank):
        parts.append(f"dilation {listed(layer.dilation)}")
    return ", ".join(parts) + over(layer.stride, sign)


def _shapes(layer: "Conv | ConvTranspose", channels: tuple[int, int]) -> dict[str, tuple[int, ...]]:
    return {"weight": (*channels, *sides(layer.kernel_size, layer.rank)), "bias": (layer.out_channels,)}


def repeats_edge(mode: str, length: int) -> bool:
    """Whether a padding holds nothing but the values of the map's edges: all of a map of one position does."""
    return mode == "replicate" or (mode == "circular" and length == 1)


def group_faults(in_channels: int, out_channels: int, groups: int) -> Iterator[Fault]:
    """A fault unless the groups divide both the input's and the output's channels."""
    for channels, which in ((in_channels, "input"), (out_channels, "output")):
        if channels % groups:
            divisors = [d for d in range(1, min(channels, 4096) + 1) if channels % d == 0]
            nearest = min(divisors, key=lambda d: abs(d - groups))
            yield Fault(
                "E0306",
                f"cannot split the {channels} {which} channels into {groups} equal groups",
                "groups",
                label=f"{channels} / {groups} is not an integer",
                help=f"use a divisor of {channels}, such as {nearest}",
            )
            return


class ConvTranspose(Kind):
    """Transposed convolution along any number of axes: out = (in - 1)s - 2p + d(k - 1) + output_padding + 1 on each."""

    rank: ClassVar[int] = 2
    """The axes after the channels."""
    positional: ClassVar[tuple[str, ...]] = ("in_channels", "out_channels")
    state: ClassVar[Mapping[str, State]] = _STATE
    role: ClassVar[Role] = "conv"
    title: ClassVar[str] = "up-conv"
    channel_arguments: ClassVar[tuple[str, ...]] = ("out_channels", "groups", "bias")

    out_channels: Count
    """Channels of the output."""
    kernel_size: Size2d
    """Size of the window: an integer, or one for each axis (height and width)."""
    stride: Size2d = 1
    """Step of the window on the output: the factor by which the feature map grows."""
    padding: Natural2d = 0
    """Positions removed from each side of the output."""
    output_padding: Natural2d = 0
    """Positions added to one side of the output, because several output sizes are possible for a stride."""
    groups: Count = 1
    """Number of groups, each with separate filters."""
    bias: Flag = True
    """Add a learned bias to each output channel."""
    dilation: Size2d = 1
    """Spacing between the elements of the kernel."""

    @classmethod
    def likely(cls, x: Shape) -> dict[str, list[Any]]:
        return {"groups": divisors(x[0])}

    def label(self, inputs: Inputs) -> str:
        return _label(self, inputs, "×")

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        (x,) = inputs
        if len(x) != 1 + self.rank:
            yield from need_map(inputs, self.kind, self.rank)
            return
        yield from group_faults(x[0], self.out_channels, self.groups)
        stride, dilation, extra = (sides(v, self.rank) for v in (self.stride, self.dilation, self.output_padding))
        for i in range(self.rank):
            if extra[i] >= max(stride[i], dilation[i]):
                yield Fault(
                    "E0309",
                    f"output_padding {extra[i]} is not smaller than stride {stride[i]} or dilation {dilation[i]}",
                    "output_padding",
                    help=f"use at most {max(stride[i], dilation[i]) - 1}",
                )
                return
        for name, size in zip(AXES[self.rank], self.output(inputs)[1:], strict=True):
            if size < 1:
                yield Fault(
                    "E0308",
                    f"`{self.kind}` produces an output with a {name} of {size}",
                    "padding",
                    help="use less padding",
                )
                return

    def output(self, inputs: Inputs) -> Shape:
        sizes = [
            (size - 1) * axis(self.stride, i)
            - 2 * axis(self.padding, i)
            + axis(self.dilation, i) * (axis(self.kernel_size, i) - 1)
            + axis(self.output_padding, i)
            + 1
            for i, size in enumerate(inputs[0][1:])
        ]
        return (self.out_channels, *sizes)

    def derived(self, inputs: Inputs) -> dict[str, Any]:
        return {"in_channels": inputs[0][0]}

    def shapes(self, inputs: Inputs) -> dict[str, tuple[int, ...]]:
        return _shapes(self, (inputs[0][0], self.out_channels // self.groups))

    def macs(self, inputs: Inputs, y: Shape) -> int:
        channels: int = y[0] // self.groups
        return volume(inputs[0]) * channels * volume(sides(self.kernel_size, self.rank))

    def needs_input(self, inputs: Inputs) -> bool:
        return True

    def windows(self, inputs: Inputs) -> tuple[Window, ...]:
        found = []
        for i in range(len(inputs[0]) - 1):
            kernel, stride, dilation = axis(self.kernel_size, i), axis(self.stride, i), axis(self.dilation, i)
            # Output o reads the inputs j with j s = o + p - d t for a tap t < k: every `step`-th tap, if any.
            step = stride // gcd(stride, dilation)
            reach = (kernel - 1) // step * step * dilation
            before = (reach - axis(self.padding, i)) / stride
            found.append(Window(reach // stride + 1, 1 / stride, before, inside=True))
        return tuple(found)


@register
class Conv1d(Conv):
    """Convolution along a sequence: out = floor((in + 2p - d(k - 1) - 1) / s) + 1."""

    kind: ClassVar[str] = "conv1d"
    torch: ClassVar[str] = "nn.Conv1d"
    rank: ClassVar[int] = 1
    examples: ClassVar[tuple[str, ...]] = (
        "{out_channels: 32, kernel_size: 9, padding: same}",
        "{out_channels: 32, kernel_size: 3, stride: 2, padding: 1}",
    )

    kernel_size: Size1d
    """Length of the window."""
    stride: Size1d = 1
    padding: Padding1d = 0
    dilation: Size1d = 1


@register
class Conv2d(Conv):
    """2-D convolution: out = floor((in + 2p - d(k - 1) - 1) / s) + 1 on each axis."""

    kind: ClassVar[str] = "conv2d"
    torch: ClassVar[str] = "nn.Conv2d"
    aliases: ClassVar[tuple[str, ...]] = ("conv",)
    examples: ClassVar[tuple[str, ...]] = (
        "{out_channels: 32, kernel_size: 3, padding: same}",
        "{out_channels: 32, kernel_size: 3, stride: 2, padding: 1}",
        "{out_channels: 32, kernel_size: 1}",
        "{out_channels: 16, kernel_size: 3, padding: same, groups: 16}",
        "{out_channels: 32, kernel_size: 3, padding: same, dilation: 2}",
        "{out_channels: 32, kernel_size: [1, 7], padding: same}",
    )


@register
class Conv3d(Conv):
    """Convolution of a volume: out = floor((in + 2p - d(k - 1) - 1) / s) + 1 on each axis."""

    kind: ClassVar[str] = "conv3d"
    torch: ClassVar[str] = "nn.Conv3d"
    rank: ClassVar[int] = 3
    examples: ClassVar[tuple[str, ...]] = (
        "{out_channels: 32, kernel_size: 3, padding: same}",
        "{out_channels: 64, kernel_size: [3, 7, 7], stride: [1, 2, 2], padding: [1, 3, 3]}",
    )

    kernel_size: Size3d
    """Size of the window: an integer, or depth, height and width."""
    stride: Size3d = 1
    padding: Padding3d = 0
    dilation: Size3d = 1


@register
class ConvTranspose1d(ConvTranspose):
    """Transposed convolution along a sequence: out = (in - 1)s - 2p + d(k - 1) + output_padding + 1."""

    kind: ClassVar[str] = "conv_transpose1d"
    torch: ClassVar[str] = "nn.ConvTranspose1d"
    rank: ClassVar[int] = 1
    examples: ClassVar[tuple[str, ...]] = ("{out_channels: 8, kernel_size: 2, stride: 2}",)

    kernel_size: Size1d
    """Length of the window."""
    stride: Size1d = 1
    padding: Natural1d = 0
    output_padding: Natural1d = 0
    dilation: Size1d = 1


@register
class ConvTranspose2d(ConvTranspose):
    """Transposed convolution: out = (in - 1)s - 2p + d(k - 1) + output_padding + 1 on each axis."""

    kind: ClassVar[str] = "conv_transpose2d"
    torch: ClassVar[str] = "nn.ConvTranspose2d"
    aliases: ClassVar[tuple[str, ...]] = ("deconv",)
    examples: ClassVar[tuple[str, ...]] = (
        "{out_channels: 8, kernel_size: 2, stride: 2}",
        "{out_channels: 8, kernel_size: 3, stride: 2, padding: 1, output_padding: 1}",
    )


@register
class ConvTranspose3d(ConvTranspose):
    """Transposed convolution of a volume: out = (in - 1)s - 2p + d(k - 1) + output_padding + 1 on each axis."""

    kind: ClassVar[str] = "conv_transpose3d"
    torch: ClassVar[str] = "nn.ConvTranspose3d"
    rank: ClassVar[int] = 3
    examples: ClassVar[tuple[str, ...]] = ("{out_channels: 8, kernel_size: 2, stride: 2}",)

    kernel_size: Size3d
    """Size of the window: an integer, or depth, height and width."""
    stride: Size3d = 1
    padding: Natural3d = 0
    output_padding: Natural3d = 0
    dilation: Size3d = 1
