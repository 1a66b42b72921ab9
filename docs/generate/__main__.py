"""`python -m docs.generate FOLDER`: everything that the site is built from, in FOLDER.

FOLDER/docs/        the pages
FOLDER/mkdocs.yml   docs/mkdocs.yml with the navigation
FOLDER/site/        where `mkdocs build --config-file FOLDER/mkdocs.yml` puts the site
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from pathlib import Path
from typing import Any

from .api import api_page
from .commands import command_page
from .errors import error_groups, error_pages
from .gallery import explorers, gallery_pages
from .kinds import kind_pages
from .page import Page
from .tree import DOCS, written_pages

NAVIGATION: dict[str, list[str]] = {
    "Get started": ["get-started.md"],
    "Learn": ["tutorial.md"],
    "How-to": [
        "how-to.md",
        "building-blocks.md",
        "mlp.md",
        "one-dimensional.md",
        "unet.md",
        "vision-transformer.md",
        "backbone.md",
        "when.md",
        "summary.md",
        "drawing.md",
        "explorer.md",
        "import.md",
        "diff.md",
        "editors.md",
        "training.md",
        "python.md",
        "extending.md",
        "testing.md",
    ],
    "Gallery": ["gallery/"],
    "Reference": ["reference/", "kinds/", "errors/", "commands.md", "api.md", "glossary.md", "changelog.md"],
    "Explanation": ["limitations.md", "architecture.md", "verification.md", "decisions.md"],
    "FAQ": ["faq.md"],
}
"""The tabs of the site. A folder includes its pages. A document that is not listed is a how-to guide."""

_LINK = re.compile(r"\]\((\w+\.md)\)")


def main(folder: Path) -> None:
    """Write the tree of pages."""
    pages = {
        page.path: page
        for pages in (written_pages(), kind_pages(), error_pages(), gallery_pages(), [command_page(), api_page()])
        for page in pages
    }
    shutil.rmtree(folder / "docs", ignore_errors=True)
    shutil.copytree(DOCS / "assets", folder / "docs" / "assets")
    for place, text in ({path: page.text for path, page in pages.items()} | explorers()).items():
        path = folder / "docs" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    settings = (DOCS / "mkdocs.yml").read_text("utf-8")
    (folder / "mkdocs.yml").write_text(f"{settings}\nnav: {json.dumps(navigation(pages))}\n", "utf-8")


def navigation(pages: dict[str, Page]) -> list[Any]:
    """The tabs with their pages."""
    named = {path for entries in NAVIGATION.values() for path in entries}
    others = [path for path in pages if "/" not in path and path not in {*named, "index.md"}]
    tabs: list[Any] = [{"Home": "index.md"}]
    for title, entries in NAVIGATION.items():
        found = [_entry(path, pages) for path in entries + (others if title == "How-to" else [])]
        (only, *more) = found
        ((_, inside),) = only.items()
        tabs.append({title: found if more else inside})
    return tabs


def _entry(path: str, pages: dict[str, Page]) -> dict[str, Any]:
    if path == "errors/":
        groups = [{title: [{code: f"errors/{code}.md"} for code in codes]} for title, codes in error_groups().items()]
        return {"Errors": ["errors/index.md", *groups]}
    if path.endswith("/"):
        inside = [page for page in pages.values() if page.path.startswith(path)]
        if path == "reference/":  # in the order of its first page, which lists them
            listed = [path + name for name in _LINK.findall(pages[f"{path}index.md"].text)]
            inside.sort(key=lambda page: listed.index(page.path) if page.path in listed else -1)
        return {inside[0].title: [inside[0].path, *({page.title: page.path} for page in inside[1:])]}
    return {pages[path].title: path}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write everything that the site is built from.")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    main(parser.parse_args().folder)
