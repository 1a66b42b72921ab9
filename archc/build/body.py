"""A body that is no plain chain: its children, and the order and wiring in which they run."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn

from archc.graph import Graph, Ref


class Step(NamedTuple):
    """Run a child: take the values of some slots (or a part of one), put the result into a slot."""

    child: str
    sources: tuple[tuple[int, int | str | None], ...]
    target: int
    auxiliary: bool


class Body(nn.Module):
    """A block or a network at run time. Its state dict is that of its children, nothing more.

    In training, auxiliary heads make the result a dict: `output` (or the named outputs) and each head by
    its name. With named outputs it is a dict always; otherwise one tensor.
    """

    def __init__(
        self,
        title: str,
        children: dict[str, nn.Module],
        steps: tuple[Step, ...],
        slots: int,
        results: tuple[tuple[str, tuple[int, int | str | None]], ...],
        heads: tuple[tuple[str, int], ...],
        named: bool,
    ) -> None:
        super().__init__()
        self._title = title
        self._steps = steps
        self._slots = slots
        self._results = results
        self._heads = heads
        self._named = named
        # Each child takes what the one before gave: the wiring need not be looked at.
        self._chain = (
            not (named or heads)
            and [place for _, place in results] == [(0, None)]
            and slots == 1
            and [step.child for step in steps] == list(children)
            and all(step.sources == ((0, None),) for step in steps)
        )
        for name, child in children.items():
            self.add_module(name, child)

    def forward(self, *inputs: Tensor) -> Any:
        """Run the children in order; inputs are (batch, channels, height, width) or (batch, features)."""
        if self._chain:
            (x,) = inputs
            for child in self._modules.values():
                x = child(x)  # type: ignore[misc]  # no child is None
            return x
        values: list[Any] = [*inputs, *([None] * (self._slots - len(inputs)))]
        children: dict[str, Any] = self._modules
        for name, sources, target, auxiliary in self._steps:
            if auxiliary and not self.training:
                continue
            if len(sources) == 1 and sources[0][1] is None:  # nearly always
                values[target] = children[name](values[sources[0][0]])
            else:
                given = [values[slot] if part is None else values[slot][part] for slot, part in sources]
                values[target] = children[name](*given)
        results = {name: values[slot] if part is None else values[slot][part] for name, (slot, part) in self._results}
        if self.training and self._heads:
            return results | {name: values[slot] for name, slot in self._heads}
        return results if self._named else next(iter(results.values()))

    def _get_name(self) -> str:
        return self._title


def wire(graph: Graph) -> tuple[tuple[Step, ...], int, dict[str | None, tuple[int, Any]], dict[str, int]]:
    """The steps of a graph, with slots reused as soon as a value has been read for the last time."""

    def source(ref: Ref) -> Ref:
        # An absent node hands on what it was given.
        while ref.node >= 0 and not graph.nodes[ref.node].present:
            ref = graph.nodes[ref.node].inputs[0]
        return ref

    last: dict[int, int] = {}
    forever = len(graph.nodes)
    for position, node in enumerate(graph.nodes):
        if node.present:
            for ref in node.inputs:
                last[source(ref).node] = position
    for ref in graph.results.values():
        last[source(ref).node] = forever
    count = len(graph.in_shapes)
    slot_of = {-1 - i: i for i in range(count)}
    free = [slot for node, slot in slot_of.items() if node not in last]
    steps: list[Step] = []
    heads: dict[str, int] = {}

    def place(ref: Ref) -> tuple[int, Any]:
        ref = source(ref)
        part: Any = ref.output
        # The parts of a split are a tuple, the outputs of a body a dict.
        if part is not None and ref.node >= 0 and graph.nodes[ref.node].graph is None:
            part = int(part)
        return slot_of[ref.node], part

    for position, node in enumerate(graph.nodes):
        if not node.present:
            continue
        sources = tuple(place(ref) for ref in node.inputs)
        read = dict.fromkeys(source(ref).node for ref in node.inputs)
        free += [slot_of[value] for value in read if last[value] == position]
        if free and not node.auxiliary:
            target = free.pop()
        else:
            target, count = count, count + 1
        slot_of[position] = target
        if node.auxiliary:
            heads[node.name] = target
        elif position not in last:
            free.append(target)
        steps.append(Step(node.name, sources, target, node.auxiliary))
    results = {name: place(ref) for name, ref in graph.results.items()}
    return tuple(steps), count, results, heads
