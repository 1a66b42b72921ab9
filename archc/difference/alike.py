"""Comparison of two bodies as written. If they are equal, they only differ in their arguments."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from archc.expressions import Expression
from archc.language.spec import Block

_PLACES = frozenset({"mark", "marks", "path_marks", "ready"})
"""Fields with locations and derived data."""


class Likeness:
    """Compares the content of specs, regardless of names and locations; caches the blocks that it has compared."""

    def __init__(self) -> None:
        self._blocks: dict[tuple[int, int], bool] = {}

    def alike(self, one: Any, other: Any) -> bool:
        """Return True if two parts of specs have the same content."""
        if type(one) is not type(other):
            return False
        match one:
            case Expression():
                return bool(one.text == other.text)
            case Block():
                key = (id(one), id(other))
                if key not in self._blocks:
                    self._blocks[key] = self.alike(one.parameters, other.parameters) and self.alike(
                        one.body, other.body
                    )
                return self._blocks[key]
            case dict():
                return list(one) == list(other) and all(self.alike(one[key], other[key]) for key in one)
            case list() | tuple():
                return len(one) == len(other) and all(map(self.alike, one, other))
        if is_dataclass(one) and not isinstance(one, type):
            names = [field.name for field in fields(one) if field.name not in _PLACES]
            return all(self.alike(getattr(one, name), getattr(other, name)) for name in names)
        return bool(one == other)
