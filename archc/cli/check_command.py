"""`archc check`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from archc import __version__
from archc.cli.options import configured
from archc.graph import warnings
from archc.language import load_library, source_files
from archc.library import bundled, find_spec, folder_specs
from archc.presentation import figures
from archc.problems import Problem, SpecError, json_report, styled_report
from archc.styled import Part, Styled, joined, plain
from archc.terminal import say, say_json, width
from archc.text import counted, wrapped


def run(given: Any) -> int:
    """Check every spec, and report the problems of all files."""
    if given.watch and given.format != "text":
        say("archc check: --watch cannot be combined with --format", error=True)
        return 2
    if given.watch:
        _watch(given)
    return _check(given)


def _watch(given: Any) -> NoReturn:
    import gc
    import time

    from archc.cli.watch import watch

    def again() -> None:
        say(f"── {time.strftime('%H:%M:%S')} {'─' * 40}", error=True, flush=True)
        _check(given)

    gc.enable()  # it is disabled in short-lived commands
    watch(lambda: _watched(given.specs), again)


def _watched(specs: list[str]) -> Iterator[Path]:
    """The specs with the files that they extend and import, and the folders that the user named."""
    yield from map(Path, specs)
    for name in _names(specs):
        with suppress(SpecError):  # a missing spec: watch its path
            yield from source_files(find_spec(name)[0])


def _names(specs: list[str]) -> list[str]:
    """The specs; a folder is replaced by the specs in it."""
    found: dict[str, None] = {}
    for name in specs:
        inside = folder_specs(Path(name)) if os.path.isdir(name) and name not in bundled() else []
        found.update(dict.fromkeys([str(path) for path in inside] or [name]))
    return list(found)


def _check(given: Any) -> int:
    names, form = _names(given.specs), given.format
    problems: dict[tuple[object, ...], Problem] = {}  # an error in a shared file is reported once
    wrong = 0
    for name in names:
        try:
            line, found = _line(name, given)
            wrong += bool(found) and given.strict
            if form == "text" and not (found and given.strict):
                say(line)
        except SpecError as error:
            wrong += 1
            found = error.problems
        for problem in found:
            place = problem.mark[1:] if problem.mark else None
            problems.setdefault((problem.file, place, problem.code, problem.message), problem)
    count = sum(given.strict or problem.severity == "error" for problem in problems.values())
    if form != "text":
        say_json(_document(problems.values(), form))
        return 1 if count else 0
    report = [styled_report(problems.values())] if problems else []
    errors = counted(count, "error")
    if len(names) > 1:
        valid = f"{len(names)} specs: {len(names) - wrong} OK"
        report.append(plain(f"{valid}, {wrong} with {errors}" if wrong else valid, "strong"))
    elif count > 1:
        report.append(plain(errors, "strong"))
    sys.stdout.flush()  # valid specs come first, even if both streams go to one file
    if report:
        say(joined(report), error=True)
    return 1 if count else 0


def _document(problems: Iterable[Problem], form: str) -> Any:
    if form == "json":
        return json_report(problems)
    from archc.problems.sarif import sarif_report

    return sarif_report(problems, __version__)


def _line(name: str, given: Any) -> tuple[Styled, list[Problem]]:
    """The line for a valid spec, and its warnings. Raises SpecError."""
    path, shown = find_spec(name)
    if os.path.isdir(path):
        what, help = f"the folder `{name}` contains no specs", "spec files end in `.yaml` or `.yml`"
        raise SpecError([Problem("E0101", what, file=name, help=help)])
    try:
        network = configured(name, given).network
        return _ok(name, figures(network)), warnings(network)
    except SpecError:
        blocks = load_library(path, shown) if os.path.isfile(path) else None
        if blocks is None:
            raise
        return _ok(name, f"blocks to import: {', '.join(blocks)}"), []


def _ok(name: str, what: str) -> Styled:
    columns = width()
    ok = [Part(f"{name}: "), Part("OK", "good")]
    if columns is None or len(f"{name}: OK: {what}") <= columns:
        return Styled([[*ok, Part(f": {what}")]])
    return Styled([[*ok, Part(":")], *([Part(f"  {line}")] for line in wrapped(what, columns - 2))])
