r"""JSON files, adapted for the YAML parser.

YAML 1.2 includes JSON, but libyaml can't read an escaped surrogate pair (`"\ud83d\ude00"`, as Python's `json` writes a
character above U+FFFF), a line break between a key and its colon, and some invisible characters.
"""

from __future__ import annotations

import json
import re

_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_LATE_COLON = re.compile(r'"[ \t]*[\r\n]\s*:')
_STRING = re.compile(r'(?P<string>"(?:[^"\\]|\\.)*")(?P<colon>\s*:)?')
_UNSEEN = re.compile("[\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff]")
_BREAK = re.compile("[\x85\u2028\u2029]")
"""The line breaks of YAML 1.1, around which spaces are lost."""
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)


def adapted(text: str) -> str | None:
    """A JSON text that libyaml can read, with the same locations; None for any other text.

    Letters replace the characters that it can't read in a string; the value of a string comes from the JSON.
    """
    if not text.lstrip().startswith("{"):
        return None
    if not any(pattern.search(text) for pattern in (_PAIR, _LATE_COLON, _UNSEEN, _BREAK)):
        return None
    try:
        _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    return _STRING.sub(_readable, text)


def _readable(found: re.Match[str]) -> str:
    string, colon = _PAIR.sub(r"\1\\u0041\\u0041", found["string"]), found["colon"]
    string = _UNSEEN.sub("A", string)
    if colon is None:
        return string
    # The colon moves to its key. If it was on another line, a space keeps the columns there.
    moved = any(end in colon for end in "\r\n")
    return f"{string}:{colon[:-1]}{' ' * moved}"


def string_value(text: str) -> str:
    """The value of a quoted JSON string in a text."""
    value = _DECODER.decode(text)
    assert isinstance(value, str)
    return value
