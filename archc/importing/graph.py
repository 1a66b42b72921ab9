"""The neutral graph: a network as its source computes it, in archc's layer types, before it has a spec's structure.

Every reader (of modules, ONNX, Caffe, Darknet) returns a `SourceGraph`. Everything after it (structure, blocks, YAML,
weights, verification) is shared and knows nothing about the format.

A reader translates each operation into a layer type of archc, with the arguments that a spec would have. Operations
that archc has no word for become `Unsupported`; the reader continues, so that the report lists all of them. A reader
says where an operation belongs with `scopes`: of a module these are the calls of the modules around it. A reader of a
format without hierarchy finds equal subgraphs itself and gives their operations scopes, with a path for each instance
and one title for all instances of a block.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor

from archc.kinds import Shape

Call = tuple[str, int]
"""A call of a part: its path, and the number of its calls before."""

Start = tuple[str, tuple[tuple[str, Any], ...]]
"""How a tensor starts: a function of torch.nn.init with its arguments."""

Run = Callable[[Mapping[str, Tensor], Sequence[Tensor]], Sequence[Tensor]]
"""The source's own computation: weights by the source's keys and a batch for each input to the outputs, in their order,
before any softmax that archc also leaves out."""


class Value(NamedTuple):
    """A tensor: an output of an operation, or of the network's input number i as operation -1 - i.

    `part` is the number of the output, for operations that have several (`chunk`, `split`); None otherwise.
    """

    operation: int
    part: int | None = None


class Scope(NamedTuple):
    """A call of a part that contains operations: a module with children, or an instance of a subgraph.

    `path` is its name within the network, such as `layer1.0`; its last component is its entry in the spec. Scopes with
    one `title`, the class's name, may become one block. `call` counts the calls of a part that is used several times.
    """

    path: str
    title: str
    call: int = 0


@dataclass(frozen=True, slots=True)
class Operation:
    """One layer: a layer type of archc with its arguments and its inputs, which come from operations before it.

    `name` is the last component of its path, such as `conv1`; empty if the source doesn't name it, as a call of a
    function. `tensors` has the key in `SourceGraph.state` for each tensor of the layer type (`weight`,
    `running_mean`). `initial` says how these start, if the source does. `shapes` are its outputs' shapes without
    the batch. `place` is where messages find it: a line, or a node's name. An `auxiliary` operation runs in
    training only, and one that runs `again` has the weights of an earlier one, which is the same layer. A `kind` in
    parentheses, such as `(torch.fft.fft)`, is an operation that archc has no word for; it is an error, with its
    argument `reason`, if the network's results depend on it.
    """

    kind: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[Value, ...] = ()
    shapes: tuple[Shape, ...] = ()
    name: str = ""
    scopes: tuple[Scope, ...] = ()
    tensors: Mapping[str, str] = field(default_factory=dict)
    initial: Mapping[str, Start] = field(default_factory=dict)
    place: str = ""
    auxiliary: bool = False
    again: bool = False


class Unsupported(NamedTuple):
    """An operation that archc has no word for: its name in the source, its place, and a reason if need be."""

    operation: str
    place: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SourceGraph:
    """A network as a reader found it.

    `inputs` are the shapes of its inputs by name, without the batch. `results` are its outputs: of a single one the
    name is None. `arguments` has the constructor's arguments of parts by their paths, where they are known: blocks take
    the names of their parameters from there. Where they are known, `given` has the values that a part is called with,
    in order, and its names for them, and `returned` the names of those that it returns in a dict. `state` holds the
    weights, or is empty if the source has none. `run` computes the source's own outputs, with `reference` naming the
    program that does; outputs may differ by `tolerance`, relative to the largest. `origin` says what was imported, for
    the comment of the spec, and `notes` what was dropped or can't be kept, one sentence each.
    """

    name: str
    inputs: Mapping[str, Shape]
    operations: tuple[Operation, ...]
    results: Mapping[str | None, Value]
    state: Mapping[str, Tensor] = field(default_factory=dict)
    arguments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    given: Mapping[Call, Mapping[Value, str]] = field(default_factory=dict)
    returned: Mapping[Call, Mapping[Value, str]] = field(default_factory=dict)
    unsupported: tuple[Unsupported, ...] = ()
    run: Run | None = None
    reference: str = ""
    tolerance: float = 0.0
    origin: str = ""
    notes: tuple[str, ...] = ()
