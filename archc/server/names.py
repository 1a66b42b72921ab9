"""The names that a place can use, and where each is declared."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from archc.problems import Mark
from archc.reading import Map, Seq
from archc.server.places import Place
from archc.server.slots import Role, slot_at

Entry = tuple[Map, str]
"""An entry of a body: the mapping that it stands in, and its name there."""

INDEX = re.compile(r"\$(\([^()]*\)|[A-Za-z][A-Za-z0-9]*)")
"""An expression within a name."""


def variables(root: Map, place: Place, extended: Mapping[str, Mark]) -> dict[str, Mark | None]:
    """The names that an expression may use: parameters, loops' variables and `in_channels`, which stands nowhere.

    `extended` are the parameters of the network that the spec extends.
    """
    found: dict[str, Mark | None] = {**extended}
    for declared in (root.get("arguments"), parameters_of(root, place)):  # a block may read those of the network
        if isinstance(declared, Map):
            found |= declared.keys_at
    for count in range(1, len(place.steps) + 1):
        loop = place.up(count).value
        if not isinstance(loop, Map):
            continue
        for key in ("for", "index"):
            names, mark = loop.get(key), loop.values_at.get(key)
            if isinstance(names, str):
                found[names] = mark
            elif isinstance(names, Seq):
                found |= {name: at for name, at in zip(names, names.items_at, strict=True) if isinstance(name, str)}
    return {**found, "in_channels": None}


def parameters_of(root: Map, place: Place) -> Map | None:
    """The parameters of the block that a place is in, or of the network."""
    owner: Any = root
    if place.steps[:1] == ("blocks",) and len(place.steps) > 1:
        owner = place.up(2).value
    declared = owner.get("arguments") if isinstance(owner, Map) else None
    return declared if isinstance(declared, Map) else None


def references(place: Place) -> dict[str, Entry]:
    """The entries whose results a place may read, by their names as they are written; the innermost come last."""
    found: dict[str, Entry] = {}
    for count, (holder, step) in enumerate(zip(place.holders, place.steps, strict=True)):
        if isinstance(holder, Map) and slot_at(place.steps[:count]).role is Role.ENTRIES:
            found |= {key: (within, key) for within, key in _entries(holder, before=step)}
        elif step == "outputs" and isinstance(holder, Map) and isinstance(holder.get("layers"), Map):
            found |= {key: (within, key) for within, key in _entries(holder["layers"])}
    return found


def _entries(holder: Map, before: Any = None) -> Iterator[Entry]:
    for key, node in holder.items():
        if key == before:
            return
        loop = isinstance(node, Map) and ("repeat" in node or "for" in node)
        if loop and isinstance(node.get("layers"), Map):
            yield from _entries(node["layers"])
        else:
            yield holder, key


def referred(place: Place, name: str) -> Entry | None:
    """The entry that a reference at a place means, be its output named, its name made of an index, or both."""
    known = references(place)
    owner = name.partition(".")[0]
    if owner in known:
        return known[owner]
    for key in reversed(known):
        parts = INDEX.split(key)[::2]
        if len(parts) > 1 and re.fullmatch(r"\w+".join(map(re.escape, parts)), owner):
            return known[key]
    return None
