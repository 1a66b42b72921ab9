"""The names that can be used at a place, and their declarations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from archc.problems import Mark
from archc.reading import Map, Seq
from archc.server.places import Place
from archc.server.slots import Role, slot_at

Entry = tuple[Map, str]
"""An entry of a body, or an input: the mapping that contains it, and its name there."""

INDEX = re.compile(r"\$(\([^()]*\)|[A-Za-z][A-Za-z0-9]*)")
"""An expression within a name."""


def variables(root: Map, place: Place, extended: Mapping[str, Mark]) -> dict[str, Mark | None]:
    """The names that an expression can use: arguments, loop variables and `in_channels`, which isn't declared.

    `extended` are the arguments of the network that the spec extends.
    """
    found: dict[str, Mark | None] = {**extended}
    for declared in (root.get("arguments"), parameters_of(root, place)):  # a block may read the network's
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
    if _in_block(place):
        found |= {f"{name}_channels": mark for name, mark in list(inputs_of(root, place).keys_at.items())[1:]}
    return {**found, "in_channels": None}


def parameters_of(root: Map, place: Place) -> Map | None:
    """The arguments of the block that contains a place, or of the network."""
    declared = _owner(root, place).get("arguments")
    return declared if isinstance(declared, Map) else None


def inputs_of(root: Map, place: Place) -> Map:
    """The inputs that the block declares that a place is in, or the network, by their names."""
    declared = _owner(root, place).get("inputs")
    if isinstance(declared, Map):
        return declared
    found = Map(root.mark)
    for name, mark in zip(declared, declared.items_at, strict=True) if isinstance(declared, Seq) else ():
        if isinstance(name, str):
            found[name], found.keys_at[name], found.values_at[name] = None, mark, mark
    return found


def _owner(root: Map, place: Place) -> Map:
    """The block that a place is in, or the spec."""
    owner = place.up(2).value if _in_block(place) else root
    return owner if isinstance(owner, Map) else Map(root.mark)


def _in_block(place: Place) -> bool:
    return place.steps[:1] == ("blocks",) and len(place.steps) > 1


def references(place: Place) -> dict[str, Entry]:
    """The inputs and entries that a place can refer to, by name; the innermost come last."""
    root = place.holders[0]
    assert isinstance(root, Map)
    inputs = inputs_of(root, place)
    found: dict[str, Entry] = {name: (inputs, name) for name in inputs}
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
    """The entry that a reference means, with or without an output and loop variables in its name."""
    known = references(place)
    owner = name.partition(".")[0]
    if owner in known:
        return known[owner]
    for key in reversed(known):
        parts = INDEX.split(key)[::2]
        if len(parts) > 1 and re.fullmatch(r"\w+".join(map(re.escape, parts)), owner):
            return known[key]
    return None
