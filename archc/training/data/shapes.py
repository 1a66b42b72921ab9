"""Drawn images: one colored shape each, of any size, the same for the same arguments."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from archc.training.data.images import Data, Images

CLASSES = ("disc", "ring", "square", "frame", "triangle", "diamond", "cross", "plus", "bars", "checks")
_CHUNK = 256


def shapes(size: int = 32, count: int = 2000, seed: int = 0) -> Data:
    """`count` color images of size×size to train on, in 10 classes alike, and a fifth as many to validate with.

    Place, size, angle, colors and noise differ from image to image; the class is in the form alone.
    """
    parts = [_draw(size, number, seed + part) for part, number in enumerate((count, max(1, count // 5)))]
    return Data("shapes", CLASSES, parts[0], parts[1], mirrored=True)


def _draw(size: int, count: int, seed: int) -> Images:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randperm(count, generator=generator) % len(CLASSES)
    pixels = torch.empty(count, 3, size, size, dtype=torch.uint8)
    axis = (torch.arange(size) + 0.5) / size * 2 - 1  # -1 … 1 over the image
    for start in range(0, count, _CHUNK):
        part = labels[start : start + _CHUNK]
        n = len(part)

        def uniform(low: float, high: float, *sizes: int, n: int = n) -> Tensor:
            return torch.rand(n, *sizes, generator=generator) * (high - low) + low

        centre = uniform(-0.35, 0.35, 2)
        radius = uniform(0.35, 0.6, 1, 1)
        angle = uniform(-0.2, 0.2, 1, 1) * math.pi / 2
        x, y = axis[None, None, :] - centre[:, :1, None], axis[None, :, None] - centre[:, 1:, None]
        u = (x * angle.cos() + y * angle.sin()) / radius
        v = (y * angle.cos() - x * angle.sin()) / radius
        inside = torch.stack(_forms(u, v), 1)[torch.arange(n), part]
        light = uniform(0.55, 1.0, 3, 1, 1)
        dark = uniform(0.0, 0.45, 3, 1, 1)
        swap = uniform(0.0, 1.0, 1, 1, 1) < 0.5
        ink, paper = torch.where(swap, light, dark), torch.where(swap, dark, light)
        image = torch.where(inside[:, None], ink, paper) + uniform(-0.08, 0.08, 3, size, size)
        pixels[start : start + n] = (image.clamp(0, 1) * 255).round().to(torch.uint8)
    return Images(pixels, labels)


def _forms(u: Tensor, v: Tensor) -> list[Tensor]:
    """A mask of the points in each form of radius 1 about the origin, in the order of CLASSES."""
    distance, largest, total = (u**2 + v**2).sqrt(), torch.maximum(u.abs(), v.abs()), u.abs() + v.abs()
    square = largest < 0.85
    return [
        distance < 0.95,
        (distance < 1) & (distance > 0.6),
        square,
        square & (largest > 0.5),
        (v < 0.7) & (v > 2 * u.abs() - 1),
        total < 1.1,
        (largest < 0.95) & ((u - v).abs() < 0.4) | (largest < 0.95) & ((u + v).abs() < 0.4),
        (largest < 0.95) & (torch.minimum(u.abs(), v.abs()) < 0.28),
        square & (torch.floor(v * 3.5).remainder(2) == 0),
        square & ((torch.floor(u * 2.4) + torch.floor(v * 2.4)).remainder(2) == 0),
    ]
