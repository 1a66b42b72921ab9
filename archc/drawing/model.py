"""What a picture shows, before anything has a place: boxes, opened bodies, and the edges between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from archc.text import form

Size = tuple[int, ...]
"""A shape of plain numbers: (channels, height, width) or (features,)."""

BEGIN = -1
"""Source of an edge: the input of the body."""
END = -2
"""Target of an edge: the result of the body."""


@dataclass(slots=True)
class Box:
    """One box. `paths` are the `state_dict` paths of all entries that it stands for, the first one first.

    `x` and `shape` are what it reads and gives; `tags` are layers that follow within the box (`BN`, `ReLU`); `times`
    counts equal ones in a row, of which the name tells the first and the last. `role` gives the color; `aside` is an
    auxiliary head. `others` are the shapes of its further outputs.
    """

    paths: tuple[str, ...]
    name: str
    what: str
    role: str
    x: Size
    shape: Size
    tags: tuple[str, ...] = ()
    times: int = 1
    block: str | None = None
    aside: bool = False
    others: tuple[Size, ...] = ()

    @property
    def shapes(self) -> str:
        """The shapes of all its outputs: `8×16×16, 16×8×8`."""
        return ", ".join(form(shape) for shape in (self.shape, *self.others))


@dataclass(slots=True)
class Terminal:
    """Where the picture's data comes in or goes out."""

    name: str
    shape: Size


@dataclass(slots=True)
class Group:
    """A body that is drawn opened, with a frame around it: a block, or `times` turns of a longer repeat."""

    paths: tuple[str, ...]
    name: str
    what: str
    body: Body
    shape: Size
    times: int = 1
    block: str | None = None
    aside: bool = False


Item = Box | Group | Terminal


class Edge(NamedTuple):
    """From an item's position to another's, with the shape of what it carries.

    `uses` are the outputs of the source that it carries (None for an only one), each with the input of the target
    that it is. `label` tells the outputs that have names, each with its shape;
    a box tells the shape of its only one.
    """

    source: int
    target: int
    shape: Size
    label: str = ""
    uses: tuple[tuple[str | None, int], ...] = ((None, 0),)

    @property
    def named(self) -> bool:
        """Whether it carries outputs that have names."""
        return any(output for output, _ in self.uses)


@dataclass(slots=True)
class Body:
    """Items in the order of running, and the edges between them; positions may be BEGIN and END.

    Edges to END come last, one for each of the `results`. `inputs` are the names of what comes in: None for the
    body's own input, then what it reads of the bodies around it.
    """

    items: list[Item] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    inputs: tuple[str | None, ...] = (None,)
    results: tuple[str | None, ...] = (None,)


@dataclass(slots=True)
class Picture:
    """One architecture, or one of its blocks: the heading and the body. `description` is for screen readers."""

    title: str
    subtitle: str
    figures: str
    description: str
    body: Body


def boxes_in(body: Body) -> Iterator[Box]:
    """All boxes of a body, those in its frames included."""
    for item in body.items:
        if isinstance(item, Group):
            yield from boxes_in(item.body)
        elif isinstance(item, Box):
            yield item
