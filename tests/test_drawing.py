"""Drawings: every layer in one box, every edge from the graph, nothing overlaps, hostile names do no harm."""

from __future__ import annotations

from itertools import combinations
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archc
from archc.drawing import draw_svg
from archc.graph import walk
from archc.testing import Draft, specs

SVG = "{http://www.w3.org/2000/svg}"
LEVELS = [{}, {"depth": 0}, {"depth": 2}, {"depth": 3}, {"everything": True}]


def boxes(svg: str) -> list[ElementTree.Element]:
    return [group for group in ElementTree.fromstring(svg).iter(f"{SVG}g") if "box" in group.get("class", "").split()]


def assert_each_layer_has_one_box(architecture: archc.Architecture, svg: str) -> None:
    owner: dict[str, int] = {}
    for number, box in enumerate(boxes(svg)):
        for path in box.get("data-paths", "").split(" "):
            assert owner.setdefault(path, number) == number
    for layer in walk(architecture.network.graph):
        steps = layer.path.split(".")
        assert sum(".".join(steps[:length]) in owner for length in range(1, len(steps) + 1)) == 1, layer.path


@given(draft=specs(40), level=st.sampled_from(LEVELS))
def test_each_layer_is_in_exactly_one_box(draft: Draft, level: dict[str, int]) -> None:
    architecture = draft.load()
    assert_each_layer_has_one_box(architecture, draw_svg(architecture, **level))


@pytest.mark.parametrize("name", ["alexnet", "vgg16", "googlenet", "inception_v3", "resnet50"])
def test_no_two_boxes_overlap(name: str) -> None:
    frames = []
    for box in boxes(draw_svg(archc.load(name))):
        card = [rect for rect in box.iter(f"{SVG}rect") if rect.get("class") == "card"][-1]
        x, y, width, height = (float(card.get(key, "")) for key in ("x", "y", "width", "height"))
        frames.append((x, y, x + width, y + height))
    for one, two in combinations(frames, 2):
        assert one[2] <= two[0] or two[2] <= one[0] or one[3] <= two[1] or two[3] <= one[1]
