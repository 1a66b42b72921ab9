"""`archc new`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from archc.emit import template_text
from archc.files import read_bytes, require_new, write_text
from archc.language.names import class_name_fault, class_name_of
from archc.language.schema import SCHEMA_FILE, schema_text
from archc.problems import Problem, SpecError
from archc.terminal import say


def run(given: Any) -> int:
    """Write a commented starter that checks, builds and emits without changes, and the schema for its editor."""
    name = given.name.removesuffix(".yaml")
    fault = class_name_fault(name)
    if fault:
        better = class_name_of(name)
        help = "it names the emitted class" + (f": use `{better}`" if better else "")
        raise SpecError([Problem("E0208", f"a network cannot be named `{name}`: {fault}", file=given.name, help=help)])
    path = Path(f"{re.sub(r'(?<=[a-z0-9])(?=[A-Z])', '_', name).lower()}.yaml")
    require_new(path)
    write_text(path, template_text("starter.yaml.jinja", name=name))
    say(path)
    schema = Path(SCHEMA_FILE)
    if not schema.exists() or read_bytes(schema) != schema_text().encode():
        write_text(schema, schema_text())
        say(schema)
    return 0
