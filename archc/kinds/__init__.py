"""The layer kinds, each defined in exactly one class. To add one: write it, and add it to this list."""

from typing import Final

from archc.kinds.activation import (
    ELU,
    GELU,
    Hardsigmoid,
    Hardswish,
    LeakyReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)
from archc.kinds.base import Call, Fault, Kind, Shape, Stored, Window, form, volume
from archc.kinds.convolution import Conv2d, ConvTranspose2d
from archc.kinds.join import Add, Concat, Join, Multiply
from archc.kinds.linear import Flatten, Linear
from archc.kinds.normalization import BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm, LocalResponseNorm
from archc.kinds.pooling import AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, MaxPool2d
from archc.kinds.regularization import Dropout, Dropout2d, StochasticDepth
from archc.kinds.spatial import ChannelShuffle, Chunk, Identity, Mean, Pad, Split, Upsample

KINDS: Final[dict[str, type[Kind]]] = {
    kind.kind: kind
    for kind in (
        Conv2d,
        ConvTranspose2d,
        MaxPool2d,
        AvgPool2d,
        AdaptiveAvgPool2d,
        AdaptiveMaxPool2d,
        BatchNorm2d,
        BatchNorm1d,
        GroupNorm,
        LayerNorm,
        LocalResponseNorm,
        Linear,
        Flatten,
        Dropout,
        Dropout2d,
        StochasticDepth,
        ReLU,
        ReLU6,
        LeakyReLU,
        ELU,
        GELU,
        SiLU,
        Sigmoid,
        Tanh,
        Hardswish,
        Hardsigmoid,
        Softmax,
        Pad,
        Upsample,
        ChannelShuffle,
        Chunk,
        Split,
        Mean,
        Identity,
        Concat,
        Add,
        Multiply,
    )
}
"""Every kind by its name in specs."""

__all__ = ["KINDS", "Call", "Fault", "Join", "Kind", "Shape", "Stored", "Window", "form", "volume"]
