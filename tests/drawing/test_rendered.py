"""Drawings in the programs that people open them with: what Chromium, CairoSVG and resvg show of the colors."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from browser import chromium
from PIL import Image

import archc
from archc.drawing import draw_svg
from archc.drawing.style import INKS, ROLES

SVG = draw_svg(archc.load("googlenet"))


def by_chromium(svg: str) -> bytes:
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 1400}, color_scheme="light")
        page.set_content(f"<!doctype html><style>body {{margin: 0}}</style>{svg}")
        shown: bytes = page.screenshot()
        page.close()
    return shown


def by_cairosvg(svg: str) -> bytes:
    cairosvg = pytest.importorskip("cairosvg", reason="CairoSVG is not installed", exc_type=(ImportError, OSError))
    shown: bytes = cairosvg.svg2png(bytestring=svg.encode())
    return shown


def by_resvg(svg: str) -> bytes:
    resvg_py = pytest.importorskip("resvg_py", reason="resvg is not installed")
    return bytes(resvg_py.svg_to_bytes(svg))


def color(text: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(text[1:]))


@pytest.mark.parametrize("render", [by_chromium, by_cairosvg, by_resvg])
def test_the_default_drawing_shows_its_colors_everywhere(render: object) -> None:
    """Inkscape and CairoSVG know no custom properties: whatever is painted with them alone is black there."""
    assert callable(render)
    with Image.open(io.BytesIO(render(SVG))) as image:
        pixels = image.convert("RGB")
        seen = Counter({one: count for count, one in pixels.getcolors(1 << 24) or ()})
        area = pixels.size[0] * pixels.size[1]
    assert seen[color(INKS["paper"][0])] > 0.3 * area
    for role in ("conv", "pool", "block"):
        paper, ink = (color(text) for text in ROLES[role][0])
        assert seen[paper] > 1000
        assert seen[ink] > 50
    assert seen[0, 0, 0] < 0.001 * area
