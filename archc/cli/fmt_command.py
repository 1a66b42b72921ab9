"""`archc fmt`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from archc.files import read_bytes, write_text
from archc.formatting import format_text
from archc.library import folder_specs
from archc.limits import MAX_FILE_BYTES
from archc.problems import Problem, SpecError
from archc.reading import read_data, read_file
from archc.terminal import hand_over, say
from archc.text import counted

STDIN = "-"


def run(given: Any) -> int:
    """Write each file in its canonical form, or show what would change."""
    if given.specs == [STDIN]:
        data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
        before = read_data(data, "<stdin>").mark.source.text
        after = format_text(before, "<stdin>")
        if not given.check:
            hand_over(after)
        elif data != after.encode():
            _show("<stdin>", before, after)
            return 1
        return 0
    problems: list[Problem] = []
    changed: list[Path] = []
    files = _files([Path(name) for name in given.specs])
    for path in files:
        try:
            before = read_file(path, str(path)).mark.source.text
            after = format_text(before, str(path))
            same = read_bytes(path) == after.encode()
            if not same and not given.check:
                write_text(path, after)
        except SpecError as error:
            problems += error.problems
            continue
        if not same:
            changed.append(path)
            say(path) if not given.check else _show(path, before, after)
    count = f"{len(changed)} of {counted(len(files), 'file')}"
    say(f"{count} {'would change' if given.check else 'changed'}", error=True)
    if problems:
        raise SpecError(problems)
    return 1 if given.check and changed else 0


def _files(paths: list[Path]) -> list[Path]:
    """The files, and the specs in the folders; by default, the specs of ./specs."""
    found: dict[Path, None] = {}
    for path in paths or [Path("specs")]:
        found.update(dict.fromkeys(folder_specs(path) if path.is_dir() else [path]))
    return list(found)


def _show(path: Path | str, before: str, after: str) -> None:
    from difflib import unified_diff

    unix = before.replace("\r\n", "\n")
    if unix != before:
        say(
            f"{path}: the lines end in CRLF instead of LF"
            " (if git converts them, write `*.yaml text eol=lf` to .gitattributes)"
        )
    lines = unified_diff(unix.splitlines(True), after.splitlines(True), str(path), f"{path} (formatted)")
    whole = [line if line.endswith("\n") else f"{line}\n\\ no newline at the end\n" for line in lines]
    say("".join(whole).removesuffix("\n"))
