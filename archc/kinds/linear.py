"""Fully connected layers."""

from collections.abc import Mapping
from typing import Any, ClassVar

from archc.kinds.base import Inputs, Kind, Role, Shape, State, Window, volume
from archc.kinds.labels import text
from archc.kinds.registry import register
from archc.kinds.types import Count, Flag


@register
class Linear(Kind):
    """A fully connected layer along the last axis: y = x Aᵀ + b."""

    kind: ClassVar[str] = "linear"
    torch: ClassVar[str] = "nn.Linear"
    channel_arguments: ClassVar[tuple[str, ...]] = ("out_features", "bias")
    features_last: ClassVar[bool] = True
    positional: ClassVar[tuple[str, ...]] = ("in_features", "out_features")
    state: ClassVar[Mapping[str, State]] = {"weight": State(fans=True), "bias": State(flags=("bias",))}
    role: ClassVar[Role] = "linear"
    aliases: ClassVar[tuple[str, ...]] = ("dense", "fc", "fullyconnected")
    examples: ClassVar[tuple[str, ...]] = ("10", "{out_features: 10, bias: false}")

    out_features: Count
    """Features of the output."""
    bias: Flag = True
    """Add a learned bias to each output feature."""

    def label(self, inputs: Inputs) -> str:
        return f"linear, {text(self.out_features)}"

    def output(self, inputs: Inputs) -> Shape:
        return (*inputs[0][:-1], self.out_features)

    def derived(self, inputs: Inputs) -> dict[str, Any]:
        return {"in_features": inputs[0][-1]}

    def shapes(self, inputs: Inputs) -> dict[str, tuple[int, ...]]:
        weight = (self.out_features, inputs[0][-1])
        return {"weight": weight, "bias": weight[:1]}

    def macs(self, inputs: Inputs, y: Shape) -> int:
        return volume((*inputs[0], y[-1]))

    def first_window(self, inputs: Inputs) -> Window:
        return Window(1 if len(inputs[0]) > 1 else None)

    def windows(self, inputs: Inputs) -> tuple[Window, ...]:
        axes = len(inputs[0]) - 1
        return (*(Window(1),) * (axes - 1), *(Window(None),) * min(axes, 1))

    def needs_input(self, inputs: Inputs) -> bool:
        return True
