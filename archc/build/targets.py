"""The classes that the calls of layer kinds name."""

from __future__ import annotations

from importlib import import_module

from torch import nn

from archc.build import modules


def module_class(target: str) -> type[nn.Module]:
    """The class of a target: of torch.nn (`nn.Conv2d`), of archc's own (`archc.Concat`), or of any other module.

    Another one is named in full, `package.module.Class`. Raises ImportError, or AttributeError if it has no such class.
    """
    space, _, name = target.rpartition(".")
    found: type[nn.Module] = getattr({"nn": nn, "archc": modules}.get(space) or import_module(space), name)
    return found
