"""Links to the files that a document names."""

from __future__ import annotations

from lsprotocol import types

from archc.library import named_file
from archc.server.analysis import Analysis
from archc.server.slots import Role, slot_at
from archc.server.walk import places, written


def links(analysis: Analysis) -> list[types.DocumentLink]:
    """A link for each existing file in `extends` and `import`."""
    found = []
    for place in places(analysis.root) if analysis.root is not None else ():
        above, slot = slot_at(place.steps[:-1]), slot_at(place.steps)
        names_file = above.role is Role.IMPORTS if place.on_key else slot.role is Role.FILE
        file = written(place)
        if names_file and isinstance(file, str):
            path = named_file(file, None if analysis.path is None else analysis.path.parent)
            if path is not None:
                found.append(types.DocumentLink(analysis.text.range(place.mark), target=path.resolve().as_uri()))
    return found
