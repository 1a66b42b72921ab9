"""`archc list`."""

from __future__ import annotations

import json
import sys
from typing import Any

from archc.library import bundled


def run(given: Any) -> int:
    """List the bundled specs, or the layer kinds."""
    rows = _kinds() if given.kinds else _specs()
    if given.format == "json":
        json.dump(rows, sys.stdout, indent=2, ensure_ascii=False)
        print()
        return 0
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        print(f"{row['name'].ljust(width)}  {row['description']}")
    return 0


def _specs() -> list[dict[str, Any]]:
    from archc.language import load_file

    specs = [load_file(path, f"specs/{path.name}") for path in bundled().values()]
    return [
        {
            "name": spec.stem,
            "class": spec.name,
            "description": spec.description,
            "paper": spec.paper,
            "input": list(spec.input),
            "parameters": {name: parameter.default for name, parameter in spec.parameters.items()},
        }
        for spec in specs
    ]


def _kinds() -> list[dict[str, Any]]:
    from archc.kinds import KINDS

    rows = []
    for name, kind in KINDS.items():
        arguments = [
            field if info.is_required() else f"{field}={info.default!r}" for field, info in kind.model_fields.items()
        ]
        rows.append({"name": name, "description": f"({', '.join(arguments)})", "torch": kind.torch})
    return rows
