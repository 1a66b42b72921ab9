"""The modules that torch.nn lacks; those that an emitted file uses are copied into it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Mean(nn.Module):
    """The mean over height and width."""

    def __init__(self, keepdim: bool = False) -> None:
        super().__init__()
        self.keepdim = keepdim

    def forward(self, x: Tensor) -> Tensor:
        """Average a batch of maps."""
        return torch.mean(x, dim=(2, 3), keepdim=self.keepdim)


class StochasticDepth(nn.Module):
    """Zeroes whole images (`row`) or the whole batch (`batch`) with probability p in training."""

    def __init__(self, p: float, mode: str = "row") -> None:
        super().__init__()
        self.p = p
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        """Drop, and scale what survives so that the expectation stays."""
        if not self.training or self.p == 0.0:
            return x
        size = [x.shape[0] if self.mode == "row" else 1] + [1] * (x.ndim - 1)
        noise = torch.empty(size, dtype=x.dtype, device=x.device).bernoulli_(1.0 - self.p)
        if self.p < 1.0:
            noise.div_(1.0 - self.p)
        return x * noise


class Concat(nn.Module):
    """Maps side by side, over the channels."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Join the inputs in their order."""
        return torch.cat(inputs, dim=1)


class Add(nn.Module):
    """The sum of the inputs."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Add from left to right."""
        total = inputs[0]
        for other in inputs[1:]:
            total = total + other
        return total


class Multiply(nn.Module):
    """The product of the inputs."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Multiply from left to right."""
        product = inputs[0]
        for other in inputs[1:]:
            product = product * other
        return product


class Chunk(nn.Module):
    """Channels in equal parts."""

    def __init__(self, chunks: int) -> None:
        super().__init__()
        self.chunks = chunks

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Cut the channels."""
        return torch.chunk(x, self.chunks, dim=1)


class Split(nn.Module):
    """Channels in parts of given sizes."""

    def __init__(self, sections: tuple[int, ...]) -> None:
        super().__init__()
        self.sections = list(sections)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Cut the channels."""
        return tuple(torch.split(x, self.sections, dim=1))
