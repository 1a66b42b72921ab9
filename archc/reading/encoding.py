"""Bytes to text: UTF-8, and what else a file may be."""

from __future__ import annotations

import codecs
import re

from archc.problems import Mark, Problem, Source, SpecError

_UTF_16 = re.compile(rb"(?:[\t\n\r -~]\0){2}|(?:\0[\t\n\r -~]){2}")
"""Text in UTF-16 without a byte order mark: the Latin letters of a spec have a NUL byte each."""

_CONTROL = re.compile(rb"[\0-\x08\x0e-\x1f]")
"""What no text has."""


def decode(data: bytes, name: str) -> str:
    """The text of a file in UTF-8, without a byte order mark; `name` is what messages call the file.

    Raises SpecError (E0102) that names the encoding, if the file seems to have another one.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or _UTF_16.match(data):
        mark = Mark(Source(name, ""), 1, 1, 1, 2)
        raise _error("this is UTF-16 text", mark, "save the file as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        start = error.start + len(data) - len(data.removeprefix(codecs.BOM_UTF8))  # it does not count the mark
    line = data.count(b"\n", 0, start) + 1
    column = start - data.rfind(b"\n", 0, start)
    byte = data[start : start + 1]
    latin = byte.decode("cp1252", "replace")
    if _CONTROL.search(data) or not latin.isprintable() or latin == "\ufffd":
        text, help = "", ""
    else:
        text, help = data.decode("cp1252", "replace"), f"in Latin-1 it is `{latin}`: save the file as UTF-8"
    mark = Mark(Source(name, text), line, column, line, column + 1)
    raise _error(f"byte 0x{byte.hex()} is not UTF-8 text", mark, help)


def _error(message: str, mark: Mark, help: str) -> SpecError:
    return SpecError([Problem("E0102", message, mark, help=help)])
