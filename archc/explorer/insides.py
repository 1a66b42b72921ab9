"""Pictures of the network and of the inside of every block; equal instances share one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from archc.drawing.figure import sheet_of
from archc.drawing.pictures import inside
from archc.drawing.svg import render
from archc.graph import Graph, Instance, Network, Node

ASPECT: Final = 1.0
"""Preferred width divided by height, because the page shows the picture next to the numbers."""

MOST: Final = 400
"""The maximum number of pictures; further blocks are shown within the enclosing block."""


def draw_insides(network: Network, nodes: Sequence[Node]) -> tuple[list[str], list[int]]:
    """The pictures as SVG, the network's own first, and the index of each node's picture, or -1.

    Paths in them are relative to the block, so that all its instances can share the picture.
    """
    pictures = [_inside(network.graph, next(iter(network.inputs)))]
    numbers: dict[int, int] = {}
    for node in nodes:
        block = node.element
        if isinstance(block, Instance) and id(block.graph) not in numbers and len(pictures) < MOST:
            numbers[id(block.graph)] = len(pictures)
            pictures.append(_inside(block.graph))
    return pictures, [numbers.get(id(node.graph), -1) for node in nodes]


def _inside(graph: Graph, first: str = "") -> str:
    return render(sheet_of([inside(graph, first)], aspect=ASPECT, legend=False), styled=False)
