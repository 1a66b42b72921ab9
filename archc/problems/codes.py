"""Every code of an error or a warning with its page: the name, what went wrong and why, a failing example and its fix.

Codes and names are stable: they never change their meaning. Pages are read on demand.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from archc.text import hanging

GROUPS: Final = {
    "E01": "Reading a file",
    "E02": "The language",
    "E03": "Shapes",
    "E04": "Expected properties",
    "E05": "Building",
    "E06": "Writing",
    "E07": "Training",
    "E08": "Importing",
    "W01": "Warnings",
}
"""The topic of the codes with each prefix."""

PAGES: Final = Path(__file__).parent / "pages"


def severity(code: str) -> str:
    """`error`, or `warning` for valid specs that are probably not intended."""
    return "warning" if code.startswith("W") else "error"


def codes() -> list[str]:
    """Every code that has a page, in order."""
    return sorted(path.stem for path in PAGES.glob("[EW]*.md"))


def page(code: str) -> str:
    """The page of a code, in markdown."""
    return (PAGES / f"{code}.md").read_text("utf-8")


def name(code: str) -> str:
    """The readable name of a code: `join-size-mismatch` for E0312."""
    return _heading(code)[0]


def title(code: str) -> str:
    """What went wrong, in one line."""
    return _heading(code)[1]


def code_named(name: str) -> str | None:
    """The code with a readable name; None if there is none."""
    return next((code for code in codes() if _heading(code)[0] == name), None)


def _heading(code: str) -> tuple[str, str]:
    """Name and title from the page's heading, `# CODE NAME: TITLE`."""
    name, _, title = page(code).partition("\n")[0].removeprefix(f"# {code} ").partition(": ")
    return name, title


def plain_page(code: str, width: int | None = None) -> str:
    """The page of a code as plain text for a terminal, wrapped to `width` if given, with indented examples."""
    lines: list[str] = []
    example = continued = False
    for line in page(code).splitlines():
        if line.startswith("```"):
            example = not example
        elif example:
            lines.append(f"    {line}".rstrip())
        elif line.startswith("## "):
            lines.append(f"{line[3:]}:")
        elif width is not None and continued and line and not line.startswith(("- ", "<!--", "|")):
            lines[-1] += f" {line.strip()}"
            continue
        elif not line.startswith("<!--"):
            lines.append(line.removeprefix("# "))
        continued = not example and bool(line) and not line.startswith(("#", "<!--", "```", "|"))
    return "\n".join(line if line.startswith("    ") else hanging("", line, width) for line in lines)
