"""Inputs for a trial run: numbers, or integers for an input that an `embedding` reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from archc.kinds import Shape

Bounds = Sequence[int | None]
"""For each input, how many integers it can hold, from 0 on; None for an input of numbers (`archc.graph.integers`)."""


def with_batch(images: int, shapes: Iterable[Shape]) -> list[Shape]:
    """Shapes with a batch dimension in front."""
    return [(images, *shape) for shape in shapes]


def zeros(bounds: Bounds, shapes: Iterable[Shape], device: torch.device | str | None = None) -> list[Tensor]:
    """Zeros of these shapes, which include the batch."""
    return [
        torch.zeros(*shape, dtype=torch.float32 if bound is None else torch.int64, device=device)
        for bound, shape in zip(bounds, shapes, strict=True)
    ]


def noise(bounds: Bounds, shapes: Iterable[Shape], generator: torch.Generator) -> list[Tensor]:
    """Numbers of a normal distribution, or any of the integers, in these shapes, which include the batch."""
    return [
        torch.randn(*shape, generator=generator) if bound is None else torch.randint(bound, shape, generator=generator)
        for bound, shape in zip(bounds, shapes, strict=True)
    ]
