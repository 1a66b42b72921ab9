"""Specs of a Git revision: `HEAD~1:specs/x.yaml`. Nothing of the revision is executed."""

from __future__ import annotations

import os
import posixpath
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from archc.language.sources import names_in
from archc.library import FILE_NAME
from archc.limits import MAX_FILE_BYTES
from archc.problems import Problem, SpecError
from archc.reading import read_text

_REVISION = re.compile(r"(?P<revision>[^:\0\n]*):(?P<path>[^:\0\n]+\.ya?ml)")
_ENVIRONMENT = {
    "GIT_NO_LAZY_FETCH": "1",  # don't fetch objects that a partial clone lacks
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
}


def is_revision(text: str) -> bool:
    """Return True if a text names a spec of a revision and not an existing file."""
    return _REVISION.fullmatch(text) is not None and not os.path.exists(text)


@contextmanager
def revision_file(text: str) -> Iterator[Path]:
    """A copy of a revision's spec, next to copies of the files that it extends and imports.

    Paths are Git's: relative to the repository's root or, with `./`, to the working directory. Raises SpecError (E0101)
    if the revision or the file doesn't exist.
    """
    named = _REVISION.fullmatch(text)
    if named is None or named["revision"].startswith("-"):
        raise _error(
            text, f"`{text}` is neither a revision nor a file", "write REVISION:PATH, as in `HEAD~1:specs/x.yaml`"
        )
    folder, name = posixpath.split(named["path"])
    with TemporaryDirectory(prefix="archc-") as copy, _Git() as git:
        waiting, seen = [name], {name}
        while waiting:
            file = waiting.pop()
            data = git.read(f"{named['revision']}:{posixpath.join(folder, file)}")
            if data is None:
                if file == name:
                    raise _missing(text, named["revision"])
                continue  # the spec that names it reports it
            (Path(copy) / file).write_bytes(data)
            found = [other for other in _names(data) if other not in seen]
            waiting += found
            seen.update(found)
        yield Path(copy) / name


def _names(data: bytes) -> Iterator[str]:
    """The files of its folder that a spec extends or imports."""
    try:
        root = read_text(data.decode("utf-8-sig"), "")
    except (SpecError, UnicodeDecodeError):
        return  # reported when it is loaded
    yield from filter(FILE_NAME.fullmatch, names_in(root))


class _Git:
    """A Git process that returns the contents of files."""

    def __enter__(self) -> _Git:
        try:
            self.process = subprocess.Popen(
                ["git", "cat-file", "--batch"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **_ENVIRONMENT},
            )
        except OSError:
            raise _error("git", "reading a revision needs Git, which is not installed", "install git") from None
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def read(self, name: str) -> bytes | None:
        """The content of a file, `REVISION:PATH`; None if it doesn't exist. Raises SpecError if it is too large."""
        source, target = self._pipes()
        try:
            target.write(os.fsencode(f"{name}\n"))
            target.flush()
            head = source.readline().split()
        except BrokenPipeError:
            head = []  # no repository, so Git has exited
        if len(head) != 3 or head[1] != b"blob":
            return None
        size = int(head[2])
        if size > MAX_FILE_BYTES:
            raise _error(name, f"`{name}` is larger than {MAX_FILE_BYTES:,} bytes", code="E0108")
        data = source.read(size)
        source.read(1)
        return data

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        assert self.process.stdout is not None
        assert self.process.stdin is not None
        return self.process.stdout, self.process.stdin


def _missing(text: str, revision: str) -> SpecError:
    """The error if Git returned no file: no repository, no such revision, or no such file in it."""
    known = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision or 'HEAD'}^{{commit}}"]
    inside = ["git", "rev-parse", "--is-inside-work-tree"]
    run = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": False}
    if subprocess.run(inside, **run).returncode:  # type: ignore[call-overload]
        return _error(text, f"`{text}` names a revision, but this folder is not in a Git repository")
    if subprocess.run(known, **run).returncode:  # type: ignore[call-overload]
        return _error(text, f"Git does not know the revision `{revision}`", "`git log --oneline` lists them")
    path = text.removeprefix(f"{revision}:")
    help = "paths are relative to the repository's root, or to the working directory if they start with `./`"
    return _error(text, f"the revision `{revision or 'index'}` has no file `{path}`", help)


def _error(file: str, message: str, help: str = "", code: str = "E0101") -> SpecError:
    return SpecError([Problem(code, message, file=file, help=help)])
