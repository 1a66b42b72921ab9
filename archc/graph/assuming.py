"""Checks the entries after a faulty one, with stand-ins of assumed sizes for its result.

A problem that appears under every assumption doesn't depend on the faulty entry, so both are reported at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from archc.graph.frame import Frame
from archc.graph.graph import Graph, Node, Ref
from archc.kinds import Kind, Shape
from archc.kinds.layout import Flatten
from archc.kinds.spatial import Identity
from archc.language.spec import Entry, LayerCall
from archc.problems import Problem


class Assumption(NamedTuple):
    """The assumed result of faulty entries: its channels, and how its size follows from their input's."""

    channels: int
    length: int = 0
    multiple: int = 1

    def shape(self, x: Shape) -> Shape:
        """The assumed shape for an input's shape; both have the same rank."""
        return (self.channels, *(self.length or -(-n // self.multiple) * self.multiple for n in x[1:]))


ASSUMPTIONS: Final = (Assumption(61), Assumption(720720, length=8191), Assumption(64, multiple=64))
"""The input's own size, a large odd one, and one that many strides divide; channels with few and with many divisors."""

ASSUMED: Final = "an entry before this one has an error; the sizes assume that it keeps its input's"

MOST_ENTRIES: Final = 5000
"""Larger networks are not checked again."""

MOST_PROBLEMS: Final = 200
"""With more problems than this, the author has enough to fix first."""

_DEPENDENT: Final = (
    "E0107",
    "E0210",
    "E0218",
    "E0219",
    "E0220",
    "E0221",
    "E0301",
    "E0306",
    "E0310",
    "E0311",
    "E0313",
    "E0314",
    "E0315",
    "E0317",
    "E0320",
)
"""Codes of problems that an assumption itself may cause; they are never reported from a stand-in."""

_STAND_IN = Identity()


def meant(entry: Entry) -> type[Kind] | None:
    """The layer type of a faulty entry, or the one that its author meant; None if unknown."""
    return entry.element.kind if type(entry.element) is LayerCall else entry.meant


def stand_in(frame: Frame, entry: Entry, assumption: Assumption) -> Node | None:
    """A node in place of a faulty entry; None if nothing can be assumed about it."""
    kind = meant(entry)
    ref = frame.names.get(entry.sources[0].name, frame.last) if entry.sources else frame.last
    x = None if ref.node >= 0 and ref.output is None and not frame.outputs(ref) else frame.outputs(ref).get(ref.output)
    if kind is None or x is None:
        return None
    return node_of(frame.name, entry, ref, x, assumption.shape(x[:1] if issubclass(kind, Flatten) else x))


def node_of(name: str, entry: Entry, ref: Ref, x: Shape, shape: Shape) -> Node:
    """A stand-in that takes a value of one shape and gives one of another."""
    return Node(name, _STAND_IN, entry.mark, (ref,), (x,), {None: shape})


def comparable(nodes: Sequence[Node | None], one: Ref, other: Ref) -> bool:
    """Return True if two values derive from one and the same value, so that you can compare their sizes."""
    sources = _sources(nodes, one)
    return len(sources) == 1 and sources == _sources(nodes, other)


def _sources(nodes: Sequence[Node | None], ref: Ref) -> set[Ref]:
    """The origins of a value: inputs of the body, assumed results, and results whose size is fixed."""
    found, waiting, seen = set[Ref](), [ref], set[Ref]()
    while waiting:
        here = waiting.pop()
        if here in seen:
            continue
        seen.add(here)
        node = nodes[here.node] if here.node >= 0 else None
        if node is None or _is_assumed(node) or _sets_size(node):
            found.add(here)
        else:
            waiting += node.inputs
    return found


def _sets_size(node: Node) -> bool:
    """Return True if a node, or one inside it, has a fixed output size, such as an adaptive pooling."""
    if node.graph is not None:
        return any(map(_sets_size, node.graph.nodes))
    kind = node.element
    if (
        not isinstance(kind, Kind)
        or len(node.in_shapes) != 1
        or len(node.in_shapes[0]) < 2
        or set(node.shapes) != {None}
    ):
        return False
    channels, *lengths = node.in_shapes[0]
    larger = (channels, *(length + 997 for length in lengths))
    return not any(kind.requirements((larger,))) and kind.output((larger,)) == node.output


def _is_assumed(node: Node) -> bool:
    return node.element is _STAND_IN or (node.graph is not None and _holds_stand_in(node.graph))


def _holds_stand_in(graph: Graph) -> bool:
    return any(map(_is_assumed, graph.nodes))


def agreed(found: Sequence[Sequence[Problem]]) -> list[Problem]:
    """The problems found under every assumption, as the first one reports them."""
    keys = [{_key(problem) for problem in problems} for problems in found]
    return [
        problem
        for problem in found[0]
        if problem.code not in _DEPENDENT and all(_key(problem) in others for others in keys)
    ]


def _key(problem: Problem) -> tuple[object, ...]:
    return problem.code, problem.file, problem.mark and problem.mark[1:]
