"""What is no structure of branches: nodes in ranks, long edges in lanes beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from archc.drawing.layout.piece import Piece, Size2
from archc.drawing.layout.structure import Graph, Tangle

NODE_GAP: Final = 20.0
TRACK: Final = 9.0
"""Distance of neighbouring lines."""
MARGIN: Final = 16.0
"""Space between the last line and the rank below it."""
LABEL: Final = 20.0
"""Space between a rank and the first line below it: room for a shape."""


def tangle(found: Tangle, begin: int, end: int, graph: Graph, sizes: Sequence[Size2]) -> Piece:
    """The piece of what lies between `begin` (above it) and `end` (below it)."""
    nodes = found.members
    rank = {begin: 0}
    for node in nodes:
        rank[node] = 1 + max(rank[before] for before in graph.before[node] if before in rank)
    rank[end] = 1 + max(rank.values())
    rows: list[list[int]] = [[] for _ in range(rank[end] - 1)]
    for node in nodes:
        rows[rank[node] - 1].append(node)
    widths = [sum(sizes[node].width for node in row) + NODE_GAP * (len(row) - 1) for row in rows]
    widest = max(widths)
    port: dict[int, float] = {begin: widest / 2, end: widest / 2}  # where a node's lines end and begin, across
    left: dict[int, float] = {}
    for row, width in zip(rows, widths, strict=True):
        order = {node: _mean([port[n] for n in graph.before[node] if n in port]) for node in row}
        x = (widest - width) / 2
        for node in sorted(row, key=order.__getitem__):
            left[node] = x
            port[node] = x + sizes[node].exit
            x += sizes[node].width + NODE_GAP
    inside = {*nodes, end}
    nets = {s: [t for t in graph.after[s] if t in inside] for s in (begin, *nodes)}
    if not found.direct:  # then such an edge runs elsewhere
        nets[begin] = [target for target in nets[begin] if target != end]
    lanes = _lanes(nets, rank)
    # A line for each source in every gap between ranks that it crosses sideways.
    tracks: list[dict[int, float]] = [{} for _ in range(rank[end])]
    for source, targets in nets.items():
        for gap in sorted({rank[source], *(rank[target] - 1 for target in targets)}):
            tracks[gap][source] = len(tracks[gap]) * TRACK
    piece = Piece(widest + (max(lanes.values(), default=-1) + 1) * TRACK + (MARGIN if lanes else 0), 0, 0, 0)
    piece.entry = piece.exit = widest / 2
    base: list[float] = []
    y = 0.0
    for gap, lines in enumerate(tracks):
        base.append(y + LABEL * (gap > 0))
        y = base[-1] + TRACK * max(len(lines) - 1, 0) + (MARGIN if gap < len(rows) else 0)
        if gap < len(rows):
            for node in rows[gap]:
                piece.places[node] = (left[node], y)
            y += max(sizes[node].height for node in rows[gap])
    piece.height = y
    for source, targets in nets.items():
        for target in targets:
            out, into = rank[source], rank[target] - 1
            first = base[out] + tracks[out][source]
            end_x = piece.exit if target == end else left[target] + sizes[target].entry
            points = [(port[source], first)]
            if into > out:
                lane = widest + MARGIN + lanes[source] * TRACK
                second = base[into] + tracks[into][source]
                points += [(lane, first), (lane, second), (end_x, second)]
            else:
                points.append((end_x, first))
            piece.ways[source, target] = points
    return piece


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _lanes(nets: dict[int, list[int]], rank: dict[int, int]) -> dict[int, int]:
    """A lane for each source with an edge that passes a rank; lanes are used again below their last edge."""
    until: list[int] = []
    found: dict[int, int] = {}
    for source in sorted(nets, key=lambda node: rank[node]):
        last = max((rank[target] for target in nets[source]), default=0)
        if last <= rank[source] + 1:
            continue
        free = next((lane for lane, end in enumerate(until) if end <= rank[source]), len(until))
        until[free : free + 1] = [last]
        found[source] = free
    return found
