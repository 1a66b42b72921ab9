"""Weight initialisation as data: the functions of torch.nn.init with their arguments and defaults."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

_Positive = Annotated[float, Field(ge=0)]
_Nonlinearity = Literal["linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]


class _Init(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True, allow_inf_nan=False)
    torch: ClassVar[str]
    fans: ClassVar[bool] = False
    """Whether it needs the fan-in or fan-out of a weight: of convolutions and linear layers only."""


_Range = TypeVar("_Range", "TruncNormal", "Uniform")


def _ordered(given: _Range) -> _Range:
    if given.a >= given.b:
        raise PydanticCustomError("range", "`a` must be below `b`, got {a} and {b}", {"a": given.a, "b": given.b})
    return given


class Constant(_Init):
    """Every element is `val`."""

    torch: ClassVar[str] = "constant_"
    val: float


class Normal(_Init):
    """Normal distribution."""

    torch: ClassVar[str] = "normal_"
    mean: float = 0.0
    std: _Positive = 1.0


class TruncNormal(_Init):
    """Normal distribution within [a, b]."""

    torch: ClassVar[str] = "trunc_normal_"
    mean: float = 0.0
    std: Annotated[float, Field(gt=0)] = 1.0
    a: float = -2.0
    b: float = 2.0

    @model_validator(mode="after")
    def _ordered(self) -> TruncNormal:
        return _ordered(self)


class Uniform(_Init):
    """Uniform distribution on [a, b]."""

    torch: ClassVar[str] = "uniform_"
    a: float = 0.0
    b: float = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> Uniform:
        return _ordered(self)


class XavierNormal(_Init):
    """Glorot & Bengio, 2010."""

    torch: ClassVar[str] = "xavier_normal_"
    fans: ClassVar[bool] = True
    gain: float = 1.0


class XavierUniform(XavierNormal):
    """Glorot & Bengio, 2010."""

    torch: ClassVar[str] = "xavier_uniform_"


class KaimingNormal(_Init):
    """He et al., 2015, https://arxiv.org/abs/1502.01852."""

    torch: ClassVar[str] = "kaiming_normal_"
    fans: ClassVar[bool] = True
    a: float = 0.0
    mode: Literal["fan_in", "fan_out"] = "fan_in"
    nonlinearity: _Nonlinearity = "leaky_relu"


class KaimingUniform(KaimingNormal):
    """He et al., 2015, https://arxiv.org/abs/1502.01852."""

    torch: ClassVar[str] = "kaiming_uniform_"


INITIALIZERS: dict[str, type[_Init]] = {
    model.torch.rstrip("_"): model
    for model in (Constant, Normal, TruncNormal, Uniform, XavierNormal, XavierUniform, KaimingNormal, KaimingUniform)
}
"""The initialisers by their name in specs."""

INITIALIZED = {
    "conv2d": "nn.Conv2d",
    "conv_transpose2d": "nn.ConvTranspose2d",
    "linear": "nn.Linear",
    "batch_norm2d": "nn.BatchNorm2d",
    "batch_norm1d": "nn.BatchNorm1d",
    "group_norm": "nn.GroupNorm",
    "layer_norm": "nn.LayerNorm",
}
"""The kinds that have weights."""
