"""Drawings of random graphs of boxes: legible, compact, and no line longer than it must be."""

from __future__ import annotations

from itertools import pairwise
from math import hypot, inf

from hypothesis import given
from hypothesis import strategies as st
from rectangle import Rectangle
from test_svg import assert_labels_stand_free, assert_legible

from archc.drawing.figure import sheet_of
from archc.drawing.layout import Arrangement, Size2
from archc.drawing.model import BEGIN, END, Body, Box, Edge, Item, Picture, Terminal
from archc.drawing.sheet import Sheet
from archc.drawing.svg import render

Links = list[tuple[int, int]]
SIZE = (16, 32, 32)


def dense(count: int) -> Links:
    """Every node reads all before it."""
    return [(source, target) for target in range(count) for source in range(-1, target)]


def u_shaped(levels: int) -> Links:
    """Down and up again, with a skip on each level."""
    count = 2 * levels + 1
    chain = [(node - 1, node) for node in range(count)]
    return chain + [(level, count - 1 - level) for level in range(levels)]


def feature_pyramid(levels: int) -> Links:
    """A backbone, a line beside each of its stages, and a way back up with a result on each level."""
    backbone = [(node - 1, node) for node in range(levels)]
    sides = [(node, levels + node) for node in range(levels)]
    back: Links = []
    above = 2 * levels - 1
    for level in reversed(range(levels - 1)):
        join = 2 * levels + (levels - 2 - level)
        back += [(above, join), (levels + level, join)]
        above = join
    results = [(2 * levels - 1, 3 * levels - 1)]
    results += [(2 * levels + place, 3 * levels + place) for place in range(levels - 1)]
    return backbone + sides + back + results


@st.composite
def anything(draw: st.DrawFn) -> Links:
    """Nodes that each read one to three of those before them, near or far."""
    links: set[tuple[int, int]] = set()
    reach = draw(st.sampled_from([1, 2, 4, 30]))
    for node in range(draw(st.integers(2, 30))):
        sources = st.integers(max(BEGIN, node - draw(st.sampled_from([1, reach]))), node - 1)
        links |= {(source, node) for source in draw(st.lists(sources, min_size=1, max_size=3))}
    return sorted(links)


@st.composite
def wide(draw: st.DrawFn) -> Links:
    """Many chains side by side, some of which read their neighbors."""
    chains, length = draw(st.integers(2, 6)), draw(st.integers(1, 4))
    links = {(BEGIN, 0)}
    for chain in range(chains):
        nodes = [0, *range(1 + chain * length, 1 + (chain + 1) * length)]
        links |= set(pairwise(nodes))
    crossing = st.tuples(st.integers(1, length * chains), st.integers(1, length * chains))
    links |= {(min(pair), max(pair)) for pair in draw(st.lists(crossing, max_size=3)) if pair[0] != pair[1]}
    return sorted(links)


GRAPHS = st.one_of(
    st.integers(1, 9).map(dense),
    st.integers(1, 8).map(u_shaped),
    st.integers(2, 6).map(feature_pyramid),
    wide(),
    anything(),
)


def body(links: Links) -> Body:
    """Boxes for the nodes, between an input and an output for every node that nobody reads."""
    count = 1 + max(target for _, target in links)
    names = [f"stage{node % 7}.layer{node}" if node % 3 else f"n{node}" for node in range(count)]
    items: list[Item] = [Terminal("input", SIZE)]
    items += [Box((name,), name, "3×3 conv, 16", "conv", SIZE, SIZE, ("BN", "ReLU")) for name in names]
    edges = [Edge(BEGIN, 0, SIZE), *(Edge(source + 1, target + 1, SIZE) for source, target in links)]
    read = {source for source, _ in links}
    for node in range(count):
        if node not in read:
            items.append(Terminal(f"out{node}", SIZE))
            edges += [Edge(node + 1, len(items) - 1, SIZE), Edge(len(items) - 1, END, SIZE)]
    return Body(items, edges)


def blank(sheet: Sheet) -> float:
    """The largest empty rectangle, as a part of the page above the legend."""
    step = 8.0
    used: set[tuple[int, int]] = set()
    rooms = [(p.x, p.y, p.x + p.width, p.y + p.height) for figure in sheet.figures for p in figure.boxes]
    for figure in sheet.figures:
        rooms.append((figure.x, figure.y, figure.x + figure.width, figure.y + 36))
        for line in figure.lines:
            rooms += [(min(x, u), min(y, v), max(x, u), max(y, v)) for (x, y), (u, v) in pairwise(line.points)]
    for left, top, right, bottom in rooms:
        across, down = (
            range(int(left // step), int(right // step) + 1),
            range(int(top // step), int(bottom // step) + 1),
        )
        used |= {(column, row) for column in across for row in down}
    columns, rows = int(sheet.width // step), int((sheet.height - 50) // step)
    heights = [0] * columns
    largest = 0
    for row in range(rows):
        heights = [0 if (column, row) in used else height + 1 for column, height in enumerate(heights)]
        stack: list[tuple[int, int]] = []  # from which column on all are at least so high
        for column, height in enumerate([*heights, 0]):
            start = column
            while stack and stack[-1][1] >= height:
                start, before = stack.pop()
                largest = max(largest, before * (column - start))
            stack.append((start, height))
    return largest / (columns * rows)


@given(links=GRAPHS)
def test_drawings_of_any_graph_are_legible_and_compact(links: Links) -> None:
    sheet = sheet_of([Picture("Net", "", "figures", "", body(links))])
    assert_legible(render(sheet))
    assert_labels_stand_free(sheet)
    results = {target for _, target in links} - {source for source, _ in links}
    assert blank(sheet) < (0.35 if len(results) == 1 else 0.55)  # a short way to a result leaves room beside a long one
    (figure,) = sheet.figures
    rooms = [Rectangle(p.x, p.y, p.x + p.width, p.y + p.height) for p in figure.boxes]
    for line in figure.lines:
        assert sum(abs(x - u) + abs(y - v) for (x, y), (u, v) in pairwise(line.points)) <= 1.5 * hypot(
            sheet.width, sheet.height
        )
        for (x, y), (u, v) in pairwise(line.points):
            part = Rectangle(min(x, u), min(y, v), max(x, u), max(y, v))
            assert not any(part.meets(room) for room in rooms)


@given(links=GRAPHS)
def test_lines_take_little_room_beside_the_boxes(links: Links) -> None:
    """No more than 12 pixels a box beyond the widest row, within one column.

    That is the most boxes of which none leads to another: these may stand side by side.
    """
    drawn = body(links)
    sizes = [Size2(160.0, 58.0, 80.0, 80.0)] * len(drawn.items)
    plan = Arrangement(sizes, [(edge.source, edge.target) for edge in drawn.edges]).plan(inf)
    assert plan.width <= 180 * antichain(len(sizes), drawn.edges) + 12 * len(sizes)


def antichain(count: int, edges: list[Edge]) -> int:
    """The most nodes of which none leads to another: all less those of a greatest matching (Dilworth, Fulkerson)."""
    reach: list[set[int]] = [set() for _ in range(count)]
    for node in reversed(range(count)):
        for edge in edges:
            if edge.source == node and edge.target != END:
                reach[node] |= {edge.target} | reach[edge.target]
    partner: dict[int, int] = {}

    def matched(node: int, seen: set[int]) -> bool:
        for other in reach[node] - seen:
            seen.add(other)
            if other not in partner or matched(partner[other], seen):
                partner[other] = node
                return True
        return False

    return count - sum(matched(node, set()) for node in range(count))
