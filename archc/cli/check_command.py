"""`archc check`."""

from __future__ import annotations

import json
import sys
from typing import Any

from archc.architecture import Architecture, load
from archc.cli.text import figures
from archc.problems import Problem, SpecError, json_report, text_report


def run(given: Any) -> int:
    """Check every spec; report all problems of all files."""
    problems: list[Problem] = []
    for name in given.specs:
        try:
            sound = load(name)
        except SpecError as error:
            problems += error.problems
        else:
            if given.format == "text":
                print(_line(name, sound))
    if given.format == "json":
        json.dump(json_report(problems), sys.stdout, indent=2, ensure_ascii=False)
        print()
    elif problems:
        print(text_report(problems), file=sys.stderr)
    return 1 if problems else 0


def _line(name: str, sound: Architecture) -> str:
    return f"{name}: sound: {figures(sound.network)}"
