"""YAML text to the located tree.

Events are read, not nodes composed: the composers recurse (the C one dies of a stack overflow on
deep nesting), and an event carries its place for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from archc.limits import MAX_FILE_BYTES, MAX_YAML_DEPTH, how_to_raise
from archc.problems import Mark, Problem, Source, SpecError
from archc.problems.fix import quotation
from archc.reading.scalars import plain_scalar
from archc.reading.tree import Map, Seq

_MISSING = object()


def read_file(path: Path, name: str, what: str = "spec") -> Map:
    """The located tree of a spec file, or another of the sort `what`; `name` is what messages call it.

    Raises SpecError if the file cannot be read or is not a YAML mapping.
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
    return read_text(text, name, what)


def read_text(text: str, name: str, what: str = "spec") -> Map:
    """The located tree of a text. Raises SpecError, as `read_file` does."""
    source = Source(name, text)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise _error("E0102", f"a NUL byte: this is a binary file, not a {what}", Mark(source, line, 1, line, 2))
    root = _build(source)
    if isinstance(root, Map):
        return root
    mark = Mark(source, 1, 1, 1, 1)
    if root is _MISSING or root is None:
        help = "`archc new NAME` writes a commented starter" if what == "spec" else ""
        raise _error("E0103", f"the {what} is empty", mark, help=help)
    found = "list" if isinstance(root, Seq) else "single value"
    help = "begin with `input:` and `layers:`" if what == "spec" else "write `name: value` lines"
    raise _error("E0103", f"the {what} is a {found}, not a mapping", mark, help=help)


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


def _syntax(error: Exception, source: Source) -> Problem:
    place = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
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
    return Problem("E0104", "not well-formed YAML: " + ", ".join(what), mark, help=help)


def _build(source: Source) -> Any:
    """Run the events and stack the collections; the innermost open one is on top."""
    root: Any = _MISSING
    stack: list[Map | Seq] = []
    keys: list[tuple[str, Mark] | None] = []  # the pending key of each open mapping
    flow: list[bool] = []  # whether each is in brackets
    documents = 0
    problems: list[Problem] = []

    def place(value: Any, mark: Mark) -> None:
        nonlocal root
        if not stack:
            root = value
            return
        parent = stack[-1]
        if isinstance(parent, Seq):
            parent.append(value)
            parent.items_at.append(mark)
            return
        pending = keys[-1]
        if pending is None:
            raise _error("E0104", "a collection cannot be a key", mark, help="a flow value needs a space before `{`")
        key, key_mark = pending
        keys[-1] = None
        if key in parent:
            first = parent.keys_at[key].line
            problems.append(
                Problem(
                    "E0105",
                    f"the key `{key}` stands twice in one mapping",
                    key_mark,
                    label=f"first given in line {first}",
                    help="remove one of them, or give the entry another name",
                )
            )
            return
        parent[key] = value
        parent.keys_at[key] = key_mark
        parent.values_at[key] = mark

    for event in events(source):
        kind = type(event).__name__
        start, end = event.start_mark, event.end_mark
        if kind == "ScalarEvent":
            mark = Mark(source, start.line + 1, start.column + 1, end.line + 1, end.column + 1)
            _refuse_extras(event, mark)
            text = event.value
            if stack and isinstance(stack[-1], Map) and keys[-1] is None:
                if text == "<<" and event.implicit[0]:
                    raise _error("E0106", "merge keys (`<<`) are not part of the language", mark, help=_INSTEAD)
                keys[-1] = (text, mark)
                continue
            if event.implicit[0] and flow[-1:] == [True] and text.startswith("$(") and _is_open(text):
                problems.append(_cut_short(text, mark))
            if event.implicit[0]:
                try:
                    place(plain_scalar(text), mark)
                except ValueError:
                    raise _error("E0203", "the number has too many digits", mark) from None
            else:
                place(text, mark)
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            mark = Mark(source, start.line + 1, start.column + 1, end.line + 1, end.column + 1)
            _refuse_extras(event, mark)
            if len(stack) >= MAX_YAML_DEPTH:
                raise _error("E0107", f"nested deeper than {MAX_YAML_DEPTH} levels", mark, help=_FLATTEN)
            node: Map | Seq = Map(mark) if kind == "MappingStartEvent" else Seq(mark)
            place(node, mark)
            stack.append(node)
            keys.append(None)
            flow.append(event.flow_style)
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            closed = stack.pop()
            keys.pop()
            flow.pop()
            closed.mark = closed.mark._replace(end_line=end.line + 1, end_column=end.column + 1)
            if stack and isinstance(stack[-1], Seq):
                stack[-1].items_at[-1] = closed.mark
            elif stack and isinstance(stack[-1], Map) and stack[-1]:
                stack[-1].values_at[next(reversed(stack[-1]))] = closed.mark
        elif kind == "AliasEvent":
            mark = Mark(source, start.line + 1, start.column + 1, end.line + 1, end.column + 1)
            raise _error("E0106", f"aliases (`*{event.anchor}`) are not part of the language", mark, help=_INSTEAD)
        elif kind == "DocumentStartEvent":
            documents += 1
            if documents > 1:
                mark = Mark(source, start.line + 1, start.column + 1, end.line + 1, end.column + 1)
                raise _error("E0106", "a spec is one YAML document, this is a second", mark, help="use two files")
    if problems:
        raise SpecError(problems)
    return root


_INSTEAD = "name what repeats as a block with parameters, or use `repeat`"
_QUOTED = "'$(max(8, width))'"
_FLATTEN = f"name the inner parts as blocks and use them by name; {how_to_raise('MAX_YAML_DEPTH')}"


def _is_open(text: str) -> bool:
    """Whether a parenthesis is not closed."""
    return text.count("(") > text.count(")")


def _cut_short(text: str, mark: Mark) -> Problem:
    fix = quotation(mark)
    help = f"quote it: `{fix.text if fix else _QUOTED}`"
    return Problem("E0211", f"a comma or a bracket ends this expression: `{text}`", mark, help=help, fix=fix)


def _refuse_extras(event: Any, mark: Mark) -> None:
    if event.anchor is not None:
        raise _error("E0106", f"anchors (`&{event.anchor}`) are not part of the language", mark, help=_INSTEAD)
    if event.tag is not None:
        help = "write the value itself: its type follows from how it is written"
        raise _error("E0106", f"tags (`{event.tag}`) are not part of the language", mark, help=help)
