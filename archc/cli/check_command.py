"""`archc check`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from archc import __version__
from archc.architecture import load
from archc.cli.text import counted, figures
from archc.language import load_library
from archc.library import bundled, find_spec, folder_specs
from archc.problems import Problem, SpecError, json_report, text_report


def run(given: Any) -> int:
    """Check every spec; report all problems of all files."""
    return _check(_names(given.specs), given.format)


def _names(specs: list[str]) -> list[str]:
    """The specs, a folder's files in its place."""
    found: dict[str, None] = {}
    for name in specs:
        inside = folder_specs(Path(name)) if os.path.isdir(name) and name not in bundled() else []
        found.update(dict.fromkeys([str(path) for path in inside] or [name]))
    return list(found)


def _check(names: list[str], form: str) -> int:
    problems: dict[tuple[object, ...], Problem] = {}  # a fault in a file that several specs import is told once
    wrong = 0
    for name in names:
        try:
            line = _line(name)
        except SpecError as error:
            wrong += 1
            for problem in error.problems:
                place = problem.mark[1:] if problem.mark else None
                problems.setdefault((problem.file, place, problem.code, problem.message), problem)
        else:
            if form == "text":
                print(line)
    if form != "text":
        json.dump(_document(problems.values(), form), sys.stdout, indent=2, ensure_ascii=False)
        print()
        return 1 if problems else 0
    told = [text_report(problems.values())] if problems else []
    if len(names) > 1:
        sound = f"{len(names)} specs: {len(names) - wrong} sound"
        told.append(f"{sound}, {wrong} with {counted(len(problems), 'problem')}" if wrong else sound)
    if told:
        print("\n\n".join(told), file=sys.stderr)
    return 1 if problems else 0


def _document(problems: Iterable[Problem], form: str) -> Any:
    if form == "json":
        return json_report(problems)
    from archc.problems.sarif import sarif_report

    return sarif_report(problems, __version__)


def _line(name: str) -> str:
    path, shown = find_spec(name)
    if os.path.isdir(path):
        what, help = f"the folder `{name}` holds no spec", "the name of a spec ends in `.yaml` or `.yml`"
        raise SpecError([Problem("E0101", what, file=name, help=help)])
    try:
        return f"{name}: sound: {figures(load(name).network)}"
    except SpecError:
        blocks = load_library(path, shown) if os.path.isfile(path) else None
        if blocks is None:
            raise
        return f"{name}: sound: blocks to import: {', '.join(blocks)}"
