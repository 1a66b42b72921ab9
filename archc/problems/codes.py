"""Every problem code with its page: the rule, why it is one, a wrong example and the mended one.

Codes are stable: a code never changes its meaning. A page is read when somebody asks for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

GROUPS: Final = {
    "E01": "Reading a file",
    "E02": "The language",
    "E03": "Shapes",
    "E04": "What a spec claims",
    "E05": "Building",
    "E06": "Writing",
    "E07": "Training",
}
"""What the codes of a beginning are about."""

PAGES: Final = Path(__file__).parent / "pages"


def codes() -> list[str]:
    """Every code that has a page, in order."""
    return sorted(path.stem for path in PAGES.glob("E*.md"))


def page(code: str) -> str:
    """The page of a code, in markdown."""
    return (PAGES / f"{code}.md").read_text("utf-8")


def rule(code: str) -> str:
    """The rule behind a code: what the heading of its page says."""
    return page(code).partition("\n")[0].removeprefix(f"# {code}: ")


def plain_page(code: str) -> str:
    """The page of a code as it reads in a terminal: no marks, the examples set in."""
    lines: list[str] = []
    example = False
    for line in page(code).splitlines():
        if line.startswith("```"):
            example = not example
        elif example:
            lines.append(f"    {line}".rstrip())
        elif line.startswith("## "):
            lines.append(f"{line[3:]}:")
        elif not line.startswith("<!--"):
            lines.append(line.removeprefix("# "))
    return "\n".join(lines)
