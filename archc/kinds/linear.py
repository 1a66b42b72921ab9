"""Fully connected layers and what leads to them."""

from collections.abc import Iterator
from typing import Any, ClassVar

from archc.expressions.symbol import product_of
from archc.kinds.base import Call, Count, Fault, Flag, Kind, Shape, Stored, Window, need_vector


class Linear(Kind):
    """A fully connected layer: y = x Aᵀ + b."""

    kind: ClassVar[str] = "linear"
    torch: ClassVar[str] = "nn.Linear"
    positional: ClassVar[tuple[str, ...]] = ("in_features", "out_features")

    out_features: Count
    """Features of the output."""
    bias: Flag = True
    """Add a learned number to each output feature."""

    def requirements(self, x: Shape) -> Iterator[Fault]:
        return need_vector(x, self.kind)

    def output(self, x: Shape) -> Shape:
        return (self.out_features,)

    def derived(self, x: Shape) -> dict[str, Any]:
        return {"in_features": x[0]}

    def tensors(self, x: Shape) -> dict[str, Stored]:
        found = {"weight": Stored((int(self.out_features), int(x[0])))}
        if self.bias:
            found["bias"] = Stored((int(self.out_features),))
        return found

    def macs(self, x: Shape, y: Shape) -> int:
        return int(x[0]) * int(y[0])

    @property
    def needs_input(self) -> bool:
        return True


class Flatten(Kind):
    """A map as one vector of channels × height × width features."""

    kind: ClassVar[str] = "flatten"
    torch: ClassVar[str] = "nn.Flatten"
    keeps_storage: ClassVar[bool] = True

    def size_from(self) -> tuple[bool, tuple[Any, ...]]:
        return False, ()

    def output(self, x: Shape) -> Shape:
        return (product_of(*x),)

    def function(self, x: Shape) -> Call:
        return Call("torch.flatten", (1,))

    def windows(self, x: Shape) -> tuple[Window, Window]:
        return (Window(None), Window(None)) if len(x) == 3 else (Window(1), Window(1))
