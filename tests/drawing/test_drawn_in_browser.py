"""Drawings as a browser shows them at 1,200 pixels, measured there: nothing overlaps, no text is clipped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from browser import chromium
from rectangle import Rectangle, meeting
from sheets import DRAWN

import archc
from archc.drawing import draw_svg

WIDTH = 1200

MEASURE = """() => {
    const rect = element => {
        const box = element.getBoundingClientRect();
        return [box.left, box.top, box.right, box.bottom];
    };
    const all = (selector, root = document) => [...root.querySelectorAll(selector)];
    return {
        boxes: all(".box, .terminal").map(box => ({
            cards: all("rect", box).map(rect),
            texts: all("text", box).map(text => ({text: text.textContent, room: rect(text)})),
        })),
        frames: all(".frame rect").map(rect),
        texts: all("text").map(rect),
        sizes: all("text").map(text => parseFloat(getComputedStyle(text).fontSize)),
        scale: document.querySelector("svg").getScreenCTM().a,
        page: document.documentElement.scrollWidth,
    };
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


def shown(browser: Any, svg: str, scheme: str = "light") -> Any:
    """A page that shows a drawing as wide as the window."""
    page = browser.new_page(viewport={"width": WIDTH, "height": 800}, color_scheme=scheme)
    style = "<style>body {margin: 0} svg {width: 100%; height: auto; display: block}</style>"
    page.set_content(f"<!doctype html>{style}{svg}")
    return page


def rectangle(edges: list[float]) -> Rectangle:
    """A measured rectangle without its antialiased rim."""
    left, top, right, bottom = edges
    return Rectangle(left + 0.25, top + 0.25, right - 0.25, bottom - 0.25)


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_overlaps_and_no_text_is_clipped(browser: Any, name: str) -> None:
    spec, options = DRAWN[name]
    page = shown(browser, draw_svg(archc.load(spec), **options))
    found = page.evaluate(MEASURE)
    page.close()
    assert found["boxes"]
    assert found["page"] == WIDTH
    assert not meeting(rectangle(box["cards"][-1]) for box in found["boxes"])
    texts = [rectangle(room) for room in found["texts"]]
    assert not meeting(texts)
    for box in found["boxes"]:
        front = rectangle(box["cards"][-1])
        assert all(front.holds(rectangle(text["room"])) for text in box["texts"]), box
    # A text stands in its box or apart from all: no label runs into a box.
    cards = [rectangle(card) for box in found["boxes"] for card in box["cards"]]
    assert all(card.holds(text) or not card.meets(text) for card in cards for text in texts)
    assert min(found["sizes"]) * found["scale"] >= 9


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_their_paper(browser: Any, scheme: str) -> None:
    """The contrast that WCAG 2 asks of small text, 4.5 to 1, in every role, for readers of dark and light pages."""
    page = shown(browser, draw_svg(archc.load("googlenet"), depth=2), scheme)
    colours = page.evaluate(
        """() => [...document.querySelectorAll(".box text")].map(text => [
            getComputedStyle(text).fill,
            getComputedStyle(text.parentElement.querySelector("rect")).fill,
        ])"""
    )
    page.close()
    assert len({paper for _, paper in colours}) >= 5
    assert min(contrast(*pair) for pair in colours) >= 4.5


def contrast(one: str, two: str) -> float:
    """WCAG 2's ratio of two colours written `rgb(r, g, b)`."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(two)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_a_page_can_change_the_colours_and_hold_several_drawings(browser: Any) -> None:
    first, second = (draw_svg(archc.load(name), prefix=name) for name in ("alexnet", "resnet18"))
    page = shown(browser, f"{first}{second}<style>.archc {{--archc-conv-fill: rgb(1, 2, 3)}}</style>")
    fills = page.evaluate("[...document.querySelectorAll('.conv .card')].map(card => getComputedStyle(card).fill)")
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(element => element.id)")
    page.close()
    assert set(fills) == {"rgb(1, 2, 3)"}
    assert len(ids) == len(set(ids))
