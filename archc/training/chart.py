"""Line charts as SVG, which take milliseconds and need no other package."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from archc.drawing.markup import num, xml
from archc.drawing.style import FONT, INKS
from archc.drawing.text import cut, text_width

COLORS: Final = (
    "#4269d0", "#e8730c", "#3ca951", "#a463f2", "#ff725c", "#6cc5b0", "#ff8ab7", "#9c6b4e", "#97bbf5", "#9498a0",
)  # fmt: skip
"""The colors of lines, in order."""

_WIDTH, _HEIGHT = 500.0, 380.0
"""The size of a panel, with the room for its labels."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 16.0, 34.0, 46.0
_HEAD = 30.0
"""The height of the title above the panels."""
_SMALL, _LARGE = 12.0, 15.0
_DOTTED = 40
"""Up to this many points, each has a dot."""


@dataclass(frozen=True, slots=True)
class Line:
    """Points of a line, from left to right. A point that isn't finite interrupts it."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    color: str
    faint: bool = False
    """In the background: thin and without dots."""
    marked: int | None = None
    """The number of the only point with a dot, if there is one."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines over the same x axis, which starts at 0."""

    title: str
    label: str
    lines: Sequence[Line]
    percent: bool = False
    """Label 0.5 as 50 %."""
    from_zero: bool = False
    """Start the y axis at 0."""


def draw_chart(title: str, panels: Sequence[Panel]) -> str:
    """The SVG document with panels side by side; its x axis is the epoch."""
    width, height = num(_WIDTH * len(panels)), num(_HEAD + _HEIGHT)
    colors, dark = ({name: pair[theme] for name, pair in INKS.items()} for theme in (0, 1))
    style = f"text{{font-family:{FONT}}}{_rules(colors)}@media (prefers-color-scheme:dark){{{_rules(dark)}}}"
    head = cut(title, _WIDTH * len(panels) - 20, _LARGE)
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{xml(title)}">',
        f"<style>{style}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
        _text(_WIDTH * len(panels) / 2, 22, head, "middle", _LARGE),
    ]
    for number, panel in enumerate(panels):
        parts += [f'<g transform="translate({num(number * _WIDTH)} {num(_HEAD)})">', *_panel(panel), "</g>"]
    return "\n".join([*parts, "</svg>\n"])


def _rules(colors: dict[str, str]) -> str:
    return (
        f".paper{{fill:{colors['paper']}}}.grid{{stroke:{colors['border']}}}"
        f".ink{{fill:{colors['ink']}}}.muted{{fill:{colors['muted']}}}"
    )


def _panel(panel: Panel) -> list[str]:
    values = [y for line in panel.lines for y in line.ys if math.isfinite(y)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    low = min(low, 0.0) if panel.from_zero else low
    room = 0.04 * (high - low) or abs(high) / 10 or 1.0
    low, high = low if panel.from_zero and low == 0 else low - room, high + room
    last = max((x for line in panel.lines for x in line.xs), default=1.0)

    def place(x: float, y: float) -> tuple[float, float]:
        across = _LEFT + (_WIDTH - _LEFT - _RIGHT) * x / last
        return across, _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * (y - low) / (high - low)

    parts = [_text((_LEFT + _WIDTH - _RIGHT) / 2, 18, cut(panel.title, _WIDTH - 20, _SMALL), "middle", _SMALL)]
    for tick, text in _ticks(low, high, panel.percent):
        _, at = place(0, tick)
        parts.append(f'<path class="grid" d="M{num(_LEFT)} {num(at)}H{num(_WIDTH - _RIGHT)}"/>')
        parts.append(_text(_LEFT - 8, at + 4, text, "end", _SMALL, "muted"))
    for tick, text in _ticks(0, last, False, whole=True):
        at, _ = place(tick, low)
        parts.append(_text(at, _HEIGHT - _BOTTOM + 18, text, "middle", _SMALL, "muted"))
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, "epoch", "middle", _SMALL))
    middle = num((_TOP + _HEIGHT - _BOTTOM) / 2)
    label = cut(panel.label, _HEIGHT - _TOP - _BOTTOM, _SMALL)
    parts.append(f'<g transform="translate(14 {middle}) rotate(-90)">{_text(0, 0, label, "middle", _SMALL)}</g>')
    for line in panel.lines:
        points = [place(x, y) if math.isfinite(y) else None for x, y in zip(line.xs, line.ys, strict=True)]
        parts += _line(line, points)
    return parts + _names(panel.lines)


def _line(line: Line, points: list[tuple[float, float] | None]) -> list[str]:
    steps, pen = [], "M"
    for point in points:
        steps += [] if point is None else [f"{pen}{num(point[0])} {num(point[1])}"]
        pen = "M" if point is None else "L"
    width, paleness = (0.8, ' stroke-opacity=".3"') if line.faint else (1.8, "")
    parts = [f'<path fill="none" stroke="{line.color}" stroke-width="{width}"{paleness} d="{"".join(steps)}"/>']
    dots = range(len(points)) if line.marked is None else [line.marked]
    if not line.faint and len(dots) <= _DOTTED:
        found = [point for point in (points[number] for number in dots) if point is not None]
        parts += [f'<circle cx="{num(x)}" cy="{num(y)}" r="3" fill="{line.color}"/>' for x, y in found]
    return parts


def _names(lines: Sequence[Line]) -> list[str]:
    """The legend, where the lines have the most room: at the top right if they fall, else at the bottom right."""
    named = [line for line in lines if line.name]
    finite = [[y for y in line.ys if math.isfinite(y)] for line in named]
    falling = sum(ys[-1] <= ys[0] for ys in finite if ys) * 2 >= len(named)
    names = [cut(line.name, _WIDTH / 2, _SMALL) for line in named]
    left = _WIDTH - _RIGHT - 8 - max((text_width(name, _SMALL) for name in names), default=0)
    start = _TOP + 14 if falling else _HEIGHT - _BOTTOM - 8 - 17 * (len(named) - 1)
    parts = []
    for number, (line, name) in enumerate(zip(named, names, strict=True)):
        at = start + 17 * number
        parts.append(f'<path stroke="{line.color}" stroke-width="2" d="M{num(left - 24)} {num(at - 4)}h18"/>')
        parts.append(_text(left, at, name, "start", _SMALL))
    return parts


def _text(x: float, y: float, words: str, anchor: str, size: float, kind: str = "ink") -> str:
    place = f'x="{num(x)}" y="{num(y)}" font-size="{num(size)}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{xml(words)}</text>'


def _ticks(low: float, high: float, percent: bool, whole: bool = False) -> list[tuple[float, str]]:
    """Up to eight round numbers from `low` to `high`, with their text."""
    rough = max((high - low) / 6, 1.0 if whole else 0.0)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    digits = max(0, -math.floor(math.log10(step * (100 if percent else 1)) + 1e-9))
    numbers = [step * number for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
    return [(x, f"{x:.{digits}%}" if percent else f"{x + 0.0:.{digits}f}") for x in numbers]
