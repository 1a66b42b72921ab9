"""Drawings as SVG: well-formed, nothing overlaps, every text fits its box, no name does harm."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rectangle import Rectangle, meeting
from sheets import DRAWN, LEVELS, SVG, cards, groups, labels, outline, strokes, texts

import archc
from archc.drawing import draw_svg
from archc.drawing.figure import sheet_of
from archc.drawing.markup import xml
from archc.drawing.model import BEGIN, END, Body, Box, Edge, Group, Picture, Terminal
from archc.drawing.pictures import pictures_of
from archc.drawing.sheet import Sheet
from archc.drawing.svg import render
from archc.drawing.text import cut, text_width
from archc.testing import Draft, specs


def drawing(name: str) -> str:
    spec, options = DRAWN[name]
    return draw_svg(archc.load(spec), **options)


def assert_legible(svg: str) -> None:
    """No two boxes overlap, frames hold boxes whole or not at all, and texts stand in their boxes beside each other."""
    boxes = [*groups(svg, "box"), *groups(svg, "terminal")]
    outlines = [outline(box) for box in boxes]
    assert not meeting(outlines)
    frames = [outline(frame) for frame in groups(svg, "frame")]
    assert all(frame.holds(box) or not frame.meets(box) for frame in frames for box in outlines)
    assert all(one.holds(two) or two.holds(one) or not one.meets(two) for one, two in combinations(frames, 2))
    for box in groups(svg, "box"):
        front = cards(box)[-1]
        found = texts(box)
        assert all(front.holds(room) for _, room in found), found
        assert not meeting(room for _, room in found), found
    for frame in groups(svg, "frame"):
        (title,) = texts(frame)
        assert outline(frame).holds(title[1])
        assert not any(title[1].meets(box) for box in outlines)


def assert_labels_stand_free(sheet: Sheet) -> None:
    """No label of an edge meets a box, another label, a line, or the rim of the sheet."""
    found = labels(sheet)
    cards = [Rectangle(p.x, p.y, p.x + p.width, p.y + p.height) for figure in sheet.figures for p in figure.boxes]
    assert not meeting(found)
    assert not any(label.meets(other) for label in found for other in [*cards, *strokes(sheet)])
    assert all(label.right <= sheet.width for label in found)


def assert_sheet(architecture: archc.Architecture, options: dict[str, Any]) -> None:
    sheet = sheet_of(pictures_of([architecture], **options))
    assert_labels_stand_free(sheet)
    assert_legible(render(sheet))


@given(draft=specs(40), level=st.sampled_from(LEVELS))
def test_drawn_networks_are_legible(draft: Draft, level: dict[str, Any]) -> None:
    assert_sheet(draft.load(), level)


@pytest.mark.parametrize("name", DRAWN)
def test_known_networks_are_legible(name: str) -> None:
    spec, options = DRAWN[name]
    assert_sheet(archc.load(spec), options)


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawing_is_no_wider_than_a_page(name: str) -> None:
    """At 1,200 pixels its smallest text has nine pixels or more."""
    width = float(ElementTree.fromstring(drawing(name)).get("width", ""))
    assert 10.5 * min(1, 1200 / width) >= 9


def test_it_speaks_to_screen_readers() -> None:
    root = ElementTree.fromstring(draw_svg(archc.load("googlenet"), prefix="page"))
    assert root.get("role") == "img"
    labels = (root.get("aria-labelledby") or "").split()
    told = {child.get("id"): child.text for child in root if child.get("id") in labels}
    assert told["page-title"] == "GoogLeNet"
    assert "Going Deeper with Convolutions. 3×224×224 → 1000 · 6.62 M parameters" in (told["page-desc"] or "")
    titles = [box.findtext(f"{SVG}title") for box in groups(ElementTree.tostring(root, "unicode"), "box")]
    assert "conv1: 7×7 conv, 64, /2, BN, ReLU; 3×224×224 to 64×112×112" in titles
    assert "aux1: InceptionAux, 1000, in training only; 512×14×14 to 1000" in titles


def test_ids_keep_to_their_prefix() -> None:
    svg = draw_svg(archc.load("alexnet"), prefix="left")
    ids = re.findall(r'\bid="([^"]*)"', svg)
    assert ids
    assert all(id.startswith("left-") for id in ids)
    assert set(re.findall(r"url\(#([^)]*)\)", svg)) <= set(ids)


def test_styles_hold_within_the_drawing() -> None:
    """Every rule begins with the class of the drawing: the page around it keeps its own look."""
    style = ElementTree.fromstring(draw_svg(archc.load("alexnet"))).findtext(f"{SVG}style") or ""
    assert "@supports (fill:var(--a))" in style
    rules = re.sub(r"@supports[^{]*\{(.*\})\}", r"\1", re.sub(r"@media[^{]*\{(.*?\})\}", r"\1", style))
    selectors = [selector for rule in re.findall(r"([^{}]+)\{", rules) for selector in rule.split(",")]
    assert all(selector.startswith(".archc") for selector in selectors)
    assert "@media (prefers-color-scheme:dark)" in style


def test_architectures_stand_side_by_side_on_one_scale() -> None:
    alexnet, vgg = archc.load("alexnet"), archc.load("vgg16")
    both = draw_svg([alexnet, vgg])
    assert_legible(both)
    left, right = groups(both, "figure")
    assert max(outline(box).right for box in left.iter(f"{SVG}g") if box.get("class", "").startswith("box")) < min(
        outline(box).left for box in right.iter(f"{SVG}g") if box.get("class", "").startswith("box")
    )
    # AlexNet's first map is 55 high, the highest of its own drawing, but not beside VGG's of 224.
    alone, beside = (solid_height(next(groups(svg, "box"))) for svg in (draw_svg(alexnet), both))
    assert alone > 1.5 * beside


def solid_height(box: ElementTree.Element) -> float:
    """The height of the solid in a box."""
    front = box.find(f"{SVG}path[@class='front']")
    assert front is not None
    return float(re.findall(r"v([\d.]+)", front.get("d", ""))[0])


TEXT = st.text(st.characters(), max_size=60)


@st.composite
def hostile_pictures(draw: st.DrawFn) -> Picture:
    """A picture whose every text is arbitrary."""
    roles = st.sampled_from(["conv", "block", "head"])
    boxes = [
        Box((draw(TEXT),), draw(TEXT), draw(TEXT), draw(roles), (3, 8, 8), (4, 4, 4), (draw(TEXT),), 2, draw(TEXT))
        for _ in range(3)
    ]
    inner = Body([boxes[1]], [Edge(BEGIN, 0, (4, 4, 4)), Edge(0, END, (4, 4, 4))])
    frame = Group((draw(TEXT),), draw(TEXT), draw(TEXT), inner, (4, 4, 4))
    items = [Terminal(draw(TEXT), (3, 8, 8)), boxes[0], frame, boxes[2], Terminal(draw(TEXT), (4, 4, 4))]
    edges = [Edge(BEGIN, 0, (3, 8, 8))]
    edges += [Edge(place, place + 1, (4, 4, 4), draw(TEXT)) for place in range(4)]
    edges.append(Edge(4, END, (4, 4, 4)))
    return Picture(draw(TEXT), draw(TEXT), draw(TEXT), draw(TEXT), Body(items, edges))


@given(picture=hostile_pictures())
def test_no_text_becomes_markup(picture: Picture) -> None:
    root = ElementTree.fromstring(render(sheet_of([picture])))
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "style", "defs", "marker", "path", "rect", "g", "text", "tspan"}
    assert len(list(root.iter(f"{SVG}text"))) <= 60


@given(text=TEXT)
def test_texts_come_back_as_they_were(text: str) -> None:
    """But for characters that XML cannot hold, and for the ends of lines, which XML reads as one."""
    legal = "".join(char if char in "\t\n" or " " <= char < "\ud800" or char > "\udfff" else "\ufffd" for char in text)
    legal = legal.replace("\ufffe", "\ufffd").replace("\uffff", "\ufffd")
    if "\r" not in text:
        assert ElementTree.fromstring(f"<a>{xml(text)}</a>").text == (legal or None)


def test_descriptions_are_escaped() -> None:
    architecture = archc.loads(
        'name: Net\ndescription: "</svg><script>alert(1)</script> & \\x07 ]]>"\ninput: [3, 8, 8]\nlayers: [relu]\n'
    )
    svg = draw_svg(architecture)
    assert "<script" not in svg
    assert "&lt;script&gt;" in svg
    ElementTree.fromstring(svg)


def test_long_texts_are_cut() -> None:
    assert cut("inception4a", 200, 12) == "inception4a"
    short = cut("a" * 100, 60, 12)
    assert short.endswith("…")
    assert text_width(short, 12) <= 60
    assert cut("abc", 0, 12) == "…"


@given(text=st.text(max_size=30))
def test_a_text_is_as_wide_as_its_parts(text: str) -> None:
    assert text_width(text, 12) == pytest.approx(sum(text_width(char, 12) for char in text))
    assert text_width(text, 24) == pytest.approx(2 * text_width(text, 12))
    assert text_width(text, 12) <= text_width(text, 12, bold=True) + 1e-9
