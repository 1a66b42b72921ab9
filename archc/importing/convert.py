"""From a source graph to the text of a spec."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from archc.build import inspect
from archc.graph import Evaluator, Network, walk
from archc.importing.blocks import find_blocks, name_classes
from archc.importing.graph import Operation, SourceGraph, Unsupported
from archc.importing.hierarchy import hierarchy, normalize
from archc.importing.initial import init_rules
from archc.importing.tree import operations
from archc.importing.unsupported import refuse_unsupported
from archc.importing.write import Written, write
from archc.kinds import KINDS
from archc.language import load_text
from archc.problems import Problem, SpecError
from archc.text import printable

_SHOWN = 3
"""New names that a note lists."""


@dataclass(frozen=True, slots=True)
class Imported:
    """An imported network: the `text` of its spec, its checked `network`, the source's `weights` by the spec's keys.

    `keys` has the source's key for each key of the spec. `notes` say what was dropped or renamed, `report` what was
    compared with the source.
    """

    text: str
    network: Network
    keys: Mapping[str, str]
    weights: Mapping[str, Tensor] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()
    report: str = ""

    def verified(self, report: str) -> Imported:
        """The same with a report of what was compared."""
        return replace(self, report=report)


def to_spec(graph: SourceGraph, merge: bool = True) -> Imported:
    """Write the spec of a source graph; with `merge`, instances of a block can differ in optional parts.

    Raises SpecError (E0801) if archc can't say all of it.
    """
    graph = normalize(graph)
    unknown = [
        Unsupported(operation.kind.strip("()"), operation.place, operation.arguments.get("reason", ""))
        for operation in graph.operations
        if operation.kind not in KINDS
    ]
    refuse_unsupported(graph.name, [*graph.unsupported, *unknown])
    root, unsupported, renamed = hierarchy(graph)
    refuse_unsupported(graph.name, unsupported)
    blocks = find_blocks(root, graph.arguments, merge)
    notes = (*graph.notes, *_renamed(tuple(dict.fromkeys(renamed))))
    (input, *_) = graph.inputs.values()
    comments = [printable(line) for line in (graph.origin, *notes) if line]
    parameters = name_classes(root, graph.arguments.get("", {}))
    written = Written(graph.name, input, parameters, comments)
    text = write(written, blocks, root)
    opaque = any(operation.kind == "module" for operation in graph.operations)
    stem = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", graph.name).lower()

    def evaluated(text: str) -> Network:
        return Evaluator(load_text(text, f"{graph.name} as imported", stem), inspect if opaque else None).network()

    try:
        network = evaluated(text)
    except SpecError as error:
        if {problem.code for problem in error.problems} != {"E0320"} or not _works_in_place(graph):
            raise
        return to_spec(_out_of_place(graph), merge)
    layers = _layers(graph, network, list(operations(root)))
    rules = init_rules(layers)
    if rules:
        text = write(replace(written, init=rules), blocks, root)
        network = evaluated(text)
    keys = {f"{path}.{role}" if role else path: key for path, each in layers for role, key in each.tensors.items()}
    weights = {key: graph.state[source] for key, source in keys.items() if source in graph.state}
    return Imported(text, network, keys, weights | _counters(network, weights), notes)


def _counters(network: Network, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The counters of batch norms whose statistics come from a format without counters: zero."""
    found = {}
    for layer in walk(network.graph):
        key = f"{layer.path}.num_batches_tracked"
        if f"{layer.path}.running_mean" in weights and key not in weights:
            found[key] = torch.tensor(0)
    return found


def _works_in_place(graph: SourceGraph) -> bool:
    return any(operation.arguments.get("inplace") for operation in graph.operations)


def _out_of_place(graph: SourceGraph) -> SourceGraph:
    """The same network with no layer that overwrites its input: the source overwrites what archc keeps."""
    operations = tuple(
        replace(each, arguments={**each.arguments, "inplace": False}) if "inplace" in each.arguments else each
        for each in graph.operations
    )
    note = "Layers don't work in place as they do in the source, where they overwrite a value that is still needed."
    return replace(graph, operations=operations, notes=(*graph.notes, note))


def _renamed(names: Sequence[str]) -> list[str]:
    """A note on names that a spec can't have."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"Names that are not valid in a spec were changed: {', '.join(names[:_SHOWN])}{more}."] if names else []


def _layers(graph: SourceGraph, network: Network, order: list[int]) -> list[tuple[str, Operation]]:
    """The spec's layers with weights, by their paths, each with the source's operation: they run in the same order."""
    layers = [layer for layer in walk(network.graph) if not layer.shared]
    paths = [layer.path for layer in layers if layer.kind.tensors(layer.node.in_shapes)]
    if len(paths) != len(order):
        what = f"the imported spec has {len(paths)} layers with weights, but {graph.name} has {len(order)}"
        raise SpecError([Problem("E0803", what, file=graph.name, note="nothing was written")])
    return [(path, graph.operations[at]) for path, at in zip(paths, order, strict=True)]
