"""Calls of torch's functions and tensor methods as layer types: `F.relu(x)` is a `relu`, `a + b` an `add`.

Each translation looks at one call, with the shapes that its tensors had. It returns the layer, an alias of one of the
inputs if the call changes nothing that a spec can see, or None if archc has no word for the call.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

VIEW, TRANSPOSED = "(torch.Tensor.view)", "(torch.transpose)"
"""Names of operations that have a meaning only together: the parts of a channel shuffle."""


class Said(NamedTuple):
    """A layer type with its arguments; `inputs` are the tensors that it takes, in order."""

    kind: str
    arguments: Mapping[str, Any]
    inputs: tuple[Tensor, ...]


class Alias(NamedTuple):
    """The call's result is this tensor, as far as a spec is concerned."""

    of: Tensor


Translation = Callable[["_Arguments", Any], "Said | Alias | None"]
"""From the call's arguments by name and its result."""


def translate(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Said | Alias | None:
    """The layer that a call of a torch function or method is; None if archc has no word for it."""
    translation = _table().get(function)
    return None if translation is None else translation(_Arguments(function, args, kwargs), result)


class _Arguments(dict[str, Any]):
    """A call's arguments: `[0]` the first one, or by name. Builtin functions have no signature to bind them to."""

    def __init__(self, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        super().__init__(kwargs)
        self.args = list(args)
        names = _parameters(function)
        self.update(zip(names, args, strict=False))
        if names and not args:
            self.args = [kwargs[names[0]]] if names[0] in kwargs else []
        if not self.args:
            self.args = [value for value in kwargs.values() if isinstance(value, Tensor)]

    def at(self, position: int, name: str, default: Any = None) -> Any:
        """The argument at a position or by its name."""
        return self.args[position] if len(self.args) > position else self.get(name, default)


@cache
def _parameters(function: Any) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()


def _activation(kind: str, *names: str, fixed: Mapping[str, Any] | None = None) -> Translation:
    def said(given: Any, result: Any) -> Said:
        values = {name: given.at(position + 1, name) for position, name in enumerate(names)}
        found = {name: value for name, value in values.items() if value is not None}
        return Said(kind, {**(fixed or {}), **found}, (given.args[0],))

    return said


def _pool(kind: str, *names: str) -> Translation:
    def said(given: Any, result: Any) -> Said:
        values = {name: given.at(position + 1, name) for position, name in enumerate(names)}
        found = {name: _plain(value) for name, value in values.items() if value is not None and value != []}
        return Said(kind, found, (given.args[0],))

    return said


def _plain(value: Any) -> Any:
    """A list of sizes as archc has it: a tuple, or one number if it has one element."""
    if isinstance(value, list | tuple):
        return value[0] if len(value) == 1 else tuple(value)
    return value


def _softmax(given: Any, result: Any) -> Said | None:
    return Said("softmax", {}, (given.args[0],)) if given.at(1, "dim") in (1, 1 - given.args[0].dim()) else None


def _dropout(kind: str) -> Translation:
    def said(given: Any, result: Any) -> Said:
        return Said(kind, {"p": float(given.at(1, "p", 0.5))}, (given.args[0],))

    return said


def _reshape(given: Any, result: Tensor) -> Said | Alias | None:
    x = given.args[0]
    if result.shape == x.shape:
        return Alias(x)
    if x.shape[0] != result.shape[0]:
        return None
    return Said("flatten" if result.dim() == 2 else VIEW, {}, (x,))


def _flatten(given: Any, result: Tensor) -> Said | Alias | None:
    x = given.args[0]
    if result.shape == x.shape:
        return Alias(x)
    return Said("flatten", {}, (x,)) if result.dim() == 2 and result.shape[0] == x.shape[0] else None


def _squeeze(given: Any, result: Tensor) -> Said | Alias | None:
    x = given.args[0]
    if result.dim() == 2 and result.shape == x.shape[:2]:
        return Said("flatten", {}, (x,))
    return Alias(x) if result.shape == x.shape else None


def _transpose(given: Any, result: Tensor) -> Said | None:
    x, dims = given.args[0], {given.at(1, "dim0"), given.at(2, "dim1")}
    return Said(TRANSPOSED, {}, (x,)) if dims == {1, 2} and x.dim() == 5 else None


def _mean(given: Any, result: Tensor) -> Said | None:
    x, dims = given.args[0], given.at(1, "dim")
    dims = [dims] if isinstance(dims, int) else dims or []
    if x.dim() < 3 or sorted(dim % x.dim() for dim in dims) != list(range(2, x.dim())):
        return None
    return Said("mean", {"keepdim": True} if result.dim() == x.dim() else {}, (x,))


def _concat(given: Any, result: Tensor) -> Said | Alias | None:
    tensors = tuple(given.at(0, "tensors"))
    if given.at(1, "dim", 0) not in (1, 1 - result.dim()):
        return None
    return Said("concat", {}, tensors) if len(tensors) > 1 else Alias(tensors[0])


def _add(given: Any, result: Tensor) -> Said | None:
    one, other = given.at(0, "input"), given.at(1, "other")
    if not (isinstance(one, Tensor) and isinstance(other, Tensor)) or given.get("alpha", 1) != 1:
        return None
    return Said("add", {}, (one, other)) if one.shape == other.shape else None


def _multiply(given: Any, result: Tensor) -> Said | None:
    one, other = given.at(0, "input"), given.at(1, "other")
    if not (isinstance(one, Tensor) and isinstance(other, Tensor)) or one.dim() != other.dim():
        return None
    shapes = [x.shape[2:] for x in (one, other)]
    gate = any(all(size == 1 for size in shape) for shape in shapes)
    return (
        Said("multiply", {}, (one, other))
        if one.shape[:2] == other.shape[:2] and (gate or shapes[0] == shapes[1])
        else None
    )


def _chunk(given: Any, result: Any) -> Said | None:
    x = given.args[0]
    if given.at(2, "dim", 0) not in (1, 1 - x.dim()) or len({part.shape for part in result}) > 1:
        return None
    return Said("chunk", {"chunks": len(result)}, (x,))


def _split(given: Any, result: Any) -> Said | None:
    x = given.args[0]
    if given.at(2, "dim", 0) not in (1, 1 - x.dim()):
        return None
    return Said("split", {"sections": tuple(part.shape[1] for part in result)}, (x,))


def _upsample(given: Any, result: Any) -> Said | None:
    names = ("size", "scale_factor", "mode", "align_corners")
    found = {name: _plain(value) for name in names if (value := given.get(name)) is not None}
    if isinstance(found.get("scale_factor"), int):
        found["scale_factor"] = float(found["scale_factor"])
    return (
        None
        if given.get("recompute_scale_factor") or given.get("antialias")
        else Said("upsample", found, (given.args[0],))
    )


def _pad(given: Any, result: Any) -> Said | None:
    padding, mode, value = given.at(1, "pad"), given.get("mode", "constant"), given.at(3, "value") or 0
    x = given.args[0]
    if x.dim() != 4 or value != 0 or len(padding) > 4:
        return None
    sides = tuple(padding) + (0,) * (4 - len(padding))
    if any(side < 0 for side in sides):
        return None
    named: dict[str, Any] = {} if mode == "constant" else {"mode": mode}
    return Said("pad", {"padding": sides[0] if len(set(sides)) == 1 else sides, **named}, (x,))


def _pixel_shuffle(given: Any, result: Any) -> Said:
    return Said("pixel_shuffle", {"upscale_factor": given.at(1, "upscale_factor")}, (given.args[0],))


def _channel_shuffle(given: Any, result: Any) -> Said:
    return Said("channel_shuffle", {"groups": given.at(1, "groups")}, (given.args[0],))


def _same(given: Any, result: Any) -> Alias:
    return Alias(given.args[0])


_ADAPTIVE = ("output_size",)
_MAX = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
_AVERAGE = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")


@cache
def _table() -> dict[Any, Translation]:
    """Every function that archc has a word for, with its translation."""
    table: dict[Any, Translation] = {}

    def add(translation: Translation, *functions: Any) -> None:
        table.update(dict.fromkeys(functions, translation))

    add(_activation("relu"), F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_)
    add(_activation("relu6"), F.relu6)
    add(_activation("leaky_relu", "negative_slope"), F.leaky_relu, F.leaky_relu_)
    add(_activation("elu", "alpha"), F.elu, F.elu_)
    add(_activation("selu"), F.selu, F.selu_, torch.selu)
    add(_activation("silu"), F.silu)
    add(_activation("mish"), F.mish)
    add(_activation("sigmoid"), F.sigmoid, torch.sigmoid, Tensor.sigmoid, torch.sigmoid_, Tensor.sigmoid_)
    add(_activation("tanh"), F.tanh, torch.tanh, Tensor.tanh, torch.tanh_, Tensor.tanh_)
    add(_activation("hardswish"), F.hardswish)
    add(_activation("hardsigmoid"), F.hardsigmoid)
    add(lambda given, _: Said("gelu", {k: given[k] for k in ("approximate",) if k in given}, (given.args[0],)), F.gelu)
    add(_softmax, F.softmax, torch.softmax, Tensor.softmax)
    for rank in (1, 2, 3):
        for name, names in (("max_pool", _MAX), ("avg_pool", _AVERAGE), ("adaptive_avg_pool", _ADAPTIVE)):
            add(_pool(f"{name}{rank}d", *names), *_named(f"{name}{rank}d"))
        add(_pool(f"adaptive_max_pool{rank}d", *_ADAPTIVE), *_named(f"adaptive_max_pool{rank}d"))
        add(_dropout(f"dropout{rank}d"), *_named(f"dropout{rank}d"))
    add(_dropout("dropout"), F.dropout, torch.dropout)
    add(_reshape, Tensor.view, Tensor.reshape, torch.reshape)
    add(_flatten, torch.flatten, Tensor.flatten)
    add(_squeeze, torch.squeeze, Tensor.squeeze)
    add(_transpose, torch.transpose, Tensor.transpose)
    add(_mean, torch.mean, Tensor.mean)
    add(_concat, torch.cat, torch.concat, torch.concatenate)
    add(_add, torch.add, Tensor.add, Tensor.add_, Tensor.__add__, Tensor.__iadd__, Tensor.__radd__)
    add(_multiply, torch.mul, Tensor.mul, Tensor.mul_, Tensor.__mul__, Tensor.__imul__, Tensor.__rmul__)
    add(_chunk, torch.chunk, Tensor.chunk)
    add(_split, torch.split, Tensor.split)
    add(_upsample, F.interpolate)
    add(_pad, F.pad)
    add(_pixel_shuffle, F.pixel_shuffle, torch.pixel_shuffle)
    add(_channel_shuffle, F.channel_shuffle, torch.channel_shuffle)
    add(_same, Tensor.contiguous, Tensor.clone, torch.clone, Tensor.detach)
    return table


def _named(name: str) -> list[Any]:
    """A function of torch under this name, wherever torch has it."""
    return [function for space in (F, torch) if (function := getattr(space, name, None)) is not None]
