"""RandAugment (https://arxiv.org/abs/1909.13719): two random operations per image, with one common magnitude.

The operations and their ranges are those of torchvision's `v2.RandAugment`, whose functions do the work. That class
draws once per batch, from the global generator. Here each image has its own operations from the table of draws, and all
images of a batch with the same operation are transformed together.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from archc.training.augment import generator

OPERATIONS = 2
"""The number of operations per image, as in the paper and in torchvision."""

MOST = 30
"""The maximum magnitude."""

Operation = Callable[[Tensor, float], Tensor]


def operation_draws(seed: int, epoch: int, count: int) -> Tensor:
    """The last columns of a table of draws: float32 (count, 2 * OPERATIONS), one operation and one sign each."""
    return torch.rand(count, 2 * OPERATIONS, generator=generator(seed, epoch, 3))


def randaugment(images: Tensor, draws: Tensor, magnitude: int) -> Tensor:
    """Transform uint8 images (batch, 1 or 3 channels, height, width) by their rows of `draws`.

    `draws` must be on the CPU, so that selecting the images for an operation doesn't wait for the device.
    """
    strength = magnitude / MOST
    for pair in torch.split(draws[:, -2 * OPERATIONS :], 2, 1):
        kind = (pair[:, 0] * len(_OPERATIONS)).long().clamp_(max=len(_OPERATIONS) - 1)
        chosen = 2 * kind + (pair[:, 1] < 0.5)
        result = images.clone()
        for number in sorted(set(chosen.tolist())):
            rows = (chosen == number).nonzero().flatten().to(images.device, non_blocking=True)
            operation, sign = _OPERATIONS[number // 2], -1 if number % 2 else 1
            result[rows] = operation(images[rows], sign * strength)
        images = result
    return images


def _shear(images: Tensor, x: float, y: float) -> Tensor:
    from torchvision.transforms.v2 import functional as F

    # About the upper left corner, by the tangent, as in AutoAugment's code.
    sheared: Tensor = F.affine(
        images, 0.0, [0, 0], 1.0, [math.degrees(math.atan(part)) for part in (x, y)], center=[0.0, 0.0]
    )
    return sheared


def _translate(images: Tensor, x: float, y: float) -> Tensor:
    from torchvision.transforms.v2 import functional as F

    moved: Tensor = F.affine(images, 0.0, [int(x), int(y)], 1.0, [0.0, 0.0])
    return moved


def _rotate(images: Tensor, strength: float) -> Tensor:
    from torchvision.transforms.v2 import functional as F

    turned: Tensor = F.rotate(images, 30 * strength)
    return turned


def _colors(name: str) -> Operation:
    def operation(images: Tensor, strength: float) -> Tensor:
        from torchvision.transforms.v2 import functional as F

        changed: Tensor = getattr(F, f"adjust_{name}")(images, 1 + 0.9 * strength)
        return changed

    return operation


def _levels(name: str) -> Operation:
    def operation(images: Tensor, strength: float) -> Tensor:
        from torchvision.transforms.v2 import functional as F

        strength = abs(strength)
        arguments = {"posterize": (8 - round(4 * strength),), "solarize": (255 * (1 - strength),)}
        changed: Tensor = getattr(F, name)(images, *arguments.get(name, ()))
        return changed

    return operation


_OPERATIONS: tuple[Operation, ...] = (
    lambda images, _strength: images,
    lambda images, strength: _shear(images, 0.3 * strength, 0),
    lambda images, strength: _shear(images, 0, 0.3 * strength),
    lambda images, strength: _translate(images, 150 / 331 * images.shape[3] * strength, 0),
    lambda images, strength: _translate(images, 0, 150 / 331 * images.shape[2] * strength),
    _rotate,
    _colors("brightness"),
    _colors("saturation"),
    _colors("contrast"),
    _colors("sharpness"),
    _levels("posterize"),
    _levels("solarize"),
    _levels("autocontrast"),
    _levels("equalize"),
)
