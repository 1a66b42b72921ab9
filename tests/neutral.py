"""Runs a neutral graph layer by layer with PyTorch, to hold readers against other programs."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import torch
from torch import Tensor, nn

from archc.build.builder import make_layer
from archc.build.random_weights import random_weights
from archc.importing.graph import Operation, SourceGraph, Value
from archc.kinds import KINDS, Shape


def shapes_of(graph: SourceGraph, operation: Operation) -> tuple[Shape, ...]:
    inputs = list(graph.inputs.values())
    return tuple(
        inputs[-1 - value.operation]
        if value.operation < 0
        else graph.operations[value.operation].shapes[value.part or 0]
        for value in operation.inputs
    )


def figures(graph: SourceGraph) -> tuple[int, int]:
    """Parameters and multiply-adds."""
    parameters = macs = 0
    for operation in graph.operations:
        kind, shapes = KINDS[operation.kind](**operation.arguments), shapes_of(graph, operation)
        parameters += kind.parameters(shapes)
        macs += kind.macs(shapes, operation.shapes[0])
    return parameters, macs


def modules_of(graph: SourceGraph) -> list[nn.Module]:
    """A module for each operation."""
    return [
        make_layer(KINDS[operation.kind](**operation.arguments).call(shapes_of(graph, operation))).eval()
        for operation in graph.operations
    ]


def state_of(graph: SourceGraph, modules: list[nn.Module], seed: int = 0) -> dict[str, Tensor]:
    """Random weights under the source's keys."""
    state: dict[str, Tensor] = {}
    for operation, module in zip(graph.operations, modules, strict=True):
        own = {source: module.state_dict()[name] for name, source in operation.tensors.items()}
        values = random_weights(
            {f"{at}.{name}": module.state_dict()[name] for at, name in enumerate(operation.tensors)}, seed
        )
        state |= dict(zip(own, values.values(), strict=True))
        seed += 1
    return state


def run(graph: SourceGraph, modules: list[nn.Module], state: Mapping[str, Tensor], x: Tensor) -> list[Tensor]:
    """The outputs of a graph, every shape as it says."""
    made: list[Tensor | tuple[Tensor, ...]] = []

    def value(of: Value) -> Tensor:
        found = x if of.operation < 0 else made[of.operation]
        return found[of.part] if isinstance(found, tuple) and of.part is not None else found

    with torch.inference_mode():
        for operation, module in zip(graph.operations, modules, strict=True):
            own = {name: state[source] for name, source in operation.tensors.items()}
            assert {name for name in module.state_dict() if name != "num_batches_tracked"} == own.keys()
            module.load_state_dict(own, strict=False)
            made.append(module(*map(value, operation.inputs)))
            parts = made[-1] if isinstance(made[-1], tuple) else (made[-1],)
            assert [tuple(part.shape[1:]) for part in parts] == list(operation.shapes)
            assert prod(operation.shapes[0]) > 0
        return [value(of) for of in graph.results.values()]
