"""The content of a picture without coordinates: boxes, opened bodies, and the edges between them."""

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
    """One box. `paths` are the `state_dict` paths of all entries that it shows, the first one first.

    `x` and `shape` are its input and output shape. `tags` are layers that follow within the box (`BN`, `ReLU`). `times`
    counts equal boxes in a row; the name then shows the first and the last. `role` selects the color, `aside` marks an
    auxiliary head, and `others` are the shapes of further outputs.
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
    """An input or output of the picture."""

    name: str
    shape: Size


@dataclass(slots=True)
class Group:
    """An opened body with a frame around it: a block, or `times` repetitions of a longer sequence."""

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
    """An edge from one item's position to another's, with the shape of its tensor.

    `uses` has the outputs of the source that the edge carries (None for an only one), each with the input of the
    target. `label` lists the named outputs with their shapes; the box shows the shape of an only output.
    """

    source: int
    target: int
    shape: Size
    label: str = ""
    uses: tuple[tuple[str | None, int], ...] = ((None, 0),)

    @property
    def named(self) -> bool:
        """Return True if the edge carries named outputs."""
        return any(output for output, _ in self.uses)


@dataclass(slots=True)
class Body:
    """Items in the order of execution, and the edges between them; positions may be BEGIN and END.

    Edges to END come last, one for each of the `results`. `inputs` are the names of the inputs: None for the body's own
    input, then the names that it reads from enclosing bodies.
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
    """All boxes of a body, including the boxes in its frames."""
    for item in body.items:
        if isinstance(item, Group):
            yield from boxes_in(item.body)
        elif isinstance(item, Box):
            yield item
