"""Arguments of the constructors of classes, as a spec can write them."""

from __future__ import annotations

import inspect
from typing import Any, Final

from torch import nn

from archc.build.targets import module_class

PREFIX: Final = "arguments."
"""What the names of constructor arguments start with among the arguments of a layer, while the spec is made."""


def defaults(target: str) -> dict[str, Any]:
    """The default of each constructor argument of a class, as the arguments of a layer while the spec is made."""
    return {f"{PREFIX}{name}": plain(value) for name, value in constructor_defaults(module_class(target)).items()}


def constructor_defaults(made: type[nn.Module]) -> dict[str, Any]:
    """The default of each argument of a constructor, or `inspect.Parameter.empty`."""
    parameters = list(inspect.signature(made.__init__).parameters.values())[1:]
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {each.name: each.default for each in parameters if each.kind not in variable}


def plain(value: Any) -> Any:
    """A value as a spec can write it; `...` for any other."""
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return value if abs(value) < float("inf") else ...
    if isinstance(value, list | tuple):
        items = tuple(map(plain, value))
        return ... if ... in items else items
    return ...
