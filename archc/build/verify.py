"""Comparison of the inferred shapes with those of a forward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from archc.build.inputs import with_batch, zeros
from archc.graph import Network, Placed, bounds_of, integer_bounds, walk
from archc.problems import Problem


def shape_problems(network: Network, model: nn.Module) -> tuple[int, list[Problem]]:
    """The number of layers compared in one forward pass, and a problem for each difference.

    Auxiliary heads run in a second pass, in training mode; running statistics don't change.
    """
    layers: dict[str, list[Placed]] = {}
    for layer in walk(network.graph):
        if not layer.kind.bare:
            layers.setdefault(layer.module, []).append(layer)
    real: dict[str, list[list[tuple[int, ...]]]] = {}

    def keep(path: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            parts = output if isinstance(output, tuple) else (output,)
            real.setdefault(path, []).append([tuple(part.shape[1:]) for part in parts])

        return hook

    handles = [model.get_submodule(path).register_forward_hook(keep(path)) for path in layers]
    training = model.training
    with torch.no_grad():
        parameter = next(model.parameters(), None)
        device = parameter.device if parameter is not None else torch.device("cpu")
        model.eval()(*zeros(integer_bounds(network.graph), with_batch(1, network.inputs.values()), device))
        for node in network.graph.nodes:
            if node.auxiliary:
                inputs = zeros(bounds_of(node), with_batch(1, node.in_shapes), device)
                model.get_submodule(network.graph.owner(node).name)(*inputs)
    model.train(training)
    for handle in handles:
        handle.remove()
    problems = []
    for path, runs in layers.items():
        found = real.get(path, [])
        for at, layer in enumerate(sorted(runs, key=lambda layer: layer.auxiliary)):
            inferred = list(layer.node.shapes.values())
            given = found[at] if at < len(found) else None
            if given != inferred:
                message = f"`{layer.path}` was inferred as {inferred}, but gives {given}"
                problems.append(Problem("E0503", message, layer.node.mark, where=(layer.path,)))
    return sum(1 for _ in walk(network.graph)), problems
