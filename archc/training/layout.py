"""The memory layout of weights and images: channels last, except for a layer that would be slower."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from archc.training.recipe import Recipe


def lay_out(model: nn.Module, recipe: Recipe, device: torch.device) -> nn.Module:
    """Move the model to the device, in the recipe's layout."""
    # fully_shard only splits contiguous weights, so then only the images are channels last.
    last = recipe.channels_last and not recipe.shard
    layout = torch.channels_last if last else torch.contiguous_format
    return model.to(device, memory_format=layout)  # type: ignore[no-any-return, call-overload]


@contextmanager
def planes(model: nn.Module, recipe: Recipe, device: torch.device) -> Iterator[None]:
    """Use contiguous images for the first convolution within the block if that is faster.

    With channels last, oneDNN takes up to ten times as long for the gradient of such a layer (3 channels, a kernel of 5
    or more, bf16). Nothing changes on a GPU.
    """
    slow = [module for module in model.modules() if isinstance(module, nn.Conv2d) and _slow(module)]
    if device.type != "cpu" or recipe.precision != "bf16" or not recipe.channels_last or recipe.shard:
        slow = []
    handles = []
    for module in slow:
        module.weight.data = module.weight.data.contiguous()
        handles += [module.register_forward_pre_hook(_as_planes), module.register_forward_hook(_as_pixels)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _slow(layer: nn.Conv2d) -> bool:
    return layer.in_channels == 3 and min(layer.kernel_size) >= 5


def _as_planes(_layer: nn.Module, images: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(image.contiguous() for image in images)


def _as_pixels(_layer: nn.Module, _images: Any, maps: Tensor) -> Tensor:
    return maps.to(memory_format=torch.channels_last)
