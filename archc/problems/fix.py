"""Quick fixes that an editor can apply: replacements of a stretch of a file."""

from __future__ import annotations

import re
from typing import NamedTuple

from archc.problems.mark import BREAKS, Mark


class Fix(NamedTuple):
    """Replace the text at `mark` by `text`; an empty mark means an insertion."""

    mark: Mark
    text: str

    @property
    def title(self) -> str:
        """The label of the fix in an editor."""
        text = self.text.strip(", \n")
        return f"write `{text}`" if text else "remove it"


def applied(text: str, fix: Fix) -> str:
    """The text of a file after a fix of it."""
    ends = [0, *(found.end() for found in BREAKS.finditer(text))]
    mark = fix.mark
    start, end = ends[mark.line - 1] + mark.column - 1, ends[mark.end_line - 1] + mark.end_column - 1
    return text[:start] + fix.text + text[end:]


def correction(mark: Mark, wrong: str, right: str) -> Fix | None:
    """Replace the word `wrong`, wherever it appears at a place, by `right`; None if it doesn't appear there."""
    line = mark.source.line(mark.line) or ""
    end = mark.end_column - 1 if mark.end_line == mark.line else len(line)
    places = list(re.compile(rf"(?<!\w){re.escape(wrong)}(?!\w)").finditer(line, mark.column - 1, end))
    if not places:
        return None
    text, at = "", places[0].start()
    for place in places:
        text += line[at : place.start()] + right
        at = place.end()
    return Fix(_within(mark, places[0].start(), at), text)


def addition(mark: Mark, key: str, pair: str) -> Fix | None:
    """Add `pair` (such as `padding: same`) to the mapping whose key `key` has the value at `mark`.

    None if the value isn't in a mapping, or isn't on the same line as its key.
    """
    line = mark.source.line(mark.end_line) or ""
    named = re.search(rf"(?:^|[\s{{,]){re.escape(key)}\s*:\s+$", line[: mark.column - 1])
    if named is None or mark.line != mark.end_line:
        return None
    if _next(mark) in ("}", ","):
        return Fix(_within(mark, mark.end_column - 1, mark.end_column - 1), f", {pair}")
    column = line.index(key, named.start())
    if line[:column].strip(" -"):
        return None
    end = len(line.rstrip())
    return Fix(_within(mark, end, end), f"\n{' ' * column}{pair}")


def quotation(mark: Mark) -> Fix | None:
    """Quote the parenthesis that starts at a place; None if it doesn't end on the same line."""
    line, depth = mark.source.line(mark.line) or "", 0
    for at in range(mark.column - 1, len(line)):
        depth += (line[at] == "(") - (line[at] == ")")
        if line[at] == ")" and depth == 0:
            text = line[mark.column - 1 : at + 1]
            return None if "'" in text else Fix(_within(mark, mark.column - 1, at + 1), f"'{text}'")
    return None


def _within(mark: Mark, start: int, end: int) -> Mark:
    return mark._replace(column=start + 1, end_line=mark.line, end_column=end + 1)


def _next(mark: Mark) -> str:
    """The first character after a place that is neither a space nor part of a comment."""
    number, rest = mark.end_line, (mark.source.line(mark.end_line) or "")[mark.end_column - 1 :]
    while True:
        rest = re.sub(r"(^|\s)#.*", "", rest).strip()
        if rest:
            return rest[0]
        number += 1
        line = mark.source.line(number)
        if line is None:
            return ""
        rest = line
