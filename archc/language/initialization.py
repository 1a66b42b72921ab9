"""Weight initialisation as data: the functions of torch.nn.init with their arguments and defaults."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

_Positive = Annotated[float, Field(ge=0)]
_Nonlinearity = Literal["linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]


class _Init(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)
    torch: ClassVar[str]


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
    std: _Positive = 1.0
    a: float = -2.0
    b: float = 2.0


class Uniform(_Init):
    """Uniform distribution on [a, b]."""

    torch: ClassVar[str] = "uniform_"
    a: float = 0.0
    b: float = 1.0


class XavierNormal(_Init):
    """Glorot & Bengio, 2010."""

    torch: ClassVar[str] = "xavier_normal_"
    gain: float = 1.0


class XavierUniform(XavierNormal):
    """Glorot & Bengio, 2010."""

    torch: ClassVar[str] = "xavier_uniform_"


class KaimingNormal(_Init):
    """He et al., 2015, https://arxiv.org/abs/1502.01852."""

    torch: ClassVar[str] = "kaiming_normal_"
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
