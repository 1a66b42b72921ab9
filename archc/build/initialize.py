"""Weight initialization by the spec's rules, in the order of the modules."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from archc.build.targets import known_class
from archc.kinds import KINDS
from archc.kinds.initializers import INITIALIZERS
from archc.language.spec import InitRule
from archc.patterns import matches


def initialize(model: nn.Module, rules: Iterable[InitRule], opaque: tuple[type[nn.Module], ...] = ()) -> None:
    """Initialize every module that a rule matches; the first matching rule applies.

    Modules of `opaque` classes are skipped with everything in them, because their constructors initialized them.
    """
    known = [(_classes(rule.kinds), _classes(rule.settable), rule.paths, rule.tensors) for rule in rules]
    if not known:
        return
    foreign = {part for module in model.modules() if isinstance(module, opaque) for part in module.modules()}
    for name, module in model.named_modules():
        if module in foreign:
            continue
        for classes, settable, paths, tensors in known:
            named = isinstance(module, settable) and any(matches(name, path) for path in paths)
            if not (named or isinstance(module, classes)):
                continue
            for attribute, (function, arguments) in tensors.items():
                tensor = getattr(module, attribute, None)
                if tensor is not None:
                    getattr(nn.init, INITIALIZERS[function].torch)(tensor, **arguments)
            break


def _classes(kinds: Iterable[str]) -> tuple[type[nn.Module], ...]:
    return tuple(found for kind in kinds if (found := known_class(KINDS[kind].torch)) is not None)
