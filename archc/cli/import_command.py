"""`archc import`."""

from __future__ import annotations

from typing import Any

from archc.files import require_new, write_text
from archc.terminal import say


def run(given: Any) -> int:
    """Import a network, verify it, and write its spec and weights."""
    for path in (given.output, given.weights):  # in other commands, --weights names a file to load
        if path is not None:
            require_new(path)
    from archc.importing import import_
    from archc.kinds.plugins import load_installed

    load_installed()
    settings, weights = dict(given.settings), given.weights is not None
    imported = import_(
        given.source,
        given.input,
        name=given.name,
        settings=settings,
        weights=weights,
        allow_opaque=given.allow_opaque,
    )
    if given.output is None:
        say(imported.text.removesuffix("\n"))
    else:
        write_text(given.output, imported.text)
        say(given.output)
    if given.weights is not None:
        from archc.build.weights import save_state

        save_state(dict(imported.weights), given.weights)
        say(given.weights, error=given.output is None)
    for line in (*imported.notes, imported.report):
        say(line, error=given.output is None)
    return 0
