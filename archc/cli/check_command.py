"""`archc check`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from archc import __version__
from archc.cli.options import configured
from archc.language import load_library, source_files
from archc.library import bundled, find_spec, folder_specs
from archc.presentation.text import counted, figures
from archc.problems import Problem, SpecError, json_report, text_report


def run(given: Any) -> int:
    """Check every spec; report all problems of all files."""
    if given.watch and given.format != "text":
        print("archc check: --watch reports to people: leave --format away", file=sys.stderr)
        return 2
    if given.watch:
        _watch(given)
    return _check(given)


def _watch(given: Any) -> NoReturn:
    import gc
    import time

    from archc.cli.watch import watch

    def again() -> None:
        print(f"── {time.strftime('%H:%M:%S')} {'─' * 40}", file=sys.stderr, flush=True)
        _check(given)

    gc.enable()  # it rests in commands that end soon
    watch(lambda: _watched(given.specs), again)


def _watched(specs: list[str]) -> Iterator[Path]:
    """The specs with what they extend and import, and the folders that were named."""
    yield from map(Path, specs)
    for name in _names(specs):
        with suppress(SpecError):  # no such spec: its path is watched for one to come
            yield from source_files(find_spec(name)[0])


def _names(specs: list[str]) -> list[str]:
    """The specs, a folder's files in its place."""
    found: dict[str, None] = {}
    for name in specs:
        inside = folder_specs(Path(name)) if os.path.isdir(name) and name not in bundled() else []
        found.update(dict.fromkeys([str(path) for path in inside] or [name]))
    return list(found)


def _check(given: Any) -> int:
    names, form = _names(given.specs), given.format
    problems: dict[tuple[object, ...], Problem] = {}  # a fault in a file that several specs import is told once
    wrong = 0
    for name in names:
        try:
            line = _line(name, given)
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
    sys.stdout.flush()  # what is sound comes first, also where both streams go to one file
    if told:
        print("\n\n".join(told), file=sys.stderr)
    return 1 if problems else 0


def _document(problems: Iterable[Problem], form: str) -> Any:
    if form == "json":
        return json_report(problems)
    from archc.problems.sarif import sarif_report

    return sarif_report(problems, __version__)


def _line(name: str, given: Any) -> str:
    path, shown = find_spec(name)
    if os.path.isdir(path):
        what, help = f"the folder `{name}` holds no spec", "the name of a spec ends in `.yaml` or `.yml`"
        raise SpecError([Problem("E0101", what, file=name, help=help)])
    try:
        return f"{name}: sound: {figures(configured(name, given).network)}"
    except SpecError:
        blocks = load_library(path, shown) if os.path.isfile(path) else None
        if blocks is None:
            raise
        return f"{name}: sound: blocks to import: {', '.join(blocks)}"
