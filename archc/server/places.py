"""Places in the located tree: paths to keys and values."""

from __future__ import annotations

from typing import Any, NamedTuple

from archc.problems import Mark
from archc.reading import Map, Seq


class Place(NamedTuple):
    """A key or a value: the steps from the root, and the collection that contains each of them."""

    steps: tuple[int | str, ...]
    holders: tuple[Map | Seq, ...]
    on_key: bool

    @property
    def value(self) -> Any:
        """The value; for a key, the value under it."""
        holder: Any = self.holders[-1]
        return holder[self.steps[-1]]

    @property
    def mark(self) -> Mark:
        """The location of the key or value."""
        where = key_mark if self.on_key else value_mark
        return where(self.holders[-1], self.steps[-1])

    def up(self, count: int) -> Place:
        """The value at the first `count` steps."""
        return Place(self.steps[:count], self.holders[:count], False)


def key_mark(holder: Map | Seq, step: Any) -> Mark:
    """The location of a key; for an item of a list, of the item."""
    return holder.keys_at[step] if isinstance(holder, Map) else holder.items_at[step]


def value_mark(holder: Map | Seq, step: Any) -> Mark:
    """The location of a value."""
    return holder.values_at[step] if isinstance(holder, Map) else holder.items_at[step]


def place_at(root: Map, line: int, column: int) -> Place | None:
    """The key or plain value at a line and column; None between them."""
    here = (line, column)
    node: Any = root
    place = Place((), (), False)
    while isinstance(node, Map | Seq):
        steps = list(node) if isinstance(node, Map) else range(len(node))
        # An incomplete value has no end: it is the last one that starts before the place.
        begun = [step for step in steps if key_mark(node, step)[1:3] <= here]
        if not begun:
            return None
        step: Any = begun[-1]
        on_key = isinstance(node, Map) and _holds(node.keys_at[step], here)
        place = Place((*place.steps, step), (*place.holders, node), on_key)
        if on_key:
            return place
        node = node[step]
    return place if place.steps and _holds(place.mark, here) else None


def _holds(mark: Mark, here: tuple[int, int]) -> bool:
    """Return True if a cursor is in a place or directly after it."""
    return mark[1:3] <= here <= mark[3:5]
