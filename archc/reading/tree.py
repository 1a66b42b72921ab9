"""The located tree: plain Python data with the location of every key and value."""

from __future__ import annotations

from typing import Any

from archc.problems import Fix, Mark


class Map(dict[str, Any]):
    """A YAML mapping; `keys_at` and `values_at` have the location of each key and value."""

    __slots__ = ("keys_at", "mark", "values_at")

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.keys_at: dict[str, Mark] = {}
        self.values_at: dict[str, Mark] = {}


class Seq(list[Any]):
    """A YAML sequence; `items_at` has the location of each item."""

    __slots__ = ("items_at", "mark")

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.items_at: list[Mark] = []


def mark_at(root: Any, path: tuple[int | str, ...], fallback: Mark, *, key: bool = False) -> Mark:
    """The location of the value at `path` below `root`, or of its key."""
    mark, node = fallback, root
    for step in path:
        if isinstance(node, Map) and step in node:
            mark = node.keys_at[str(step)] if key else node.values_at[str(step)]
            node = node[str(step)]
        elif isinstance(node, Seq) and isinstance(step, int) and step < len(node):
            mark, node = node.items_at[step], node[step]
        else:
            break
    return mark


def node_at(root: Any, path: tuple[int | str, ...]) -> Any:
    """The value at `path` below `root`; None if it doesn't exist."""
    node = root
    for step in path:
        if isinstance(node, Map):
            node = node.get(str(step))
        elif isinstance(node, Seq) and isinstance(step, int) and step < len(node):
            node = node[step]
        else:
            return None
    return node


def removal(node: Map, key: str) -> Fix | None:
    """The fix that removes an entry of a mapping in any style; None if it is the only one."""
    keys = list(node)
    at = keys.index(key)
    here = node.keys_at[key]
    if at + 1 < len(keys):
        behind = node.keys_at[keys[at + 1]]
        return Fix(here._replace(end_line=behind.line, end_column=behind.column), "")
    if at == 0:
        return None
    before, own = node.values_at[keys[at - 1]], node.values_at[key]
    return Fix(Mark(own.source, before.end_line, before.end_column, own.end_line, own.end_column), "")
