"""Pooling: the largest or the mean value of each window."""

from collections.abc import Iterator
from math import gcd
from typing import Annotated, Any, ClassVar

from archc.expressions.symbol import plain
from archc.kinds.base import (
    Count,
    Fault,
    Flag,
    Kind,
    NaturalPair,
    OptionalPair,
    OutputSize,
    Pair,
    Shape,
    Symbolic,
    Window,
    form,
    need_map,
    pair,
    volume,
)
from archc.kinds.convolution import AXES, kernel_faults

_INDEX = 8
"""Bytes of the place of a largest value, an int64."""


class _Pool(Kind):
    """What max and average pooling share; every pooling argument is written by name."""

    kernel_size: Pair
    """Height and width of the window."""
    stride: OptionalPair = None
    """Step of the window; the kernel's size if left out."""
    padding: NaturalPair = 0
    """Positions added at each side of the map, at most half of the kernel."""

    def _axes(self) -> Iterator[tuple[int, int, int, int, int]]:
        """(axis, kernel, stride, padding, dilation) of each axis; the stride defaults to the kernel."""
        kernel, padding, dilation = pair(self.kernel_size), pair(self.padding), pair(self.__dict__.get("dilation", 1))
        stride = kernel if self.stride is None else pair(self.stride)
        for i in (0, 1):
            yield i, kernel[i], stride[i], padding[i], dilation[i]

    def requirements(self, x: Shape) -> Iterator[Fault]:
        if len(x) != 3:
            yield from need_map(x, self.kind)
            return
        for _, kernel, _, padding, _ in self._axes():
            if padding > kernel // 2:
                yield Fault(
                    "E0305",
                    f"padding {padding} is more than half of the kernel {kernel}",
                    "padding",
                    label=f"at most {kernel // 2}",
                    help=f"write `padding: {kernel // 2}`, or a `pad` layer before it",
                )
                return
        if min(self.output(x)[1:]) < 1:
            yield from kernel_faults(x, self.kernel_size, self.padding, self.__dict__.get("dilation", 1), self.kind)
            return
        for i, kernel, _, padding, dilation in self._axes():
            # A wide dilation leaves room for one window, whose first position behind the padding may miss the map.
            # PyTorch takes that, gives minus infinity and writes beyond the map in the backward pass.
            if dilation > x[1 + i] and -plain(padding) % plain(dilation) >= x[1 + i]:
                yield Fault(
                    "E0305",
                    f"a window of kernel {kernel} with dilation {dilation} and padding {padding}"
                    f" steps over the whole {AXES[i]} {x[1 + i]}",
                    "dilation",
                    label=f"the input is {form(x)}",
                    help=f"use a dilation of at most {x[1 + i]}, or a larger input",
                )
                return

    def size_from(self) -> tuple[bool, tuple[Any, ...]]:
        others = (self.__dict__.get("dilation"), self.__dict__.get("ceil_mode"))
        return True, (self.kernel_size, self.stride, self.padding, *others)

    def output(self, x: Shape) -> Shape:
        # As PyTorch: a last window that would start in the right padding is dropped (pytorch#116420).
        sizes = []
        for i, kernel, stride, padding, dilation in self._axes():
            span = x[1 + i] + 2 * padding - dilation * (kernel - 1) - 1
            if self.__dict__.get("ceil_mode", False):
                size = -(-span // stride) + 1
                if (size - 1) * stride >= x[1 + i] + padding:
                    size -= 1
            else:
                size = span // stride + 1
            sizes.append(size)
        return (x[0], *sizes)

    def settled(self, x: Shape) -> dict[str, Any]:
        found = super().settled(x)
        return {**found, "stride": found["kernel_size"]} if self.stride is None else found

    def windows(self, x: Shape) -> tuple[Window, Window]:
        first, second = (Window(d * (k - 1) + 1, s, p) for _, k, s, p, d in self._axes())
        return (first, second)

    @property
    def needs_input(self) -> bool:
        return True


class MaxPool2d(_Pool):
    """The largest value of each window."""

    kind: ClassVar[str] = "max_pool2d"
    torch: ClassVar[str] = "nn.MaxPool2d"

    dilation: Pair = 1
    """Distance between neighbouring positions of the window."""
    ceil_mode: Flag = False
    """Round output sizes up: a last window may reach beyond the padded map."""

    def kept(self, x: Shape, images: int) -> int:
        return _INDEX * images * volume(self.output(x))

    def scratch(self, x: Shape, images: int) -> int:
        return self.kept(x, images)


class AvgPool2d(_Pool):
    """The mean of each window."""

    kind: ClassVar[str] = "avg_pool2d"
    torch: ClassVar[str] = "nn.AvgPool2d"

    ceil_mode: Flag = False
    """Round output sizes up: a last window may reach beyond the padded map."""
    count_include_pad: Flag = True
    """Count the zeros of the padding as values."""
    divisor_override: Annotated[Count | None, Symbolic] = None
    """What the sum of a window is divided by, instead of its number of values."""


class _AdaptivePool(Kind):
    """Pooling to a given size: output i reads floor(i n / m) to ceil((i + 1) n / m) of its n inputs."""

    positional: ClassVar[tuple[str, ...]] = ("output_size",)

    output_size: OutputSize
    """Height and width of the output; `null` in a pair keeps the input's."""

    def requirements(self, x: Shape) -> Iterator[Fault]:
        return need_map(x, self.kind)

    def size_from(self) -> tuple[bool, tuple[Any, ...]]:
        size = plain(self.output_size)
        return isinstance(size, tuple) and None in size, (self.output_size,)

    def output(self, x: Shape) -> Shape:
        size = plain(self.output_size)
        sizes = size if isinstance(size, tuple) else (size, size)
        return (x[0], *(kept if wanted is None else wanted for wanted, kept in zip(sizes, x[1:], strict=True)))

    def windows(self, x: Shape) -> tuple[Window, Window]:
        result = []
        for n, m in zip(x[1:], self.output(x)[1:], strict=True):
            widest = n // m + min(n % m // gcd(n, m), 2)  # a region can begin and end within an input position
            result.append(Window(None) if m == 1 else Window(widest, n / m, inside=n == 1))
        return (result[0], result[1])

    @property
    def needs_input(self) -> bool:
        return True


class AdaptiveAvgPool2d(_AdaptivePool):
    """The mean of each of output_size × output_size regions, whatever the input's size."""

    kind: ClassVar[str] = "adaptive_avg_pool2d"
    torch: ClassVar[str] = "nn.AdaptiveAvgPool2d"

    @property
    def needs_input(self) -> bool:
        return plain(self.output_size) not in (1, (1, 1))  # which is a mean


class AdaptiveMaxPool2d(_AdaptivePool):
    """The largest value of each of output_size × output_size regions, whatever the input's size."""

    kind: ClassVar[str] = "adaptive_max_pool2d"
    torch: ClassVar[str] = "nn.AdaptiveMaxPool2d"

    def kept(self, x: Shape, images: int) -> int:
        return _INDEX * images * volume(self.output(x))

    def scratch(self, x: Shape, images: int) -> int:
        return self.kept(x, images)
