"""Names of one scope of the emitted source (a file, a constructor, a `forward`), each of which is given once."""

from __future__ import annotations

from collections.abc import Iterable


class Names:
    """What a scope calls something already."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.taken = set(taken)

    def take(self, *wanted: str) -> str:
        """The first of the wanted names that is free; where none is, the last with a number behind it."""
        name, count = next((name for name in wanted if name not in self.taken), wanted[-1]), 2
        while name in self.taken:
            name, count = f"{wanted[-1]}_{count}", count + 1
        self.taken.add(name)
        return name
