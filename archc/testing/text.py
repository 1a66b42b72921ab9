"""Plain data to YAML text as a person would lay it out: a line an entry, arguments in flow style."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from archc.reading.scalars import plain_scalar
from archc.testing.formula import Formula

Path = tuple[str | int, ...]
"""The keys and positions that lead to a part of a spec."""

_BODIES = ("layers", "branches", "blocks")
_PLAIN = re.compile(r"[A-Za-z_$0-9.(-][^\[\]{},#:'\"&|@`]*(?<! )")


def dump(data: dict[str, Any]) -> str:
    """The YAML text of a spec given as plain data."""
    return "".join(f"{line}\n" for line, _ in _lines(data, (), 0))


def lines_of(data: dict[str, Any]) -> dict[Path, int]:
    """The line, counted from 1, on which each part of the dumped spec begins."""
    found: dict[Path, int] = {}
    for number, (_, paths) in enumerate(_lines(data, (), 0), 1):
        for path in paths:
            found.setdefault(path, number)
    return found


def _lines(node: Any, path: Path, indent: int) -> Iterator[tuple[str, list[Path]]]:
    """Each line with the paths of what begins on it."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in pairs:
        here = (*path, key)
        lead = " " * indent + (f"{_scalar(key)}:" if isinstance(node, dict) else "-")
        if not _is_open(key, value):
            yield f"{lead} {flow(value)}".rstrip(), list(_paths(value, here))
            continue
        inner = list(_lines(value, here, indent + 2))
        if isinstance(node, dict):
            yield lead, [here]
            yield from inner
        else:  # `- key:` and `- - entry` begin on the line of their dash
            first, paths = inner[0]
            yield f"{lead} {first[indent + 2 :]}", [here, *paths]
            yield from inner[1:]


def _is_open(key: str | int, value: Any) -> bool:
    """Return True if a value is written over several lines: what holds bodies, and the bodies' entries."""
    if isinstance(value, dict):
        return bool(value) and (key in _BODIES or any(name in _BODIES for name in value))
    return isinstance(value, list) and bool(value) and (key in ("layers", "init") or _holds_entries(value))


def _holds_entries(value: list[Any]) -> bool:
    """A nested list of entries, unlike a list of numbers; names alone fit on one line."""
    return any(isinstance(item, dict) or (isinstance(item, list) and _holds_entries(item)) for item in value)


def flow(value: Any) -> str:
    """A value in flow style, on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(name)}: {flow(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join("null" if item is None else flow(item) for item in value) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Formula):
        value = value.text
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and plain_scalar(value) == value and not value.startswith(("- ", "---")):
        return value
    return "'" + value.replace("'", "''") + "'" if "\n" not in value else json.dumps(value)


def _paths(value: Any, path: Path) -> Iterator[Path]:
    yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _paths(item, (*path, key))
