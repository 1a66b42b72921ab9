"""Optimizer and learning rate of a recipe."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from archc.training.recipe import Recipe


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The optimizer, fused into one kernel; biases and normalisation are decayed only if the recipe says so."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    decayed = [parameter for parameter in trained if recipe.decay_all or parameter.ndim > 1]
    others = [parameter for parameter in trained if not recipe.decay_all and parameter.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.lr, betas=(recipe.momentum, 0.999), fused=True)
    # On the CPU fused SGD rounds the last few elements of a tensor otherwise, which after 1,000 steps of the course's
    # notebook made a loss 2e-4 of another. The recipe `notebook` is to give the notebook's own curve.
    fused = any(parameter.device.type != "cpu" for parameter in trained)
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=fused)


def make_schedule(optimizer: torch.optim.Optimizer, recipe: Recipe, steps: int) -> LambdaLR:
    """The learning rate of every step, where an epoch has `steps` of them."""
    return LambdaLR(optimizer, rate(recipe, steps))


def rate(recipe: Recipe, steps: int) -> Callable[[int], float]:
    """What the learning rate is multiplied by at a step counted from 0: a pure function."""
    warmup = round(recipe.warmup_epochs * steps)
    total = recipe.epochs * steps

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        done = min(1.0, (step - warmup) / max(1, total - warmup))
        match recipe.schedule:
            case "cosine":
                return 0.5 * (1 + math.cos(math.pi * done))
            case "linear":
                return 1 - done
            case "step":
                return float(recipe.gamma ** (step // (recipe.step_epochs * steps)))
        return 1.0

    return factor
