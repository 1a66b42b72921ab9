"""What differs between two architectures, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from archc.difference.tree import Argument, Part

Sort = Literal["added", "removed", "changed"]


class ArgumentChange(NamedTuple):
    """An argument, before and after."""

    name: str
    before: Argument
    after: Argument


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """One part that came, went, or is another one.

    `before` and `after` are its paths within its section: unlike where it was renamed, None where it is not there,
    empty for the section's body itself. `reads` are the names of its inputs, where it reads other values than before;
    `moved` says that it stands elsewhere among the others.
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
        """Whether the part came, went, or is another one."""
        return "added" if self.before is None else "removed" if self.after is None else "changed"

    @property
    def renamed(self) -> bool:
        """Whether it has another name; a number that only counts isn't one, nor is the name of a function."""
        if self.one is None or self.other is None:
            return False
        if self.one.nameless or self.other.nameless:
            return False
        return self.one.name != self.other.name and not (self.one.name.isdigit() and self.other.name.isdigit())

    @property
    def replaced(self) -> bool:
        """Whether it is a layer of another kind, or a layer instead of a body."""
        if self.one is None or self.other is None:
            return False
        return self.one.kind != self.other.kind and (self.one.body is None or self.other.body is None)

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for changes that say the same: reported once, whatever the values of a block's parameters."""
        parts = tuple(part and part.said for part in (self.one, self.other)) if self.sort != "changed" else None
        kinds = self.replaced and (self.one and self.one.said, self.other and self.other.said)
        arguments = tuple(
            (name, before and before.said, after and after.said) for name, before, after in self.arguments
        )
        return self.before, self.after, parts, kinds, arguments, self.reads, self.moved
