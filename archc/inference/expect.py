"""`expect`: what a spec claims of itself is held against what was inferred."""

from __future__ import annotations

from typing import Any

from archc.graph import Network
from archc.inference.cost import graph_cost
from archc.inference.sizes import Sizes
from archc.inference.summary import network_outputs
from archc.problems import Problem


def expectation_problems(network: Network) -> list[Problem]:
    """A problem for every claim of the spec that does not hold at its declared input and parameters."""
    claims, marks = network.spec.expect.claims, network.spec.expect.marks
    if not claims:
        return []
    cost = graph_cost(network.graph)
    outputs = {name: list(shape) for name, shape in network_outputs(network).items()}
    actual: dict[str, Any] = {
        "parameters": cost.parameters,
        "training_parameters": cost.training_parameters,
        "macs": cost.macs,
        "outputs": outputs,
        "output": next(iter(outputs.values())) if len(outputs) == 1 else outputs,
    }
    if "min_input" in claims:
        actual["min_input"] = list(Sizes(network).minimum())
    return [
        Problem(
            "E0401",
            f"`{name}: {_shown(claim)}` does not hold: it is {_shown(actual[name])}",
            marks[name],
            label=f"is {_shown(actual[name])}",
            help="mend the layers, or the claim",
        )
        for name, claim in claims.items()
        if claim != actual[name]
    ]


def _shown(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
