"""Modules back to layer types: the layer type that a module is, with its arguments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError
from torch import nn

from archc.build.targets import module_class
from archc.kinds import KINDS, Kind


def kind_of(module: nn.Module) -> Kind | None:
    """The layer kind that a module is, with its arguments; None for any other module."""
    for kind in KINDS.values():
        for target, meant in (kind.classes or {kind.torch: {}}).items():
            if not _is(module, target):
                continue
            try:
                return kind(**{**dict(_arguments(kind, module)), **meant})
            except ValidationError:  # what torch takes and archc does not
                return None
    return None


def _is(module: nn.Module, target: str) -> bool:
    if type(module) is module_class(target):
        return True
    # Emitted files have copies of archc's own.
    space, _, name = target.partition(".")
    return space == "archc" and type(module).__name__ == name and not list(module.children())


def _arguments(kind: type[Kind], module: nn.Module) -> Iterator[tuple[str, Any]]:
    for name, argument in kind.model_fields.items():
        value = getattr(module, name, None)
        if type(argument.default) is bool and type(value) is not bool:
            yield name, value is not None  # a flag whose name is that of the tensor: `bias`
        elif value is not None or (hasattr(module, name) and argument.default is not None):
            yield name, tuple(value) if isinstance(value, list | tuple) else value
