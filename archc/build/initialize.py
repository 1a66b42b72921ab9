"""Weight initialization as the spec's rules say it, in the order of the modules."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from archc.build.targets import module_class
from archc.kinds import KINDS
from archc.kinds.initializers import INITIALIZERS
from archc.language.spec import InitRule


def initialize(model: nn.Module, rules: Iterable[InitRule]) -> None:
    """Set the weights of every module that a rule names; the first rule that fits holds."""
    known = [
        (tuple(module_class(KINDS[kind].torch) for kind in rule.kinds), rule.paths, rule.tensors) for rule in rules
    ]
    if not known:
        return
    for name, module in model.named_modules():
        for classes, paths, tensors in known:
            if not (isinstance(module, classes) or name in paths):
                continue
            for attribute, (function, arguments) in tensors.items():
                tensor = getattr(module, attribute, None)
                if tensor is not None:
                    getattr(nn.init, INITIALIZERS[function].torch)(tensor, **arguments)
            break
