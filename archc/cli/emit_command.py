"""`archc emit`."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from typing import Any

from archc.cli.options import configured
from archc.emit import body_digest
from archc.files import make_folder, read_bytes, write_text
from archc.language import load_library
from archc.library import all_specs, is_row
from archc.problems import Problem, SpecError
from archc.terminal import hand_over, say
from archc.text import counted


def run(given: Any) -> int:
    """Write the source of the specs, all or none, or compare existing files with the specs."""
    stdout = given.out == Path("-")
    if stdout and (len(given.specs) != 1 or given.check or given.force):
        say("archc emit: `-o -` writes the source of one spec, without --check and --force", error=True)
        return 2
    names = given.specs or _all(given.out)
    sources = _sources(names, given)
    if stdout:
        hand_over(*sources.values())
        return 0
    if given.check:
        return _check(sources, given.out, complete=not given.specs)
    stale = [path for path, source in sources.items() if _read(path) != source]
    if not given.force:
        _require_own(stale)
    make_folder(given.out)
    for path, source in sources.items():
        if path in stale:
            write_text(path, source)
        say(path)
    return 0


def _all(out: Path) -> list[str]:
    """The specs to emit by default: each spec except files that only have blocks, and one per family.

    The other members of a family have the same classes with other arguments, so they have a file only if it already
    exists.
    """
    specs = [path for path, shown in all_specs() if load_library(path, shown) is None]
    return [str(path) for path in specs if not is_row(path) or (out / f"{module_name(path.stem)}.py").exists()]


def _require_own(paths: list[Path]) -> None:
    """Raise SpecError unless each file is missing or unchanged since archc wrote it."""
    problems = []
    for path in paths:
        found = _read(path)
        fault = "" if found is None else _foreign(found)
        if fault:
            what = f"`{path}` cannot be written: it {fault}"
            help = "choose another folder with --out, or discard what it holds with --force"
            problems.append(Problem("E0601", what, file=str(path), help=help))
    if problems:
        raise SpecError(problems)


def _foreign(text: str) -> str:
    """The reason why a file isn't as archc wrote it; empty if it is.

    Line breaks are ignored because of Git's core.autocrlf.
    """
    stated, actual = body_digest(text.replace("\r\n", "\n"))
    if stated is None:
        return "was not written by archc"
    return "was edited by hand" if stated != actual else ""


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
        return f"{name}_"  # otherwise nothing could import it, or it would shadow its own imports
    return f"_{name}" if name[:1].isdigit() else name


def _read(path: Path) -> str | None:
    """The text of a file without translation of line breaks; None if the file doesn't exist."""
    try:
        return read_bytes(path).decode("utf-8", "replace")  # archc only writes UTF-8
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SpecError([Problem("E0601", f"`{path}` cannot be read: {reason}", file=str(path))]) from None


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
        unix = found.replace("\r\n", "\n")
        if unix == source:
            help = "if git converts them, write `*.py text eol=lf` to .gitattributes; `archc emit` writes LF"
            problems.append(_stale(path, "differs in its line endings only: they are CRLF instead of LF", help))
            continue
        foreign = _foreign(found)
        help = "move the edit into the spec: `archc emit --force` discards it" if foreign else "run `archc emit`"
        problems.append(_stale(path, foreign or "is out of date", help))
        lines = unified_diff(unix.splitlines(True), source.splitlines(True), str(path), f"{path} (from its spec)")
        say("".join(lines).removesuffix("\n"))
    if complete and out.is_dir():
        others = [path for path in sorted(out.glob("*.py")) if path not in sources]
        emitted = [path for path in others if body_digest(_read(path) or "")[0] is not None]
        problems += [_stale(path, "no longer has a spec", "remove it") for path in emitted]
    if problems:
        raise SpecError(problems)
    say(f"{counted(len(sources), 'file')} up to date in {out}")
    return 0


def _stale(path: Path, what: str, help: str = "run `archc emit`") -> Problem:
    return Problem("E0602", f"`{path}` {what}", file=str(path), help=help)
