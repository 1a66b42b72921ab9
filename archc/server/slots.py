"""The roles of places in a spec, which follow from the keys on the path to them."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any, Final, NamedTuple

from archc.kinds import KINDS


class Role(Enum):
    """The role of a value of the located tree."""

    SPEC = auto()
    BLOCKS = auto()
    BLOCK = auto()
    PARAMETERS = auto()
    ENTRIES = auto()
    ENTRY = auto()
    CALL = auto()
    """The arguments of a layer or block; the slot's `target` is its name."""
    ARGUMENT = auto()
    """An argument of `target`, by name or position."""
    VALUE = auto()
    """A value that can be an expression."""
    INPUTS = auto()
    """Inputs by their names: the network's with their shapes, a block's in a list."""
    INPUT = auto()
    REFERENCES = auto()
    REFERENCE = auto()
    JOIN = auto()
    FLAG = auto()
    FILE = auto()
    IMPORTS = auto()
    IMPORT = auto()
    """The blocks to import from a file; the slot's `target` is the file."""
    IMPORTED = auto()
    INITS = auto()
    INIT = auto()
    INITIALIZED = auto()
    INITIALIZER = auto()
    FUNCTION = auto()
    """The arguments of an initializer; the slot's `target` is its name."""
    EXPECT = auto()
    OTHER = auto()


class Slot(NamedTuple):
    """A role, and the object that the value belongs to."""

    role: Role
    target: str = ""
    argument: str | int = ""


_BODY = {"layers": Role.ENTRIES, "branches": Role.ENTRIES, "join": Role.JOIN, "outputs": Role.REFERENCES}

_LOOP = {"repeat": Role.VALUE, "in": Role.VALUE, "for": Role.OTHER, "index": Role.OTHER}

_KEYS: Final[dict[Role, dict[str, Role]]] = {
    Role.SPEC: {
        **_BODY,
        "blocks": Role.BLOCKS,
        "inputs": Role.INPUTS,
        "arguments": Role.PARAMETERS,
        "init": Role.INITS,
        "expect": Role.EXPECT,
        "import": Role.IMPORTS,
        "extends": Role.FILE,
    },
    Role.BLOCK: {**_BODY, "inputs": Role.INPUTS, "arguments": Role.PARAMETERS},
    Role.ENTRY: {
        **_BODY,
        "from": Role.REFERENCE,
        "share": Role.REFERENCE,
        "when": Role.VALUE,
        "auxiliary": Role.FLAG,
        **_LOOP,
    },
    Role.REFERENCES: _LOOP,
    Role.REFERENCE: _LOOP,
    Role.INIT: {"match": Role.INITIALIZED, "weight": Role.INITIALIZER, "bias": Role.INITIALIZER},
}
"""The roles of the values under keywords; `_EACH` has the roles under other keys and in lists."""

_EACH: Final[dict[Role, Role]] = {
    Role.BLOCKS: Role.BLOCK,
    Role.PARAMETERS: Role.VALUE,
    Role.VALUE: Role.VALUE,
    Role.ENTRIES: Role.ENTRY,
    Role.INPUTS: Role.INPUT,
    Role.REFERENCES: Role.REFERENCE,
    Role.REFERENCE: Role.REFERENCE,
    Role.INITS: Role.INIT,
    Role.INITIALIZED: Role.INITIALIZED,
}


def slot_at(steps: tuple[int | str, ...]) -> Slot:
    """The slot of the value at a path from the root."""
    slot = Slot(Role.SPEC)
    for step in steps:
        slot = _within(slot, step)
    return slot


def _within(slot: Slot, step: Any) -> Slot:
    role = _KEYS.get(slot.role, {}).get(step)
    if role is not None:
        return Slot(role)
    match slot.role:
        case Role.ENTRY:
            return Slot(Role.ENTRY) if isinstance(step, int) else Slot(Role.CALL, step)
        case Role.CALL if (
            slot.target in KINDS and KINDS[slot.target].many and (isinstance(step, int) or step == "inputs")
        ):
            return Slot(Role.REFERENCES if step == "inputs" else Role.REFERENCE)
        case Role.CALL if slot.target in KINDS and step in KINDS[slot.target].mappings:
            return Slot(Role.INITIALIZER)
        case Role.CALL:
            return Slot(Role.ARGUMENT, slot.target, step)
        case Role.ARGUMENT:
            return slot
        case Role.IMPORTS:
            return Slot(Role.IMPORT, step)
        case Role.IMPORT:
            return Slot(Role.IMPORTED, slot.target)
        case Role.INITIALIZER:
            return Slot(Role.FUNCTION, step)
    return Slot(_EACH.get(slot.role, Role.OTHER))
