"""Verification of `expect`: the numbers that a spec claims are compared with the inferred ones."""

from __future__ import annotations

from typing import Any

from archc.graph import Network
from archc.inference.cost import graph_cost
from archc.inference.rows import network_outputs
from archc.inference.sizes import Sizes, Stop
from archc.problems import Fix, Problem


def expectation_problems(network: Network) -> list[Problem]:
    """A problem for every wrong claim of the spec at its declared input and arguments."""
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
        sizes = Sizes(network)
        actual["min_input"] = list(sizes.minimum())
    problems = []
    for name, claim in claims.items():
        shown = _shown(actual[name])
        if claim == actual[name]:
            continue
        code, why, help = "E0401", f"it is {shown}", "fix the layers, or update `expect`"
        if name == "min_input" and len(claim) == len(network.input) - 1:
            stop = sizes.outputs(*claim)
            if isinstance(stop, Stop):
                code, help = "E0402", stop.fault.help
                why = f"there `{stop.path}` (line {stop.node.mark.line}) stops: {stop.fault.message}"
        what = f"`{name}: {_shown(claim)}` is wrong: {why}"
        fix = None if isinstance(actual[name], dict) else Fix(marks[name], str(actual[name]))
        problems.append(Problem(code, what, marks[name], label=f"is {shown}", help=help, fix=fix))
    return problems


def _shown(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
