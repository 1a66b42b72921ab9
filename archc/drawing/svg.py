"""A sheet as SVG: real text, colours that a page can change, legible in dark and light."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from math import sqrt

from archc.drawing import figure as measures
from archc.drawing.figure import Figure, Line, Placed, Sheet
from archc.drawing.layout import Point
from archc.drawing.model import Box, Group, Terminal, form
from archc.drawing.style import style_sheet
from archc.drawing.text import cut

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml(text: str) -> str:
    """A text for XML's elements and attributes; characters that XML cannot hold are replaced."""
    return escape(_ILLEGAL.sub("\ufffd", text))


def num(value: float) -> str:
    """A coordinate, to a tenth."""
    return (
        f"{value:.1f}".removesuffix(".0").replace("-0", "0") if abs(value) < 0.05 else f"{value:.1f}".removesuffix(".0")
    )


def render(sheet: Sheet, prefix: str = "archc") -> str:
    """The SVG document. Ids begin with `prefix`, so that several can stand in one page."""
    title = " and ".join(figure.picture.title for figure in sheet.figures)
    description = " ".join(figure.picture.description for figure in sheet.figures)
    width, height = num(sheet.width), num(sheet.height)
    scale = Scale(sheet)
    labelled = f'role="img" aria-labelledby="{prefix}-title {prefix}-desc"'
    tip = f'id="{prefix}-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"'
    size = f'width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="archc" viewBox="0 0 {width} {height}" {size} {labelled}>',
        f'<title id="{prefix}-title">{xml(title)}</title>',
        f'<desc id="{prefix}-desc">{xml(description)}</desc>',
        f"<style>{style_sheet()}</style>",
        f'<defs><marker {tip}><path class="tip" d="M0 .8 7.4 4 0 7.2Z"/></marker></defs>',
        f'<rect class="paper" {size}/>',
    ]
    for figure in sheet.figures:
        parts += _figure(figure, scale, prefix)
    parts.append("</svg>\n")
    return "\n".join(parts)


class Scale:
    """How large a shape is drawn: one scale for all boxes of a sheet."""

    def __init__(self, sheet: Sheet) -> None:
        shapes = [placed.item.shape for figure in sheet.figures for placed in figure.boxes]
        self.channels = max(shape[0] for shape in shapes)
        self.side = max((max(shape[1:]) for shape in shapes if len(shape) == 3), default=1)

    def length(self, channels: int) -> float:
        """The length of a solid."""
        return 2.5 + 23.5 * sqrt(channels / self.channels)

    def height(self, side: int) -> float:
        """The height of a solid."""
        return 3.0 + 25.0 * sqrt(side / self.side)


def _figure(figure: Figure, scale: Scale, prefix: str) -> Iterable[str]:
    picture = figure.picture
    yield '<g class="figure">'
    y = figure.y + 18
    yield _text("title", figure.x, y, picture.title)
    for text in (measures.heading_subtitle(picture, figure.width), picture.figures):
        if text:
            y += 18
            yield _text("figures", figure.x, y, text)
    for frame in figure.frames:
        yield from _frame(frame)
    for line in figure.lines:
        yield from _line(line, prefix)
    for placed in figure.boxes:
        yield from _terminal(placed) if isinstance(placed.item, Terminal) else _box(placed, scale)
    yield "</g>"


def _frame(placed: Placed) -> Iterable[str]:
    group = placed.item
    assert isinstance(group, Group)
    yield f'<g class="frame{" aside" if group.aside else ""}"{_data(group)}>{_rect(placed, 10)}'
    yield _text("name", placed.x + measures.FRAME_PAD, placed.y + 19, measures.frame_title(group)) + "</g>"


def _rect(placed: Placed, radius: float, shift: float = 0.0, css: str = "card") -> str:
    x, y, width, height = map(num, (placed.x + shift, placed.y + shift, placed.width, placed.height))
    return f'<rect class="{css}" x="{x}" y="{y}" width="{width}" height="{height}" rx="{num(radius)}"/>'


def _text(css: str, x: float, y: float, text: str) -> str:
    return f'<text class="{css}" x="{num(x)}" y="{num(y)}">{xml(text)}</text>'


def _data(item: Box | Group) -> str:
    """What programs read of a box: the paths that it stands for, and its block."""
    if not item.paths:
        return ""
    data = f' data-path="{xml(item.paths[0])}" data-paths="{xml(" ".join(item.paths))}"'
    return data + (f' data-block="{xml(item.block)}"' if item.block else "")


def _terminal(placed: Placed) -> Iterable[str]:
    terminal = placed.item
    assert isinstance(terminal, Terminal)
    text = f'<tspan class="name">{xml(terminal.name)}</tspan> {form(terminal.shape)}'
    at = f'x="{num(placed.x + placed.width / 2)}" y="{num(placed.y + 17)}"'
    yield f'<g class="terminal">{_rect(placed, placed.height / 2)}<text {at}>{text}</text></g>'


def _box(placed: Placed, scale: Scale) -> Iterable[str]:
    box = placed.item
    assert isinstance(box, Box)
    x, y, width = placed.x, placed.y, placed.width
    left, right = x + measures.GLYPH, x + width - measures.PAD * 0.75
    room = width - measures.GLYPH - measures.PAD / 2
    yield f'<g class="box {box.role}{" aside" if box.aside else ""}"{_data(box)}>'
    yield f"<title>{xml(_spoken(box))}</title>"
    yield "".join(_rect(placed, 7, 3.0 * behind) for behind in reversed(range(min(box.times, 3))))
    yield _glyph(box.shape, x + measures.GLYPH / 2 + 1, y + placed.height / 2, scale)
    yield _text("name", left, y + 19, cut(box.name, room, measures.NAME, bold=True))
    yield _text("what", left, y + 34, cut(box.what, room, measures.WHAT))
    yield _text("shape", left, y + 49, form(box.shape))
    if box.times > 1:
        yield _text("times", right, y + 19, f"×{box.times}")
    if box.tags:
        yield _text("tags", right, y + 49, " · ".join(box.tags))
    yield "</g>"


def _glyph(shape: tuple[int, ...], x: float, y: float, scale: Scale) -> str:
    """The output as a solid: as long as it has channels, as high and deep as the map; a bar for a vector."""
    length = scale.length(shape[0])
    if len(shape) == 1:
        return f'<path class="front" d="M{num(x - length / 2)} {num(y - 2)}h{num(length)}v4h{num(-length)}Z"/>'
    height, depth = scale.height(shape[1]), 0.36 * scale.height(shape[2])
    left, top = x - (length + depth) / 2, y - (height - depth) / 2
    front = f"M{num(left)} {num(top)}h{num(length)}v{num(height)}h{num(-length)}Z"
    roof = f"M{num(left)} {num(top)}l{num(depth)} {num(-depth)}h{num(length)}l{num(-depth)} {num(depth)}Z"
    side = f"M{num(left + length)} {num(top)}l{num(depth)} {num(-depth)}v{num(height)}l{num(-depth)} {num(depth)}Z"
    return f'<path class="front" d="{front}"/><path class="roof" d="{roof}"/><path class="side" d="{side}"/>'


def _spoken(box: Box) -> str:
    """A box in words."""
    times = f", {box.times} times" if box.times > 1 else ""
    tags = f", {', '.join(box.tags)}" if box.tags else ""
    aside = ", in training only" if box.aside else ""
    return f"{box.name}: {box.what}{tags}{times}{aside}; {form(box.x)} to {form(box.shape)}"


def _line(line: Line, prefix: str) -> Iterable[str]:
    aside = getattr(line.target, "aside", False)
    tip = "" if line.target is None else f' marker-end="url(#{prefix}-arrow)"'
    text = _text("label", *line.at, line.label) if line.label else ""
    yield f'<g class="edge{" aside" if aside else ""}"><path d="{_path(line.points)}"{tip}/>{text}</g>'


def _path(points: list[Point], radius: float = 7.0) -> str:
    """A line with round corners."""
    (x, y), *rest = points
    path = [f"M{num(x)} {num(y)}"]
    for place, (cx, cy) in enumerate(rest):
        if place == len(rest) - 1:
            path.append(f"L{num(cx)} {num(cy)}")
            break
        nx, ny = rest[place + 1]
        first, second = abs(cx - x) + abs(cy - y), abs(nx - cx) + abs(ny - cy)
        r = min(radius, first / 2, second / 2)
        ax, ay = cx - r * _sign(cx - x), cy - r * _sign(cy - y)
        bx, by = cx + r * _sign(nx - cx), cy + r * _sign(ny - cy)
        path.append(f"L{num(ax)} {num(ay)}Q{num(cx)} {num(cy)} {num(bx)} {num(by)}")
        x, y = cx, cy
    return "".join(path)


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
