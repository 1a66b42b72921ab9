"""Bounded caches that are cleared when they are full."""

from __future__ import annotations

from typing import Any, Final

_MOST: Final = 20_000


def remember(known: dict[Any, Any], key: Any, value: Any) -> None:
    """Store a value in a cache."""
    if len(known) >= _MOST:
        known.clear()
    known[key] = value


def key_of(*parts: Any) -> tuple[Any, ...]:
    """A key that distinguishes 1, 1.0 and true."""
    types = tuple(map(type, parts))
    if tuple in types:
        return parts, types, *(key_of(*part) for part in parts if type(part) is tuple)
    return parts, types
