"""The settings of evaluation: the same batches and precision during training and afterwards."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from archc.training.recipe import Recipe

_KINDS = {"bf16": torch.bfloat16, "fp16": torch.float16}


def evaluation_rows(count: int, recipe: Recipe) -> list[Tensor]:
    """The row numbers of each batch of `count` images; no batch if there are none."""
    size = max(32, 2 * recipe.batch_size // recipe.accumulate)
    return list(torch.split(torch.arange(count), size)) if count else []


def autocast(recipe: Recipe, device: torch.device) -> AbstractContextManager[Any]:
    """The recipe's precision on a device."""
    kind = _KINDS.get(recipe.precision)
    return torch.autocast(device.type, kind) if kind else nullcontext()
