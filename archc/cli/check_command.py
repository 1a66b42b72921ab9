"""`archc check`."""

from __future__ import annotations

import json
import sys
from typing import Any

from archc.architecture import load
from archc.cli.text import figures
from archc.language import load_library
from archc.library import find_spec
from archc.problems import Problem, SpecError, json_report, text_report


def run(given: Any) -> int:
    """Check every spec; report all problems of all files."""
    problems: list[Problem] = []
    for name in given.specs:
        try:
            line = _line(name)
        except SpecError as error:
            problems += error.problems
        else:
            if given.format == "text":
                print(line)
    if given.format == "json":
        json.dump(json_report(problems), sys.stdout, indent=2, ensure_ascii=False)
        print()
    elif problems:
        print(text_report(problems), file=sys.stderr)
    return 1 if problems else 0


def _line(name: str) -> str:
    try:
        return f"{name}: sound: {figures(load(name).network)}"
    except SpecError:
        path, shown = find_spec(name)
        blocks = load_library(path, shown) if path.is_file() else None
        if blocks is None:
            raise
        return f"{name}: sound: blocks to import: {', '.join(blocks)}"
