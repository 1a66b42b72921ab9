"""Mixup and CutMix: each image is mixed with its neighbor in the batch, and so are the losses for both labels.

https://arxiv.org/abs/1710.09412 and https://arxiv.org/abs/1905.04899
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from archc.training.augment import Draw, generator
from archc.training.recipe import Recipe


def mix_draws(recipe: Recipe, epoch: int, count: int) -> Tensor:
    """Columns that follow those of Draw: float32 (count, 4), one row per image.

    They are the weight of the image itself (0.5 … 1), whether it is cut instead of blended, and the position of the
    cut.
    """
    source = generator(recipe.seed, epoch, 2)
    table = torch.rand(count, 4, generator=source)
    both = recipe.mixup > 0 and recipe.cutmix > 0
    cut = table[:, 1] < 0.5 if both else torch.full((count,), recipe.cutmix > 0)
    share = torch.where(cut, _beta(recipe.cutmix, count, source), _beta(recipe.mixup, count, source))
    table[:, 0], table[:, 1] = torch.maximum(share, 1 - share), cut.float()
    return table


def _beta(alpha: float, count: int, source: torch.Generator) -> Tensor:
    """Samples of the distribution Beta(alpha, alpha); 1 for an alpha of 0."""
    if not alpha:
        return torch.ones(count)
    # torch has no gamma distribution that takes a generator, so numpy's is seeded from torch's.
    import numpy

    seed = int(torch.randint(2**62, (), generator=source))
    return torch.from_numpy(numpy.random.default_rng(seed).beta(alpha, alpha, count)).float()


@dataclass(frozen=True, slots=True)
class Mixed:
    """Mixed images (batch, channels, height, width), the labels of the neighbors, and the weight of each own label."""

    images: Tensor
    others: Tensor
    share: Tensor


def mixed(images: Tensor, labels: Tensor, draws: Tensor) -> Mixed:
    """Mix each image with the previous one in the batch, by its row of draws."""
    share, cut, x, y = draws[:, len(Draw) : len(Draw) + 4].unbind(1)
    height, width = images.shape[2:]
    side = (1 - share).sqrt()
    rows = _span(y, side, height)[:, None, :, None]
    columns = _span(x, side, width)[:, None, None, :]
    inside = rows & columns
    cut = cut > 0.5
    remaining = torch.where(cut, 1 - inside.float().mean((1, 2, 3)), share)
    weight = torch.where(cut[:, None, None, None], 1 - inside.float(), share[:, None, None, None])
    return Mixed(torch.lerp(images.roll(1, 0), images, weight.to(images.dtype)), labels.roll(1, 0), remaining)


def _span(middle: Tensor, side: Tensor, length: int) -> Tensor:
    """The positions in a window around a point, clipped at the borders: bool (batch, length)."""
    start, end = (middle - side / 2) * length, (middle + side / 2) * length
    places = torch.arange(length, device=middle.device) + 0.5
    return (places >= start[:, None]) & (places < end[:, None])
