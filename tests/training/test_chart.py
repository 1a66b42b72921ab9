"""Line charts: every point has its place, every text is legible, whatever the numbers are."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from texts import SVG

from archc.training.chart import Line, Panel, _ticks, draw_chart

NUMBERS = st.floats(-1e12, 1e12).map(lambda x: 0.0 if abs(x) < 1e-9 else x)
ANY = NUMBERS | st.sampled_from([math.nan, math.inf, -math.inf])
WIDTH, HEIGHT = 500, 410


def drawn(title: str, lines: list[Line], **options: bool) -> ElementTree.Element:
    return ElementTree.fromstring(draw_chart(title, [Panel("", "y", lines, **options)]))


def tags(root: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    return root.iter(f"{SVG}{name}")


@given(st.lists(ANY, min_size=1, max_size=30), st.booleans(), st.booleans())
def test_every_point_is_within_the_panel(values: list[float], percent: bool, from_zero: bool) -> None:
    """Larger values are higher, and a value that isn't finite is a gap."""
    line = Line("line", range(1, len(values) + 1), values, "red")
    root = drawn("", [line], percent=percent, from_zero=from_zero)
    dots = [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in tags(root, "circle")]
    finite = [value for value in values if math.isfinite(value)]
    assert len(dots) == len(finite)
    assert all(0 < x < WIDTH and 0 < y < HEIGHT for x, y in dots)
    assert sorted(x for x, _ in dots) == [x for x, _ in dots]
    heights = [y for _, (_, y) in sorted(zip(finite, dots, strict=True))]
    assert heights == sorted(heights, reverse=True)
    (path,) = (path.attrib["d"] for path in tags(root, "path") if path.attrib.get("fill") == "none")
    starts = sum(math.isfinite(y) and not (i and math.isfinite(values[i - 1])) for i, y in enumerate(values))
    assert path.count("M") == starts


@given(NUMBERS, st.floats(1e-6, 1e12), st.booleans())
def test_ticks_are_round_few_and_different(low: float, span: float, percent: bool) -> None:
    high = low + max(span, abs(low) * 1e-6)
    ticks = _ticks(low, high, percent)
    assert 2 <= len(ticks) <= 8
    assert all(low - 1e-9 * abs(low) <= x <= high + 1e-9 * abs(high) for x, _ in ticks)
    assert len({text for _, text in ticks}) == len(ticks)


def test_ticks() -> None:
    assert [text for _, text in _ticks(0, 1, percent=True)] == ["0%", "20%", "40%", "60%", "80%", "100%"]
    assert [text for _, text in _ticks(0.1, 2.5, percent=False)] == ["0.5", "1.0", "1.5", "2.0", "2.5"]
    assert [text for _, text in _ticks(0, 3, percent=False, whole=True)] == ["0", "1", "2", "3"]
    assert [text for _, text in _ticks(0, 90, percent=False, whole=True)] == ["0", "20", "40", "60", "80"]


@pytest.mark.parametrize("name", ["$a$ & <b>", "\x00\udc80", "a" * 400, "日本語"])
def test_any_name_is_a_text(name: str) -> None:
    root = drawn(name, [Line(name, [1, 2], [1, 2], "red")])
    texts = [text.text or "" for text in tags(root, "text")]
    assert len(texts) > 4
    assert not any(re.search("[\x00\ud800-\udfff]", text) for text in texts)
