"""What is no structure of branches, in layers: the method of Sugiyama, Tagawa and Toda (1981).

Every node stands in the layer behind those that it reads. An edge over several layers passes each of them in a lane
of its own, shared by all edges of its source. Layers are ordered by the medians of their neighbors, and places
across follow by isotonic regression: each node moves to where its edges are straight, as far as its neighbors let it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from archc.drawing.layout.piece import Piece, Point, Size2
from archc.drawing.layout.structure import Graph, Link, Tangle
from archc.drawing.layout.tracks import Net, tracks

NODE_GAP: Final = 20.0
LANE_GAP: Final = 14.0
"""Between a lane and a node."""
TRACK: Final = 9.0
"""Distance of neighboring lines."""
MARGIN: Final = 18.0
"""Space between the last line and the layer below it."""
LABEL: Final = 14.0
"""Space between a layer and the first line below it."""
ROOM: Final = 8.0
"""What places across may take beyond the widest layer, for each node."""
STRAIGHT: Final = 1000.0
"""How much it matters that the longest way is straight; a node's wish counts 1."""
SWEEPS: Final = 6
"""Down and up through the layers, for their order and then for their places."""
MOST_ITEMS: Final = 6_000
"""Nodes and lanes up to which sweeps are worth their time: nobody reads a drawing of more."""


@dataclass(slots=True, eq=False)
class _Item:
    """A node in its layer, or the lane of a source that passes it; `x` is where lines enter it from above."""

    node: int
    lane: bool
    left: float = 0.0
    right: float = 0.0
    shift: float = 0.0
    """From where lines enter to where they leave."""
    above: list[_Item] = field(default_factory=list)
    below: list[_Item] = field(default_factory=list)
    order: int = 0
    x: float = 0.0
    spine: bool = False
    """Whether it is on the longest way from begin to end, which is drawn straight."""

    @property
    def exit(self) -> float:
        """Where lines leave it."""
        return self.x + self.shift


def tangle(found: Tangle, begin: int, end: int, graph: Graph, sizes: Sequence[Size2]) -> Piece:
    """The piece of what lies between `begin` (above it) and `end` (below it)."""
    inside = {*found.members, end}
    nets = {source: [t for t in graph.after[source] if t in inside] for source in (begin, *found.members)}
    if not found.direct:  # then such an edge runs elsewhere
        nets[begin] = [target for target in nets[begin] if target != end]
    rank = _ranks(found.members, begin, end, nets)
    layers, ends = _layers(nets, rank, sizes)
    spine: _Item | None = layers[-1][0]
    while spine is not None:
        spine.spine = True
        spine = next((item for item in spine.above if not item.lane), None)
    _order(layers)
    _place(layers)
    _narrow(layers)
    return _piece(layers, ends, nets, rank, sizes, begin, end)


def _ranks(nodes: Sequence[int], begin: int, end: int, nets: Mapping[int, list[int]]) -> dict[int, int]:
    """The layer of each node: behind all that it reads, and no further from its readers than it must be."""
    before: dict[int, list[int]] = {node: [] for node in (*nodes, end)}
    for source, targets in nets.items():
        for target in targets:
            before[target].append(source)
    rank = {begin: 0}
    for node in nodes:
        rank[node] = 1 + max(rank[source] for source in before[node])
    rank[end] = 1 + max(rank.values())
    for node in reversed(nodes):
        # It moves down to its readers where the lines of all that it reads pass there anyway.
        latest = min(rank[target] for target in nets[node]) - 1
        others = [[rank[target] for target in nets[source] if target != node] for source in before[node]]
        if all(max(ranks, default=0) >= latest for ranks in others):
            rank[node] = latest
    return rank


def _layers(
    nets: Mapping[int, list[int]], rank: Mapping[int, int], sizes: Sequence[Size2]
) -> tuple[list[list[_Item]], dict[Link, _Item]]:
    """The layers, those of begin and end included, and from which item an edge comes in its last gap."""
    depth = max(rank.values())
    layers: list[list[_Item]] = [[] for _ in range(depth + 1)]
    items: dict[int, _Item] = {}
    for node, layer in rank.items():
        item = items[node] = _Item(node, False)
        if 0 < layer < depth:
            size = sizes[node]
            item.left, item.right, item.shift = size.entry, size.width - size.entry, size.exit - size.entry
        layers[layer].append(item)
    ends: dict[Link, _Item] = {}
    for source, targets in nets.items():
        last = items[source]
        for layer in range(rank[source] + 1, max((rank[target] for target in targets), default=0) + 1):
            for target in targets:
                if rank[target] == layer:
                    ends[source, target] = last
                    _join(last, items[target])
            if any(rank[target] > layer for target in targets):
                lane = _Item(source, True)
                layers[layer].append(lane)
                _join(last, lane)
                last = lane
    return layers, ends


def _join(above: _Item, below: _Item) -> None:
    above.below.append(below)
    below.above.append(above)


# Order


def _order(layers: list[list[_Item]]) -> None:
    """Bring every layer into an order in which few lines cross: the best that the sweeps come to."""
    for layer in layers:
        _number(layer)
    if not _sweeps(layers):
        return
    best, least = [list(layer) for layer in layers], _crossings(layers)
    for sweep in range(_sweeps(layers)):
        if not least:
            break
        down = sweep % 2 == 0
        for layer in layers if down else layers[::-1]:
            layer.sort(key=lambda item: _mean([near.order for near in (item.above if down else item.below)], item))
            _number(layer)
        count = _crossings(layers)
        if count < least:
            best, least = [list(layer) for layer in layers], count
    for layer, order in zip(layers, best, strict=True):
        layer[:] = order
        _number(layer)


def _sweeps(layers: list[list[_Item]]) -> int:
    return SWEEPS if sum(map(len, layers)) <= MOST_ITEMS else 0


def _number(layer: list[_Item]) -> None:
    for order, item in enumerate(layer):
        item.order = order


def _mean(orders: list[int], item: _Item) -> float:
    return sum(orders) / len(orders) if orders else item.order


def _crossings(layers: list[list[_Item]]) -> int:
    """How often lines between neighboring layers cross, counted with a Fenwick tree."""
    count = 0
    for layer, below in pairwise(layers):
        tree = [0] * (len(below) + 1)
        seen = 0
        for item in layer:
            orders = sorted(target.order for target in item.below)
            for order in orders:
                place, until = order + 1, 0
                while place:
                    until += tree[place]
                    place &= place - 1
                count += seen - until
            for order in orders:
                place = order + 1
                while place <= len(below):
                    tree[place] += 1
                    place += place & -place
            seen += len(orders)
    return count


# Places across


def _place(layers: list[list[_Item]]) -> None:
    """Give every item its `x`: near the median of its neighbors, and exactly at it where it can be."""
    for layer in layers:
        _pack(layer)
        middle = (layer[0].x + layer[-1].x) / 2
        for item in layer:
            item.x -= middle
    for sweep in range(2 * _sweeps(layers) + 1):
        down = sweep % 2 == 0
        for layer in layers if down else layers[::-1]:
            _regress(layer, [_wish(item, down) for item in layer])


def _narrow(layers: list[list[_Item]]) -> None:
    """Where the places across take much more room than the widest layer, all stand on one side of the longest way.

    If that is not enough the layers are packed.
    """
    rows = [[item for item in layer if not item.lane] for layer in layers]
    room = max(sum(item.left + item.right + NODE_GAP for item in row) for row in rows)
    room += ROOM * sum(len(row) for row in rows)
    if _width(layers) <= room:
        return
    for layer in layers:
        layer.sort(key=lambda item: not item.spine)
        _number(layer)
    _place(layers)
    if _width(layers) <= room:
        return
    for layer in layers:
        _pack(layer)


def _width(layers: list[list[_Item]]) -> float:
    return max(layer[-1].x + layer[-1].right for layer in layers) - min(layer[0].x - layer[0].left for layer in layers)


def _pack(layer: list[_Item]) -> None:
    """Place the items of a layer as near to each other as they may be."""
    layer[0].x = layer[0].left
    for one, two in pairwise(layer):
        two.x = one.x + _apart(one, two)


def _apart(one: _Item, two: _Item) -> float:
    gap = TRACK if one.lane and two.lane else LANE_GAP if one.lane or two.lane else NODE_GAP
    return one.right + gap + two.left


def _wish(item: _Item, down: bool) -> tuple[float, float]:
    """Where an item would stand, and how much that matters: the longest way is straight, and lanes where they can."""
    near = item.above if down else item.below
    if item.spine:
        other = next((other for other in near if other.spine), None)
        return (item.x if other is None else other.exit if down else other.x - item.shift), STRAIGHT
    if not near:
        return item.x, 0.1
    if down:
        places = sorted(other.exit for other in near)
    else:
        places = sorted(other.x - item.shift for other in near)
    straight = item.lane and any(other.lane or len(near) == 1 for other in near)
    if straight and not down:
        places = [other.x for other in near if other.lane and other.node == item.node] or places
    middle = len(places) // 2
    wish = places[middle] if len(places) % 2 else (places[middle - 1] + places[middle]) / 2
    return wish, 8.0 if straight else 1.0


def _regress(layer: list[_Item], wishes: list[tuple[float, float]]) -> None:
    """The places nearest to those wished for, in order and apart: pools of adjacent violators, by weighted medians."""
    offsets = [0.0]
    for one, two in pairwise(layer):
        offsets.append(offsets[-1] + _apart(one, two))
    pools: list[tuple[float, list[tuple[float, float]], int]] = []
    for (wish, weight), offset in zip(wishes, offsets, strict=True):
        pool: tuple[float, list[tuple[float, float]], int] = (wish - offset, [(wish - offset, weight)], 1)
        while pools and pools[-1][0] > pool[0]:
            _, members, count = pools.pop()
            members += pool[1]
            pool = (_median(members), members, count + pool[2])
        pools.append(pool)
    places = [place for place, _, count in pools for _ in range(count)]
    for item, place, offset in zip(layer, places, offsets, strict=True):
        item.x = place + offset


def _median(members: Iterable[tuple[float, float]]) -> float:
    """The weighted median."""
    ranked = sorted(members)
    half = sum(weight for _, weight in ranked) / 2
    for value, weight in ranked:
        half -= weight
        if half <= 0:
            return value
    return ranked[-1][0]


# The piece


def _piece(
    layers: list[list[_Item]],
    ends: Mapping[Link, _Item],
    nets: Mapping[int, list[int]],
    rank: Mapping[int, int],
    sizes: Sequence[Size2],
    begin: int,
    end: int,
) -> Piece:
    """Everything in its place: layers below each other, and between them a line for each source that goes sideways."""
    left = min(item.x - item.left for layer in layers for item in layer)
    for layer in layers:
        for item in layer:
            item.x -= left
    width = max(item.x + item.right for layer in layers for item in layer)
    lanes = max((item.x for layer in layers for item in layer if item.lane), default=0.0)
    entry, exit = layers[0][0].x, layers[-1][0].x
    piece = Piece(max(width, lanes + LANE_GAP / 2), 0.0, entry, exit)
    lines: list[dict[int, float]] = []  # by gap: at which height a source's line goes sideways
    y = 0.0
    for gap, (above, below) in enumerate(pairwise(layers)):
        found = tracks([Net(item.node, item.exit, [t.x for t in item.below]) for item in above if item.below])
        start = y + (LABEL if gap else 0.0)
        lines.append({node: start + TRACK * track for node, track in found.items()})
        y = start + TRACK * max([0, *found.values()]) + (MARGIN if gap + 2 < len(layers) else 0.0)
        if gap + 2 < len(layers):
            for item in below:
                if not item.lane:
                    piece.places[item.node] = (item.x - item.left, y)
            y += max((sizes[item.node].height for item in below if not item.lane), default=0.0)
    piece.height = y
    passed = {(item.node, place): item for place, layer in enumerate(layers) for item in layer}
    for (source, target), last in ends.items():
        points: list[Point] = []
        for gap in range(rank[source], rank[target]):
            here = passed[source, gap]
            there = passed[target, gap + 1] if here is last else passed[source, gap + 1]
            if here.exit != there.x:
                height = lines[gap][source]
                points += [(here.exit, height), (there.x, height)]
        piece.ways[source, target] = points
    return piece
