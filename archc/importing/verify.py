"""Compares an imported spec with its source: both compute their outputs for the same random weights and inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from archc.build.builder import build_graph
from archc.build.inputs import noise, with_batch
from archc.build.random_weights import random_weights
from archc.graph import Network, integer_bounds
from archc.importing.graph import SourceGraph
from archc.problems import Problem, SpecError
from archc.text import counted, first_line

_IMAGES = 2
"""Inputs in the batch: with one, an operation that mixes the images of a batch would pass."""


def verify(graph: SourceGraph, network: Network, keys: Mapping[str, str]) -> str:
    """Compare the outputs of a spec and its source, and return the line for the report.

    `keys` has the source's key for each key of the spec. Weights are random, because trained or constant ones can hide
    a difference, and so is the batch. Raises SpecError (E0803) if the outputs differ by more than the tolerance.
    """
    if graph.run is None:
        return "not verified: no program to run the source with"
    with torch.device("meta"):
        model = build_graph(network.graph, network.spec.name)
    state = random_weights(model.state_dict())
    generator = torch.Generator().manual_seed(0)
    model.load_state_dict(state, assign=True)
    batch = noise(integer_bounds(network.graph), with_batch(_IMAGES, graph.inputs.values()), generator)
    try:
        with torch.no_grad():
            given = graph.run({source: state[key] for key, source in keys.items()}, [x.clone() for x in batch])
            made = _listed(model.eval()(*batch))
    except SpecError:
        raise
    except Exception as error:  # PyTorch's own, if it runs out of memory for example
        what = f"{graph.name} cannot be run here to compare it with its spec: {first_line(error)}"
        raise SpecError([Problem("E0803", what, file=graph.name, note="nothing was written")]) from None
    apart, largest = _difference(graph.name, given, made)
    if apart > graph.tolerance * largest:
        what = f"the outputs of the imported spec differ from those of {graph.name} by up to {apart:.3g}"
        help = "please report this network as a bug in archc"
        raise SpecError([Problem("E0803", what, file=graph.name, note="nothing was written", help=help)])
    by = f" by {graph.reference}" if graph.reference else ""
    size = " and ".join("×".join(map(str, shape)) for shape in graph.inputs.values())
    weights = counted(sum(prod(tensor.shape) for tensor in state.values()), "random weight")
    return (
        f"verified: largest difference {apart:.3g} of outputs up to {largest:.3g}{by},"
        f" for {_IMAGES} random inputs of {size} and {weights}"
    )


def _difference(name: str, given: Sequence[Tensor], made: Sequence[Tensor]) -> tuple[float, float]:
    """The largest difference of two lists of outputs, and the largest output."""
    shapes = [[tuple(each.shape) for each in outputs] for outputs in (given, made)]
    if shapes[0] != shapes[1]:
        what = f"the outputs of the imported spec have the shapes {shapes[1]}, those of {name} {shapes[0]}"
        raise SpecError([Problem("E0803", what, file=name, note="nothing was written")])
    apart = max(float((one - other).abs().max()) for one, other in zip(given, made, strict=True))
    largest = max(float(each.abs().max()) for each in given)
    if not (apart == apart and largest < float("inf") and any(float(each.std()) > 0 for each in given)):
        what = f"random weights give {name} outputs that are constant or not finite, so nothing can be compared"
        raise SpecError([Problem("E0803", what, file=name, note="nothing was written")])
    return apart, largest


def _listed(result: Any) -> list[Tensor]:
    return list(result.values()) if isinstance(result, dict) else [result]
