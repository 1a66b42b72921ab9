"""YAML files and texts to located trees."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from archc.limits import MAX_FILE_BYTES, how_to_raise
from archc.problems import Mark, Problem, Problems, Source, SpecError
from archc.reading.builder import MISSING, Builder
from archc.reading.tree import Map, Seq


def read_file(path: Path, name: str, what: str = "spec", *, faults: Problems | None = None) -> Map:
    """The located tree of a spec file, or another of the sort `what`; `name` is what messages call it.

    Raises SpecError if the file cannot be read or is not a YAML mapping. A key that stands twice is put to `faults`,
    if they are given, and the first one holds.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        fault = (
            f"is a folder, not a {what} file" if isinstance(error, IsADirectoryError) else f"cannot be read: {reason}"
        )
        listed = " (`archc list`)" if what == "spec" else ""
        help = f"give the path of a {what}, or the name of a bundled one{listed}"
        raise _error("E0101", f"`{name}` {fault}", file=name, help=help) from None
    except ValueError:
        raise _error("E0101", f"`{name!r}` is no path", file=name) from None
    if len(data) > MAX_FILE_BYTES:
        help = how_to_raise("MAX_FILE_BYTES")
        raise _error("E0108", f"the file is larger than {MAX_FILE_BYTES:,} bytes", file=name, help=help)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        mark = Mark(Source(name, ""), line, column, line, column + 1)
        raise _error("E0102", f"byte 0x{data[error.start]:02x} is not UTF-8 text", mark) from None
    return read_text(text, name, what, faults=faults)


def read_text(text: str, name: str, what: str = "spec", *, faults: Problems | None = None) -> Map:
    """The located tree of a text. Raises SpecError, as `read_file` does."""
    builder, problems = _read(text, name, what)
    if problems and (faults is None or any(problem.code != "E0105" for problem in problems)):
        raise SpecError(problems)
    for problem in problems:
        assert faults is not None
        faults.add(problem)
    root = builder.root
    if isinstance(root, Map):
        return root
    mark = Mark(builder.source, 1, 1, 1, 1)
    if root is MISSING or root is None:
        help = "`archc new NAME` writes a commented starter" if what == "spec" else ""
        raise _error("E0103", f"the {what} is empty", mark, help=help)
    found = "list" if isinstance(root, Seq) else "single value"
    help = "begin with `input:` and `layers:`" if what == "spec" else "write `name: value` lines"
    raise _error("E0103", f"the {what} is a {found}, not a mapping", mark, help=help)


def read_beginning(text: str, name: str) -> Map | None:
    """The located tree of a text up to where it is not well-formed; None if there is no mapping before that."""
    root = _read(text, name)[0].root
    return root if isinstance(root, Map) else None


def _read(text: str, name: str, what: str = "spec") -> tuple[Builder, list[Problem]]:
    source = Source(name, text)
    builder = Builder(source)
    try:
        if "\0" in text:
            line = text.count("\n", 0, text.index("\0")) + 1
            raise _error("E0102", f"a NUL byte: this is a binary file, not a {what}", Mark(source, line, 1, line, 2))
        try:
            text.encode()
        except UnicodeEncodeError as error:
            line = text.count("\n", 0, error.start) + 1
            half = f"U+{ord(text[error.start]):04X} is half of a character"
            raise _error("E0102", f"{half}: no UTF-8 text has it", Mark(source, line, 1, line, 2)) from None
        for event in events(source):
            builder.take(event)
    except SpecError as error:
        builder.end()
        return builder, error.problems
    return builder, builder.problems


def _error(code: str, message: str, mark: Mark | None = None, *, file: str = "", help: str = "") -> SpecError:
    return SpecError([Problem(code, message, mark, help=help, file=file)])


def events(source: Source) -> Iterator[Any]:
    """The YAML events of a text, with their places (lines and columns from 0). Raises SpecError."""
    from ruamel.yaml.error import YAMLError

    try:
        try:
            from _ruamel_yaml import CParser
        except ImportError:  # a platform without the C library: slower, the same events
            from ruamel.yaml import YAML

            yield from YAML(typ="safe", pure=True).parse(source.text)
            return
        parser = CParser(source.text)
        while (event := parser.get_event()) is not None:
            yield event
    except YAMLError as error:
        raise SpecError([_syntax(error, source)]) from None


_GLUED = re.compile(r"\s*((?:- )?[\w$()]+):([\[{].*)")
"""`conv:{…}`, which is one word to YAML."""


def _lines(source: Source, last: int, count: int) -> Iterator[str]:
    return ((source.line(line) or "")[:200] for line in range(last, max(0, last - count), -1))


def _syntax(error: Exception, source: Source) -> Problem:
    context = getattr(error, "context_mark", None)
    place = getattr(error, "problem_mark", None) or context
    what = [str(part) for part in (getattr(error, "context", None), getattr(error, "problem", None)) if part]
    if place is not None:
        mark = Mark(source, place.line + 1, place.column + 1, place.line + 1, place.column + 2)
    else:
        mark = Mark(source, 1, 1, 1, 1)
        what = what or [str(error).splitlines()[0]]
    help = ""
    text = source.line(mark.line) or ""
    if "\t" in text[: len(text) - len(text.lstrip())]:
        help = "indent with spaces: YAML allows no tabs there"
    elif any("mapping values" in part for part in what):
        help = "quote a text that contains `: `, and check the indentation"
    elif context is not None and "flow" in str(getattr(error, "context", "")):
        opened = (source.line(context.line + 1) or "")[context.column : context.column + 1]
        if opened in ("{", "["):
            help = f"the `{opened}` of line {context.line + 1}, column {context.column + 1} is not closed"
    glued = next((line for line in _lines(source, mark.line, 2) if _GLUED.match(line)), None)
    if glued is not None:
        help = f"a space is missing behind the colon: `{': '.join(_GLUED.findall(glued)[0]).strip()}`"
    return Problem("E0104", "not well-formed YAML: " + ", ".join(what), mark, help=help)
