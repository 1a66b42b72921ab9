"""Layers that work in place: what they overwrite must have no other reader.

An in-place ReLU at the head of a branch changes what the other branches see; behind a sigmoid it breaks the
backward pass, which computes from the sigmoid's output.
Values are followed through layers that hand on their input's memory (flatten, identity, dropout in
evaluation, the parts of a split).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple, cast

from archc.graph.graph import Graph, Network, Node, flow
from archc.kinds import Kind
from archc.problems import Fix, Problem

_CALLER = -1
"""The reader of the network's input and outputs."""


def overwrite_problems(network: Network) -> Iterator[Problem]:
    """A problem for every in-place layer whose input something else reads."""
    if _clear(network.graph):
        return
    memory = _Memory()
    for value in flow(network.graph, (0,), memory.layer).values():
        memory.readers[value].append(_CALLER)
    for step, who in memory.clashes():
        call, mark = step.node.call, step.node.mark
        fix = Fix(call.marks["inplace"], "false") if call is not None and "inplace" in call.marks else None
        message = f"an in-place layer overwrites a value that {who}"
        mark = mark if fix is None else fix.mark
        yield Problem("E0320", message, mark, where=(step.path,), help="remove `inplace` here", fix=fix)


def _clear(graph: Graph) -> bool:
    """Whether each in-place layer of a graph works on a new value that it alone reads: nearly always so."""
    found: bool | None = graph.facts.get("clear")
    if found is None:
        found, writers = True, []
        for node in graph.nodes:
            below = node.graph
            if below is not None:
                found = found and (below.facts.get("clear") or _clear(below))
            elif cast("Kind", node.element).overwrites:
                writers.append(node)
        found = found and (not writers or _write_what_is_new(writers, graph))
        graph.facts["clear"] = found
    return found


def _write_what_is_new(writers: list[Node], graph: Graph) -> bool:
    reads = Counter([ref for node in graph.nodes for ref in node.inputs] + list(graph.results.values()))
    for node in writers:
        (ref,) = node.inputs
        maker = graph.nodes[ref.node].element if ref.node >= 0 else None
        if not isinstance(maker, Kind) or maker.keeps_storage or maker.overwrites or maker.needs_output:
            return False
        if reads[ref] > 1:
            return False
    return True


class _Step(NamedTuple):
    """A layer that runs: the value that it takes first, those that it makes, and whether these share its memory."""

    path: str
    node: Node
    kind: Kind
    takes: int
    makes: range
    shares: bool


class _Memory:
    """The layers of a network in their order and, by value, whose memory it is and the layers that read it."""

    def __init__(self) -> None:
        self.steps: list[_Step] = []
        self.storage = [0]
        self.readers = [[_CALLER]]

    def layer(self, node: Node, kind: Kind, given: tuple[int, ...], path: str) -> dict[str | None, int]:
        """Add a layer that takes some values; those that it makes."""
        for value in given:
            self.readers[value].append(len(self.steps))
        values = range(len(self.storage), len(self.storage) + len(node.shapes))
        shares = kind.keeps_storage or kind.overwrites
        self.steps.append(_Step(path, node, kind, given[0], values, shares))
        self.storage += [self.storage[given[0]] if shares else value for value in values]
        self.readers += [[] for _ in values]
        return dict(zip(node.shapes, values, strict=True))

    def clashes(self) -> Iterator[tuple[_Step, str]]:
        """In-place layers and who else needs what they overwrite."""
        together: dict[int, list[int]] = {}
        for value, storage in enumerate(self.storage):
            together.setdefault(storage, []).append(value)
        repeated: dict[int, str] = {}  # by storage: the layer that repeats its elements
        needed: dict[int, str] = {}  # by storage: the first layer whose backward pass reads its output
        for number, step in enumerate(self.steps):
            storage = self.storage[step.takes]
            if step.kind.overwrites and storage in repeated:
                yield step, f"`{repeated[storage]}` made of elements that share memory"
            elif step.kind.overwrites and storage in needed:
                yield step, f"the backward pass of `{needed[storage]}` reads"
            elif step.kind.overwrites:
                values = (value for value in together[storage] if value < step.makes.start)
                others = (reader for value in values for reader in self.readers[value] if reader != number)
                other = next((reader for reader in others if not self._hands_on(reader, step)), None)
                if other is not None:
                    who = "the caller of the network" if other < 0 else f"`{self.steps[other].path}`"
                    yield step, f"{who} also {'has' if other < 0 else 'reads'}"
            for value in step.makes if step.kind.repeats else ():
                repeated.setdefault(self.storage[value], step.path)
            for value in step.makes if step.kind.needs_output else ():
                needed.setdefault(self.storage[value], step.path)

    def _hands_on(self, reader: int, step: _Step) -> bool:
        return reader >= 0 and self.steps[reader].shares and self.steps[reader].makes.start < step.makes.start
