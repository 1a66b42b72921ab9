"""The differences between two architectures, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from archc.difference.tree import Argument, Part

Sort = Literal["added", "removed", "changed"]


class ArgumentChange(NamedTuple):
    """An argument before and after."""

    name: str
    before: Argument
    after: Argument


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A part that was added, removed or changed.

    `before` and `after` are its paths within its section. They differ if it was renamed, are None if it doesn't exist,
    and empty for the section's own body. `reads` are the names of its inputs, if they changed. `moved` means that its
    order among the others changed.
    """

    before: str | None
    after: str | None
    one: Part | None
    other: Part | None
    arguments: tuple[ArgumentChange, ...] = ()
    reads: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    moved: bool = False

    @property
    def sort(self) -> Sort:
        """The sort of the change: added, removed, or changed."""
        return "added" if self.before is None else "removed" if self.after is None else "changed"

    @property
    def renamed(self) -> bool:
        """Return True if the part has another name; positions and names of functions are not names."""
        if self.one is None or self.other is None:
            return False
        if self.one.nameless or self.other.nameless:
            return False
        return self.one.name != self.other.name and not (self.one.name.isdigit() and self.other.name.isdigit())

    @property
    def replaced(self) -> bool:
        """Return True if the part is a layer of another type, or a layer instead of a body."""
        if self.one is None or self.other is None:
            return False
        return self.one.kind != self.other.kind and (self.one.body is None or self.other.body is None)

    @property
    def key(self) -> tuple[object, ...]:
        """A key that is equal for equal changes, which are reported once for all arguments of a block."""
        parts = tuple(part and part.said for part in (self.one, self.other)) if self.sort != "changed" else None
        kinds = self.replaced and (self.one and self.one.said, self.other and self.other.said)
        arguments = tuple(
            (name, before and before.said, after and after.said) for name, before, after in self.arguments
        )
        return self.before, self.after, parts, kinds, arguments, self.reads, self.moved
