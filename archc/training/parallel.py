"""One model in several processes, with torch's DistributedDataParallel and fully_shard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from archc.training.distributed import World
from archc.training.recipe import Recipe


def parallel(model: nn.Module, recipe: Recipe, world: World, unused: Callable[[], bool]) -> Any:
    """The callable for training: the model, compiled or not, or its part in several processes.

    `unused` returns True if there are weights that the loss doesn't depend on. DistributedDataParallel would wait for
    their gradients, and searching for them in each step takes time.
    """
    if recipe.shard and world.size > 1:
        from torch.distributed.fsdp import fully_shard

        for child in model.children():
            if any(True for _ in child.parameters()):
                fully_shard(child)
        return fully_shard(model)
    find = world.size > 1 and unused()
    if recipe.compile is True or (recipe.compile == "auto" and world.device.type == "cuda"):
        model.compile()
    if world.size > 1:
        devices = [world.device] if world.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(
            model, devices, gradient_as_bucket_view=True, find_unused_parameters=find
        )
    return model


def state_of(model: nn.Module, sharded: bool, optimizer: torch.optim.Optimizer | None = None) -> dict[str, Any]:
    """The state of a model or its optimizer, complete and on the CPU if it is sharded."""
    if not sharded:
        return (optimizer or model).state_dict()
    from torch.distributed.checkpoint import state_dict

    options = state_dict.StateDictOptions(full_state_dict=True, cpu_offload=True)
    if optimizer is None:
        return dict(state_dict.get_model_state_dict(model, options=options))
    return dict(state_dict.get_optimizer_state_dict(model, optimizer, options=options))


def take_state(
    model: nn.Module, state: dict[str, Any], sharded: bool, optimizer: torch.optim.Optimizer | None = None
) -> None:
    """Load a state, in parts if the model is sharded."""
    if not sharded:
        (optimizer or model).load_state_dict(state)
        return
    from torch.distributed.checkpoint import state_dict

    options = state_dict.StateDictOptions(full_state_dict=True)
    if optimizer is None:
        state_dict.set_model_state_dict(model, state, options=options)
    else:
        state_dict.set_optimizer_state_dict(model, optimizer, state, options=options)
