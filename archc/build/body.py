"""A body other than a plain chain: its children, and the order and wiring in which they run."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn

from archc.graph import Graph, Ref
from archc.kinds import Kind

Place = tuple[int, int | str | None]
"""The location of a value: a slot, and the part of the object in the slot."""


class Step(NamedTuple):
    """Run a child: read values from places, and write the result to a slot.

    `done` are the slots that nothing reads afterwards, so that their memory is freed at once. `bare` is None for a
    child. A tensor of the body itself is used as it is (0), or expanded to this many axes for each image.
    """

    child: str
    sources: tuple[Place, ...]
    target: int
    auxiliary: bool
    done: tuple[int, ...]
    bare: int | None = None


class Body(nn.Module):
    """A block or a network at run time. Its state dict has exactly the entries of its children.

    In training mode, auxiliary heads make the result a dict with `output` (or the named outputs) and each head by name.
    With named outputs it is always a dict, otherwise one tensor.
    """

    def __init__(
        self,
        title: str,
        children: dict[str, nn.Module],
        tensors: dict[str, Tensor],
        steps: tuple[Step, ...],
        slots: int,
        results: tuple[tuple[str, Place], ...],
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
        # Each child takes the previous result, so no wiring is needed.
        self._chain = (
            not (named or heads)
            and slots == len(steps) + 1  # there is one input
            and [place for _, place in results] == [(len(steps), None)]
            and [step.child for step in steps] == list(children)
            and all(step.sources == ((at, None),) and step.bare is None for at, step in enumerate(steps))
        )
        for name, tensor in tensors.items():
            if isinstance(tensor, nn.Parameter):
                self.register_parameter(name, tensor)
            else:
                self.register_buffer(name, tensor)
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
        for name, sources, target, auxiliary, done, bare in self._steps:
            if auxiliary and not self.training:
                pass
            elif bare is not None:
                tensor: Tensor = getattr(self, name)
                images = _value(values, sources[0]).shape[0]
                values[target] = tensor.expand(images, *(-1,) * bare) if bare else tensor
            elif len(sources) == 1 and sources[0][1] is None:  # the common case
                values[target] = children[name](values[sources[0][0]])
            else:
                values[target] = children[name](*[_value(values, place) for place in sources])
            for slot in done:
                values[slot] = None
        results = {name: _value(values, place) for name, place in self._results}
        if self.training and self._heads:
            return results | {name: values[slot] for name, slot in self._heads}
        return results if self._named else next(iter(results.values()))

    def _get_name(self) -> str:
        return self._title


def _value(values: list[Any], place: Place) -> Any:
    slot, part = place
    return values[slot] if part is None else values[slot][part]


def _bare(graph: Graph) -> dict[int, int]:
    """The tensors of a body.

    Each has its number of axes if every image needs a copy, because arithmetic broadcasts over the batch.
    """
    nodes = graph.nodes
    found = {at: 0 for at, node in enumerate(nodes) if isinstance(node.element, Kind) and node.element.bare}
    expanded = {ref.node for ref in graph.results.values()}
    for node in nodes if found else ():
        read = {ref.node for ref in node.inputs}
        arithmetic = isinstance(node.element, Kind) and node.element.infix and graph.form != "branches"
        if not arithmetic or read <= found.keys():
            expanded |= read
    return {at: len(nodes[at].output) if at in expanded else 0 for at in found}


def wire(graph: Graph) -> tuple[tuple[Step, ...], int, dict[str | None, Place], dict[str, int]]:
    """The steps of a graph, the number of slots, the places of the results, and the slots of auxiliary heads.

    The inputs have the first slots, and each entry has another one, which is emptied after its last reader.
    """
    last = {ref.node: position for position, node in enumerate(graph.nodes) for ref in node.inputs}
    last |= {ref.node: len(graph.nodes) for ref in graph.results.values()}
    bare = _bare(graph)
    inputs = len(graph.in_shapes)

    def slot(node: int) -> int:
        return inputs + node if node >= 0 else -1 - node

    def place(ref: Ref) -> Place:
        part: Any = ref.output
        # The parts of a split are a tuple, and the outputs of a body are a dict.
        if part is not None and ref.node >= 0 and graph.nodes[ref.node].graph is None:
            part = int(part)
        return slot(ref.node), part

    steps = []
    for position, node in enumerate(graph.nodes):
        sources = tuple(place(ref) for ref in node.inputs)
        done = [slot(value) for value in dict.fromkeys(ref.node for ref in node.inputs) if last[value] == position]
        if position not in last and not node.auxiliary:
            done.append(slot(position))
        child = graph.owner(node).name
        steps.append(Step(child, sources, slot(position), node.auxiliary, tuple(done), bare.get(position)))
    results = {name: place(ref) for name, ref in graph.results.items()}
    heads = {node.name: slot(position) for position, node in enumerate(graph.nodes) if node.auxiliary}
    return tuple(steps), inputs + len(graph.nodes), results, heads
