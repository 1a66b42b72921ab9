"""The documentation as a site: built without a warning, nothing dead in it, nothing fetched from elsewhere.

`python3 tasks.py docs` builds the same into build/site/.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from browser import chromium
from torchvision.models import get_model_weights

import archc
from archc.cli.main import COMMANDS
from archc.kinds import KINDS
from archc.kinds.arguments import meanings
from archc.library import bundled, families
from archc.problems import codes as problem_codes
from archc.problems.codes import codes, title
from docs.generate.commands import parser_of
from docs.generate.published import TORCHVISION, published

ROOT = Path(__file__).parents[1]

QUESTIONS = {
    "How do I write a residual block?": "ResNet: residual blocks",
    "Why is my concat rejected?": "E0312 join-size-mismatch: Branches of a join differ in height or width",
    "How do I load torchvision's weights?": "torchvision's weights",
    "How do I fine-tune pretrained weights?": "Fine-tune on your own images",
    "How do I get a confusion matrix?": "Evaluate",
    "How do I train on my images?": "Train on your own images",
    "How do I train longer?": "Train longer",
    "How do I resume a run?": "Resume an interrupted run",
    "How do I set hyperparameters?": "Set hyperparameters with a recipe",
    "FLOPs or MACs?": "How the numbers are counted",
    "How do I vary depth and width?": "Vary depth and width",
    "How do I write a U-Net?": "Write a U-Net",
    "How do I write a vision transformer?": "Write a vision transformer",
    "How do I create a figure for a paper?": "Create a figure for a paper",
    "How do I use the emitted file elsewhere?": "Use the emitted file in your project",
    "How do I export to ONNX?": "Export to ONNX and deploy",
    "How do I add a layer type?": "Add a layer type",
    "What can't archc express?": "What archc can't express",
}
"""What people come with, as the first page asks it, and the heading of the answer."""


@dataclass
class Document:
    """What matters of a page: its anchors, its links with their words, what it loads, its headings by anchor."""

    path: Path
    anchors: set[str] = field(default_factory=set)
    links: list[tuple[str, str]] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    headings: dict[str, str] = field(default_factory=dict)
    text: str = ""


class _Reader(HTMLParser):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.found = Document(path)
        self._link: tuple[str, list[str]] | None = None
        self._heading: tuple[str, list[str]] | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        names = {given[key] for key in ("id", "name") if given.get(key)}
        self.found.anchors |= {name for name in names if name}
        if tag == "a" and given.get("href") is not None:
            self._link = (given["href"] or "", [])
        elif tag in ("link", "use") and given.get("href"):
            self.found.loads.append(given["href"] or "")
        for key in ("src", "srcset", "data", "poster"):
            if tag not in ("a",) and given.get(key):
                self.found.loads.append(given[key] or "")
        if re.fullmatch("h[1-6]", tag):
            self._heading = (given.get("id") or "", [])

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._link:
            self.found.links.append((self._link[0], "".join(self._link[1]).strip()))
            self._link = None
        if re.fullmatch("h[1-6]", tag) and self._heading:
            self.found.headings[self._heading[0]] = "".join(self._heading[1]).strip("¶ \n")
            self._heading = None

    def handle_data(self, data: str) -> None:
        self.found.text += data
        for open_one in (self._link, self._heading):
            if open_one:
                open_one[1].append(data)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; building it prints no warning. Of several workers the first one builds it for all."""
    pytest.importorskip("material", reason="needs the extra `docs`")
    shared = tmp_path_factory.getbasetemp()
    folder = (shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared) / "docs"
    done = folder / "done"
    try:
        folder.mkdir()
    except FileExistsError:
        end = time.monotonic() + 600
        while not done.exists() and time.monotonic() < end:
            time.sleep(0.2)
        assert done.read_text("utf-8") == "", "another worker could not build it"
        return folder / "site"
    said = "it was interrupted"
    try:
        said = built(folder)
    finally:
        (folder / "said").write_text(said, "utf-8")
        (folder / "said").rename(done)  # at once
    assert said == ""
    return folder / "site"


def built(folder: Path) -> str:
    """Build the site; what that printed."""
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    build = ["mkdocs", "build", "--strict", "--quiet", "--config-file", str(folder / "mkdocs.yml")]
    for command in (["docs.generate", str(folder)], build):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if (done.returncode, done.stdout, done.stderr) != (0, "", ""):
            return f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return ""


@pytest.fixture(scope="session")
def documents(site: Path) -> dict[Path, Document]:
    found = {}
    for path in sorted(site.rglob("*.html")):
        if path.name == "404.html" or path.parent.name == "explorer":  # for a server; with tests of its own
            continue
        reader = _Reader(path)
        reader.feed(path.read_text("utf-8"))
        found[path] = reader.found
    return found


def leads_to(document: Document, link: str) -> tuple[Path, str] | None:
    """The file and the anchor of a link; None where it leaves the site."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    path = (document.path.parent / unquote(parts.path)).resolve() if parts.path else document.path
    return (path / "index.html" if path.is_dir() else path), unquote(parts.fragment)


def page(documents: dict[Path, Document], site: Path, name: str) -> Document:
    return documents[site / name]


def test_every_link_leads_somewhere(documents: dict[Path, Document]) -> None:
    """Pages, anchors and files; a link that leaves the site is an address of the web."""
    dead = []
    for document in documents.values():
        for link in [*(href for href, _ in document.links), *document.loads]:
            place = leads_to(document, link)
            if place is None:
                if not re.match(r"https?://[\w.-]+\.\w+(/|$)", link):
                    dead.append((document.path.name, link))
                continue
            path, anchor = place
            if not path.is_file() or (anchor and path in documents and anchor not in documents[path].anchors):
                dead.append((document.path.name, link))
    assert dead == []
    assert len(documents) > 100


def test_nothing_is_loaded_from_elsewhere(site: Path, documents: dict[Path, Document]) -> None:
    """No script, style, font or picture of another host, in pages and in style sheets."""
    outside = [(d.path.name, load) for d in documents.values() for load in d.loads if leads_to(d, load) is None]
    assert [load for load in outside if not load[1].startswith("data:")] == []
    for sheet in site.rglob("*.css"):
        assert re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^)\s]*", sheet.read_text("utf-8")) == []


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_answered_within_two_clicks(question: str, site: Path, documents: dict[Path, Document]) -> None:
    """The first page asks it, as a link; what it leads to has the answer's heading."""
    first = page(documents, site, "index.html")
    (link,) = [href for href, words in first.links if words == question]
    place = leads_to(first, link)
    assert place is not None
    path, anchor = place
    headings = documents[path].headings
    assert QUESTIONS[question] in headings.values()
    assert not anchor or headings[anchor] == QUESTIONS[question]


def test_every_kind_has_its_page(site: Path, documents: dict[Path, Document]) -> None:
    """With each argument and what it means, and linked from the overview."""
    listed = {words for _, words in page(documents, site, "kinds/index.html").links}
    for name, kind in KINDS.items():
        text = page(documents, site, f"kinds/{name}.html").text
        assert name in listed
        for argument, meaning in meanings(kind).items():
            assert argument in text, (name, argument)
            assert meaning.replace("`", "") in text, (name, argument)


def test_every_code_has_its_page(site: Path, documents: dict[Path, Document]) -> None:
    listed = {words for _, words in page(documents, site, "errors/index.html").links}
    for code in codes():
        headings = page(documents, site, f"errors/{code}.html").headings.values()
        assert f"{code} {problem_codes.name(code)}: {title(code)}".replace("`", "") in headings
        assert code in listed


def test_every_spec_has_its_page(site: Path, documents: dict[Path, Document]) -> None:
    """With its figures and its text; and with the source, the picture and the explorer of its family's first."""
    for name, others in families().items():
        found = page(documents, site, f"gallery/{name}.html")
        for member in (name, *others):
            summary = archc.load(member).summary()
            for figure in (f"{summary.parameters:,}", f"{summary.macs:,}", "×".join(map(str, summary.min_input))):
                assert figure in found.text, (member, figure)
            assert bundled()[member].read_text("utf-8").strip() in found.text
        assert archc.load(name).emit().strip() in found.text
        assert any(link == f"explorer/{name}.html" for link, _ in found.links)
        assert 'class="archc"' in (site / f"gallery/{name}.html").read_text("utf-8")


def test_every_option_of_every_command_is_told(site: Path, documents: dict[Path, Document]) -> None:
    text = page(documents, site, "commands.html").text
    for name in COMMANDS:
        assert f"archc {name}" in text
        for action in parser_of(name)._actions:
            for flag in action.option_strings:
                assert flag in ("-h", "--help") or flag in text, (name, flag)


def test_every_file_of_the_package_is_told(site: Path, documents: dict[Path, Document]) -> None:
    found = page(documents, site, "architecture.html")
    for path in (ROOT / "archc").rglob("*.py"):
        assert f"{path.parent.relative_to(ROOT)}/" in found.headings.values()
        assert path.name == "__init__.py" or path.name in found.text, path


# What the documents say of the code


PHASES = ("reading", "language", "graph", "plan", "inference", "emit", "build", "training", "cli")
"""The order of architecture.md; the folders that all phases share are not in it."""


def test_no_phase_imports_a_later_one() -> None:
    for rank, phase in enumerate(PHASES):
        for path in (ROOT / "archc" / phase).rglob("*.py"):
            for module in imported(path):
                assert module not in PHASES[rank + 1 :], f"{path.relative_to(ROOT)} imports archc.{module}"


def imported(path: Path) -> Iterator[str]:
    """The folders of archc that a file imports from, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        yield from (name.split(".")[1] for name in names if name.startswith("archc."))


@pytest.mark.parametrize("name", [name for name in bundled() if (of := published(name)) and of.link == TORCHVISION])
def test_published_figures_are_torchvisions(name: str) -> None:
    """Parameters, multiply-adds and smallest input in torchvision's records are what archc infers."""
    figures = published(name)
    assert figures is not None
    summary = archc.load(name).summary()
    assert figures.parameters == (summary.training_parameters if figures.with_heads else summary.parameters)
    assert figures.gmacs is not None
    weights: Any = get_model_weights(name)[figures.source.rpartition(" ")[2]]  # type: ignore[index]
    if list(summary.input[1:]) == weights.transforms().crop_size * 2:
        assert round(figures.gmacs, 3) == round(summary.macs / 1e9, 3)
    assert figures.min_input is None or (figures.min_input,) * 2 == summary.min_input


# In a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture
def opened(browser: Any, site: Path) -> Iterator[Any]:
    """A tab on the first page, from the disk; nothing leaves the machine and the console stays silent."""
    tab = browser.new_page(viewport={"width": 1280, "height": 800})
    asked: list[str] = []
    said: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.goto((site / "index.html").as_uri())
    yield tab
    tab.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert said == []


def test_the_first_page_shows_all_four_steps_on_one_screen(opened: Any) -> None:
    boxes = [shown.bounding_box() for shown in opened.locator(".start :is(.hero, pre, .picture > svg, .plot)").all()]
    assert len(boxes) == 6  # what archc is, spec, picture, source, training and its curves
    for box in boxes:
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 1280
        assert box["y"] + box["height"] <= 800
    assert opened.locator(".start .drawn svg text", has_text="inception1").is_visible()


@pytest.mark.parametrize("name", ["index.html", "gallery/googlenet.html", "kinds/conv2d.html", "tutorial.html"])
def test_a_phone_scrolls_one_way(opened: Any, site: Path, name: str) -> None:
    """What is wider than a phone scrolls within itself."""
    opened.set_viewport_size({"width": 390, "height": 844})
    opened.goto((site / name).as_uri())
    assert opened.evaluate("document.documentElement.scrollWidth") == 390


def test_the_search_works_from_a_disk(opened: Any) -> None:
    opened.get_by_label("Search").first.click()
    opened.keyboard.type("receptive field")
    opened.locator(".md-search-result__link").first.wait_for(timeout=10_000)
    assert opened.locator(".md-search-result__link").count() > 3


def test_only_the_commands_of_a_session_are_copied(opened: Any) -> None:
    shown = opened.evaluate(
        """() => {
            const code = document.querySelector(".run pre > code")
            code.setAttribute("data-md-copying", "")
            return code.innerText.trim()
        }"""
    )
    assert shown == "archc train tiny_inception.yaml --data digits --epochs 8 --lr 0.01 --out digits"
