"""Caffe's fillers, which say how the weights of a layer start, as the functions of a spec's `init` rules.

Caffe's `include/caffe/filler.hpp` defines them. Its `xavier` is uniform on ±√(3/n), with the variance 1/n, and `msra`
normal with the deviation √(2/n). n is the fan-in, the fan-out or, as in Glorot's paper, their average.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

from archc.importing.prototxt import Message

_NORMS = {"FAN_IN": "FAN_IN", "FAN_OUT": "FAN_OUT", "AVERAGE": "AVERAGE", "0": "FAN_IN", "1": "FAN_OUT", "2": "AVERAGE"}

Number = Callable[[Message, str, float], float]
"""Reads a field that is a number, with its default."""


def initializer(filler: Message, number: Number) -> tuple[str, dict[str, Any]] | None:
    """The function of torch.nn.init with its arguments; None if there is none."""
    norm = _NORMS.get(str(filler.get("variance_norm", "FAN_IN")))
    mode = {"mode": "fan_out"} if norm == "FAN_OUT" else {}
    match str(filler.get("type", "constant")):
        case "constant":
            return "constant", {"val": number(filler, "value", 0)}
        case "uniform":
            return "uniform", {"a": number(filler, "min", 0), "b": number(filler, "max", 1)}
        case "gaussian" if number(filler, "sparse", -1) < 0:
            return "normal", {"mean": number(filler, "mean", 0), "std": number(filler, "std", 1)}
        case "xavier" if norm == "AVERAGE":
            return "xavier_uniform", {}
        case "xavier" if norm:
            return "kaiming_uniform", {**mode, "nonlinearity": "linear"}
        case "msra" if norm == "AVERAGE":
            return "xavier_normal", {"gain": sqrt(2)}
        case "msra" if norm:
            return "kaiming_normal", {**mode, "nonlinearity": "relu"}
    return None
