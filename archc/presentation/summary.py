"""The contents of `archc summary`: every layer with its shapes and costs, and the totals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from archc.graph import Network
from archc.inference import Depth, Line, Memory, Row, Sizes, graph_cost, layer_rows, network_memory, network_outputs
from archc.inference import outline as outline_of


@dataclass(frozen=True, slots=True)
class Summary:
    """The costs and shapes of a network; `parameters` and `macs` are for inference."""

    name: str
    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]
    parameters: int
    training_parameters: int
    macs: int
    min_input: tuple[int, ...]
    layers: tuple[Row, ...]
    network: Network = field(repr=False, compare=False)

    @property
    def input(self) -> tuple[int, ...]:
        """The shape of the first input."""
        return self.network.input

    def outline(self, depth: Depth = "blocks") -> list[Line]:
        """The rows of the summary: one per block, one per name down to a depth, or (`all`) one per layer."""
        return outline_of(self.network, self.layers, depth)

    def memory(self, images: int = 1) -> Memory:
        """Bytes for inference and training with a batch of `images`."""
        return network_memory(self.network, images)

    def _repr_html_(self) -> str:
        """The summary as HTML, for a notebook."""
        from archc.presentation.tables import summary_html

        return summary_html(self)

    def to_dict(self, images: int = 1) -> dict[str, Any]:
        """The object that `archc summary --format json` prints; its memory is for a batch of `images`."""
        return {
            "name": self.name,
            "input": list(self.input),
            "inputs": {name: list(shape) for name, shape in self.inputs.items()},
            "outputs": {name: list(shape) for name, shape in self.outputs.items()},
            "parameters": self.parameters,
            "training_parameters": self.training_parameters,
            "macs": self.macs,
            "min_input": list(self.min_input),
            "memory": self.memory(images).to_dict(),
            "layers": [_row_dict(row) for row in self.layers],
        }


def _row_dict(row: Row) -> dict[str, Any]:
    return {
        "path": row.path,
        "kind": row.kind,
        "input": list(row.input),
        "output": list(row.output),
        "parameters": row.parameters,
        "macs": row.macs,
        "receptive_field": max(row.receptive_field, default=1),
        "receptive_field_hw": list(row.receptive_field),
        "jump_hw": [_number(jump) for jump in row.jump],
        "line": row.line,
        "training": row.training,
        **({"shares": row.shares} if row.shares else {}),
    }


def _number(value: float) -> int | float:
    return int(value) if value == int(value) else round(value, 6)


def summarize(network: Network) -> Summary:
    """Summarize a checked network."""
    cost = graph_cost(network.graph)
    return Summary(
        network.spec.name,
        network.inputs,
        network_outputs(network),
        cost.parameters,
        cost.training_parameters,
        cost.macs,
        Sizes(network).minimum(),
        layer_rows(network),
        network,
    )
