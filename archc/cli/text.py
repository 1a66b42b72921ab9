"""Figures as people read them."""

from __future__ import annotations

from archc.graph import Network
from archc.inference import graph_cost, network_outputs


def form(shape: tuple[int, ...]) -> str:
    """`64×112×112`."""
    return "×".join(map(str, shape))


def engineering(count: int) -> str:
    """`1.498 G`: a count with three decimals and its prefix."""
    for size, prefix in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.3f} {prefix}"
    return str(count)


def counted(count: int, thing: str) -> str:
    """`1 problem`, `2 problems`."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def figures(network: Network) -> str:
    """One line of what matters: input, outputs, parameters, multiply-adds."""
    cost = graph_cost(network.graph)
    outputs = ", ".join(form(shape) for shape in network_outputs(network).values())
    training = ""
    if cost.training_parameters != cost.parameters:
        training = f" ({cost.training_parameters:,} with auxiliary heads)"
    macs = f"{engineering(cost.macs)} multiply-adds"
    return f"{form(network.input)} → {outputs}, {cost.parameters:,} parameters{training}, {macs}"
