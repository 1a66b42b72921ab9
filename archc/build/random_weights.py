"""Random weights that reveal every error of a translation.

With them, no layer's output vanishes or only depends on the layer's bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod, sqrt

import torch
from torch import Tensor


def random_weights(state: Mapping[str, Tensor], seed: int = 0) -> dict[str, Tensor]:
    """New values for a state dict: weights of variance 2 / fan-in (https://arxiv.org/abs/1502.01852), scales around 1.

    The initial weights of many networks can't show a wrong translation. For example, with a standard deviation of 0.01,
    the last layer of GoogLeNet only sees zeros. Counters are zero.
    """
    generator = torch.Generator().manual_seed(seed)
    return {key: _values(key, tensor, generator) for key, tensor in state.items()}


def _values(key: str, tensor: Tensor, generator: torch.Generator) -> Tensor:
    if not tensor.is_floating_point():
        return torch.zeros(tensor.shape, dtype=tensor.dtype)
    name = key.rpartition(".")[2]
    if tensor.ndim >= 2:
        scale = sqrt(2 / max(1, prod(tensor.shape[1:])))
        found = torch.randn(tensor.shape, generator=generator) * scale
    elif name in ("bias", "running_mean"):
        found = torch.randn(tensor.shape, generator=generator) * 0.1
    else:  # the scale of a norm, the slope of an activation, a variance
        found = torch.rand(tensor.shape, generator=generator) + 0.5
    return found.to(tensor.dtype)
