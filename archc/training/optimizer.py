"""The optimizer and the learning rate of a recipe."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from archc.patterns import matches
from archc.training.recipe import Recipe
from archc.training.selection import require_match


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The optimizer, fused into one kernel; biases and normalization are only decayed if the recipe says so."""
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    scales = lr_scales(list(trained), recipe.lr_scale, type(model).__name__)
    groups: list[dict[str, Any]] = []
    for scale in dict.fromkeys(scales.values()):
        own = [parameter for name, parameter in trained.items() if scales[name] == scale]
        decayed = [parameter for parameter in own if recipe.decay_all or parameter.ndim > 1]
        others = [parameter for parameter in own if not recipe.decay_all and parameter.ndim <= 1]
        for parameters, decay in ((decayed, recipe.weight_decay), (others, 0.0)):
            if parameters:
                groups.append({"params": parameters, "weight_decay": decay, "lr": recipe.lr * scale})
    betas = recipe.momentum, 0.999
    match recipe.optimizer:
        case "adamw":
            return torch.optim.AdamW(groups, lr=recipe.lr, betas=betas, fused=True)
        case "adam":
            return torch.optim.Adam(groups, lr=recipe.lr, betas=betas, fused=True)
        case "nadam":
            return torch.optim.NAdam(groups, lr=recipe.lr, betas=betas)
        case "radam":
            return torch.optim.RAdam(groups, lr=recipe.lr, betas=betas)
        case "adamax":
            return torch.optim.Adamax(groups, lr=recipe.lr, betas=betas)
        case "adagrad":
            return torch.optim.Adagrad(groups, lr=recipe.lr)
        case "rmsprop":
            return torch.optim.RMSprop(groups, lr=recipe.lr, momentum=recipe.momentum)
    # On the CPU fused SGD rounds the last few elements of a tensor otherwise, which after 1,000 steps of the course's
    # notebook made a loss 2e-4 of another. The recipe `notebook` is to give the notebook's own curve.
    fused = any(parameter.device.type != "cpu" for parameter in trained.values())
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=fused)


def lr_scales(names: list[str], patterns: dict[str, float], network: str) -> dict[str, float]:
    """The factor of each parameter's learning rate: that of the last matching pattern, or 1.

    Raises SpecError (E0701) if a pattern matches no trained parameter.
    """
    for pattern in patterns:
        require_match(names, pattern, "lr_scale", network)
    return {name: next((x for p, x in reversed(patterns.items()) if matches(name, p)), 1.0) for name in names}


def make_schedule(optimizer: torch.optim.Optimizer, recipe: Recipe, steps: int) -> LambdaLR:
    """The learning rate of every step, for epochs of `steps` steps."""
    return LambdaLR(optimizer, rate(recipe, steps))


def rate(recipe: Recipe, steps: int) -> Callable[[int], float]:
    """The factor of the learning rate at a step counted from 0: a pure function."""
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
            case "polynomial":
                return float((1 - done) ** recipe.power)
            case "multistep":
                return float(recipe.gamma ** sum(step >= epoch * steps for epoch in recipe.milestones))
            case "step":
                return float(recipe.gamma ** (step // (recipe.step_epochs * steps)))
            case "exponential":
                return float(recipe.gamma ** (step // steps))
        return 1.0

    return factor
