"""Computes a Caffe network from its layers alone, by Caffe's own definitions: what an import is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from archc.importing.prototxt import Message


class Reference:
    """Runs the layers in double precision; weights are Caffe's blobs, a batch norm's divided by its scale factor."""

    def __init__(self, layers: Sequence[Message], input: str, outputs: Sequence[str]) -> None:
        self.layers = _needed(layers, outputs)
        self.input = input
        self.outputs = outputs

    def run(self, state: Mapping[str, Tensor], inputs: Sequence[Tensor]) -> list[Tensor]:
        """The outputs for a batch, before a softmax at the end."""
        blobs: dict[str, Tensor] = {self.input: inputs[0].double()}
        for layer in self.layers:
            given = [blobs[str(bottom)] for bottom in layer.all("bottom") if str(bottom) in blobs]
            if not given:
                continue
            key = f"{layer.get('name', '')}@{layer.line}"
            stored = [state[f"{key}.{number}"].double() for number in range(2) if f"{key}.{number}" in state]
            tops = [str(top) for top in layer.all("top")]
            parts = self.layer(layer, given, stored, tops)
            blobs |= dict(zip(tops, parts, strict=False))
        found = [blobs[name].float() for name in self.outputs]
        return [x.flatten(1) if all(length == 1 for length in x.shape[2:]) else x for x in found]

    def layer(self, layer: Message, given: list[Tensor], stored: list[Tensor], tops: list[str]) -> list[Tensor]:
        """The outputs of a layer."""
        x = given[0]
        match str(layer.get("type")).lower().replace("_", ""):
            case "convolution" | "convolutiondepthwise" | "depthwiseconvolution" | "deconvolution":
                return [_convolution(layer, x, stored)]
            case "innerproduct":
                return [x.flatten(1) @ stored[0].T + (stored[1] if len(stored) > 1 else 0)]
            case "pooling":
                return [_pooling(layer.message("pooling_param"), x)]
            case "relu":
                slope = layer.message("relu_param").get("negative_slope", 0)
                return [torch.where(x > 0, x, slope * x)]
            case "relu6":
                return [x.clamp(0, 6)]
            case "prelu":
                return [torch.where(x > 0, x, _by_channel(stored[0], x) * x)]
            case "elu":
                return [torch.where(x > 0, x, layer.message("elu_param").get("alpha", 1) * x.expm1())]
            case "sigmoid":
                return [1 / (1 + (-x).exp())]
            case "tanh":
                return [x.tanh()]
            case "swish":
                return [x / (1 + (-x).exp())]
            case "lrn":
                return [_lrn(layer.message("lrn_param"), x)]
            case "batchnorm":
                eps = layer.message("batch_norm_param").get("eps", 1e-5)
                return [(x - _by_channel(stored[0], x)) / (_by_channel(stored[1], x) + eps).sqrt()]
            case "scale" if len(given) > 1:
                return [x * given[1]]
            case "scale":
                return [x * _by_channel(stored[0], x) + _by_channel(stored[1], x)]
            case "eltwise":
                product = str(layer.message("eltwise_param").get("operation", "SUM")) in ("PROD", "0")
                return [torch.stack(given).prod(0) if product else torch.stack(given).sum(0)]
            case "concat":
                return [torch.cat(given, 1)]
            case "slice":
                points = layer.message("slice_param").all("slice_point")
                return list(x.tensor_split(points, 1) if points else x.chunk(len(tops), 1))
            case "split":
                return [x] * len(tops)
            case "softmax" if tops[0] not in self.outputs:
                return [x.softmax(1)]
            case "flatten":
                return [x.flatten(1)]
            case "shufflechannel":
                groups = layer.message("shuffle_channel_param").get("group", 1)
                return [x.view(len(x), groups, -1, *x.shape[2:]).transpose(1, 2).flatten(1, 2)]
        return [x]  # dropout, and the softmax at the end


def _needed(layers: Sequence[Message], outputs: Sequence[str]) -> list[Message]:
    """The layers that the outputs depend on: an import leaves out the others, so they have no weights."""
    wanted, found = set(outputs), []
    for layer in reversed(layers):
        tops = {str(top) for top in layer.all("top")}
        if tops & wanted:
            wanted = wanted - tops | {str(bottom) for bottom in layer.all("bottom")}
            found.append(layer)
    return found[::-1]


def _by_channel(stored: Tensor, x: Tensor) -> Tensor:
    return stored.view(-1, *[1] * (x.dim() - 2))


def _sizes(given: Message, name: str, short: str, default: int) -> tuple[int, int]:
    if f"{short}_h" in given.fields or f"{short}_w" in given.fields:
        return given.get(f"{short}_h", default), given.get(f"{short}_w", default)
    values = given.all(name) or [default]
    return values[0], values[-1]


def _convolution(layer: Message, x: Tensor, stored: list[Tensor]) -> Tensor:
    given, kind = layer.message("convolution_param"), str(layer.get("type")).lower()
    arguments: dict[str, Any] = {
        "stride": _sizes(given, "stride", "stride", 1),
        "padding": _sizes(given, "pad", "pad", 0),
        "dilation": _sizes(given, "dilation", "dilation", 1),
        "groups": x.shape[1] if "depthwise" in kind else given.get("group", 1),
    }
    function = F.conv_transpose2d if kind == "deconvolution" else F.conv2d
    return function(x, stored[0], stored[1] if len(stored) > 1 else None, **arguments)


def _pooling(given: Message, x: Tensor) -> Tensor:
    """Caffe's pooling, output by output along each axis: windows are cut at the padded edge, then at the map's."""
    average = str(given.get("pool", "MAX")) in ("AVE", "1")
    if given.get("global_pooling") is True:
        return x.mean((2, 3), keepdim=True) if average else x.amax((2, 3), keepdim=True)
    kernels, strides = _sizes(given, "kernel_size", "kernel", 0), _sizes(given, "stride", "stride", 1)
    paddings = _sizes(given, "pad", "pad", 0)
    up = str(given.get("round_mode", "CEIL")) in ("CEIL", "0")
    for dim, kernel, stride, padding in zip((2, 3), kernels, strides, paddings, strict=True):
        length = x.shape[dim]
        span = length + 2 * padding - kernel
        count = (-(-span // stride) if up else span // stride) + 1
        if padding and (count - 1) * stride >= length + padding:
            count -= 1
        made = []
        for at in range(count):
            start = at * stride - padding
            end = min(start + kernel, length + padding)
            window = x.narrow(dim, max(start, 0), min(end, length) - max(start, 0))
            made.append(window.sum(dim) / (end - start) if average else window.amax(dim))
        x = torch.stack(made, dim)
    return x


def _lrn(given: Message, x: Tensor) -> Tensor:
    size = given.get("local_size", 5)
    squares = F.pad((x * x).movedim(1, -1), (size // 2, size // 2)).unfold(-1, size, 1).sum(-1).movedim(-1, 1)
    alpha, beta, k = given.get("alpha", 1.0), given.get("beta", 0.75), given.get("k", 1.0)
    divisor: Tensor = (k + alpha / size * squares) ** beta
    return x / divisor
