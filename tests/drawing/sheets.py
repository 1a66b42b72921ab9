"""What the tests of drawings share: pictures of every level, and the rectangles and texts of an SVG."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from rectangle import Rectangle

from archc.drawing.sheet import Sheet
from archc.drawing.text import text_width

SVG = "{http://www.w3.org/2000/svg}"

LEVELS: list[dict[str, Any]] = [{}, {"depth": 0}, {"depth": 2}, {"depth": 3}, {"everything": True}]
"""How much is opened, from little to all."""

NETWORKS = Path(__file__).parents[1] / "networks"

DRAWN: dict[str, tuple[str, dict[str, Any]]] = {
    "alexnet": ("alexnet", {}),
    "vgg16": ("vgg16", {}),
    "googlenet": ("googlenet", {}),
    "inception_v3": ("inception_v3", {}),
    "resnet50": ("resnet50", {}),
    "the Inception block": ("googlenet", {"block": "Inception"}),
    "the InceptionE block": ("inception_v3", {"block": "InceptionE"}),
    "googlenet, opened": ("googlenet", {"depth": 2}),
    "resnet50, opened": ("resnet50", {"depth": 2}),
    "several outputs": (str(NETWORKS / "multi_output.yaml"), {}),
    "heads on heads": (str(NETWORKS / "heads_without_modules.yaml"), {}),
    "skips over skips": (str(NETWORKS / "indexed.yaml"), {"everything": True}),
    "mobilenet_v2, opened": (str(NETWORKS / "mobilenet_v2.yaml"), {"depth": 2}),
    "a DenseNet's block": (str(NETWORKS / "densenet.yaml"), {"block": "DenseBlock", "depth": 2}),
}
"""Drawings that are looked at closely: the spec and the options."""

_SIZES = {"title": 20.0, "name": 12.0, "what": 12.0, "figures": 12.0, "times": 12.0}
_BOLD = {"title", "name", "times"}


def groups(svg: str, css: str) -> Iterator[ElementTree.Element]:
    """The `<g>` of a class."""
    for group in ElementTree.fromstring(svg).iter(f"{SVG}g"):
        if css in group.get("class", "").split():
            yield group


def cards(group: ElementTree.Element) -> list[Rectangle]:
    """The rectangles of a box: the card in front comes last."""
    found = []
    for rect in group.iter(f"{SVG}rect"):
        x, y, width, height = (float(rect.get(key, "")) for key in ("x", "y", "width", "height"))
        found.append(Rectangle(x, y, x + width, y + height))
    return found


def outline(group: ElementTree.Element) -> Rectangle:
    """All cards of a box together."""
    found = cards(group)
    return Rectangle(
        min(card.left for card in found),
        min(card.top for card in found),
        max(card.right for card in found),
        max(card.bottom for card in found),
    )


def texts(group: ElementTree.Element) -> list[tuple[str, Rectangle]]:
    """The texts of a box and the room that they take at the most."""
    found = []
    for element in group.iter(f"{SVG}text"):
        css = element.get("class", "")
        text = "".join(element.itertext())
        size = _SIZES.get(css, 10.5)
        width = text_width(text, size, bold=css in _BOLD)
        x, y = float(element.get("x", "")), float(element.get("y", ""))
        left = x - width if css in ("times", "tags") else x
        found.append((text, Rectangle(left, y - 0.8 * size, left + width, y + 0.2 * size)))
    return found


def labels(sheet: Sheet) -> list[Rectangle]:
    """The room that the labels of edges take at the most."""
    lines = [line for figure in sheet.figures for line in figure.lines if line.label]
    return [
        Rectangle(x, y - 0.8 * 10.5, x + text_width(line.label, 10.5), y + 0.2 * 10.5)
        for line in lines
        for x, y in [line.at]
    ]


def strokes(sheet: Sheet) -> list[Rectangle]:
    """The straight parts of all edges."""
    ends = [pair for figure in sheet.figures for line in figure.lines for pair in pairwise(line.points)]
    return [
        Rectangle(min(x, to_x) - 0.7, min(y, to_y) - 0.7, max(x, to_x) + 0.7, max(y, to_y) + 0.7)
        for (x, y), (to_x, to_y) in ends
    ]
