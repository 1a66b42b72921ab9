"""`archc schema`."""

from __future__ import annotations

from typing import Any

from archc.terminal import say


def run(given: Any) -> int:
    """Print the JSON Schema of spec files."""
    from archc.kinds.plugins import load_installed
    from archc.language.schema import schema_text

    load_installed()
    say(schema_text().removesuffix("\n"))
    return 0
