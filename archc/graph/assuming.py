"""What stands behind a faulty entry is looked at with stand-ins for its result, whose sizes are assumed.

A problem that is found whatever is assumed does not depend on the faulty entry, so it is reported with it.
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
    """What faulty entries are taken to give: a number of channels, and a size for that of their input."""

    channels: int
    length: int = 0
    multiple: int = 1

    def shape(self, x: Shape) -> Shape:
        """The shape for an input's: of the same rank."""
        return (self.channels, *(self.length or -(-n // self.multiple) * self.multiple for n in x[1:]))


ASSUMPTIONS: Final = (Assumption(61), Assumption(720720, length=8191), Assumption(64, multiple=64))
"""The input's size, a large odd one, one that many strides divide; channels with hardly a divisor, and with many."""

ASSUMED: Final = "an entry before this one has an error; the sizes assume that it keeps its input's"

MOST_ENTRIES: Final = 5000
"""A larger network is not looked at again."""

MOST_PROBLEMS: Final = 200
"""A spec with more problems has enough to fix before anything behind them matters."""

_DEPENDENT: Final = (
    "E0107",
    "E0210",
    "E0218",
    "E0219",
    "E0220",
    "E0221",
    "E0223",
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
"""Codes of problems that may be due to what is assumed, or to what a faulty entry would have read."""

_STAND_IN = Identity()


def meant(entry: Entry) -> type[Kind] | None:
    """The kind of layer that a faulty entry is, or means to be; None if that is not known."""
    return entry.element.kind if type(entry.element) is LayerCall else entry.meant


def stand_in(frame: Frame, entry: Entry, assumption: Assumption) -> Node | None:
    """A node in the place of a faulty entry; None where nothing can be assumed."""
    kind = meant(entry)
    ref = frame.last if entry.source is None else frame.names.get(entry.source.name, frame.last)
    x = None if ref.node >= 0 and ref.output is None and not frame.outputs(ref) else frame.outputs(ref).get(ref.output)
    if kind is None or x is None:
        return None
    return node_of(frame.name, entry, ref, x, assumption.shape(x[:1] if issubclass(kind, Flatten) else x))


def node_of(name: str, entry: Entry, ref: Ref, x: Shape, shape: Shape) -> Node:
    """A stand-in that takes a value of one shape and gives one of another."""
    return Node(name, _STAND_IN, entry.mark, (ref,), (x,), {None: shape})


def comparable(nodes: Sequence[Node | None], one: Ref, other: Ref) -> bool:
    """Whether two values follow from the same single value, so that their sizes can be compared."""
    sources = _sources(nodes, one)
    return len(sources) == 1 and sources == _sources(nodes, other)


def _sources(nodes: Sequence[Node | None], ref: Ref) -> set[Ref]:
    """The inputs of the body, and the results that are assumed or set a size, from which a value follows."""
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
    """Return True if a node gives one size whatever that of its input is, or holds such a node."""
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
    """The problems that were found under every assumption, in the words of the first."""
    keys = [{_key(problem) for problem in problems} for problems in found]
    return [
        problem
        for problem in found[0]
        if problem.code not in _DEPENDENT and all(_key(problem) in others for others in keys)
    ]


def _key(problem: Problem) -> tuple[object, ...]:
    return problem.code, problem.file, problem.mark and problem.mark[1:]
