"""Plots as inline SVG, in the colours of the page: accuracy over multiply-adds, and the curves of a training."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import log10, sqrt

WIDTH, HEIGHT, LEFT, FLOOR, TOP = 760, 400, 52, 356, 14
LOW, HIGH = 0.03, 500.0
"""Billions of multiply-adds at the two ends of the logarithmic axis."""

Point = tuple[str, str, float, float, int]
"""Name, page, billions of multiply-adds, accuracy in percent, parameters."""


def accuracy_plot(points: Sequence[Point]) -> str:
    """A disc a network, its area the parameters; each is a link to the network's page beside this one.

    Where a page has several networks, only the one that it is named after is labeled.
    """
    accuracies = [point[3] for point in points]
    least, most = min(accuracies) - 3, max(accuracies) + 3

    def x(gmacs: float) -> float:
        return LEFT + (WIDTH - LEFT - 16) * log10(gmacs / LOW) / log10(HIGH / LOW)

    def y(accuracy: float) -> float:
        return FLOOR - (FLOOR - TOP) * (accuracy - least) / (most - least)

    parts = []
    for tick in range(int(least // 5 + 1) * 5, int(most) + 1, 5):
        parts += [_line(f"M{LEFT} {y(tick):.1f}H{WIDTH - 16}"), _text(LEFT - 8, y(tick) + 4, f"{tick} %", "end")]
    for power in range(-5, 9):
        left = x(2.0**power)
        parts += [_line(f"M{left:.1f} {TOP}V{FLOOR}"), _text(left, FLOOR + 18, f"{2.0**power:g} G", "middle")]
    parts.append(_text(WIDTH - 16, FLOOR + 38, "multiply-adds of one image", "end"))
    parts.append(_text(LEFT + 6, TOP + 12, "top-1 accuracy", "start"))
    discs, pages = [], {point[1] for point in points}
    for name, page, gmacs, accuracy, parameters in sorted(points, key=lambda point: -point[4]):
        disc = (name, x(gmacs), y(accuracy), 2.6 * sqrt(parameters / 1e6))
        title = escape(f"{name}: {accuracy:.1f} %, {gmacs:.2f} G multiply-adds, {parameters / 1e6:.1f} M parameters")
        circle = '<circle cx="{:.1f}" cy="{:.1f}" r="{:.1f}"/>'.format(*disc[1:])
        parts.append(f'<a href="{escape(page)}.html"><title>{title}</title>{circle}</a>')
        discs.append(disc)
    parts += [_text(left, foot, name, "middle", "name") for name, left, foot in _labels(discs) if name in pages]
    says = "Top-1 accuracy on ImageNet over multiply-adds; the area of a disc is the number of parameters"
    return _svg("plot", WIDTH, HEIGHT, says, parts)


def _labels(discs: Sequence[tuple[str, float, float, float]]) -> list[tuple[str, float, float]]:
    """The middle of the foot of each name: beside its disc, above or below it, where it covers the least."""
    placed: list[tuple[str, float, float]] = []

    def width(name: str) -> float:
        return 6.3 * len(name)

    def covered(name: str, middle: float, foot: float) -> float:
        begin, end = middle - width(name) / 2, middle + width(name) / 2
        names = sum(abs(foot - f) < 13 and abs(middle - m) < (width(name) + width(n)) / 2 + 4 for n, m, f in placed)
        others = sum(begin - r < cx < end + r and abs(foot - 4 - cy) < r + 5 for _, cx, cy, r in discs)
        outside = begin < LEFT or end > WIDTH - 4 or foot < TOP + 10
        return 100 * names + 10 * outside + others

    for name, cx, cy, r in discs:
        aside = r + 5 + width(name) / 2
        places = [(cx + aside, cy + 4), (cx, cy - r - 6), (cx, cy + r + 14), (cx - aside, cy + 4), (cx, cy + 4)]
        middle, foot = min(places, key=lambda place: covered(name, *place))
        placed.append((name, middle, foot))
    return placed


def curves(epochs: Sequence[tuple[float, float]]) -> str:
    """The accuracies in training and validation, from 0 to 1, of each epoch of a run."""
    width, height, left, right, floor, top = 300, 92, 36, 66, 74, 8

    def x(epoch: int) -> float:
        return left + (width - left - right) * epoch / (len(epochs) - 1)

    def y(accuracy: float) -> float:
        return floor - (floor - top) * accuracy

    parts = [_text(x(epoch), floor + 15, str(epoch + 1), "middle") for epoch in range(len(epochs))]
    for tick in (0, 0.5, 1):
        parts += [_line(f"M{left} {y(tick):.1f}H{width - right}"), _text(left - 6, y(tick) + 4, f"{tick:.0%}", "end")]
    for which, name in enumerate(("training", "validation")):
        line = "L".join(f"{x(epoch):.1f} {y(found[which]):.1f}" for epoch, found in enumerate(epochs))
        parts += [_line(f"M{line}", name), _text(width - right + 8, y(1) + 4 + 14 * which, name, "start", name)]
    return _svg("plot curves", width, height, "Accuracy in training and validation, by epoch", parts)


def _line(path: str, kind: str = "grid") -> str:
    return f'<path class="{kind}" d="{path}"/>'


def _text(x: float, y: float, words: str, anchor: str, kind: str = "tick") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _svg(kind: str, width: int, height: int, says: str, parts: Sequence[str]) -> str:
    head = f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(says)}"'
    return f'{head} xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>\n'
