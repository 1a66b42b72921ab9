"""Activations: element by element, the shape stays."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import PlainValidator, WithJsonSchema

from archc.expressions.symbol import plain
from archc.kinds.base import FLOAT, Fault, Flag, Kind, Real, Shape, Word, integer, volume


class _OfInput(Kind):
    """An activation whose derivative is computed from the input; where that is overwritten, from a copy."""

    @property
    def needs_input(self) -> bool:
        return not self.overwrites

    def kept(self, x: Shape, images: int) -> int:
        return FLOAT * images * volume(x) if self.overwrites else 0


class ReLU(Kind):
    """max(0, x)."""

    kind: ClassVar[str] = "relu"
    torch: ClassVar[str] = "nn.ReLU"

    inplace: Flag = False
    """Overwrite the input's memory; refused where something else reads it."""

    @property
    def needs_output(self) -> bool:
        return True


class ReLU6(_OfInput):
    """min(max(0, x), 6) (MobileNets)."""

    kind: ClassVar[str] = "relu6"
    torch: ClassVar[str] = "nn.ReLU6"

    inplace: Flag = False
    """Overwrite the input's memory; refused where something else reads it."""


class _BySign(Kind):
    """An activation that works in place by its output's sign, which is the input's as long as a factor is not negative.

    PyTorch refuses the backward pass otherwise.
    """

    factor: ClassVar[str]
    """The argument that negative values are scaled by."""

    def requirements(self, x: Shape) -> Iterator[Fault]:
        factor = plain(getattr(self, self.factor))
        if self.overwrites and factor < 0:
            yield Fault(
                "E0320",
                f"an in-place `{self.kind}` with `{self.factor}: {factor}` has no backward pass",
                "inplace",
                label="the sign of what it overwrites is lost",
                help="leave out `inplace` here",
                value="false",
            )

    @property
    def needs_input(self) -> bool:
        return not self.overwrites

    @property
    def needs_output(self) -> bool:
        return self.overwrites


class LeakyReLU(_BySign):
    """x where positive, negative_slope · x elsewhere."""

    kind: ClassVar[str] = "leaky_relu"
    torch: ClassVar[str] = "nn.LeakyReLU"
    positional: ClassVar[tuple[str, ...]] = ("negative_slope",)
    factor: ClassVar[str] = "negative_slope"

    negative_slope: Real = 0.01
    """Factor of negative values."""
    inplace: Flag = False
    """Overwrite the input's memory; refused where something else reads it."""


class ELU(_BySign):
    """x where positive, α(eˣ - 1) elsewhere (https://arxiv.org/abs/1511.07289)."""

    kind: ClassVar[str] = "elu"
    torch: ClassVar[str] = "nn.ELU"
    positional: ClassVar[tuple[str, ...]] = ("alpha",)
    factor: ClassVar[str] = "alpha"

    alpha: Real = 1.0
    """Large negative values become -α."""
    inplace: Flag = False
    """Overwrite the input's memory; refused where something else reads it."""


class GELU(_OfInput):
    """x Φ(x) (https://arxiv.org/abs/1606.08415)."""

    kind: ClassVar[str] = "gelu"
    torch: ClassVar[str] = "nn.GELU"

    approximate: Annotated[Literal["none", "tanh"], Word] = "none"
    """`tanh` approximates Φ."""


class SiLU(_OfInput):
    """x σ(x), also called swish."""

    kind: ClassVar[str] = "silu"
    torch: ClassVar[str] = "nn.SiLU"

    inplace: Flag = False
    """Overwrite the input's memory; refused where something else reads it."""


class Sigmoid(Kind):
    """1 / (1 + e⁻ˣ)."""

    kind: ClassVar[str] = "sigmoid"
    torch: ClassVar[str] = "nn.Sigmoid"

    @property
    def needs_output(self) -> bool:
        return True


class Tanh(Kind):
    """The hyperbolic tangent."""

    kind: ClassVar[str] = "tanh"
    torch: ClassVar[str] = "nn.Tanh"

    @property
    def needs_output(self) -> bool:
        return True


class Hardswish(_OfInput):
    """x · relu6(x + 3) / 6 (MobileNet v3, https://arxiv.org/abs/1905.02244)."""

    kind: ClassVar[str] = "hardswish"
    torch: ClassVar[str] = "nn.Hardswish"

    inplace: Flag = False
    """Overwrite the input's memory; refused where something else reads it."""


class Hardsigmoid(_OfInput):
    """relu6(x + 3) / 6."""

    kind: ClassVar[str] = "hardsigmoid"
    torch: ClassVar[str] = "nn.Hardsigmoid"

    inplace: Flag = False
    """Overwrite the input's memory; refused where something else reads it."""


def _dim(value: Any) -> Any:
    return integer(value, 1, 1, "")


class Softmax(Kind):
    """e^xᵢ / Σ e^xⱼ over the channels or features (dim 1)."""

    kind: ClassVar[str] = "softmax"
    torch: ClassVar[str] = "nn.Softmax"

    dim: Annotated[int, PlainValidator(_dim), WithJsonSchema({"const": 1})] = 1
    """The channels or features: the only choice."""

    def written(self) -> dict[str, Any]:
        return {"dim": 1}  # torch's own default depends on the rank and warns

    @property
    def needs_output(self) -> bool:
        return True
