"""`archc fmt`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from archc.files import write_text
from archc.formatting import format_text
from archc.library import folder_specs
from archc.problems import Problem, SpecError
from archc.reading import read_file

STDIN = "-"


def run(given: Any) -> int:
    """Write each file in its canonical form, or show what would change."""
    if given.specs == [STDIN]:
        sys.stdout.write(format_text(sys.stdin.read(), "<stdin>"))
        return 0
    problems: list[Problem] = []
    changed: list[Path] = []
    files = _files([Path(name) for name in given.specs])
    for path in files:
        try:
            before = read_file(path, str(path)).mark.source.text
            after = format_text(before, str(path))
            same = path.read_bytes() == after.encode()
            if not same and not given.check:
                write_text(path, after)
        except SpecError as error:
            problems += error.problems
            continue
        if not same:
            changed.append(path)
            print(path) if not given.check else _show(path, before, after)
    count = f"{len(changed)} of {len(files)} files"
    print(f"{count} {'would change' if given.check else 'changed'}", file=sys.stderr)
    if problems:
        raise SpecError(problems)
    return 1 if given.check and changed else 0


def _files(paths: list[Path]) -> list[Path]:
    """The files, and those of the folders; without any, the specs of ./specs."""
    found: dict[Path, None] = {}
    for path in paths or [Path("specs")]:
        found.update(dict.fromkeys(folder_specs(path) if path.is_dir() else [path]))
    return list(found)


def _show(path: Path, before: str, after: str) -> None:
    from difflib import unified_diff

    lines = unified_diff(before.splitlines(True), after.splitlines(True), str(path), f"{path} (formatted)")
    sys.stdout.writelines(line if line.endswith("\n") else f"{line}\n\\ no newline at the end\n" for line in lines)
