"""The rows of a summary: blocks as one row each, and equal neighbors as one row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, Final, Literal

from archc.graph import Graph, Instance, Network, Node, flow, walk
from archc.kinds import Kind

if TYPE_CHECKING:
    from archc.inference.rows import Row

Depth = int | Literal["blocks", "all"]
"""How far to open bodies: `blocks` opens all except named blocks, and a number counts levels of names."""

_MOST_EQUAL: Final = 2
"""More equal neighbors than this are one row."""

_MOST_MARKED: Final = 3
_LEAST_SHARE: Final = 0.1
"""The rows marked as the largest: this many and their equals, each with at least this share of the total."""


@dataclass(frozen=True, slots=True)
class Line:
    """A layer, or all layers of a body together; `count` equal ones in a row, up to `last`.

    `kind` is the layer type or the block's name, and `node` the (first) entry of the graph. `output` and
    `receptive_field` are those of the last layer, or of the first of several outputs. `parameter_share` and `mac_share`
    are set for the few rows that have most of the network's. `shares` is the path of the entry whose weights it uses.
    """

    path: str
    last: str
    count: int
    kind: str
    layers: int
    output: tuple[int, ...]
    parameters: int
    macs: int
    receptive_field: tuple[int, ...]
    line: int
    training: bool
    node: Node = field(repr=False, compare=False)
    parameter_share: float | None = None
    mac_share: float | None = None
    shares: str = ""


def outline(network: Network, rows: Sequence[Row], depth: Depth = "blocks") -> list[Line]:
    """The rows of a network whose layers are `rows`, in execution order.

    A network that is a single block shows its content.
    """
    start, prefix = network.graph, ""
    while depth == "blocks" and len(start.nodes) == 1 and start.nodes[0].graph is not None:
        prefix, start = f"{prefix}{start.nodes[0].name}.", start.nodes[0].graph
    return _marked(list(_lines(start, prefix, iter(rows), depth, 1, training=False)))


def _lines(
    graph: Graph, prefix: str, rows: Iterator[Row], depth: Depth, level: int, *, training: bool
) -> Iterator[Line]:
    for _, equal in groupby(graph.nodes, key=_content):
        nodes = list(equal)
        opened = [node.graph for node in nodes if node.graph is not None and _opens(node, depth, level)]
        if opened:
            for node, below in zip(nodes, opened, strict=True):
                inner = training or node.auxiliary
                yield from _lines(below, f"{prefix}{node.name}.", rows, depth, level + 1, training=inner)
            continue
        lines = [_line(node, prefix, rows, training=training) for node in nodes]
        yield from lines if len(lines) <= _MOST_EQUAL else [_together(lines)]


def _content(node: Node) -> Any:
    """The key by which neighbors are equal: the layer or block, its inputs and its outputs."""
    element = node.element if isinstance(node.element, Kind) else id(node.graph)
    return type(element), element, node.in_shapes, tuple(node.shapes.values()), node.auxiliary, node.shares


def _opens(node: Node, depth: Depth, level: int) -> bool:
    if isinstance(depth, int):
        return level < depth
    return depth == "all" or not isinstance(node.element, Instance)


def _line(node: Node, prefix: str, rows: Iterator[Row], *, training: bool) -> Line:
    below = node.graph
    layers = list(islice(rows, 1 if below is None else sum(1 for _ in walk(below))))
    path = prefix + node.name
    inside = len(layers[0].path) - len(path) if layers else 0
    return Line(
        path=path,
        last=path,
        count=1,
        kind=kind_name(node),
        layers=len(layers),
        output=next(iter(node.shapes.values())),
        parameters=sum(row.parameters for row in layers),
        macs=sum(row.macs for row in layers),
        receptive_field=_giving(node, path, layers).receptive_field if layers else (1, 1),
        line=node.mark.line,
        training=training or node.auxiliary,
        node=node,
        shares=layers[0].shares[: len(layers[0].shares) - inside] if layers else "",
    )


def _giving(node: Node, path: str, layers: list[Row]) -> Row:
    """The layer that produces the first output of an entry."""
    if node.graph is None or len(node.shapes) == 1:
        return layers[-1]

    def layer(inner: Node, _kind: Kind, _given: tuple[str, ...], at: str) -> dict[str | None, str]:
        return dict.fromkeys(inner.shapes, at)

    given = flow(node.graph, ("",) * len(node.inputs), layer, f"{path}.")
    first = given[next(iter(node.shapes))]
    return next((row for row in layers if row.path == first), layers[-1])


def kind_name(node: Node) -> str:
    """A layer's type, a block's name, or the form of a body without a name."""
    match node.element:
        case Kind() as kind:
            return kind.kind
        case Instance() as instance:
            return instance.block.name
        case Graph() as body:
            return "Sequential" if body.sequential else "branches" if body.form == "branches" else "layers"


def _together(lines: list[Line]) -> Line:
    return replace(
        lines[0],
        last=lines[-1].path,
        count=len(lines),
        layers=sum(line.layers for line in lines),
        parameters=sum(line.parameters for line in lines),
        macs=sum(line.macs for line in lines),
        receptive_field=lines[-1].receptive_field,
    )


def _marked(lines: list[Line]) -> list[Line]:
    """The rows, with shares for the largest of those that run in inference."""
    shares: tuple[dict[int, float], dict[int, float]] = ({}, {})
    for share, sizes in zip(shares, ([line.parameters for line in lines], [line.macs for line in lines]), strict=True):
        sizes = [0 if line.training else size for line, size in zip(lines, sizes, strict=True)]
        least = max(*sorted(sizes)[-_MOST_MARKED:][:1], _LEAST_SHARE * sum(sizes), 1)
        share.update({i: size / sum(sizes) for i, size in enumerate(sizes) if size >= least})
    return [replace(line, parameter_share=shares[0].get(i), mac_share=shares[1].get(i)) for i, line in enumerate(lines)]
