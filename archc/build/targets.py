"""The classes that layer types name in their calls."""

from __future__ import annotations

from importlib import import_module

from torch import nn

from archc.build import modules


def module_class(target: str) -> type[nn.Module]:
    """The class of a target: of torch.nn (`nn.Conv2d`), of archc (`archc.Concat`), or of any other module.

    The latter has its full name, `package.module.Class`. Raises ImportError, or AttributeError if there is no such
    class.
    """
    space, _, name = target.rpartition(".")
    found: type[nn.Module] = getattr({"nn": nn, "archc": modules}.get(space) or import_module(space), name)
    return found
