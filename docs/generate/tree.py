"""The written documents as pages of the site.

A document links to files of the repository, so that it also reads well there; in the site such a link leads to the
page that the file has. docs/language.md becomes a page a section.
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
LANGUAGE = "language.md"
MOVED = {"errors.md": "errors/index.md"}
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
    (r"docs/errors\.md|archc/problems/pages", "errors/index.md"),
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
    for document in sorted(DOCS.glob("*.md")):
        text = with_pictures(document.read_text("utf-8"))
        if _GENERATED in text:
            text = text.replace(_GENERATED, file_tables())
        path = MOVED.get(document.name, document.name)
        pages = _sections(text) if document.name == LANGUAGE else [Page(path, _title(text), text)]
        found += [page._replace(text=_tidy(page)) for page in pages]
    return found


def _title(text: str) -> str:
    found = re.search(r"(?m)^# (.*)$", text)
    return found[1] if found else ""


def slug(heading: str) -> str:
    """A heading's anchor, as code hosts and the site make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _outside_fences(text: str) -> str:
    return _FENCE.sub("", text)


def _sections(text: str) -> list[Page]:
    """The language reference: its beginning and one page for each heading of the second level."""
    first, *others = re.split(r"(?m)^(?=## )", text)
    pages = [Page("language/index.md", "The spec language", first)]
    for part in others:
        title = part.partition("\n")[0].removeprefix("## ").replace("`", "")
        raised = re.sub(r"(?m)^##(?=#* )", "#", _FENCE.sub(lambda block: block[0].replace("\n#", "\n\0#"), part))
        raised = raised.replace("\0", "")
        head = "" if "\n## " in _outside_fences(raised) else WIDE
        pages.append(Page(f"language/{slug(title)}.md", title, head + raised))
    return pages


def language_anchors() -> dict[str, str]:
    """Which page of the reference has which anchor."""
    found = {}
    for page in _sections((DOCS / LANGUAGE).read_text("utf-8")):
        for level, heading in re.findall(r"(?m)^(#+) (.*)$", _outside_fences(page.text)):
            found[slug(heading)] = page.path if level == "#" else f"{page.path}#{slug(heading)}"
    return found


def _tidy(page: Page) -> str:
    """Links to pages instead of files, titles on blocks that are files, no marks of the tests."""
    text = _MARK.sub("", page.text)
    text = _EMITTED.sub(r'```python title="emitted from \1"', text)
    text = _TITLED.sub(r'```\1 title="\2"\n', text)
    pieces = []
    end = 0
    for block in _FENCE.finditer(text):
        pieces += [_linked(text[end : block.start()], page.path), block[0]]
        end = block.end()
    return "".join([*pieces, _linked(text[end:], page.path)])


def _linked(text: str, path: str) -> str:
    up = posixpath.relpath(".", posixpath.dirname(path) or ".")
    own = LANGUAGE if path.startswith("language/") else path

    def leads(match: re.Match[str]) -> str:
        file, _, anchor = match["target"].partition("#")
        if "://" in file or (not file and own != LANGUAGE):
            return match[0]
        place = site_place(posixpath.normpath(f"docs/{file or own}"), anchor)
        return f"]({posixpath.normpath(posixpath.join(up, place))})"

    linked = _LINK.sub(leads, text)
    return _CODE.sub(lambda found: f"[`{found['code']}`]({posixpath.join(up, 'errors', found['code'])}.md)", linked)


def site_place(file: str, anchor: str = "") -> str:
    """The page, and the anchor on it, of a file of the repository. Raises ValueError where it has none."""
    if file == f"docs/{LANGUAGE}":
        return language_anchors()[anchor] if anchor else "language/index.md"
    row = re.fullmatch(r"specs/(\w+)\.yaml", file)
    if row and page_of(row[1]) != row[1]:
        return f"gallery/{page_of(row[1])}.md#family"
    for pattern, place in PLACES:
        found = re.fullmatch(pattern, file)
        if found:
            page = found.expand(place)
            return f"{page}#{anchor}" if anchor and "#" not in page else page
    raise ValueError(f"the site has no page for {file}")
