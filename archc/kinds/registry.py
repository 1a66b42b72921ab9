"""The layer kinds by name, in the order in which they were registered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeVar

from archc.kinds.base import Kind
from archc.problems.suggest import also_called

_registered: dict[str, type[Kind]] = {}

KINDS: Final[Mapping[str, type[Kind]]] = MappingProxyType(_registered)
"""Every kind by its name in specs. It grows as kinds are registered, so read it when you need it and keep no copy."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")

Registered = TypeVar("Registered", bound=type[Kind])


def register(kind: Registered) -> Registered:
    """Add a kind, so that specs can use it; as a decorator or called. Returns the kind.

    Raises ValueError if the class does not say what a kind has to say, or if another kind has its name.
    """
    title = f"{kind.__module__}.{kind.__qualname__}"
    for attribute in ("kind", "torch"):
        if not isinstance(getattr(kind, attribute, None), str):
            raise ValueError(f"{title} needs a class attribute `{attribute}`")
    if not _NAME.fullmatch(kind.kind):
        raise ValueError(f"{title}: the name of a layer type is lowercase letters, digits and `_`, got {kind.kind!r}")
    known = _registered.get(kind.kind)
    if known is not None:
        raise ValueError(f"{title}: {known.__module__}.{known.__qualname__} is registered as `{kind.kind}` already")
    if not kind.__dict__.get("__doc__"):
        raise ValueError(f"{title} needs a docstring: editors and the reference show it for `{kind.kind}`")
    _registered[kind.kind] = kind
    also_called(kind.kind, kind.aliases)
    return kind


def unregister(kind: type[Kind]) -> None:
    """Remove a kind again, for tests that register one. Raises KeyError if it is not registered."""
    if _registered.get(kind.kind) is not kind:
        raise KeyError(kind.kind)
    del _registered[kind.kind]
