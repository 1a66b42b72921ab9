"""The operands of a comparison: the architecture of a spec, or an nn.Module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from archc.architecture import Architecture
from archc.difference.checkpoints import Shape, state_of
from archc.difference.tree import Body, network_body
from archc.graph import integer_bounds
from archc.presentation import Summary

if TYPE_CHECKING:
    from torch import nn

Figures = Mapping[str, Any]
"""Totals by name; unknown ones are omitted."""


class LayerFigures(NamedTuple):
    """A layer's output shape without the batch dimension, and its costs; None if unknown."""

    output: tuple[int, ...] | None
    parameters: int
    macs: int | None
    receptive_field: tuple[int, ...] | None


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """One operand: the user's label, its name, its tree, its totals, and its source.

    `state` has the shapes of its state dict by key, and `keys` the key of a tensor of the tree if the state dict has
    another one. `untraced` are the reasons why it is unknown what a module computes; its tree then has no wiring.
    `bound` is how many integers its first input can hold; None for numbers.
    """

    label: str
    name: str
    body: Body
    figures: Figures
    layers: Mapping[str, LayerFigures]
    state: Mapping[str, Shape]
    keys: Mapping[str, str] = field(default_factory=dict)
    architecture: Architecture | None = None
    summary: Summary | None = None
    model: nn.Module | None = None
    untraced: tuple[str, ...] = ()
    bound: int | None = None


def compared_architecture(label: str, architecture: Architecture) -> Compared:
    """Prepare an architecture for the comparison."""
    summary = architecture.summary()
    layers = {
        row.path: LayerFigures(row.output, row.parameters, row.macs, row.receptive_field) for row in summary.layers
    }
    body = network_body(architecture.network)
    return Compared(
        label=label,
        name=architecture.name,
        body=body,
        figures=_figures(summary),
        layers=layers,
        state=state_of(body),
        architecture=architecture,
        summary=summary,
        bound=integer_bounds(architecture.network.graph)[0],
    )


def _figures(summary: Summary) -> Figures:
    return {
        "parameters": summary.parameters,
        "training_parameters": summary.training_parameters,
        "unused_parameters": 0,
        "macs": summary.macs,
        "receptive_field": _receptive_field(summary),
        "input": summary.input,
        "inputs": summary.inputs,
        "outputs": summary.outputs,
        "min_input": summary.min_input,
        "layers": len(summary.layers),
        "kept": summary.memory().kept,
    }


def _receptive_field(summary: Summary) -> tuple[int, ...]:
    """The receptive field of the last feature map; after it, every value depends on the whole input."""
    rows = [row for row in summary.layers if not row.training]
    maps = [row for row in rows if any(size > 1 for size in row.output[1:])]
    last = (maps or rows)[-1:]
    return last[0].receptive_field if last else (1,) * (len(summary.input) - 1)
