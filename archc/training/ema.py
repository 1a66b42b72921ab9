"""Averaged weights, which often validate better than the last ones (https://arxiv.org/abs/1803.05407)."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn


class Ema:
    """An exponential moving average of a model's weights; buffers are copied.

    The decay increases with the steps up to `decay`, so that the first steps quickly lose their influence.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Update the average with the weights after `step` steps."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), 1 - decay)
        for own, other in zip(self.model.buffers(), model.buffers(), strict=True):
            own.copy_(other)

    def state_dict(self) -> dict[str, Any]:
        """The averaged weights."""
        return self.model.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load averaged weights."""
        self.model.load_state_dict(state)
