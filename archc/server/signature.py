"""Signature help: the arguments of the layer or block at the cursor."""

from __future__ import annotations

from lsprotocol import types

from archc.server.analysis import Analysis
from archc.server.completion import cursor_at
from archc.server.documentation import argument_name, call_doc, defaults, key_doc
from archc.server.markdown import content
from archc.server.slots import Role, Slot, slot_at
from archc.server.text import Text

TRIGGERS = ["{", "[", ",", ":"]
"""Characters after which an editor requests the signature automatically."""


def signature(text: Text, offset: int, analysis: Analysis, *, markdown: bool = True) -> types.SignatureHelp | None:
    """The signature of the call around a place, with the active argument; None outside of calls."""
    if not analysis.ours:
        return None
    cursor = cursor_at(analysis.name, text, offset)
    if cursor is None:
        return None
    steps = cursor.place.steps
    slot = slot_at(steps[:-1] if cursor.place.on_key else steps)
    if slot.role not in (Role.CALL, Role.ARGUMENT):
        return None
    arguments = defaults(slot.target, analysis.blocks)
    if not arguments:
        return None
    shown = [name if value is None else f"{name}={value}" for name, value in arguments.items()]
    active = "" if cursor.place.on_key else argument_name(slot, analysis.blocks)
    parameters = []
    for name, label in zip(arguments, shown, strict=True):
        said = key_doc(Slot(Role.CALL, slot.target), name, analysis.blocks)
        parameters.append(types.ParameterInformation(label, content(said, markdown=markdown)))
    said = call_doc(slot.target, analysis.blocks).partition("\n\n")[2]
    called = types.SignatureInformation(
        f"{slot.target}({', '.join(shown)})",
        documentation=content(said, markdown=markdown) if said else None,
        parameters=parameters,
    )
    number = list(arguments).index(active) if active in arguments else None
    return types.SignatureHelp([called], active_signature=0, active_parameter=number)
