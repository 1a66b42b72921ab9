"""Parsing of YAML files and texts into located trees."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from archc.files import read_bytes
from archc.limits import MAX_FILE_BYTES, how_to_raise
from archc.problems import Mark, Problem, Problems, Source, SpecError
from archc.problems.fix import quotation
from archc.problems.lookalike import misplaced
from archc.problems.mark import BREAKS
from archc.reading.builder import MISSING, Builder, cut_short
from archc.reading.encoding import decode
from archc.reading.json_text import adapted, string_value
from archc.reading.tree import Map, Seq
from archc.text import first_line


def read_file(path: Path, name: str, what: str = "spec", *, faults: Problems | None = None) -> Map:
    """Read a spec file, or another file described by `what`, into a located tree; messages call it `name`.

    Raises SpecError if the file can't be read or isn't a YAML mapping. With `faults`, a duplicate key is added to them
    and the first one counts.
    """
    try:
        data = read_bytes(path, MAX_FILE_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        fault = (
            f"is a folder, not a {what} file" if isinstance(error, IsADirectoryError) else f"cannot be read: {reason}"
        )
        listed = " (`archc list`)" if what == "spec" else ""
        help = f"give the path of a {what}, or the name of a bundled one{listed}"
        raise _error("E0101", f"`{name}` {fault}", file=name, help=help) from None
    except ValueError:
        raise _error("E0101", f"`{name!r}` is not a path", file=name) from None
    return read_data(data, name, what, faults=faults)


def read_data(data: bytes, name: str, what: str = "spec", *, faults: Problems | None = None) -> Map:
    """Parse the content of a file. Raises SpecError, like `read_file`."""
    if len(data) > MAX_FILE_BYTES:
        help = how_to_raise("MAX_FILE_BYTES")
        raise _error("E0108", f"the file is larger than {MAX_FILE_BYTES:,} bytes", file=name, help=help)
    return read_text(decode(data, name), name, what, faults=faults)


def read_text(text: str, name: str, what: str = "spec", *, faults: Problems | None = None) -> Map:
    """Parse a text. Raises SpecError, like `read_file`."""
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
    help = "start with `input:` and `layers:`" if what == "spec" else "write `name: value` lines"
    raise _error("E0103", f"the {what} is a {found}, not a mapping", mark, help=help)


def read_beginning(text: str, name: str) -> Map | None:
    """Parse a text up to its first syntax error; None if there is no mapping before it."""
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
            half = f"U+{ord(text[error.start]):04X} is half of a surrogate pair"
            raise _error("E0102", f"{half}: it is not valid in UTF-8 text", Mark(source, line, 1, line, 2)) from None
        for event in events(source):
            builder.take(event)
    except SpecError as error:
        builder.end()
        cut = [problem for problem in builder.problems if problem.code == "E0211"]
        return builder, cut or error.problems  # a truncated expression is why the rest can't be read
    return builder, builder.problems


def _error(code: str, message: str, mark: Mark | None = None, *, file: str = "", help: str = "") -> SpecError:
    return SpecError([Problem(code, message, mark, help=help, file=file)])


def events(source: Source) -> Iterator[Any]:
    """The YAML events of a text with their locations (from 0). Raises SpecError."""
    from _ruamel_yaml import CParser
    from ruamel.yaml.error import YAMLError

    json_text = adapted(source.text)
    starts = [0, *(end.end() for end in BREAKS.finditer(source.text))] if json_text else []
    try:
        parser = CParser(json_text or source.text)
        while (event := parser.get_event()) is not None:
            if json_text is not None and type(event).__name__ == "ScalarEvent" and event.style == '"':
                start, end = (starts[mark.line] + mark.column for mark in (event.start_mark, event.end_mark))
                event.value = string_value(source.text[start:end])
            yield event
    except YAMLError as error:
        raise SpecError([_syntax(error, source)]) from None


_GLUED = re.compile(r"\s*((?:- )?[\w$()]+):([\[{].*)")
"""`conv:{…}`, which is one scalar in YAML."""


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
        what = what or [first_line(error)]
    help = ""
    text = source.line(mark.line) or ""
    cut = _cut_expression(mark, text)
    if cut is not None:
        return cut
    if "\t" in text[: len(text) - len(text.lstrip())]:
        help = "indent with spaces: YAML does not allow tabs here"
    elif any("mapping values" in part for part in what):
        help = "put quotes around a string that contains `: `, and check the indentation"
    elif context is not None and "flow" in str(getattr(error, "context", "")):
        opened = (source.line(context.line + 1) or "")[context.column : context.column + 1]
        if opened in ("{", "["):
            help = f"the `{opened}` of line {context.line + 1}, column {context.column + 1} is not closed"
    glued = next((line for line in _lines(source, mark.line, 2) if _GLUED.match(line)), None)
    if glued is not None:
        help = f"add a space after the colon: `{': '.join(_GLUED.findall(glued)[0]).strip()}`"
    for number in range(mark.line, max(0, mark.line - 3), -1):
        sign = misplaced((source.line(number) or "")[:1000])
        if sign is not None:
            help = f"line {number}, column {sign[0]} has {sign[1]}"
    return Problem("E0104", "not well-formed YAML: " + ", ".join(what), mark, help=help)


_FAR = 2_000
"""The maximum distance in characters between the start of an expression and the place where YAML fails."""


def _cut_expression(mark: Mark, line: str) -> Problem | None:
    """The error of an unquoted expression in brackets, if YAML fails at a bracket within it."""
    far = max(0, mark.column - _FAR)
    for found in re.finditer(r"(?<=[\s,\[{])\$\(", line[far : mark.column - 1]):
        start = far + found.start()
        fix = quotation(mark._replace(column=start + 1))
        if fix is not None and mark.column < fix.mark.end_column:
            return cut_short(line[start : mark.column - 1], mark._replace(column=start + 1, end_column=mark.column))
    return None
