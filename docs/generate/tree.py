"""The written documents as pages of the site.

A document links to files of the repository, so that it also reads well there. In the site such a link leads to the
page that the file has.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from .code import file_tables
from .gallery import page_of
from .page import WIDE, Page
from .pictures import with_pictures

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MOVED = {"errors.md": "errors/index.md", "language.md": "reference/index.md"}
"""Documents that are the first page of a folder in the site."""


_FENCE = re.compile(r"(?ms)^(`{3,})[^\n]*\n.*?^\1$")
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
_CODE = re.compile(r"(?<!\[)`(?P<code>[EW]\d{4})`")
_TITLED = re.compile(r"(?m)^```(\w+)\n# file: (\S+)\n")
_EMITTED = re.compile(r"(?m)^<!-- emitted from: (\S+) -->\n```python$")
_MARK = re.compile(r"(?m)^<!-- (?:wrong|not run|numbers vary): .* -->\n")
_GENERATED = "<!-- generated: the files of archc/ -->"

PLACES = [
    (r"docs/generate", "architecture.md"),
    (r"docs/errors\.md|archc/problems/pages", MOVED["errors.md"]),
    (r"docs/language\.md", MOVED["language.md"]),
    (r"docs/(.+)", r"\1"),
    (r"archc/problems/pages/([EW]\d{4})\.md", r"errors/\1.md"),
    (r"archc/kinds(/.*)?", "kinds/index.md"),
    (r"archc/cli(/.*)?", "commands.md"),
    (r"archc/__init__\.py", "api.md"),
    (r"archc/training/recipes(/.*)?", "training.md"),
    (r"(archc|templates)(/.*)?", "architecture.md"),
    (r"specs/(\w+)\.yaml", r"gallery/\1.md#spec"),
    (r"generated/(\w+)\.py", r"gallery/\1.md#source"),
    (r"specs|generated", "gallery/index.md"),
    (r"tests(/.*)?", "testing.md"),
    (r"README\.md", "index.md"),
    (r"CONTRIBUTING\.md", "extending.md"),
]
"""Which page of the site a file of the repository has; the first pattern that fits its whole path holds."""


def written_pages() -> list[Page]:
    """Every document of docs/, as the site has it."""
    found = []
    for document in sorted(DOCS.rglob("*.md")):
        text = with_pictures(document.read_text("utf-8"))
        if _GENERATED in text:
            text = text.replace(_GENERATED, file_tables())
        if not (text.startswith("---") or re.search(r"(?m)^## ", _FENCE.sub("", text))):
            text = WIDE + text
        source = document.relative_to(DOCS).as_posix()
        path = MOVED.get(source, source)
        found.append(Page(path, _title(text), _tidy(text, source, path)))
    return found


def _title(text: str) -> str:
    found = re.search(r"(?m)^# (.*)$", text)
    return found[1] if found else ""


def _tidy(text: str, source: str, path: str) -> str:
    """Links to pages instead of files, titles on blocks that are files, no marks of the tests.

    The document `source` of docs/ becomes the page `path`.
    """
    text = _MARK.sub("", text)
    text = _EMITTED.sub(r'```python title="emitted from \1"', text)
    text = _TITLED.sub(r'```\1 title="\2"\n', text)
    pieces = []
    end = 0
    for block in _FENCE.finditer(text):
        pieces += [_linked(text[end : block.start()], source, path), block[0]]
        end = block.end()
    return "".join([*pieces, _linked(text[end:], source, path)])


def _linked(text: str, source: str, path: str) -> str:
    up = posixpath.relpath(".", posixpath.dirname(path) or ".")

    def leads(match: re.Match[str]) -> str:
        file, _, anchor = match["target"].partition("#")
        if "://" in file or not file:
            return match[0]
        place = site_place(posixpath.normpath(posixpath.join("docs", posixpath.dirname(source), file)), anchor)
        return f"]({posixpath.normpath(posixpath.join(up, place))})"

    linked = _LINK.sub(leads, text)
    return _CODE.sub(lambda found: f"[`{found['code']}`]({posixpath.join(up, 'errors', found['code'])}.md)", linked)


def site_place(file: str, anchor: str = "") -> str:
    """The page, and the anchor on it, of a file of the repository. Raises ValueError if it has none."""
    row = re.fullmatch(r"specs/(\w+)\.yaml", file)
    if row and page_of(row[1]) != row[1]:
        return f"gallery/{page_of(row[1])}.md#family"
    for pattern, place in PLACES:
        found = re.fullmatch(pattern, file)
        if found:
            page = found.expand(place)
            return f"{page}#{anchor}" if anchor and "#" not in page else page
    raise ValueError(f"the site has no page for {file}")
