"""What a layer is called in a picture: the field's short form, and the role that gives its colour."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archc.expressions import plain
from archc.kinds import Kind, Shape

Text = Callable[[Any], str]
"""How a value is written: its number, or within a block's own picture its expression."""

ROLES = {
    "convolution": "conv",
    "pooling": "pool",
    "normalization": "norm",
    "activation": "activation",
    "linear": "linear",
    "join": "join",
    "regularization": "dropout",
    "spatial": "reshape",
}
"""The role of a kind by the file where it is defined."""

_ACTIVATIONS = {
    "relu": "ReLU",
    "relu6": "ReLU6",
    "leaky_relu": "leaky ReLU",
    "elu": "ELU",
    "gelu": "GELU",
    "silu": "SiLU",
    "hardswish": "hard swish",
    "hardsigmoid": "hard sigmoid",
}
_NORMS = {
    "batch_norm2d": ("batch norm", "BN"),
    "batch_norm1d": ("batch norm", "BN"),
    "group_norm": ("group norm", "GN"),
    "layer_norm": ("layer norm", "LN"),
    "local_response_norm": ("local response norm", "LRN"),
}
_POOLS = {"max_pool2d": "max pool", "avg_pool2d": "avg pool"}
_ADAPTIVE = {"adaptive_avg_pool2d": "avg pool", "adaptive_max_pool2d": "max pool"}


def role(kind: Kind) -> str:
    """The role of a layer: `conv`, `pool`, `norm`, …; flattening is no arithmetic, so it is `reshape`."""
    return "reshape" if kind.kind == "flatten" else ROLES.get(type(kind).__module__.rpartition(".")[2], "reshape")


def number(value: Any) -> str:
    """A value as a number: `0.5`, `64`."""
    value = plain(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def short_form(kind: Kind, x: Shape, text: Text = number) -> str:
    """What a layer does with an input of shape `x`, as papers write it: `3×3 conv, 192, /2`."""
    name = kind.kind
    values: Any = kind
    match name:
        case "conv2d" | "conv_transpose2d":
            return _convolution(values, x, text)
        case "max_pool2d" | "avg_pool2d":
            stride = values.kernel_size if values.stride is None else values.stride
            return f"{_window(values.kernel_size, text)} {_POOLS[name]}{_over(stride, text)}"
        case "adaptive_avg_pool2d" | "adaptive_max_pool2d":
            size = plain(values.output_size)
            if size in (1, (1, 1)):
                return f"global {_ADAPTIVE[name]}"
            return f"{_ADAPTIVE[name]} to {_window(values.output_size, text)}"
        case "linear":
            return f"linear, {text(values.out_features)}"
        case "dropout" | "dropout2d":
            return f"{name} {text(values.p)}"
        case "stochastic_depth":
            return f"drop path {text(values.p)}"
        case "pad":
            return f"pad {_list(values.padding, text, ', ')}"
        case "upsample":
            return (
                f"upsample to {_window(values.size, text)}" if values.size else f"upsample ×{text(values.scale_factor)}"
            )
        case "channel_shuffle":
            return f"shuffle, {text(values.groups)} groups"
        case "chunk":
            return f"split in {text(values.chunks)}"
        case "split":
            return f"split {' + '.join(map(text, values.sections))}"
        case "mean":
            return "mean over H×W"
        case "flatten":
            return "to a vector"
    if name in _NORMS:
        return _NORMS[name][0]
    return _ACTIVATIONS.get(name, name.replace("_", " "))


def tag(kind: Kind, text: Text = number) -> str:
    """What a layer adds to the one before it, where both stand in one box: `BN`, `ReLU`."""
    if kind.kind in _NORMS:
        return _NORMS[kind.kind][1]
    if kind.kind in ("dropout", "dropout2d"):
        return f"drop {text(kind.__dict__['p'])}"
    return short_form(kind, (), text)


def _convolution(kind: Any, x: Shape, text: Text) -> str:
    groups = plain(kind.groups)
    what = "conv" if kind.kind == "conv2d" else "up-conv"
    depthwise = groups > 1 and groups == plain(x[0])
    parts = [f"{_window(kind.kernel_size, text)} {'depthwise ' if depthwise else ''}{what}", text(kind.out_channels)]
    if groups > 1 and not depthwise:
        parts.append(f"{text(kind.groups)} groups")
    if plain(kind.dilation) not in (1, (1, 1)):
        parts.append(f"dilation {_list(kind.dilation, text)}")
    return ", ".join(parts) + _over(kind.stride, text, "/" if kind.kind == "conv2d" else "×")


def _over(stride: Any, text: Text, sign: str = "/") -> str:
    """`, /2` for a stride of 2; nothing for 1."""
    sizes = plain(stride)
    same = isinstance(stride, tuple) and sizes[0] == sizes[1]
    shown = text(stride[0]) if same else _list(stride, text)
    return "" if shown == "1" else f", {sign}{shown}"


def _window(size: Any, text: Text) -> str:
    """`3×3`, also for a size given once; `1×7`."""
    value = plain(size)
    sides = size if isinstance(size, tuple) else (size, size)
    if isinstance(value, tuple) and not isinstance(size, tuple):
        sides = value  # a parameter that is a pair
    return "×".join("·" if plain(side) is None else text(side) for side in sides)


def _list(value: Any, text: Text, between: str = "×") -> str:
    return between.join(map(text, value)) if isinstance(value, tuple) else text(value)
