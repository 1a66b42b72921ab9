"""ONNX operators that only join, part, move and repeat values."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy

from archc.importing.graph import Value
from archc.importing.onnx_nodes import UNKNOWN_BATCH, Nodes

_NEAREST = {
    ("asymmetric", "floor"),
    ("asymmetric", "round_prefer_floor"),
    ("half_pixel", "round_prefer_floor"),
    ("half_pixel", "round_prefer_ceil"),
    ("pytorch_half_pixel", "round_prefer_floor"),
}
"""Ways to find the nearest position that repeat each one, for whole factors. Upsample's own is the first."""


class Forms(Nodes):
    """Reads operators that don't compute."""

    # Joins

    def values_of(self, node: Any) -> list[Value] | None:
        """All inputs of a join; None (and a note) if one is constant."""
        if any(name in self.constants for name in node.input):
            self.refuse(node, "with a constant")
            return None
        return [self.value(node, at) for at in range(len(node.input))]

    def read_add(self, node: Any) -> Value | None:
        """A sum."""
        values = self.values_of(node)
        if values is None or len(values) == 1:
            return values[0] if values else None
        if len({self.flat.shape(value) for value in values}) > 1:
            self.refuse(node, "of different shapes")
            return None
        return self.add(node, "add", values)

    read_sum = read_add

    def read_mul(self, node: Any) -> Value | None:
        """A product."""
        values = self.values_of(node)
        return None if values is None else self.add(node, "multiply", values)

    def read_concat(self, node: Any) -> Value | None:
        """A join over an axis."""
        values = self.values_of(node)
        if values is None:
            return None
        axis = self.attribute(node, "axis", 1) % (len(self.flat.shape(values[0])) + 1)
        if axis == 0:
            self.refuse(node, "over the batch")
            return None
        return values[0] if len(values) == 1 else self.add(node, "concat", values, {} if axis == 1 else {"dim": axis})

    # Parts and forms

    def read_split(self, node: Any) -> list[Value] | None:
        """Channels in several parts."""
        x = self.value(node, 0)
        shape, count = self.flat.shape(x), len(node.output)
        if self.attribute(node, "axis", 0) % (len(shape) + 1) != 1:
            self.refuse(node, "not over channels")
            return None
        given = self.setting(node, "split", 1)
        each = -(-shape[0] // count)
        sections = [int(size) for size in given] if given is not None else [each] * (count - 1)
        sections += [] if given is not None else [shape[0] - each * (count - 1)]
        if len(set(sections)) == 1:
            made = self.add(node, "chunk", [x], {"chunks": count})
        else:
            made = self.add(node, "split", [x], {"sections": sections})
        return [Value(made.operation, number) for number in range(count)]

    def read_slice(self, node: Any) -> Value | None:
        """A part of the channels."""
        x = self.value(node, 0)
        shape = self.flat.shape(x)
        starts, ends = self.setting(node, "starts", 1), self.setting(node, "ends", 2)
        axes, steps = self.setting(node, "axes", 3), self.setting(node, "steps", 4)
        if (
            starts is None
            or ends is None
            or len(starts) != 1
            or (axes is not None and int(axes[0]) % (len(shape) + 1) != 1)
        ):
            self.refuse(node, "not of channels")
            return None
        start, end, step = slice(int(starts[0]), int(ends[0])).indices(shape[0])
        if axes is None or (steps is not None and int(steps[0]) != 1) or step != 1 or start >= end:
            self.refuse(node, "not of channels")
            return None
        if (start, end) == (0, shape[0]):
            return x
        sections = [size for size in (start, end - start, shape[0] - end) if size]
        made = self.add(node, "split", [x], {"sections": sections})
        return Value(made.operation, 1 if start else 0)

    def read_flatten(self, node: Any) -> Value | None:
        """All values of an image as a vector."""
        x = self.value(node, 0)
        if self.attribute(node, "axis", 1) % (len(self.flat.shape(x)) + 1) != 1:
            self.refuse(node, "of other axes")
            return None
        return self.reshaped(node, x, (prod(self.flat.shape(x)),))

    def read_squeeze(self, node: Any) -> Value | None:
        """The value without axes of length 1."""
        x = self.value(node, 0)
        shape = self.flat.shape(x)
        given = self.setting(node, "axes", 1, numpy.array([at for at, size in enumerate(shape, 1) if size == 1]))
        axes = {int(axis) % (len(shape) + 1) for axis in ([0] if given is None else given)}
        rest = tuple(size for at, size in enumerate(shape, 1) if at not in axes)
        if 0 in axes or not rest:
            self.refuse(node, "of the batch" if 0 in axes else "of every axis")
            return None
        return self.reshaped(node, x, rest)

    def read_unsqueeze(self, node: Any) -> Value | None:
        """The value with more axes, of length 1."""
        x, given = self.value(node, 0), self.setting(node, "axes", 1)
        rest = list(self.flat.shape(x))
        rank = len(rest) + 1 + (0 if given is None else len(given))
        axes = {int(axis) % rank for axis in ([0] if given is None else given)}
        if 0 in axes:
            self.refuse(node, "before the batch")
            return None
        return self.reshaped(
            node, x, tuple(1 if at in axes else rest.pop(0) for at in range(1, rank) if at in axes or rest)
        )

    def read_reshape(self, node: Any) -> Value | None:
        """The value in another shape."""
        target = self.setting(node, "shape", 1)
        if target is None:
            self.refuse(node, "to a shape that is not constant")
            return None
        x = self.value(node, 0)
        own = (self.batch, *self.flat.shape(x))
        wanted = _reshaped(own, [int(size) for size in target], bool(self.attribute(node, "allowzero", 0)))
        if wanted is None or wanted[0] not in (self.batch, 1) or len(wanted) < 2:
            self.refuse(node, f"from {_sizes(own)} to {_sizes(tuple(map(int, target)))}")
            return None
        return self.reshaped(node, x, wanted[1:])

    def read_transpose(self, node: Any) -> Value | None:
        """Axes in another order."""
        x = self.value(node, 0)
        order = tuple(self.attribute(node, "perm", range(len(self.flat.shape(x)), -1, -1)))
        if order == tuple(sorted(order)):
            return x
        if order[0] != 0:
            self.refuse(node, "of the batch")
            return None
        return self.add(node, "permute", [x], {"dims": order})

    def read_identity(self, node: Any) -> Value:
        """The same value."""
        return self.value(node, 0)

    read_cast = read_castlike = read_identity

    def read_pad(self, node: Any) -> Value | None:
        """Padding of height and width, and of the channels before and after them alike."""
        x, pads, value = self.value(node, 0), self.setting(node, "pads", 1), self.setting(node, "value", 2)
        rank = len(self.flat.shape(x)) + 1
        axes = self.setting(node, "axes", 3, numpy.arange(rank))
        modes = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
        mode = modes.get(self.attribute(node, "mode", "constant"))
        if pads is None or axes is None or len(pads) != 2 * len(axes) or mode is None or rank != 4:
            self.refuse(node, "of something other than a feature map, or by numbers that are not constant")
            return None
        ends = {int(axis) % rank: (int(pads[at]), int(pads[at + len(axes)])) for at, axis in enumerate(axes)}
        batch, channels, rows, columns = (ends.get(axis, (0, 0)) for axis in range(rank))
        if any(batch) or channels[0] != channels[1] or channels[0] < 0:
            self.refuse(node, "of the batch, or of channels on one side")
            return None
        sides = (*columns, *rows)
        arguments: dict[str, Any] = {"padding": sides[0] if len(set(sides)) == 1 else sides, "mode": mode}
        if channels[0]:
            arguments["channels"] = channels[0]
        if mode == "constant" and value is not None:
            arguments["value"] = float(value[0])
        return self.add(node, "pad", [x], arguments)

    def read_upsample(self, node: Any) -> Value | None:
        """Upsampling by a factor."""
        return self.upsampled(node, self.setting(node, "scales", 1), "asymmetric")

    def read_resize(self, node: Any) -> Value | None:
        """Upsampling by a factor or to a size."""
        coordinates = self.attribute(node, "coordinate_transformation_mode", "half_pixel")
        scales = self.setting(node, "scales", 1 if self.opset < 11 else 2)
        if scales is None or not len(scales):
            sizes, x = self.setting(node, "sizes", 3), self.value(node, 0)
            shape = self.flat.shape(x)
            if sizes is None or len(sizes) != len(shape) + 1 or int(sizes[1]) != shape[0]:
                self.refuse(node, "to a size that is not constant")
                return None
            scales = numpy.array([1, 1, *(int(s) / n for s, n in zip(sizes[2:], shape[1:], strict=True))])
        return self.upsampled(node, scales, "asymmetric" if self.opset < 11 else coordinates)

    def upsampled(self, node: Any, scales: Any, coordinates: str) -> Value | None:
        """An `upsample` if PyTorch has the same positions."""
        x, mode = self.value(node, 0), self.attribute(node, "mode", "nearest")
        factors = [] if scales is None else [float(scale) for scale in scales]
        whole = len(factors) == len(self.flat.shape(x)) + 1 == 4 and all(f >= 1 and f == int(f) for f in factors)
        if not whole or factors[:2] != [1, 1] or factors[2] != factors[3]:
            self.refuse(node, "by something other than one integer factor for height and width")
            return None
        arguments: dict[str, Any] = {"scale_factor": int(factors[2])}
        nearest = self.attribute(node, "nearest_mode", "round_prefer_floor")
        if mode == "linear" and coordinates in ("half_pixel", "pytorch_half_pixel", "align_corners"):
            arguments |= {"mode": "bilinear", "align_corners": coordinates == "align_corners"}
        elif mode != "nearest" or (coordinates, nearest) not in _NEAREST:
            self.refuse(node, f"with the mode {mode} and {coordinates} positions")
            return None
        return self.add(node, "upsample", [x], arguments)

    def read_depthtospace(self, node: Any) -> Value | None:
        """Pixel shuffle."""
        if self.attribute(node, "mode", "DCR") != "CRD":
            self.refuse(node, "in the order DCR")
            return None
        return self.add(
            node, "pixel_shuffle", [self.value(node, 0)], {"upscale_factor": self.attribute(node, "blocksize", 1)}
        )


def _sizes(shape: Sequence[int]) -> str:
    return "×".join("batch" if size == UNKNOWN_BATCH else str(size) for size in shape)


def _reshaped(shape: Sequence[int], target: Sequence[int], allow_zero: bool) -> tuple[int, ...] | None:
    """The shape that a Reshape gives: 0 keeps an axis, and -1 is what is left. None if the sizes don't match."""
    found = [shape[at] if size == 0 and not allow_zero and at < len(shape) else size for at, size in enumerate(target)]
    if found.count(-1) > 1 or any(size < -1 for size in found):
        return None
    rest = prod(size for size in found if size != -1)
    if -1 in found:
        if not rest or prod(shape) % rest:
            return None
        found[found.index(-1)] = prod(shape) // rest
    return tuple(found) if prod(found) == prod(shape) else None
