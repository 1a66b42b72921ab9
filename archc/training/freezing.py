"""Freezing of parts of a network: parameters get no gradient, and running statistics don't change."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from archc.training.selection import select


def freeze(model: nn.Module, patterns: Sequence[str], network: str) -> list[nn.Module]:
    """Freeze the parameters and buffers that patterns select; `network` is the name for messages.

    Returns the modules that are frozen as a whole. `rest` must put them into inference mode after every
    `model.train()`, because batch norm would otherwise update its statistics. Raises SpecError (E0701) if a pattern
    matches nothing.
    """
    parameters = dict(model.named_parameters())
    buffers = dict(model.named_buffers())
    frozen = select([*parameters, *buffers], patterns, "freeze", network)
    for name, parameter in parameters.items():
        if name in frozen:
            parameter.requires_grad_(False)

    def whole(path: str, module: nn.Module) -> bool:
        start = f"{path}." if path else ""
        own = [start + name for name, _ in module.named_parameters(recurse=False)]
        own = own or [start + name for name, _ in module.named_buffers(recurse=False)]
        return bool(own) and all(name in frozen for name in own)

    return [module for path, module in model.named_modules() if whole(path, module)]


def rest(frozen: list[nn.Module]) -> None:
    """Put frozen modules into inference mode; their children keep their own mode."""
    for module in frozen:
        module.training = False
