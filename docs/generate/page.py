"""A page of the site, and the little markdown that the generators share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

BLOCK: Final = re.compile(r"(?ms)^```(?P<language>\w+)\n(?P<text>.*?)^```$")
"""A block of code in a document."""

FILE: Final = re.compile(r"# file: (?P<file>\S+)\n")
"""The first line of a block that is a file."""


WIDE: Final = "---\nhide: [toc]\n---\n"
"""The head of a page whose code and figures need more room than a list of its few headings."""


class Page(NamedTuple):
    """A page: where it stands in the tree, what the navigation calls it, and its markdown."""

    path: str
    title: str
    text: str


def table(head: str, rows: Iterable[Iterable[str]], align: str = "") -> str:
    """A table; `head` are the columns with `|` between them, `align` has an `r` for each that holds numbers."""
    titles = [title.strip() for title in head.split("|")]
    rules = ["---:" if side == "r" else "---" for side in align.ljust(len(titles), "l")]
    lines = [titles, rules, *([_cell(text) for text in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(text: str) -> str:
    """A pipe in code stands for itself, elsewhere it would end the cell."""
    return re.sub(r"(`[^`]*`)|\|", lambda found: found[1] or r"\|", text)


def fence(text: str, language: str, title: str = "") -> str:
    """A block of code, in a fence longer than any within it."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    mark = "`" * (longest + 1)
    head = f'{language} title="{title}"' if title else language
    return f"{mark}{head}\n{text.rstrip()}\n{mark}\n"


def prose(text: str) -> str:
    """A docstring as markdown: one paragraph a blank line, addresses as links."""
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    return re.sub(r"(?<![<\w])(https?://[^\s)]+)", r"<\1>", "\n\n".join(paragraphs))
