"""The classes that layer types name in their calls."""

from __future__ import annotations

import sys
from importlib import import_module

from torch import nn

from archc.build import modules


def known_class(target: str) -> type[nn.Module] | None:
    """The class of a target if it is imported; without its module, no layer can be an instance of it."""
    space, _, name = target.rpartition(".")
    if space in ("nn", "archc"):
        return module_class(target)
    found: type[nn.Module] | None = getattr(sys.modules.get(space), name, None)
    return found


def module_class(target: str) -> type[nn.Module]:
    """The class of a target: of torch.nn (`nn.Conv2d`), of archc (`archc.Concat`), or of any other module.

    The latter has its full name, `package.module.Class`. Raises ImportError, or AttributeError if there is no such
    class.
    """
    space, _, name = target.rpartition(".")
    found: type[nn.Module] = getattr({"nn": nn, "archc": modules}.get(space) or import_module(space), name)
    return found
