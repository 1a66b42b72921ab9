"""`archc schema`."""

from __future__ import annotations

import json
import sys
from typing import Any


def run(given: Any) -> int:
    """Print the JSON Schema of spec files."""
    from archc.language.schema import spec_schema

    json.dump(spec_schema(), sys.stdout, indent=2, ensure_ascii=False)
    print()
    return 0
