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
