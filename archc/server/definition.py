"""Where the name under the cursor is declared: a block, a parameter, a variable, an entry or a file."""

from __future__ import annotations

from lsprotocol import types

from archc.library import named_file
from archc.problems import Mark, Source
from archc.reading import Map
from archc.server.analysis import Analysis
from archc.server.diagnostics import location
from archc.server.documentation import argument_name
from archc.server.figures import called
from archc.server.hover import word_at
from archc.server.names import referred, variables
from archc.server.places import Place, place_at
from archc.server.slots import Role, slot_at


def definition(analysis: Analysis, offset: int) -> types.Location | None:
    """The declaration of the name at a place; None where nothing is named."""
    place = place_at(analysis.root, *analysis.text.place(offset)) if analysis.root is not None else None
    mark = None if place is None else declaration(analysis, place, word_at(analysis.text.text, offset))
    return None if mark is None else location(mark, analysis)


def declaration(analysis: Analysis, place: Place, word: str) -> Mark | None:
    """Where the name at a place is declared: the word of an expression, or else all that stands there."""
    root, step, blocks = analysis.root, place.steps[-1], analysis.blocks
    assert root is not None
    written = step if place.on_key else place.value
    if isinstance(written, str) and "$" in written and word in (known := variables(root, place, analysis.extended)):
        return known[word]
    if place.on_key:
        above = slot_at(place.steps[:-1])
        if above.role is Role.ENTRY and called(place.holders[-1]) == step:
            return blocks[str(step)].mark if step in blocks else None
        if above.role is Role.CALL and above.target in blocks:
            parameter = blocks[above.target].parameters.get(str(step))
            return parameter.mark if parameter else None
        if above.role is Role.PARAMETERS and "extends" in root:
            return _extended(analysis, root, str(step))
        return _top(analysis, str(step)) if above.role is Role.IMPORTS else None
    slot, value = slot_at(place.steps), str(place.value)
    match slot.role:
        case Role.ENTRY | Role.IMPORTED:
            return blocks[value].mark if value in blocks else None
        case Role.CALL | Role.ARGUMENT if slot.target in blocks:
            parameter = blocks[slot.target].parameters.get(argument_name(slot, blocks))
            return parameter.mark if parameter else None
        case Role.REFERENCE:
            entry = referred(place, value)
            return entry[0].keys_at[entry[1]] if entry else None
        case Role.FILE:
            return _top(analysis, value)
    return None


def _extended(analysis: Analysis, root: Map, name: str) -> Mark | None:
    """Where a parameter is declared that a spec gives another value."""
    seen: set[str] = set()
    found: Mark | None = None
    folder = None if analysis.path is None else analysis.path.parent
    while isinstance(file := root.get("extends"), str) and file not in seen:
        seen.add(file)
        path = named_file(file, folder)
        if path is None or path not in analysis.files:
            break
        folder = path.parent
        root = analysis.read(path, path.as_posix())
        declared = root.get("arguments")
        if isinstance(declared, Map):
            found = declared.keys_at.get(name, found)
    return found


def _top(analysis: Analysis, file: str) -> Mark | None:
    """The beginning of a file that the document names."""
    path = named_file(file, None if analysis.path is None else analysis.path.parent)
    return Mark(Source(path.as_posix(), ""), 1, 1, 1, 1) if path and path in analysis.files else None
