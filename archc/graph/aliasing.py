"""Layers that work in place: what they overwrite must have no other reader.

An in-place ReLU at the head of a branch changes what the other branches see; behind a sigmoid it breaks the
backward pass, which computes from the sigmoid's output.
Values are followed through layers that hand on their input's memory (flatten, identity, dropout in
evaluation, the parts of a split).
"""

from __future__ import annotations

from collections.abc import Iterator

from archc.graph.graph import Network, Node, flow, walk
from archc.kinds import Kind
from archc.problems import Fix, Problem

_CALLER = -1
"""The reader of the network's input and outputs."""


class _Memory:
    """Which values share memory, who reads them, and who writes."""

    def __init__(self) -> None:
        self.storage: list[int] = []
        self.readers: list[list[int]] = []
        self.outputs: list[int] = []  # by layer: its first value
        self.shares: list[bool] = []  # by layer: whether its output is its input's memory
        self.names: list[str] = []
        self.writes: list[tuple[int, int, Node]] = []
        self.needed: dict[int, int] = {}  # by storage: the first layer whose backward pass reads its output

    def value(self, storage: int | None = None) -> int:
        self.storage.append(len(self.storage) if storage is None else storage)
        self.readers.append([])
        return len(self.storage) - 1

    def layer(self, node: Node, kind: Kind, given: tuple[int, ...], path: str) -> dict[str | None, int]:
        layer = len(self.names)
        self.names.append(path)
        for value in given:
            self.readers[value].append(layer)
        shares = kind.keeps_storage or kind.overwrites
        self.shares.append(shares)
        made = {name: self.value(self.storage[given[0]] if shares else None) for name in node.shapes}
        self.outputs.append(min(made.values()))
        if kind.needs_output:
            for value in made.values():
                self.needed.setdefault(self.storage[value], layer)
        if kind.overwrites:
            self.writes.append((layer, given[0], node))
        return made

    def clashes(self) -> Iterator[tuple[Node, str, str]]:
        """In-place layers with their path and who else needs what they overwrite."""
        together: dict[int, list[int]] = {}
        for value, storage in enumerate(self.storage):
            together.setdefault(storage, []).append(value)
        for layer, written, node in self.writes:
            made = self.outputs[layer]
            needing = self.needed.get(self.storage[written], layer)
            if needing < layer:
                yield node, self.names[layer], f"the backward pass of `{self.names[needing]}` reads"
                continue
            for value in together[self.storage[written]]:
                if value >= made:
                    continue
                for reader in self.readers[value]:
                    handed_on = reader >= 0 and self.shares[reader] and self.outputs[reader] < made
                    if reader != layer and not handed_on:
                        who = (
                            f"`{self.names[reader]}` reads too" if reader >= 0 else "the caller of the network has too"
                        )
                        yield node, self.names[layer], who
                        break
                else:
                    continue
                break


def overwrite_problems(network: Network) -> list[Problem]:
    """A problem for every in-place layer whose input something else reads."""
    if not any(layer.kind.overwrites for layer in walk(network.graph)):
        return []
    memory = _Memory()
    start = memory.value()
    memory.readers[start].append(_CALLER)
    for value in flow(network.graph, (start,), memory.layer).values():
        memory.readers[value].append(_CALLER)
    problems = []
    for node, path, who in memory.clashes():
        call = node.call
        mark = call.marks.get("inplace", node.mark) if call is not None else node.mark
        message = f"an in-place layer overwrites what {who}"
        fix = Fix(mark, "false") if mark != node.mark else None
        problems.append(Problem("E0320", message, mark, where=(path,), help="leave out `inplace` here", fix=fix))
    return problems
