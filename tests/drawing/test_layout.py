"""Where boxes stand: for any acyclic graph nothing overlaps, and every edge is a line from box to box."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rectangle import Rectangle, meeting

from archc.drawing.layout import BEGIN, END, Arrangement, Plan, Size2, straightened, u_shaped
from archc.drawing.layout.columns import split

Links = list[tuple[int, int]]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Size2], Links]:
    """Nodes that each read one to three before them; some are results, those that nobody reads among them or aside."""
    count = draw(st.integers(1, 14))
    sizes = []
    for _ in range(count):
        width, height = draw(st.integers(10, 80)) * 2.0, draw(st.integers(10, 80)) * 2.0
        entry, leave = (draw(st.integers(0, int(width))) * 1.0 for _ in range(2))
        sizes.append(Size2(width, height, entry, leave))
    links: set[tuple[int, int]] = set()
    for node in range(count):
        sources = st.integers(max(BEGIN, node - draw(st.sampled_from([1, 2, 20]))), node - 1)
        links |= {(source, node) for source in draw(st.lists(sources, min_size=1, max_size=3))}
    unread = [node for node in range(count) if all(source != node for source, _ in links)]
    aside = set(draw(st.lists(st.sampled_from(unread), max_size=2))) if len(unread) > 1 else set()
    ends = {node for node in unread if node not in aside} or {count - 1}
    return sizes, [*sorted(links), *((node, END) for node in sorted(ends))]


def rectangles(sizes: list[Size2], plan: Plan) -> list[Rectangle]:
    assert sorted(plan.places) == list(range(len(sizes)))
    return [Rectangle(x, y, x + sizes[node].width, y + sizes[node].height) for node, (x, y) in plan.places.items()]


def drawn(sizes: list[Size2], links: Links) -> Plan:
    return Arrangement(sizes, links).plan()


@given(graph=graphs(), room=st.sampled_from([float("inf"), 600.0, 200.0]))
def test_no_two_nodes_overlap(graph: tuple[list[Size2], Links], room: float) -> None:
    sizes, links = graph
    plan = Arrangement(sizes, links).plan(room)
    found = rectangles(sizes, plan)
    assert not meeting(found)
    page = Rectangle(0, 0, plan.width, plan.height)
    assert all(page.holds(node) for node in found)


@given(graph=graphs(), room=st.sampled_from([float("inf"), 600.0, 200.0]))
def test_every_edge_is_a_line_between_its_nodes(graph: tuple[list[Size2], Links], room: float) -> None:
    """Upright or level, from the source's lower or right edge to the target's upper or left edge, within the page."""
    sizes, links = graph
    arrangement = Arrangement(sizes, links)
    plan = arrangement.plan(room)
    assert plan.lines.keys() == set(links)
    for (source, target), points in plan.lines.items():
        assert all(one[0] == two[0] or one[1] == two[1] for one, two in pairwise(points))
        assert all(0 <= x <= plan.width and 0 <= y <= plan.height for x, y in points)
        assert points[0] in ends(source, plan, sizes, leaving=True)
        assert points[-1] in ends(target, plan, sizes, leaving=False) or target in arrangement.anchors


def ends(node: int, plan: Plan, sizes: list[Size2], *, leaving: bool) -> list[tuple[float, float]]:
    if node == BEGIN:
        return [(plan.entry, 0.0)]
    if node == END:
        return [(plan.exit, plan.height)]
    (x, y), size = plan.places[node], sizes[node]
    if leaving:
        return [(x + size.exit, y + size.height), (x + size.width, y + size.height / 2)]
    return [(x + size.entry, y)]


@given(graph=graphs(), room=st.sampled_from([float("inf"), 200.0]))
def test_lines_run_around_boxes(graph: tuple[list[Size2], Links], room: float) -> None:
    """But for those to what stands aside."""
    sizes, links = graph
    arrangement = Arrangement(sizes, links)
    plan = arrangement.plan(room)
    boxes = rectangles(sizes, plan)
    for (_, target), points in plan.lines.items():
        if target in arrangement.anchors:
            continue
        for (x, y), (next_x, next_y) in pairwise(points):
            part = Rectangle(min(x, next_x), min(y, next_y), max(x, next_x), max(y, next_y))
            assert not [box for box in boxes if part.meets(box)]


def test_a_chain_is_straight() -> None:
    sizes = [Size2(100, 40, 50, 50), Size2(60, 40, 30, 30), Size2(140, 40, 70, 70)]
    plan = drawn(sizes, [(BEGIN, 0), (0, 1), (1, 2), (2, END)])
    assert {len(points) for points in plan.lines.values()} <= {1, 2}
    assert {points[0][0] for points in plan.lines.values()} == {70.0}


def test_branches_stand_side_by_side_as_they_are_written() -> None:
    """The paper's inception module: four columns, the first of one box, the others of two, between split and join."""
    sizes = [Size2(100, 40, 50, 50)] * 9
    links = [(0, 1), (0, 2), (2, 3), (0, 4), (4, 5), (0, 6), (6, 7), (1, 8), (3, 8), (5, 8), (7, 8)]
    plan = drawn(sizes, [(BEGIN, 0), *links, (8, END)])
    columns = [plan.places[node][0] for node in (1, 2, 4, 6)]
    assert columns == sorted(set(columns))
    assert [plan.places[node][0] for node in (3, 5, 7)] == columns[1:]
    assert len({plan.places[node][1] for node in (1, 2, 4, 6)}) == 1
    assert plan.places[0][0] == plan.places[8][0] == (columns[0] + columns[-1]) / 2


def test_a_shortcut_runs_beside_its_block() -> None:
    """A residual block: the longer branch goes straight down."""
    sizes = [Size2(100, 40, 50, 50)] * 4
    plan = drawn(sizes, [(BEGIN, 0), (0, 1), (1, 2), (0, 3), (2, 3), (3, END)])
    assert {plan.places[node][0] for node in range(4)} == {0.0}
    assert max(x for x, _ in plan.lines[0, 3]) > 100


def test_what_is_no_branching_is_drawn_in_ranks() -> None:
    """A dense block of concatenations: 0 feeds 1, 2 and 3, 1 feeds 2 and 3."""
    sizes = [Size2(100, 40, 50, 50)] * 4
    links = [(0, 1), (0, 2), (1, 2), (1, 3), (0, 3), (2, 3)]
    plan = drawn(sizes, [(BEGIN, 0), *links, (3, END)])
    tops = [plan.places[node][1] for node in range(4)]
    assert tops == sorted(set(tops))
    assert not meeting(rectangles(sizes, plan))


def test_deep_nests_end() -> None:
    """Hundreds of shortcuts within each other: the inner ones are no more followed as a structure."""
    count = 400
    sizes = [Size2(20, 20, 10, 10)] * (2 * count)
    links = [(node, node + 1) for node in range(2 * count - 1)]
    links += [(node, 2 * count - 1 - node) for node in range(count - 1)]
    plan = drawn(sizes, [(BEGIN, 0), *links, (2 * count - 1, END)])
    assert plan.lines.keys() >= set(links)


@pytest.mark.parametrize("inner", [1, 2, 5])
def test_nested_skips_are_a_u(inner: int) -> None:
    """Down on the left, up on the right; a skip is level, and the last node stands above."""
    count = 7 + inner
    sizes = [Size2(100 + 10 * (node % 3), 40, 50, 50) for node in range(count)]
    chain = [(BEGIN, 0), *((node, node + 1) for node in range(count - 1)), (count - 1, END)]
    skips = [(1, count - 2), (3, 3 + inner + 1)]
    plan = u_shaped(sizes, [*chain, *skips])
    assert plan is not None
    boxes = rectangles(sizes, plan)
    assert not meeting(boxes)
    assert all(Rectangle(0, 0, plan.width, plan.height).holds(box) for box in boxes)
    for skip in skips:
        (x, y), (to_x, to_y) = plan.lines[skip]
        assert y == to_y
        assert x < to_x
    assert plan.places[count - 1][1] < plan.places[count - 2][1] == plan.places[1][1]
    assert plan.places[0][1] < plan.places[1][1] < plan.places[2][1] < plan.places[3][1]
    for points in plan.lines.values():
        for (x, y), (u, v) in pairwise(points):
            assert x == u or y == v
            part = Rectangle(min(x, u), min(y, v), max(x, u), max(y, v))
            assert not any(part.meets(box) for box in boxes)


def test_only_skips_within_each_other_are_a_u() -> None:
    sizes = [Size2(100, 40, 50, 50)] * 8
    chain = [(BEGIN, 0), *((node, node + 1) for node in range(7)), (7, END)]
    assert u_shaped(sizes, chain) is None
    assert u_shaped(sizes, [*chain, (0, 3), (3, 6)]) is None
    assert u_shaped(sizes, [*chain, (0, 6), (0, 4)]) is None
    assert u_shaped(sizes, [*chain, (0, 4), (2, 6)]) is None
    assert u_shaped(sizes, [(0, 2) if link == (0, 1) else link for link in chain]) is None


def test_heads_stand_beside_what_they_read() -> None:
    sizes = [Size2(100, 40, 50, 50)] * 4
    plan = drawn(sizes, [(BEGIN, 0), (0, 1), (1, 2), (0, 3), (2, END)])
    assert plan.places[3][0] > 100
    assert plan.places[3][1] == plan.places[0][1]
    assert plan.lines[0, 3] == [(100.0, 20.0), (134.0, 20.0)]


def test_a_head_of_a_head_stands_below_it() -> None:
    sizes = [Size2(100, 40, 50, 50)] * 4
    links = [(BEGIN, 0), (BEGIN, 1), (0, 2), (2, 3), (1, END)]
    plan = drawn(sizes, links)
    assert not meeting(rectangles(sizes, plan))
    assert plan.places[3][1] > plan.places[2][1] > plan.places[0][1]


@given(
    heights=st.lists(st.integers(10, 100).map(float), min_size=1, max_size=40),
    room=st.integers(20, 2000),
    data=st.data(),
)
def test_columns_hold_every_row_once_and_in_order(heights: list[float], room: int, data: st.DataObject) -> None:
    breaks = data.draw(st.lists(st.sampled_from([0.0, 0.1, 2.0]), min_size=len(heights), max_size=len(heights)))
    columns = split(heights, 5.0, breaks, room)
    assert [place for column in columns for place in column] == list(range(len(heights)))
    assert all(columns)


def test_columns_are_even_and_begin_at_good_places() -> None:
    breaks = [0.0 if place in (0, 5) else 0.1 for place in range(9)]
    assert split([10.0] * 9, 0.0, breaks, 45.0) == [range(5), range(5, 9)]
    assert split([10.0] * 9, 0.0, [0.0] * 9, 30.0) == [range(3), range(3, 6), range(6, 9)]
    assert split([10.0] * 900, 0.0, [0.0] * 900, 3000.0) == [range(300), range(300, 600), range(600, 900)]


def test_branches_stay_with_their_split_and_their_join() -> None:
    sizes = [Size2(100, 40, 50, 50)] * 8
    links = [(BEGIN, 0), (0, 1), (1, 2), (1, 3), (2, 4), (3, 4), (4, 5), (5, 6), (6, 7), (7, END)]
    plan = Arrangement(sizes, links).plan(250.0)
    assert plan.places[1][0] == plan.places[4][0] < plan.places[7][0]


@pytest.mark.parametrize(
    ("points", "straight"),
    [
        ([(0, 0), (0, 1), (0, 2)], [(0, 0), (0, 2)]),
        ([(0, 0), (0, 0), (1, 0), (1, 2)], [(0, 0), (1, 0), (1, 2)]),
        ([(0, 0)], [(0, 0)]),
    ],
)
def test_points_on_a_straight_line_are_left_out(
    points: list[tuple[float, float]], straight: list[tuple[float, float]]
) -> None:
    assert straightened(points) == straight
