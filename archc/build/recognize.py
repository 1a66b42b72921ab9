"""Recognition of modules: the layer type of a module, with its arguments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError
from torch import nn

from archc.build.targets import known_class
from archc.kinds import KINDS, Kind


def kind_of(module: nn.Module) -> Kind | None:
    """The layer type of a module, with its arguments; None for any other module."""
    for kind in KINDS.values():
        for target, meant in (kind.classes or {kind.torch: {}}).items():
            if not _is(module, target):
                continue
            found = _made(kind, {**kind.from_attributes(dict(_arguments(kind, module))), **meant})
            if found is not None and type(module) is not known_class(target) and list(module.children()):
                return found if _has_its_tensors(found, module) else None
            return found
    return None


def _made(kind: type[Kind], arguments: dict[str, Any]) -> Kind | None:
    """Create a layer; a list of equal numbers may become a number. None for arguments that archc doesn't have."""
    single = {
        name: value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value
        for name, value in arguments.items()
    }
    for given in (arguments, single):
        try:
            return kind(**given)
        except ValidationError:
            continue
    return None


def _is(module: nn.Module, target: str) -> bool:
    if type(module) is known_class(target):
        return True
    # Emitted files have copies of archc's modules, and libraries have classes with these names.
    space, _, name = target.partition(".")
    return space == "archc" and type(module).__name__ in (name, f"{name}Layer")  # so called next to a block `name`


def _has_its_tensors(kind: Kind, module: nn.Module) -> bool:
    """Return True if a module with children has the state of a layer, so that it may be one."""
    held = {name for name, state in kind.state.items() if all(getattr(kind, flag) for flag in state.flags)}
    return bool(held) and held == module.state_dict().keys()


def _arguments(kind: type[Kind], module: nn.Module) -> Iterator[tuple[str, Any]]:
    for name, argument in kind.model_fields.items():
        holder = next((each for each in (module, *module.children()) if hasattr(each, name)), module)
        value = getattr(holder, name, None)
        if type(argument.default) is bool and type(value) is not bool:
            # A flag with the name of the tensor: `bias`. Where another flag turns the tensor off, it says nothing.
            others = [flag for flag in kind.state[name].flags if flag != name] if name in kind.state else []
            if value is not None or all(getattr(holder, flag, True) for flag in others):
                yield name, value is not None
        elif value is not None or (hasattr(module, name) and argument.default is not None):
            yield name, tuple(value) if isinstance(value, list | tuple) else value
