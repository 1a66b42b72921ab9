"""`archc emit`."""

from __future__ import annotations

import keyword
import re
import sys
from pathlib import Path
from typing import Any

from archc.cli.options import configured
from archc.emit import body_digest
from archc.files import make_folder, write_text
from archc.language import load_library
from archc.library import all_specs
from archc.problems import Problem, SpecError


def run(given: Any) -> int:
    """Write the source of the specs, all or none; or hold the files against the specs."""
    # A file of blocks is there for others to import: it has no source of its own.
    names = given.specs or [str(path) for path, shown in all_specs() if load_library(path, shown) is None]
    sources = _sources(names, given)
    if given.check:
        return _check(sources, given.out, complete=not given.specs)
    make_folder(given.out)
    for path, source in sources.items():
        if _read(path) != source:
            write_text(path, source)
        print(path)
    return 0


def _sources(names: list[str], given: Any) -> dict[Path, str]:
    problems: list[Problem] = []
    sources: dict[Path, str] = {}
    for name in names:
        try:
            architecture = configured(name, given)
            source = architecture.emit()
        except SpecError as error:
            problems += error.problems
            continue
        path = given.out / f"{module_name(architecture.network.spec.stem)}.py"
        if path in sources:
            problems.append(Problem("E0601", f"two specs would be written to `{path}`", file=name, help="rename one"))
        sources[path] = source
    if problems:
        raise SpecError(problems)
    return sources


def module_name(stem: str) -> str:
    """A file's stem as a name that Python can import."""
    name = re.sub(r"\W", "_", stem)
    if keyword.iskeyword(name) or name in ("collections", "torch"):
        return f"{name}_"  # nothing could import it, or it would hide what it imports
    return f"_{name}" if name[:1].isdigit() else name


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8")  # as it is: no line ending is translated
    except (OSError, UnicodeDecodeError):
        return None


def _check(sources: dict[Path, str], out: Path, *, complete: bool) -> int:
    from difflib import unified_diff

    problems = []
    for path, source in sources.items():
        found = _read(path)
        if found == source:
            continue
        if found is None:
            problems.append(_stale(path, "is missing"))
            continue
        stated, actual = body_digest(found)
        problems.append(_stale(path, "was edited by hand" if stated != actual else "is out of date"))
        sys.stdout.writelines(
            unified_diff(found.splitlines(True), source.splitlines(True), str(path), f"{path} (from its spec)")
        )
    if complete and out.is_dir():
        others = [path for path in sorted(out.glob("*.py")) if path not in sources]
        emitted = [path for path in others if body_digest(_read(path) or "")[0] is not None]
        problems += [_stale(path, "has no spec any more", "remove it") for path in emitted]
    if problems:
        raise SpecError(problems)
    print(f"{len(sources)} files up to date in {out}")
    return 0


def _stale(path: Path, what: str, help: str = "run `archc emit`") -> Problem:
    return Problem("E0602", f"`{path}` {what}", file=str(path), help=help)
