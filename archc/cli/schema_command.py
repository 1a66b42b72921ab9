"""`archc schema`."""

from __future__ import annotations

import sys
from typing import Any


def run(given: Any) -> int:
    """Print the JSON Schema of spec files."""
    from archc.language.schema import schema_text

    sys.stdout.write(schema_text())
    return 0
