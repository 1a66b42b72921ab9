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

from archc.importing.reshaping import reshaping


class Said(NamedTuple):
    """A layer type with its arguments; `inputs` are the tensors that it takes, in order."""

    kind: str
    arguments: Mapping[str, Any]
    inputs: tuple[Tensor, ...]


class Steps(NamedTuple):
    """Several layers one after the other, each a layer type with its arguments; the first takes the tensor `of`."""

    layers: tuple[tuple[str, Mapping[str, Any]], ...]
    of: Tensor


class Alias(NamedTuple):
    """The call's result is this tensor, as far as a spec is concerned."""

    of: Tensor


Meant = Said | Steps | Alias | None
"""What a call is; None if archc has no word for it."""

Translation = Callable[["_Arguments", Any], Meant]
"""From the call's arguments by name and its result."""


def translate(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Meant:
    """The layer that a call of a torch function or method is; None if archc has no word for it."""
    if isinstance(function, torch._ops.OpOverload):
        kwargs = {**dict(zip((each.name for each in function._schema.arguments), args, strict=False)), **kwargs}
        function = _function_of(function._schema.name.partition("::")[2])
    translation = _table().get(function)
    return None if translation is None else translation(_Arguments(function, args, kwargs), result)


@cache
def _function_of(operator: str) -> Any:
    """The function or method with the name of an operator that archc has a word for."""
    found = (getattr(space, operator, None) for space in (F, torch, Tensor))
    return next((function for function in found if function in _table()), None) or (
        _function_of(operator.removesuffix("_")) if operator.endswith("_") else None  # in place
    )


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


def _hardtanh(given: Any, result: Any) -> Said | None:
    """ReLU6, which is what PyTorch's own is to torch.export."""
    bounds = given.at(1, "min_val", -1), given.at(2, "max_val", 1)
    return Said("relu6", {}, (given.args[0],)) if bounds == (0, 6) else None


def _softmax(given: Any, result: Any) -> Said | None:
    x, dim = given.args[0], given.at(1, "dim") % given.args[0].dim()
    return Said("softmax", {"dim": dim} if dim > 1 else {}, (x,)) if dim > 0 else None


def _normalize(given: Any, result: Any) -> Said | None:
    x, dim = given.args[0], given.at(2, "dim", 1) % given.args[0].dim()
    found = {"p": float(given.at(1, "p", 2.0)), "dim": dim, "eps": given.at(3, "eps", 1e-12)}
    defaults = {"p": 2.0, "dim": 1, "eps": 1e-12}
    return Said("normalize", {k: v for k, v in found.items() if v != defaults[k]}, (x,)) if dim > 0 else None


def _dropout(kind: str) -> Translation:
    def said(given: Any, result: Any) -> Said:
        return Said(kind, {"p": float(given.at(1, "p", 0.5))}, (given.args[0],))

    return said


def _reshape(given: Any, result: Tensor) -> Steps | Alias | None:
    """Whatever gives a tensor another shape."""
    x = given.args[0]
    if result.shape == x.shape:
        return Alias(x)
    if x.dim() < 2 or result.dim() < 2 or x.shape[0] != result.shape[0]:
        return None
    return Steps(reshaping(tuple(x.shape[1:]), tuple(result.shape[1:])), x)


def _flatten(given: Any, result: Tensor) -> Steps | Alias | None:
    """The axes that the call names: of axes with one position, others would give the same shape."""
    x = given.args[0]
    start, end = (given.at(at, name, default) % x.dim() for at, name, default in (_START, _END))
    if start in (0, end):
        return _reshape(given, result)
    named = ({} if start == 1 else {"start_dim": start}) | ({} if end == x.dim() - 1 else {"end_dim": end})
    return Steps((("flatten", named),), x)


_START, _END = (1, "start_dim", 0), (2, "end_dim", -1)


def _unflatten(given: Any, result: Tensor) -> Steps | None:
    x, sizes = given.args[0], tuple(given.at(2, "sizes"))
    dim = given.at(1, "dim") % x.dim()
    return Steps((("unflatten", {"dim": dim, "unflattened_size": sizes}),), x) if dim > 0 else None


def _permute(given: Any, result: Tensor) -> Said | None:
    dims = given.at(1, "dims")
    return _permuted(given.args[0], tuple(given.args[1:]) if isinstance(dims, int) else tuple(dims))


def _transpose(given: Any, result: Tensor) -> Said | None:
    x = given.args[0]
    one, other = (given.at(1, "dim0", given.get("axis0")), given.at(2, "dim1", given.get("axis1")))
    order = list(range(x.dim()))
    order[one], order[other] = order[other], order[one]
    return _permuted(x, tuple(order))


def _permuted(x: Tensor, dims: tuple[int, ...]) -> Said | None:
    dims = tuple(dim % x.dim() for dim in dims)
    return Said("permute", {"dims": dims}, (x,)) if dims[0] == 0 else None


def _item(given: Any, result: Tensor) -> Said | Steps | Alias | None:
    """Positions of axes: one of a single axis, `x[:, 0]`, or stretches of several, `x[..., 1:-1, ::2]`."""
    x, index = given.args[0], given.args[1]
    parts = list(index) if isinstance(index, tuple) else [index]
    if parts.count(Ellipsis) > 1 or any(type(part) not in (int, slice, type(Ellipsis)) for part in parts):
        return None
    if Ellipsis in parts:
        at = parts.index(Ellipsis)
        parts[at : at + 1] = [slice(None)] * (x.dim() + 1 - len(parts))
    places = [at for at, part in enumerate(parts) if part != slice(None)]
    if not places:
        return Alias(x)
    if places[0] == 0:
        return None
    if len(places) == 1 and type(parts[places[0]]) is int:
        return Said("select", {"dim": places[0], "index": parts[places[0]]}, (x,))
    if any(type(parts[at]) is int for at in places):
        return None
    return Steps(tuple(("slice", _stretch(parts[at], at, x.shape[at])) for at in places), x)


def _stretch(part: slice, axis: int, length: int) -> dict[str, Any]:
    """The arguments of a slice: its ends as they are written, unless they lie beyond the axis."""
    start, end, step = part.indices(length)
    found = {
        "dim": axis,
        "start": start if part.start is None or abs(part.start) > length else part.start,
        "step": step,
    }
    if end < length:
        found["end"] = part.stop
    return {name: value for name, value in found.items() if value != {"start": 0, "step": 1}.get(name)}


def _narrow(given: Any, result: Tensor) -> Said | None:
    x, dim = given.args[0], given.at(1, "dim") % given.args[0].dim()
    start, length = given.at(2, "start"), given.at(3, "length")
    found = _stretch(slice(int(start), int(start) + length if start + length else None), dim, x.shape[dim])
    return Said("slice", found, (x,)) if dim > 0 else None


def _roll(given: Any, result: Tensor) -> Said | None:
    x, shifts, dims = given.args[0], given.at(1, "shifts"), given.at(2, "dims")
    shifts = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    dims = (dims,) if isinstance(dims, int) else tuple(dims or ())
    axes = tuple(dim % x.dim() for dim in dims)
    return Said("roll", {"shifts": _plain(shifts), "dims": _plain(axes)}, (x,)) if axes and 0 not in axes else None


def _expand(given: Any, result: Tensor) -> Said | Alias | None:
    x = given.args[0]
    if result.shape == x.shape:
        return Alias(x)
    if x.dim() != result.dim() or x.shape[0] != result.shape[0]:
        return None
    pairs = zip(x.shape[1:], result.shape[1:], strict=True)
    return Said("expand", {"sizes": tuple(-1 if old == new else new for old, new in pairs)}, (x,))


def _matmul(given: Any, result: Tensor) -> Said | None:
    one, other = given.at(0, "input"), given.at(1, "other", given.get("mat2"))
    alike = isinstance(other, Tensor) and one.dim() == other.dim() > 2 and one.shape[:-2] == other.shape[:-2]
    return Said("matmul", {}, (one, other)) if alike else None


def _attention(given: Any, result: Tensor) -> Said | None:
    """Without a mask, and with a probability that is no constant of the code: dropout is for training alone."""
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
    q, k, v, mask, dropout, causal = (given.at(at, name) for at, name in enumerate(names))
    if mask is not None or dropout or given.get("enable_gqa") or q.dim() < 3 or q.shape[:-2] != v.shape[:-2]:
        return None
    found = {"is_causal": bool(causal), "scale": given.get("scale")}
    return Said("scaled_dot_product_attention", {k: v for k, v in found.items() if v}, (q, k, v))


def _select(given: Any, result: Tensor) -> Said | None:
    x, dim = given.args[0], given.at(1, "dim") % given.args[0].dim()
    return Said("select", {"dim": dim, "index": given.at(2, "index")}, (x,)) if dim > 0 else None


def _reduction(kind: str) -> Translation:
    """The mean or the largest value over axes after the batch."""

    def said(given: Any, result: Any) -> Said | None:
        x, dims = given.args[0], given.at(1, "dim")
        axes = sorted(dim % x.dim() for dim in ([dims] if isinstance(dims, int) else dims or [0]))
        if axes[0] == 0 or result.dim() < 2:
            return None
        found: dict[str, Any] = {} if axes == list(range(2, x.dim())) else {"dim": _plain(axes)}
        return Said(kind, found | ({"keepdim": True} if result.dim() == x.dim() else {}), (x,))

    return said


def _concat(given: Any, result: Tensor) -> Said | Alias | None:
    tensors, dim = tuple(given.at(0, "tensors")), given.at(1, "dim", 0) % result.dim()
    if dim == 0:
        return None
    return Said("concat", {} if dim == 1 else {"dim": dim}, tensors) if len(tensors) > 1 else Alias(tensors[0])


def _joined(kind: str) -> Translation:
    """Arithmetic of two tensors; multiplied by a number, a tensor is scaled."""

    def said(given: Any, result: Any) -> Said | None:
        one, other = given.at(0, "input"), given.at(1, "other")
        if given.get("alpha", 1) != 1:
            return None
        if isinstance(one, Tensor) and isinstance(other, Tensor):
            return Said(kind, {}, (one, other))
        if kind == "multiply" and type(other) in (int, float) and isinstance(one, Tensor):
            return Said("scale", {"factor": float(other)}, (one,))
        return None

    return said


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
    """Padding of a map's sides, and of its channels before and after them alike."""
    padding, mode, value = given.at(1, "pad"), given.at(2, "mode", "constant"), given.at(3, "value") or 0
    x = given.args[0]
    if x.dim() != 4 or len(padding) > 6:
        return None
    left, right, top, bottom, before, after = [*padding, 0, 0, 0, 0][:6]
    if before != after or before < 0:
        return None
    sides = (left, right, top, bottom)
    found = {"mode": mode, "value": float(value), "channels": before}
    named = {name: each for name, each in found.items() if each not in ("constant", 0)}
    return Said("pad", {"padding": left if len(set(sides)) == 1 else sides, **named}, (x,))


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
    add(_hardtanh, F.hardtanh)
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
    add(_activation("local_response_norm", "size", "alpha", "beta", "k"), F.local_response_norm)
    add(_dropout("dropout"), F.dropout, torch.dropout)
    add(_reshape, Tensor.view, Tensor.reshape, torch.reshape)
    add(_reshape, torch.squeeze, Tensor.squeeze, torch.unsqueeze, Tensor.unsqueeze)
    add(_flatten, torch.flatten, Tensor.flatten)
    add(_unflatten, torch.unflatten, Tensor.unflatten)
    add(_transpose, torch.transpose, Tensor.transpose, torch.swapaxes, Tensor.swapaxes)
    add(_permute, torch.permute, Tensor.permute)
    add(_item, Tensor.__getitem__)
    add(_select, torch.select, Tensor.select)
    add(_narrow, torch.narrow, Tensor.narrow)
    add(_roll, torch.roll, Tensor.roll)
    add(_expand, Tensor.expand, Tensor.expand_as, torch.broadcast_to, Tensor.broadcast_to)
    add(_reduction("mean"), torch.mean, Tensor.mean)
    add(_reduction("amax"), torch.amax, Tensor.amax)
    add(_normalize, F.normalize)
    add(_matmul, torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.bmm, Tensor.bmm)
    add(_attention, F.scaled_dot_product_attention)
    add(_concat, torch.cat, torch.concat, torch.concatenate)
    add(_joined("add"), torch.add, Tensor.add, Tensor.add_, Tensor.__add__, Tensor.__iadd__, Tensor.__radd__)
    add(_joined("multiply"), torch.mul, Tensor.mul, Tensor.mul_, Tensor.__mul__, Tensor.__imul__, Tensor.__rmul__)
    add(_joined("subtract"), torch.sub, Tensor.sub, Tensor.__sub__)
    add(_joined("maximum"), torch.maximum, Tensor.maximum)
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
