"""A sheet as TikZ, for papers: a `.tex` file that pdflatex compiles, and whose picture can be copied into another.

The SVG is translated shape by shape, so both look the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final
from xml.etree import ElementTree

from archc.drawing.layout import Point, straightened
from archc.drawing.sheet import Sheet
from archc.drawing.style import INKS, ROLES, Theme
from archc.drawing.svg import render

_SVG: Final = "{http://www.w3.org/2000/svg}"
_STEP: Final = re.compile(r"([MLQhvlZ])([^MLQhvlZ]*)")
_SIZES: Final = {"title": 20.0, "shape": 10.5, "tags": 10.5, "label": 10.5, "terminal": 10.5}
"""Font sizes of the texts that don't have 12 pixels."""
_SPECIAL: Final = {
    **{char: f"\\{char}" for char in "#$%&_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "→": r"$\rightarrow$",
    "–": "--",
    "…": r"\ldots{}",
}
_MOST_SIDE: Final = 14_000.0
"""In big points, because TeX supports no lengths above 16,383."""


def render_tikz(sheet: Sheet, theme: Theme = "light") -> str:
    """The document, whose page is as large as the picture. It needs only the packages TikZ and geometry.

    Its colors have names, so that you can change them.
    """
    root = ElementTree.fromstring(render(sheet, theme=theme, styled=False))
    mode = int(theme == "dark")
    colors = {name: modes[mode] for name, modes in INKS.items()}
    for role, modes in ROLES.items():
        colors[f"{role}-fill"], colors[role] = modes[mode]
    unit = min(0.75, _MOST_SIDE / max(sheet.width, sheet.height))
    width, height = unit * sheet.width + 1, unit * sheet.height + 1
    lines = [
        r"\documentclass{article}",
        rf"\usepackage[paperwidth={_number(width)}bp, paperheight={_number(height)}bp, margin=0bp]{{geometry}}",
        r"\usepackage{tikz}",
        r"\pagestyle{empty}",
        r"\setlength{\parindent}{0pt}",
        r"\setlength{\topskip}{0pt}",
        *(rf"\definecolor{{archc-{name}}}{{HTML}}{{{color[1:].upper()}}}" for name, color in colors.items()),
        r"\begin{document}",
        r"\sffamily",
        rf"\begin{{tikzpicture}}[x={_number(unit)}bp, y=-{_number(unit)}bp, line width=0.75bp,",
        r"    words/.style={inner sep=0pt, outer sep=0pt, text=archc-ink}]",
        *_Translation(unit).shapes(root, ()),
        r"\end{tikzpicture}",
        r"\end{document}",
    ]
    return "\n".join(lines) + "\n"


class _Translation:
    """Translates SVG elements to TikZ commands; a pixel has `unit` big points."""

    def __init__(self, unit: float) -> None:
        self.unit = unit

    def shapes(self, element: ElementTree.Element, classes: tuple[str, ...]) -> Iterator[str]:
        """The commands for the content of an element; `classes` are the classes of the enclosing elements."""
        for child in element:
            own = (*classes, *child.get("class", "").split())
            match child.tag.removeprefix(_SVG):
                case "g":
                    yield from self.shapes(child, own)
                case "rect":
                    yield self.rectangle(child, own)
                case "path":
                    yield self.path(child, own)
                case "text":
                    yield self.text(child, own)

    def rectangle(self, rect: ElementTree.Element, classes: tuple[str, ...]) -> str:
        """A card, a frame or the background."""
        x, y, width, height, radius = (float(rect.get(key, "0")) for key in ("x", "y", "width", "height", "rx"))
        corners = f"{_point((x, y))} rectangle {_point((x + width, y + height))};"
        if "paper" in classes:
            return rf"\fill[archc-paper] {corners}"
        role = _role(classes)
        fill, draw = (f"{role}-fill", role) if role else ("frame", "border")
        dashed = ", dash pattern=on 3bp off 2.25bp" if "aside" in classes else ""
        rounded = f"rounded corners={_number(radius * self.unit)}bp"
        return rf"\filldraw[fill=archc-{fill}, draw=archc-{draw}, {rounded}{dashed}] {corners}"

    def path(self, path: ElementTree.Element, classes: tuple[str, ...]) -> str:
        """A line with its arrowhead, or a side of a solid."""
        points = _points(path.get("d", ""))
        if "edge" in classes:
            options = ["archc-line", f"rounded corners={_number(7 * self.unit)}bp"]
            options += ["-latex"] if path.get("marker-end") else []
            options += ["dash pattern=on 3bp off 2.25bp"] if "aside" in classes else []
            return rf"\draw[{', '.join(options)}] {' -- '.join(map(_point, straightened(points)))};"
        paler = {"roof": "!55!archc-paper", "side": "!75!archc-paper"}.get(classes[-1], "")
        return rf"\fill[archc-{_role(classes) or 'line'}{paler}] {' -- '.join(map(_point, points))} -- cycle;"

    def text(self, text: ElementTree.Element, classes: tuple[str, ...]) -> str:
        """A line of text, at its baseline."""
        css = text.get("class", "")
        anchor = "base east" if css in ("times", "tags") else "base west"
        if "volume" in classes:
            anchor = "base"
        elif "terminal" in classes and css == "name":
            anchor = "base east"
        size = next((_SIZES[one] for one in reversed(classes) if one in _SIZES), 12.0) * self.unit
        muted = css in ("figures", "shape", "tags", "label") or "terminal" in classes
        color = "archc-muted" if muted else f"archc-{_role(classes)}" if css == "times" else "archc-ink"
        words = escape(text.text or "")
        if css in ("title", "name", "times"):
            words = rf"\textbf{{{words}}}"
        font = rf"\fontsize{{{_number(size)}}}{{{_number(1.2 * size)}}}\selectfont"
        at = _point((float(text.get("x", "0")), float(text.get("y", "0"))))
        return rf"\node[words, anchor={anchor}, text={color}, font={font}] at {at} {{{words}}};"


def escape(text: str) -> str:
    """Escape a text for TeX; characters that its fonts lack are printed without accents, or as `?`."""
    return "".join(_SPECIAL.get(char) or _letter(char) for char in text)


def _letter(char: str) -> str:
    if char.isspace():
        return " "
    plain = unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode()
    return "".join(_SPECIAL.get(one, one) for one in plain if one.isprintable()) or "?"


def _role(classes: tuple[str, ...]) -> str:
    return next((one for one in reversed(classes) if one in ROLES), "")


def _points(data: str) -> list[Point]:
    """The corners of a path, before rounding."""
    points: list[Point] = []
    for command, written in _STEP.findall(data):
        numbers = [float(number) for number in written.split()]
        x, y = points[-1] if points else (0.0, 0.0)
        match command:
            case "M":
                points.append((numbers[0], numbers[1]))
            case "Q":
                points[-1] = (numbers[0], numbers[1])
            case "L":
                points.append((numbers[0], numbers[1]))
            case "h":
                points.append((x + numbers[0], y))
            case "v":
                points.append((x, y + numbers[0]))
            case "l":
                points.append((x + numbers[0], y + numbers[1]))
    return points


def _point(point: Iterable[float]) -> str:
    return f"({', '.join(map(_number, point))})"


def _number(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
