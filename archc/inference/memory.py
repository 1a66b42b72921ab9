"""The memory of a network: weights, outputs, and tensors saved for the backward pass.

Tensors are float32, and counted as PyTorch stores them: a tensor and its views share memory, and in-place layers need
none. Temporary memory of operations (such as a convolution's workspace), optimizer state and an allocator's reserve are
not counted.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from archc.graph import Graph, Network, Node, Ref, flow, integer_bounds, walk
from archc.kinds import Kind, Shape, volume
from archc.kinds.base import FLOAT

_INTEGER = 8
"""Bytes of an int64, such as a word or a counter of batch normalization."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes for a batch of `images`.

    `weights` is the whole state dict, including auxiliary heads and running statistics, and `gradients` are those of
    its trained part. `kept` is what a training step saves from the forward pass for the backward pass, including the
    input. `peak` is the maximum of all tensors that exist at once during inference, if each is freed after its last
    use; it is reached at the layer `peak_at`.
    """

    images: int
    weights: int
    gradients: int
    kept: int
    peak: int
    peak_at: str

    @property
    def training(self) -> int:
        """Weights, gradients and saved tensors, as for plain SGD. Momentum adds `gradients`, and Adam twice that."""
        return self.weights + self.gradients + self.kept

    @property
    def inference(self) -> int:
        """Weights and the peak of the tensors."""
        return self.weights + self.peak

    def to_dict(self) -> dict[str, Any]:
        """The data that `archc summary --format json` prints."""
        return {**asdict(self), "training": self.training, "inference": self.inference}


def network_memory(network: Network, images: int = 1) -> Memory:
    """The memory of a checked network."""
    weights = gradients = 0
    layers = _Layers(images)
    for layer in walk(network.graph):
        if layer.shared:
            continue
        own = layers.of(layer.node, layer.kind)
        weights += own.weights
        gradients += own.gradients
    peak = _Peak(layers)
    inputs = [
        layers.size(shape) if bound is None else layers.size(shape) // FLOAT * _INTEGER
        for shape, bound in zip(network.inputs.values(), integer_bounds(network.graph), strict=True)
    ]
    peak.run(network.graph, tuple([peak.hold(_Held(size)) for size in inputs]), "")
    return Memory(images, weights, gradients, _kept(network, layers, inputs), peak.most, peak.at)


class _Own(NamedTuple):
    """Bytes of a layer: weights, gradients, saved tensors other than outputs, and its output."""

    weights: int
    gradients: int
    kept: int
    scratch: int
    values: dict[str | None, int]


class _Layers:
    """The bytes of layers for a batch of `images`; equal layers share their kind and are computed once."""

    def __init__(self, images: int) -> None:
        self.images = images
        self._known: dict[Any, _Own] = {}

    def size(self, shape: Shape) -> int:
        """Bytes of a tensor."""
        return FLOAT * self.images * volume(shape)

    def of(self, node: Node, kind: Kind) -> _Own:
        """The bytes of a layer."""
        key = (id(kind), node.in_shapes)
        found = self._known.get(key)
        if found is None:
            tensors = kind.tensors(node.in_shapes).values()
            found = self._known[key] = _Own(
                sum((_INTEGER if tensor.integers else FLOAT) * volume(tensor.shape) for tensor in tensors),
                sum(FLOAT * volume(tensor.shape) for tensor in tensors if tensor.trained),
                kind.kept(node.in_shapes, self.images),
                kind.scratch(node.in_shapes, self.images),
                # A learned tensor is used, or repeated, where it is: among the weights.
                {name: 0 if kind.bare else self.size(shape) for name, shape in node.shapes.items()},
            )
        return found


# Training


@dataclass(slots=True, eq=False)
class _Value:
    """A tensor's memory. `trained` means that a gradient flows through it, `kept` that the backward pass reads it."""

    size: int
    trained: bool
    kept: bool = False


def _kept(network: Network, layers: _Layers, inputs: list[int]) -> int:
    values: list[_Value] = []
    beside = 0

    def value(size: int, trained: bool) -> _Value:
        values.append(_Value(size, trained))
        return values[-1]

    def layer(node: Node, kind: Kind, given: tuple[_Value, ...], _path: str) -> dict[str | None, _Value]:
        nonlocal beside
        own = layers.of(node, kind)
        trained = own.gradients > 0 or any(one.trained for one in given[: kind.seen])  # of some only the size counts
        # In training, a dropout creates a new tensor; in inference, it returns its input.
        if kind.overwrites or (kind.keeps_storage and not own.kept):
            given[0].trained |= trained
            made = dict.fromkeys(node.shapes, given[0])
        else:
            made = {name: value(size, trained) for name, size in own.values.items()}
        if trained:
            beside += own.kept
            for place, one in enumerate(given):
                # The gradient of a product for one factor needs the others; the larger of two needs both.
                read = not kind.many or any(
                    other.trained for i, other in enumerate(given) if i != place or kind.reads_itself
                )
                read = read and (one.trained or not kind.pads_first)
                one.kept |= kind.needs_input(node.in_shapes) and read
            for one in made.values():
                one.kept |= kind.keeps_output and not kind.keeps_storage
        return made

    flow(network.graph, tuple([value(size, False) for size in inputs]), layer)
    return beside + sum(one.size for one in values if one.kept)


# Inference


@dataclass(slots=True, eq=False)
class _Held:
    """A tensor's memory, and the number of its values that are still to be read."""

    size: int
    holders: int = 0


_Results = dict[str | None, _Held]


class _Peak:
    """Runs a network step by step like its module, and records the peak of the memory in use."""

    def __init__(self, layers: _Layers) -> None:
        self.layers = layers
        self.now = self.most = 0
        self.at = "input"

    def hold(self, memory: _Held) -> _Held:
        memory.holders += 1
        if memory.holders == 1:
            self.now += memory.size
        return memory

    def free(self, memory: _Held) -> None:
        memory.holders -= 1
        if not memory.holders:
            self.now -= memory.size

    def run(self, graph: Graph, inputs: tuple[_Held, ...], prefix: str) -> _Results:
        """The results of a body, which the caller holds; the caller also holds the inputs."""
        end = len(graph.nodes)
        last = {ref: position for position, node in enumerate(graph.nodes) for ref in node.inputs}
        last |= dict.fromkeys(graph.results.values(), end)
        due: dict[int, list[Ref]] = {}
        values: dict[Ref, _Held] = {Ref(-1 - i): memory for i, memory in enumerate(inputs)}
        for position, node in enumerate(graph.nodes):
            if not node.auxiliary:
                given = tuple(values[ref] for ref in node.inputs)
                for name, memory in self.made(node, given, prefix).items():
                    ref = Ref(position, name)
                    values[ref] = memory
                    due.setdefault(last.get(ref, position), []).append(ref)
            for ref in due.pop(position, ()):
                self.free(values[ref])
        results = {name: self.hold(values[ref]) for name, ref in graph.results.items()}
        for ref in due.pop(end, ()):
            self.free(values[ref])
        return results

    def made(self, node: Node, given: tuple[_Held, ...], prefix: str) -> _Results:
        """The results of an entry, which are held."""
        path = prefix + node.name
        if node.graph is not None:
            return self.run(node.graph, given, f"{path}.")
        assert isinstance(node.element, Kind)
        own = self.layers.of(node, node.element)
        shares = node.element.keeps_storage or node.element.overwrites
        made = {name: self.hold(given[0] if shares else _Held(size)) for name, size in own.values.items()}
        now = self.now + own.scratch
        if now > self.most:
            self.most, self.at = now, path
        return made
