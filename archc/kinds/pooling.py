"""Pooling: the largest or the mean value of each window."""

from collections.abc import Iterator
from math import gcd
from typing import Any, ClassVar

from archc.expressions.tree import choose, compare
from archc.kinds.arithmetic import axis, sides, unless
from archc.kinds.base import AXES, Fault, Inputs, Kind, Role, Shape, Window, form, need_map, volume
from archc.kinds.convolution import kernel_faults
from archc.kinds.labels import over, value_of, window
from archc.kinds.registry import register
from archc.kinds.types import (
    Count,
    Flag,
    Natural1d,
    Natural2d,
    Natural3d,
    Optional1d,
    Optional2d,
    Optional3d,
    Output2d,
    Output3d,
    Size1d,
    Size2d,
    Size3d,
)

_INDEX = 8
"""Bytes of the place of a largest value, an int64."""


class _Pool(Kind):
    """What max and average pooling share; every pooling argument is written by name."""

    role: ClassVar[Role] = "pool"
    rank: ClassVar[int] = 2
    """The axes after the channels."""

    kernel_size: Size2d
    """Size of the window: an integer, or one for each axis (height and width)."""
    stride: Optional2d = None
    """Step of the window (default: the kernel size)."""
    padding: Natural2d = 0
    """Padding on each side, at most half of the kernel size."""

    def _window(self) -> tuple[Any, Any, Any, Any, Any]:
        """Kernel, stride (which defaults to the kernel), padding, dilation, and whether sizes are rounded up."""
        values = self.__dict__  # pydantic's getattr is slow for an argument that a kind lacks
        kernel, stride = values["kernel_size"], values["stride"]
        if type(stride) is not int:
            stride = unless(stride, None, kernel)
        return kernel, stride, values["padding"], values.get("dilation", 1), values.get("ceil_mode", False)

    def label(self, inputs: Inputs) -> str:
        stride = self.kernel_size if self.stride is None else self.stride
        return f"{window(self.kernel_size, self.rank)} {self.title}{over(stride)}"

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        (x,) = inputs
        if len(x) != 1 + self.rank:
            yield from need_map(inputs, self.kind, self.rank)
            return
        kernels, _, paddings, dilations, _ = (sides(value, self.rank) for value in self._window())
        for kernel, padding in zip(kernels, paddings, strict=True):
            if padding > kernel // 2:
                yield Fault(
                    "E0305",
                    f"padding {padding} is more than half of the kernel {kernel}",
                    "padding",
                    label=f"at most {kernel // 2}",
                    help=f"write `padding: {kernel // 2}`, or a `pad` layer before it",
                )
                return
        if min(self.output(inputs)[1:]) < 1:
            yield from kernel_faults(x, kernels, paddings, dilations, self.kind)
            return
        for i, dilation in enumerate(dilations):
            # A wide dilation leaves room for one window, whose first position behind the padding may miss the map.
            # PyTorch takes that, gives minus infinity and writes beyond the map in the backward pass.
            size = x[1 + i]
            if dilation > size and -paddings[i] % dilation >= size:
                yield Fault(
                    "E0305",
                    f"a window of kernel {kernels[i]} with dilation {dilation} and padding {paddings[i]}"
                    f" can skip the whole {AXES[self.rank][i]} {size}",
                    "dilation",
                    label=f"the input is {form(x)}",
                    help=f"use a dilation of at most {size}, or a larger input",
                )
                return

    def output(self, inputs: Inputs) -> Shape:
        x = inputs[0]
        kernels, strides, paddings, dilations, ceil_mode = self._window()
        found = [x[0]]
        for i, size in enumerate(x[1:]):
            kernel, stride = axis(kernels, i), axis(strides, i)
            padding, dilation = axis(paddings, i), axis(dilations, i)
            span = size + 2 * padding - dilation * (kernel - 1) - 1
            down = span // stride + 1
            if ceil_mode is False:
                found.append(down)
                continue
            # As PyTorch: a last window that would start in the right padding is dropped (pytorch#116420).
            up = -(-span // stride) + 1
            dropped = compare((up - 1) * stride, ">=", size + padding)
            found.append(choose(ceil_mode, choose(dropped, up - 1, up), down))
        return tuple(found)

    def settled(self, inputs: Inputs) -> dict[str, Any]:
        found = super().settled(inputs)
        return {**found, "stride": found["kernel_size"]} if self.stride is None else found

    def windows(self, inputs: Inputs) -> tuple[Window, ...]:
        kernel, stride, padding, dilation, _ = self._window()
        return tuple(
            Window(axis(dilation, i) * (axis(kernel, i) - 1) + 1, axis(stride, i), axis(padding, i))
            for i in range(len(inputs[0]) - 1)
        )

    def needs_input(self, inputs: Inputs) -> bool:
        return True


class _MaxPool(_Pool):
    """Maximum of each window."""

    title: ClassVar[str] = "max pool"

    dilation: Size2d = 1
    """Spacing between the elements of the window."""
    ceil_mode: Flag = False
    """Round output sizes up, so that the last window can extend beyond the padded input."""

    def kept(self, inputs: Inputs, images: int) -> int:
        return _INDEX * images * volume(self.output(inputs))

    def scratch(self, inputs: Inputs, images: int) -> int:
        return self.kept(inputs, images)


class _AvgPool(_Pool):
    """Mean of each window."""

    title: ClassVar[str] = "avg pool"

    ceil_mode: Flag = False
    """Round output sizes up, so that the last window can extend beyond the padded input."""
    count_include_pad: Flag = True
    """Include the zeros of the padding in the mean."""


def regions(old: Shape, new: Shape) -> tuple[Window, ...]:
    """The positions that each of the regions reads into which an axis is cut."""
    found = []
    for n, m in zip(old, new, strict=True):
        widest = n // m + min(n % m // gcd(n, m), 2)  # a region can begin and end within an input position
        early = 1 - gcd(n, m) / m
        found.append(Window(None) if m == 1 else Window(widest, n / m, inside=n == 1, early=early))
    return tuple(found)


class _AdaptivePool(Kind):
    """Pooling to a given size: output i reads floor(i n / m) to ceil((i + 1) n / m) of its n inputs."""

    positional: ClassVar[tuple[str, ...]] = ("output_size",)
    role: ClassVar[Role] = "pool"
    rank: ClassVar[int] = 2
    """The axes after the channels."""

    output_size: Output2d
    """Size of the output: an integer, or height and width; `null` in a list keeps the size of the input."""

    def label(self, inputs: Inputs) -> str:
        if value_of(self.output_size) in (1, (1,) * self.rank):
            return f"global {self.title}"
        return f"{self.title} to {window(self.output_size, self.rank)}"

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        return need_map(inputs, self.kind, self.rank)

    def output(self, inputs: Inputs) -> Shape:
        channels, *sizes = inputs[0]
        return (channels, *[unless(axis(self.output_size, i), None, size) for i, size in enumerate(sizes)])

    def windows(self, inputs: Inputs) -> tuple[Window, ...]:
        return regions(inputs[0][1:], self.output(inputs)[1:])

    def needs_input(self, inputs: Inputs) -> bool:
        return True


class _AdaptiveAvgPool(_AdaptivePool):
    """Mean of each region, for any input size."""

    title: ClassVar[str] = "avg pool"

    def needs_input(self, inputs: Inputs) -> bool:
        return volume(self.output(inputs)[1:]) > 1  # which otherwise is a mean


class _AdaptiveMaxPool(_AdaptivePool):
    """Maximum of each region, for any input size."""

    title: ClassVar[str] = "max pool"

    def kept(self, inputs: Inputs, images: int) -> int:
        return _INDEX * images * volume(self.output(inputs))

    def scratch(self, inputs: Inputs, images: int) -> int:
        return self.kept(inputs, images)


@register
class MaxPool1d(_MaxPool):
    """Maximum of each window of a sequence."""

    kind: ClassVar[str] = "max_pool1d"
    torch: ClassVar[str] = "nn.MaxPool1d"
    rank: ClassVar[int] = 1
    examples: ClassVar[tuple[str, ...]] = ("2", "{kernel_size: 3, stride: 2, padding: 1}")

    kernel_size: Size1d
    """Length of the window."""
    stride: Optional1d = None
    padding: Natural1d = 0
    dilation: Size1d = 1


@register
class MaxPool2d(_MaxPool):
    """Maximum of each window."""

    kind: ClassVar[str] = "max_pool2d"
    torch: ClassVar[str] = "nn.MaxPool2d"
    aliases: ClassVar[tuple[str, ...]] = ("maxpool",)
    examples: ClassVar[tuple[str, ...]] = (
        "2",
        "{kernel_size: 3, stride: 2, padding: 1}",
        "{kernel_size: 3, stride: 2, ceil_mode: true}",
    )


@register
class MaxPool3d(_MaxPool):
    """Maximum of each window of a volume."""

    kind: ClassVar[str] = "max_pool3d"
    torch: ClassVar[str] = "nn.MaxPool3d"
    rank: ClassVar[int] = 3
    examples: ClassVar[tuple[str, ...]] = ("2", "{kernel_size: [1, 3, 3], stride: [1, 2, 2], padding: [0, 1, 1]}")

    kernel_size: Size3d
    """Size of the window: an integer, or depth, height and width."""
    stride: Optional3d = None
    padding: Natural3d = 0
    dilation: Size3d = 1


@register
class AvgPool1d(_AvgPool):
    """Mean of each window of a sequence."""

    kind: ClassVar[str] = "avg_pool1d"
    torch: ClassVar[str] = "nn.AvgPool1d"
    rank: ClassVar[int] = 1
    examples: ClassVar[tuple[str, ...]] = ("2", "{kernel_size: 3, stride: 1, padding: 1}")

    kernel_size: Size1d
    """Length of the window."""
    stride: Optional1d = None
    padding: Natural1d = 0


@register
class AvgPool2d(_AvgPool):
    """Mean of each window."""

    kind: ClassVar[str] = "avg_pool2d"
    torch: ClassVar[str] = "nn.AvgPool2d"
    aliases: ClassVar[tuple[str, ...]] = ("avgpool",)
    examples: ClassVar[tuple[str, ...]] = ("2", "{kernel_size: 3, stride: 1, padding: 1}")

    divisor_override: Count | None = None
    """Divisor of the sum of a window, instead of its number of values."""


@register
class AvgPool3d(_AvgPool):
    """Mean of each window of a volume."""

    kind: ClassVar[str] = "avg_pool3d"
    torch: ClassVar[str] = "nn.AvgPool3d"
    rank: ClassVar[int] = 3
    examples: ClassVar[tuple[str, ...]] = ("2", "{kernel_size: [1, 2, 2], stride: [1, 2, 2]}")

    kernel_size: Size3d
    """Size of the window: an integer, or depth, height and width."""
    stride: Optional3d = None
    padding: Natural3d = 0
    divisor_override: Count | None = None
    """Divisor of the sum of a window, instead of its number of values."""

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        yield from super().requirements(inputs)
        if len(inputs[0]) == 4:  # PyTorch checks before it pads
            yield from kernel_faults(inputs[0], self.kernel_size, 0, 1, self.kind)


@register
class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Mean of each of `output_size` regions of a sequence, for any length."""

    kind: ClassVar[str] = "adaptive_avg_pool1d"
    torch: ClassVar[str] = "nn.AdaptiveAvgPool1d"
    rank: ClassVar[int] = 1
    examples: ClassVar[tuple[str, ...]] = ("1", "8")

    output_size: Size1d
    """Length of the output."""


@register
class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Mean of each of output_size × output_size regions, for any input size."""

    kind: ClassVar[str] = "adaptive_avg_pool2d"
    torch: ClassVar[str] = "nn.AdaptiveAvgPool2d"
    aliases: ClassVar[tuple[str, ...]] = ("gap", "globalaveragepooling2d", "globalavgpool")
    examples: ClassVar[tuple[str, ...]] = ("1", "7", "[7, null]")


@register
class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Mean of each region of a volume, for any size."""

    kind: ClassVar[str] = "adaptive_avg_pool3d"
    torch: ClassVar[str] = "nn.AdaptiveAvgPool3d"
    rank: ClassVar[int] = 3
    examples: ClassVar[tuple[str, ...]] = ("1", "[1, 7, 7]")

    output_size: Output3d
    """Size of the output: an integer, or depth, height and width; `null` in a list keeps the size of the input."""


@register
class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Maximum of each of `output_size` regions of a sequence, for any length."""

    kind: ClassVar[str] = "adaptive_max_pool1d"
    torch: ClassVar[str] = "nn.AdaptiveMaxPool1d"
    rank: ClassVar[int] = 1
    examples: ClassVar[tuple[str, ...]] = ("1", "8")

    output_size: Size1d
    """Length of the output."""


@register
class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Maximum of each of output_size × output_size regions, for any input size."""

    kind: ClassVar[str] = "adaptive_max_pool2d"
    torch: ClassVar[str] = "nn.AdaptiveMaxPool2d"
    examples: ClassVar[tuple[str, ...]] = ("1", "[4, 8]")


@register
class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """Maximum of each region of a volume, for any size."""

    kind: ClassVar[str] = "adaptive_max_pool3d"
    torch: ClassVar[str] = "nn.AdaptiveMaxPool3d"
    rank: ClassVar[int] = 3
    examples: ClassVar[tuple[str, ...]] = ("1", "[2, 4, 4]")

    output_size: Output3d
    """Size of the output: an integer, or depth, height and width; `null` in a list keeps the size of the input."""
