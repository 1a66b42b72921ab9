"""Decoding of files, and errors for other encodings."""

from __future__ import annotations

import codecs
import re

from archc.problems import Mark, Problem, Source, SpecError

_UTF_16 = re.compile(rb"(?:[\t\n\r -~]\0){2}|(?:\0[\t\n\r -~]){2}")
"""UTF-16 without a byte order mark: each Latin letter of a spec comes with a NUL byte."""

_CONTROL = re.compile(rb"[\0-\x08\x0e-\x1f]")
"""Control characters that never occur in text."""


def decode(data: bytes, name: str) -> str:
    """Decode a file in UTF-8, with or without a byte order mark; messages call it `name`.

    Raises SpecError (E0102) that names the encoding, if the file seems to have another one.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or _UTF_16.match(data):
        mark = Mark(Source(name, ""), 1, 1, 1, 2)
        raise _error("this is UTF-16 text", mark, "save the file as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        start = error.start + len(data) - len(data.removeprefix(codecs.BOM_UTF8))  # without the mark
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
