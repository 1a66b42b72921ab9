"""Activations: element by element, the shape stays."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from archc.kinds.axes import Axis, axis_faults, mixing, place_of
from archc.kinds.base import FLOAT, Fault, Inputs, Kind, Role, Shape, State, Window, volume
from archc.kinds.labels import text, value_of
from archc.kinds.registry import register
from archc.kinds.types import Count, Flag, Real


class _Activation(Kind):
    """A function of each element."""

    role: ClassVar[Role] = "activation"


class _OfOutput(_Activation):
    """An activation whose derivative is computed from the output."""

    @property
    def needs_output(self) -> bool:
        return True


class _OfInput(_Activation):
    """An activation whose derivative is computed from the input; where that is overwritten, from a copy."""

    def needs_input(self, inputs: Inputs) -> bool:
        return not self.overwrites

    def kept(self, inputs: Inputs, images: int) -> int:
        return FLOAT * images * volume(inputs[0]) if self.overwrites else 0


@register
class ReLU(_OfOutput):
    """max(0, x)."""

    kind: ClassVar[str] = "relu"
    torch: ClassVar[str] = "nn.ReLU"
    title: ClassVar[str] = "ReLU"
    aliases: ClassVar[tuple[str, ...]] = ("activation",)

    inplace: Flag = False
    """Overwrite the input to save memory; an error if something else reads the input."""


@register
class ReLU6(_OfInput):
    """min(max(0, x), 6) (MobileNets)."""

    kind: ClassVar[str] = "relu6"
    torch: ClassVar[str] = "nn.ReLU6"
    title: ClassVar[str] = "ReLU6"

    inplace: Flag = False
    """Overwrite the input to save memory; an error if something else reads the input."""


class _BySign(_Activation):
    """An activation that works in place by its output's sign, which is the input's as long as a factor is not negative.

    PyTorch refuses the backward pass otherwise.
    """

    factor: ClassVar[str] = ""
    """The argument that negative values are scaled by, if there is one."""

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        factor = getattr(self, self.factor) if self.factor else 1.0
        if self.overwrites and factor < 0:
            yield Fault(
                "E0320",
                f"an in-place `{self.kind}` with `{self.factor}: {factor}` has no backward pass",
                "inplace",
                label="it overwrites its input, so the sign of the input is lost",
                help="remove `inplace` here",
                value="false",
            )

    def needs_input(self, inputs: Inputs) -> bool:
        return not self.overwrites

    @property
    def needs_output(self) -> bool:
        return self.overwrites


@register
class LeakyReLU(_BySign):
    """x if x is positive, otherwise negative_slope · x."""

    kind: ClassVar[str] = "leaky_relu"
    torch: ClassVar[str] = "nn.LeakyReLU"
    positional: ClassVar[tuple[str, ...]] = ("negative_slope",)
    factor: ClassVar[str] = "negative_slope"
    title: ClassVar[str] = "leaky ReLU"
    examples: ClassVar[tuple[str, ...]] = ("0.2",)

    negative_slope: Real = 0.01
    """Factor for negative values."""
    inplace: Flag = False
    """Overwrite the input to save memory; an error if something else reads the input."""


@register
class PReLU(_OfInput):
    """x if x is positive, otherwise a learned slope · x (https://arxiv.org/abs/1502.01852)."""

    kind: ClassVar[str] = "prelu"
    torch: ClassVar[str] = "nn.PReLU"
    positional: ClassVar[tuple[str, ...]] = ("num_parameters",)
    state: ClassVar[Mapping[str, State]] = {"weight": State()}
    title: ClassVar[str] = "PReLU"
    examples: ClassVar[tuple[str, ...]] = ("", "16")

    num_parameters: Count = 1
    """Number of slopes: 1, or one per channel."""
    init: Real = 0.25
    """Initial slope."""

    @classmethod
    def likely(cls, x: Shape) -> dict[str, list[Any]]:
        return {"num_parameters": [1, x[0]]}

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        channels = inputs[0][0]
        if self.num_parameters not in (1, channels):
            message = f"`prelu` has 1 slope, or one for each of the {channels} channels, not {self.num_parameters}"
            yield Fault("E0306", message, "num_parameters", help=f"write 1 or {channels}")

    def shapes(self, inputs: Inputs) -> dict[str, tuple[int, ...]]:
        return {"weight": (self.num_parameters,)}


@register
class ELU(_BySign):
    """x if x is positive, otherwise α(eˣ - 1) (https://arxiv.org/abs/1511.07289)."""

    kind: ClassVar[str] = "elu"
    torch: ClassVar[str] = "nn.ELU"
    positional: ClassVar[tuple[str, ...]] = ("alpha",)
    factor: ClassVar[str] = "alpha"
    title: ClassVar[str] = "ELU"

    alpha: Real = 1.0
    """The value -α is the limit for large negative inputs."""
    inplace: Flag = False
    """Overwrite the input to save memory; an error if something else reads the input."""


@register
class SELU(_BySign):
    """λx if x is positive, otherwise λα(eˣ - 1), which keeps mean 0 and variance 1 (https://arxiv.org/abs/1706.02515)."""

    kind: ClassVar[str] = "selu"
    torch: ClassVar[str] = "nn.SELU"
    title: ClassVar[str] = "SELU"

    inplace: Flag = False
    """Overwrite the input to save memory; an error if something else reads the input."""


@register
class GELU(_OfInput):
    """x Φ(x) (https://arxiv.org/abs/1606.08415)."""

    kind: ClassVar[str] = "gelu"
    torch: ClassVar[str] = "nn.GELU"
    title: ClassVar[str] = "GELU"

    approximate: Literal["none", "tanh"] = "none"
    """`tanh` uses an approximation of Φ."""


@register
class SiLU(_OfInput):
    """x σ(x), also called swish."""

    kind: ClassVar[str] = "silu"
    torch: ClassVar[str] = "nn.SiLU"
    title: ClassVar[str] = "SiLU"
    aliases: ClassVar[tuple[str, ...]] = ("swish",)

    inplace: Flag = False
    """Overwrite the input to save memory; an error if something else reads the input."""


@register
class Mish(_OfInput):
    """x tanh(ln(1 + eˣ)) (https://arxiv.org/abs/1908.08681)."""

    kind: ClassVar[str] = "mish"
    torch: ClassVar[str] = "nn.Mish"
    title: ClassVar[str] = "Mish"

    inplace: Flag = False
    """Overwrite the input to save memory; an error if something else reads the input."""


@register
class Sigmoid(_OfOutput):
    """1 / (1 + e⁻ˣ)."""

    kind: ClassVar[str] = "sigmoid"
    torch: ClassVar[str] = "nn.Sigmoid"


@register
class Tanh(_OfOutput):
    """The hyperbolic tangent."""

    kind: ClassVar[str] = "tanh"
    torch: ClassVar[str] = "nn.Tanh"


@register
class Hardswish(_OfInput):
    """x · relu6(x + 3) / 6 (MobileNet v3, https://arxiv.org/abs/1905.02244)."""

    kind: ClassVar[str] = "hardswish"
    torch: ClassVar[str] = "nn.Hardswish"
    title: ClassVar[str] = "hard swish"

    inplace: Flag = False
    """Overwrite the input to save memory; an error if something else reads the input."""


@register
class Hardsigmoid(_OfInput):
    """relu6(x + 3) / 6."""

    kind: ClassVar[str] = "hardsigmoid"
    torch: ClassVar[str] = "nn.Hardsigmoid"
    title: ClassVar[str] = "hard sigmoid"

    inplace: Flag = False
    """Overwrite the input to save memory; an error if something else reads the input."""


@register
class Softmax(_OfOutput):
    """e^xᵢ / Σ e^xⱼ along an axis, by default the channels or features."""

    kind: ClassVar[str] = "softmax"
    torch: ClassVar[str] = "nn.Softmax"
    examples: ClassVar[tuple[str, ...]] = ("", "-1")

    dim: Axis = 1
    """The axis; 1 is the first after the batch, -1 the last."""

    def label(self, inputs: Inputs) -> str:
        return "softmax" if value_of(self.dim) == 1 else f"softmax, axis {text(self.dim)}"

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        return axis_faults(self.dim, inputs[0], "dim", self.kind)

    def settled(self, inputs: Inputs) -> dict[str, Any]:
        return {"dim": 1 + place_of(self.dim, inputs[0])}

    def written(self) -> dict[str, Any]:
        return {"dim": self.dim}  # torch's own default depends on the rank and warns

    def first_window(self, inputs: Inputs) -> Window:
        return mixing(inputs[0], {place_of(self.dim, inputs[0])})[0]

    def windows(self, inputs: Inputs) -> tuple[Window, ...]:
        return mixing(inputs[0], {place_of(self.dim, inputs[0])})[1:]
