"""Unique names within a scope of the emitted source (a file, a constructor, a `forward`)."""

from __future__ import annotations

from collections.abc import Iterable


class Names:
    """The names that a scope already uses."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.taken = set(taken)

    def take(self, *wanted: str) -> str:
        """The first wanted name that is unused; otherwise the last one with a number appended."""
        name, count = next((name for name in wanted if name not in self.taken), wanted[-1]), 2
        while name in self.taken:
            name, count = f"{wanted[-1]}_{count}", count + 1
        self.taken.add(name)
        return name
