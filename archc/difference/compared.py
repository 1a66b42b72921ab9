"""What is compared: an architecture of a spec, or an nn.Module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from archc.architecture import Architecture
from archc.difference.checkpoints import Shape, state_of
from archc.difference.tree import Body, network_body
from archc.presentation import Summary

if TYPE_CHECKING:
    from torch import nn

Figures = Mapping[str, Any]
"""Totals by name; what is not known is left out."""


class LayerFigures(NamedTuple):
    """A layer's output without the batch dimension, and what it costs; None where it is not known."""

    output: tuple[int, ...] | None
    parameters: int
    macs: int | None
    receptive_field: tuple[int, ...] | None


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """One of the two: what the user calls it, its name, its tree and its figures, and where it comes from.

    `state` has the shapes of its state dict by their keys, and `keys` the key of a tensor of the tree if it has another
    one there. `untraced` says why it is not known what a module computes; its tree has no wiring then.
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


def compared_architecture(label: str, architecture: Architecture) -> Compared:
    """An architecture with its figures."""
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
    )


def _figures(summary: Summary) -> Figures:
    return {
        "parameters": summary.parameters,
        "training_parameters": summary.training_parameters,
        "unused_parameters": 0,
        "macs": summary.macs,
        "receptive_field": _receptive_field(summary),
        "input": summary.input,
        "outputs": summary.outputs,
        "min_input": summary.min_input,
        "layers": len(summary.layers),
        "kept": summary.memory().kept,
    }


def _receptive_field(summary: Summary) -> tuple[int, ...]:
    """That of the last map that still has places: behind it, everything sees everything."""
    rows = [row for row in summary.layers if not row.training]
    maps = [row for row in rows if any(size > 1 for size in row.output[1:])]
    last = (maps or rows)[-1:]
    return last[0].receptive_field if last else (1,) * (len(summary.input) - 1)
