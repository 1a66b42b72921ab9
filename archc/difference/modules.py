"""An nn.Module as one side of a comparison, and the outputs of two networks with the same random weights."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import nn

from archc.architecture import loads
from archc.build.inputs import noise
from archc.build.random_weights import random_weights
from archc.difference.compared import Compared, compared_architecture
from archc.difference.observed import observed_module, tensors
from archc.difference.tree import network_body
from archc.importing import import_
from archc.problems import Problem, SpecError

Size = tuple[int, ...]

_TOLERANCE = 1e-5
"""Outputs that differ by no more than this share of the largest are equal: sums were taken in another order."""

_NOT_TRACED = {"E0801", "E0802", "E0803"}
"""The importer's reasons for not knowing what a module computes."""


@dataclass(frozen=True, slots=True)
class Run:
    """Two networks with the same random weights on one image.

    `difference` is the largest one, as a share of the largest output; None if the `shapes` of the outputs differ.
    """

    difference: float | None
    shapes: tuple[tuple[Size, ...], tuple[Size, ...]]

    @property
    def same(self) -> bool:
        """Whether they compute the same, but for rounding."""
        return self.difference is not None and self.difference <= _TOLERANCE


def compared_module(label: str, model: nn.Module, input: Size) -> Compared:
    """A module as the importer finds it: its layers, its functions, and how `forward` connects them.

    If the importer can't say all that the module computes, it is compared by its modules and its outputs, and
    `untraced` says why. Raises SpecError (E0704) if it doesn't run on such an image.
    """
    try:
        imported = import_(model, input)
    except SpecError as error:
        if not {problem.code for problem in error.problems} <= _NOT_TRACED:
            raise
        return observed_module(label, model, input, tuple(map(_reason, error.problems)))
    found = compared_architecture(label, loads(imported.text))
    state = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    used = set(imported.keys.values())
    unused = sum(value.numel() for name, value in model.named_parameters() if name not in used)
    figures = {name: value for name, value in found.figures.items() if name != "input"}
    return Compared(
        label=label,
        name=type(model).__name__,
        body=network_body(imported.network, imported=True),
        figures={**figures, "unused_parameters": unused},
        layers=found.layers,
        state=state,
        keys=imported.keys,
        summary=found.summary,
        model=model,
        bound=found.bound,
    )


def _reason(problem: Problem) -> str:
    return problem.message + (f" ({problem.note})" if problem.note else "")


@torch.no_grad()
def run_both(one: nn.Module, other: nn.Module, input: Size, bound: int | None = None) -> Run:
    """The outputs of two networks with the same keys on one image, with random weights, which both take over.

    `bound` is that of `Compared`.

    Weights are random because initial ones can hide a difference: a scale that starts at 0 hides a whole branch.
    """
    state = random_weights(other.state_dict())
    (image,) = noise((bound,), ((1, *input),), torch.Generator().manual_seed(0))
    outputs = []
    for model in (one, other):
        model.load_state_dict(state)
        outputs.append(list(tensors(model.eval()(image.clone())).values()))
    before, after = (tuple(tuple(y.shape[1:]) for y in each) for each in outputs)
    if before != after:
        return Run(None, (before, after))
    largest = max((float(y.abs().max()) for y in outputs[1]), default=0.0)
    apart = max((float((x - y).abs().max()) for x, y in zip(*outputs, strict=True)), default=0.0)
    return Run(apart / largest if largest else apart, (before, after))


def to_run(side: Compared) -> nn.Module:
    """A module of one side that may be changed."""
    if side.architecture is not None:
        return side.architecture.build()
    assert side.model is not None
    return deepcopy(side.model)
