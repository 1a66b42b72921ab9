"""Volumes, figures from left to right, and TikZ: legible as boxes are, and the same in every format."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rectangle import Rectangle, meeting
from sheets import DRAWN, groups, labels, strokes, texts
from test_random_graphs import GRAPHS, Links, body

import archc
from archc.drawing.figure import sheet_of
from archc.drawing.model import Box, Picture
from archc.drawing.pictures import pictures_of
from archc.drawing.sheet import Sheet
from archc.drawing.svg import render
from archc.drawing.text import text_width
from archc.drawing.tikz import escape, render_tikz
from archc.drawing.volumes import Volumes, words_of

LOOKS: list[dict[str, Any]] = [{"direction": "right"}, {"style": "volumes"}, {"style": "volumes", "direction": "down"}]


def assert_clear(sheet: Sheet) -> None:
    """Nothing overlaps, everything is on the page, no line runs through a box (but for those to heads)."""
    for figure in sheet.figures:
        rooms = [Rectangle(p.x, p.y, p.x + p.width, p.y + p.height) for p in figure.boxes]
        assert not meeting(rooms)
        assert all(Rectangle(0, 0, sheet.width, sheet.height).holds(room) for room in rooms)
        for line in figure.lines:
            if getattr(line.target, "aside", False):
                continue  # what stands aside may have a neighbor in the way
            # A line ends at its solid, which may be narrower than the words below it.
            others = [r for p, r in zip(figure.boxes, rooms, strict=True) if p.item not in (line.source, line.target)]
            for (x, y), (u, v) in zip(line.points, line.points[1:], strict=False):
                part = Rectangle(min(x, u), min(y, v), max(x, u), max(y, v))
                assert x == u or y == v
                assert not any(part.meets(room) for room in others)
    assert not meeting(labels(sheet))
    assert not any(label.meets(stroke) for label in labels(sheet) for stroke in strokes(sheet))


@given(links=GRAPHS, look=st.sampled_from(LOOKS))
def test_any_graph_is_legible_in_every_look(links: Links, look: dict[str, Any]) -> None:
    assert_clear(sheet_of([Picture("Net", "", "", "", body(links))], **look))


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", DRAWN)
def test_known_networks_are_legible_in_every_look(name: str, look: dict[str, Any]) -> None:
    spec, options = DRAWN[name]
    assert_clear(sheet_of(pictures_of([archc.load(spec)], **options), **look))


def test_volumes_grow_with_what_they_stand_for() -> None:
    sheet = sheet_of(pictures_of([archc.load("vgg16")]), style="volumes")
    boxes = [placed.item for figure in sheet.figures for placed in figure.boxes if isinstance(placed.item, Box)]
    volumes = Volumes(boxes)
    first, last = volumes.solid((64, 224, 224)), volumes.solid((512, 7, 7))
    assert first.height > 3 * last.height
    assert last.length > 2 * first.length
    svg = render(sheet)
    assert svg.count('class="volume ') == len(boxes)
    for group, box in zip(groups(svg, "volume"), boxes, strict=True):
        assert len(texts(group)) == len(words_of(box))
        assert "…" not in "".join(text for text, _ in texts(group))


def test_a_figure_to_the_right_is_wide() -> None:
    alexnet = pictures_of([archc.load("alexnet")])
    down, right = sheet_of(alexnet), sheet_of(alexnet, direction="right")
    assert right.width / right.height > 1.5 * down.width / down.height
    rows = {line.points[0][1] for line in right.figures[0].lines}
    assert 1 < len(rows) < 5


@pytest.mark.parametrize("look", [{}, *LOOKS])
def test_tikz_has_the_texts_and_boxes_of_the_svg(look: dict[str, Any]) -> None:
    sheet = sheet_of(pictures_of([archc.load("googlenet")]), **look)
    svg, tex = render(sheet), render_tikz(sheet)
    assert tex.count(r"\node") == svg.count("<text")
    assert tex.count("-latex") == svg.count("marker-end")
    assert tex.count(r"\filldraw") == svg.count('class="card"')
    assert tex.count("{") == tex.count("}")
    assert len(set(re.findall(r"archc-[a-z-]+", tex)) - set(re.findall(r"definecolor\{(archc-[a-z-]+)\}", tex))) == 0


@given(text=st.text())
def test_texts_do_no_harm_in_tikz(text: str) -> None:
    """Plain characters, and of TeX's own ones only those of known commands."""
    escaped = escape(text)
    assert escaped.isascii()
    assert escaped.isprintable()
    known = r"\\text[a-z]+\{\}|\\ldots\{\}|\$\\(times|cdot|rightarrow)\$|\\[#$%&_{}]"
    assert not re.search(r"[#$%&_{}\\~^]", re.sub(known, "", escaped))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_pdflatex_makes_a_page_of_it(tmp_path: Path) -> None:
    text = "50 % of $x$ & #1 {\\\\} ~^ é ß →"
    hostile = archc.loads(f'name: A_b\ndescription: "{text}"\ninput: [3, 8, 8]\nlayers: [relu]\n')
    figures = [sheet_of(pictures_of([hostile])), sheet_of(pictures_of([archc.load("alexnet")]), style="volumes")]
    for number, figure in enumerate(figures):
        (tmp_path / "x.tex").write_text(render_tikz(figure))
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "x.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, (number, done.stdout[-2000:])
        assert "(1 page" in done.stdout


def test_no_volume_has_clipped_words() -> None:
    sheet = sheet_of(pictures_of([archc.load("resnet50")]), style="volumes")
    for figure in sheet.figures:
        for placed in figure.boxes:
            if isinstance(placed.item, Box):
                assert all(
                    text_width(text, 10.5 if small else 12) <= placed.width for text, small in words_of(placed.item)
                )
