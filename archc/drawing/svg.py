"""A sheet as SVG: real text, colors that a page can change, legible in dark and light."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from math import sqrt

from archc.drawing import measure
from archc.drawing.layout import Point
from archc.drawing.markup import num, xml
from archc.drawing.model import Box, Group, Size, Terminal
from archc.drawing.sheet import Figure, Line, Placed, Sheet, boxes_of
from archc.drawing.style import Theme, style_sheet
from archc.drawing.text import cut, text_width
from archc.drawing.volumes import LINE, Volumes, words_of
from archc.text import form


def render(sheet: Sheet, prefix: str = "archc", *, theme: Theme | None = None, styled: bool = True) -> str:
    """The SVG document. Ids start with `prefix`, so that a page can contain several.

    Without a `theme` it follows the reader's preference. If it isn't `styled`, the page must have the rules of
    `style_sheet`.
    """
    width, height = num(sheet.width), num(sheet.height)
    scale = Scale(sheet)
    labelled = f'role="img" aria-labelledby="{prefix}-title {prefix}-desc"'
    tip = f'id="{prefix}-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"'
    size = f'width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="archc" viewBox="0 0 {width} {height}" {size} {labelled}>',
        f'<title id="{prefix}-title">{xml(sheet.title)}</title>',
        f'<desc id="{prefix}-desc">{xml(sheet.description)}</desc>',
        *([f"<style>{style_sheet(theme)}</style>"] if styled else []),
        f'<defs><marker {tip}><path class="tip" d="M0 .8 7.4 4 0 7.2Z"/></marker></defs>',
        f'<rect class="paper" {size}/>',
    ]
    for figure in sheet.figures:
        parts += _figure(figure, scale, prefix, sheet.volumes)
    parts += _legend(sheet)
    parts.append("</svg>\n")
    return "\n".join(parts)


class Scale:
    """The scale of solids: one for all boxes of a sheet, with separate factors for feature maps and vectors."""

    def __init__(self, sheet: Sheet) -> None:
        shapes = [placed.item.shape for placed in boxes_of(sheet)]
        maps = [shape for shape in shapes if len(shape) > 1]
        self.channels = max((shape[0] for shape in maps), default=1)
        self.side = max((max(shape[1:]) for shape in maps), default=1)
        self.features = max((shape[0] for shape in shapes if len(shape) == 1), default=1)

    def solid(self, shape: Size) -> tuple[float, float, float]:
        """Length, height and depth of a feature map's solid."""
        height, depth = (3 + 25 * sqrt(side / self.side) for side in (1, *shape[1:])[-2:])  # of a volume, one slice
        return (2.5 + 23.5 * sqrt(shape[0] / self.channels), height, 0.36 * depth)

    def bar(self, features: int) -> float:
        """Length of a vector's bar."""
        return 4 + 28 * sqrt(features / self.features)


def _figure(figure: Figure, scale: Scale, prefix: str, volumes: Volumes | None) -> Iterable[str]:
    picture = figure.picture
    yield '<g class="figure">'
    y = figure.y + 18
    if picture.title:
        yield _text("title", figure.x, y, cut(picture.title, figure.width, measure.TITLE, bold=True))
    for text in (cut(picture.subtitle, figure.width, measure.WHAT), cut(picture.figures, figure.width, measure.WHAT)):
        if text:
            y += 18
            yield _text("figures", figure.x, y, text)
    for frame in figure.frames:
        yield from _frame(frame)
    for line in figure.lines:
        yield from _line(line, prefix)
    for placed in figure.boxes:
        if isinstance(placed.item, Terminal):
            yield from _terminal(placed)
        else:
            yield from _volume(placed, volumes) if volumes else _box(placed, scale)
    yield "</g>"


def _legend(sheet: Sheet) -> Iterable[str]:
    yield '<g class="legend">'
    for role, words, (x, y) in sheet.legend:
        if role == "solid":
            yield f'<g class="reshape">{_prism(8, 8, 4, x + 6, y - 4)}</g>'
        else:
            swatch = f'<rect class="card" x="{num(x)}" y="{num(y - 9)}" width="11" height="11" rx="3"/>'
            yield f'<g class="{role}">{swatch}</g>'
        yield _text("shape", x + 17, y, words)
    yield "</g>"


def _frame(placed: Placed) -> Iterable[str]:
    group = placed.item
    assert isinstance(group, Group)
    yield f'<g class="frame{" aside" if group.aside else ""}"{_data(group)}>{_rect(placed, 10)}'
    yield _text("name", placed.x + measure.FRAME_PAD, placed.y + 19, measure.frame_title(group)) + "</g>"


def _rect(placed: Placed, radius: float, shift: float = 0.0, css: str = "card") -> str:
    x, y, width, height = map(num, (placed.x + shift, placed.y + shift, placed.width, placed.height))
    return f'<rect class="{css}" x="{x}" y="{y}" width="{width}" height="{height}" rx="{num(radius)}"/>'


def _text(css: str, x: float, y: float, text: str) -> str:
    return f'<text class="{css}" x="{num(x)}" y="{num(y)}">{xml(text)}</text>'


def _data(item: Box | Group) -> str:
    """Attributes of a box for programs: its paths and its block."""
    if not item.paths:
        return ""
    data = f' data-path="{xml(item.paths[0])}" data-paths="{xml(" ".join(item.paths))}"'
    return data + (f' data-block="{xml(item.block)}"' if item.block else "")


def _terminal(placed: Placed) -> Iterable[str]:
    terminal = placed.item
    assert isinstance(terminal, Terminal)
    name, shape = measure.terminal_name(terminal), form(terminal.shape)
    widths = text_width(name, measure.SMALL, bold=True) - text_width(shape, measure.SMALL)
    middle, y = placed.x + (placed.width + widths) / 2, placed.y + 17  # two texts: CairoSVG centers no parts of one
    texts = _text("name", middle - 2, y, name) + _text("shape", middle + 2, y, shape)
    yield f'<g class="terminal">{_rect(placed, placed.height / 2)}{texts}</g>'


def _box(placed: Placed, scale: Scale) -> Iterable[str]:
    box = placed.item
    assert isinstance(box, Box)
    x, y, width = placed.x, placed.y, placed.width
    left, right = x + measure.SOLID, x + width - measure.PAD * 0.75
    room = width - measure.SOLID - measure.PAD / 2
    tags = text_width(measure.tag_text(box), measure.SMALL) + measure.PAD if box.tags else 0.0
    yield f'<g class="box {box.role}{" aside" if box.aside else ""}"{_data(box)}>'
    yield f"<title>{xml(_spoken(box))}</title>"
    yield "".join(
        _rect(placed, 7, measure.CARD_SHIFT * behind) for behind in reversed(range(min(box.times, measure.MOST_CARDS)))
    )
    yield _solid(box.shape, x + measure.SOLID / 2, y + placed.height / 2, scale)
    yield _text("name", left, y + 19, cut(box.name, room, measure.NAME, bold=True))
    yield _text("what", left, y + 34, cut(box.what, room, measure.WHAT))
    yield _text("shape", left, y + 49, cut(box.shapes, room - tags, measure.SMALL))
    if box.times > 1:
        yield _text("times", right, y + 19, f"×{box.times}")
    if box.tags:
        yield _text("tags", right, y + 49, measure.tag_text(box))
    yield "</g>"


def _volume(placed: Placed, volumes: Volumes) -> Iterable[str]:
    box = placed.item
    assert isinstance(box, Box)
    solid = volumes.solid(box.shape)
    middle = placed.x + placed.width / 2
    yield f'<g class="volume {box.role}{" aside" if box.aside else ""}"{_data(box)}>'
    yield f"<title>{xml(_spoken(box))}</title>"
    yield _prism(*solid, middle, placed.y + solid.top / 2)
    y = placed.y + solid.top + 1
    for text, small in words_of(box):
        y += LINE
        size = measure.SMALL if small else measure.WHAT
        yield _text("shape" if small else "what", middle, y, cut(text, placed.width, size))
    yield "</g>"


def _solid(shape: Size, x: float, y: float, scale: Scale) -> str:
    """The output around (x, y).

    A feature map's length shows its channels, its height and depth the spatial size; a vector is a bar.
    """
    if len(shape) == 1:
        length = scale.bar(shape[0])
        return f'<path class="front" d="M{num(x - length / 2)} {num(y - 2)}h{num(length)}v4h{num(-length)}Z"/>'
    return _prism(*scale.solid(shape), x, y)


def _prism(length: float, height: float, depth: float, x: float, y: float) -> str:
    left, top = x - (length + depth) / 2, y - (height - depth) / 2
    front = f"M{num(left)} {num(top)}h{num(length)}v{num(height)}h{num(-length)}Z"
    roof = f"M{num(left)} {num(top)}l{num(depth)} {num(-depth)}h{num(length)}l{num(-depth)} {num(depth)}Z"
    side = f"M{num(left + length)} {num(top)}l{num(depth)} {num(-depth)}v{num(height)}l{num(-depth)} {num(depth)}Z"
    return f'<path class="front" d="{front}"/><path class="roof" d="{roof}"/><path class="side" d="{side}"/>'


def _spoken(box: Box) -> str:
    """The label of a box for screen readers."""
    times = f", {box.times} times" if box.times > 1 else ""
    tags = f", {', '.join(box.tags)}" if box.tags else ""
    aside = ", in training only" if box.aside else ""
    return f"{box.name}: {box.what}{tags}{times}{aside}; {form(box.x)} to {box.shapes}"


def _line(line: Line, prefix: str) -> Iterable[str]:
    aside = getattr(line.target, "aside", False)
    tip = "" if line.target is None else f' marker-end="url(#{prefix}-arrow)"'
    text = _text("label", *line.at, line.label) if line.label else ""
    origin = getattr(line.source, "paths", ())[-1:]
    data = f' data-from="{xml(origin[0])}"' if origin else ""
    yield f'<g class="edge{" aside" if aside else ""}"{data}><path d="{_path(line.points)}"{tip}/>{text}</g>'


def _path(points: list[Point], radius: float = 7.0) -> str:
    """A line with rounded corners."""
    (x, y), *rest = points
    path = [f"M{num(x)} {num(y)}"]
    for (cx, cy), (nx, ny) in pairwise(rest):
        first, second = abs(cx - x) + abs(cy - y), abs(nx - cx) + abs(ny - cy)
        r = min(radius, first / 2, second / 2)
        ax, ay = cx - r * _sign(cx - x), cy - r * _sign(cy - y)
        bx, by = cx + r * _sign(nx - cx), cy + r * _sign(ny - cy)
        path.append(f"L{num(ax)} {num(ay)}Q{num(cx)} {num(cy)} {num(bx)} {num(by)}")
        x, y = cx, cy
    return "".join([*path, *(f"L{num(x)} {num(y)}" for x, y in rest[-1:])])


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
