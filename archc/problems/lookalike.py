"""Characters that look like YAML's own, such as a no-break space or a full-width colon."""

from __future__ import annotations

import re
import unicodedata

_SPACES = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_INVISIBLE = "\u200b-\u200d\u2060\ufeff"
_WIDE = "\uff01-\uff5e"
_MEANT = {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-", "\u2212": "-"}

_ANY = re.compile(f"[{_SPACES}{_INVISIBLE}{_WIDE}{''.join(_MEANT)}]")
_TEXT = re.compile(r'"[^"]*"|\'[^\']*\'|(?:^|(?<=\s))#.*')
"""Quoted text and comments, in which every character is allowed."""
_STRUCTURE = re.compile(
    rf"""
    ^[ ]*(?P<indent>[{_SPACES}{_INVISIBLE}])
    | (?<=[-:,?\[{{])[ ]*(?P<after>[{_SPACES}{_INVISIBLE}])
    | (?P<sign>[：，｛｝［］“”])
    """,
    re.VERBOSE,
)


def lookalike(text: str) -> str:
    """The help for a text with such a character: which one, and what to write instead. Empty if it has none."""
    found = _ANY.search(text)
    return f"there is {_advice(found[0])}" if found else ""


def misplaced(line: str) -> tuple[int, str] | None:
    """The column (from 1) of such a character in a line's structure, and the help; None if there is none."""
    found = _STRUCTURE.search(_TEXT.sub(lambda text: "x" * len(text[0]), line))
    if found is None:
        return None
    column = found.start(found.lastgroup or 0)
    return column + 1, _advice(line[column])


def _advice(character: str) -> str:
    name = unicodedata.name(character, "character").lower().replace("fullwidth", "full-width")
    what = f"a {name} (U+{ord(character):04X})"
    if re.match(f"[{_INVISIBLE}]", character):
        return f"{what}: remove it"
    if re.match(f"[{_SPACES}]", character):
        return f"{what}: write a plain space"
    return f"{what}: write `{_MEANT.get(character) or unicodedata.normalize('NFKC', character)}`"
