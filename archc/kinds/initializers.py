"""The functions of torch.nn.init as data: their arguments and defaults."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WrapValidator, model_validator
from pydantic_core import PydanticCustomError

from archc.expressions import Expression
from archc.kinds.base import Kind


def _plain(value: Any, validated: Callable[[Any], Any]) -> Any:
    """Validate a value, but not an expression, which is validated when it has a value."""
    return value if isinstance(value, Expression) else validated(value)


def _weight(value: float) -> float:
    if abs(value) >= 3e38:
        raise PydanticCustomError("weight", "a weight is at most 3e38")
    return value


_OrExpression = WrapValidator(_plain)
_Number = Annotated[float, _OrExpression]
_Natural = Annotated[float, Field(ge=0), _OrExpression]
_Positive = Annotated[float, Field(gt=0), _OrExpression]
_Weight = Annotated[float, AfterValidator(_weight), _OrExpression]
_Mode = Annotated[Literal["fan_in", "fan_out"], _OrExpression]
_Nonlinearity = Annotated[Literal["linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"], _OrExpression]


class Initializer(BaseModel):
    """A function of torch.nn.init with its arguments."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True, allow_inf_nan=False)
    torch: ClassVar[str]
    fans: ClassVar[bool] = False
    """Whether it needs the fan-in or fan-out of a weight: of convolutions and linear layers only."""

    def arguments(self) -> dict[str, Any]:
        """The arguments that differ from their defaults."""
        return {name: value for name, value in self if value != type(self).model_fields[name].default}


def _check_order(a: Any, b: Any) -> None:
    if not isinstance(a, Expression) and not isinstance(b, Expression) and a >= b:
        raise PydanticCustomError("range", "`a` must be below `b`, got {a} and {b}", {"a": a, "b": b})


class Constant(Initializer):
    """Every element is `val`."""

    torch: ClassVar[str] = "constant_"
    val: _Weight


class Normal(Initializer):
    """Normal distribution."""

    torch: ClassVar[str] = "normal_"
    mean: _Number = 0.0
    std: _Natural = 1.0


class TruncNormal(Initializer):
    """Normal distribution within [a, b]."""

    torch: ClassVar[str] = "trunc_normal_"
    mean: _Number = 0.0
    std: _Positive = 1.0
    a: _Number = -2.0
    b: _Number = 2.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_order(self.a, self.b)
        return self


class Uniform(Initializer):
    """Uniform distribution on [a, b]."""

    torch: ClassVar[str] = "uniform_"
    a: _Number = 0.0
    b: _Number = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_order(self.a, self.b)
        return self


class XavierNormal(Initializer):
    """Glorot & Bengio, 2010."""

    torch: ClassVar[str] = "xavier_normal_"
    fans: ClassVar[bool] = True
    gain: _Number = 1.0


class XavierUniform(XavierNormal):
    """Glorot & Bengio, 2010."""

    torch: ClassVar[str] = "xavier_uniform_"


class KaimingNormal(Initializer):
    """He et al., 2015, https://arxiv.org/abs/1502.01852."""

    torch: ClassVar[str] = "kaiming_normal_"
    fans: ClassVar[bool] = True
    a: _Number = 0.0
    mode: _Mode = "fan_in"
    nonlinearity: _Nonlinearity = "leaky_relu"


class KaimingUniform(KaimingNormal):
    """He et al., 2015, https://arxiv.org/abs/1502.01852."""

    torch: ClassVar[str] = "kaiming_uniform_"


INITIALIZERS: dict[str, type[Initializer]] = {
    model.torch.rstrip("_"): model
    for model in (Constant, Normal, TruncNormal, Uniform, XavierNormal, XavierUniform, KaimingNormal, KaimingUniform)
}
"""The initializers by their name in specs."""

SET: Final = ("weight", "bias")
"""The tensors that a rule can set, as the keys of its spec."""


def can_set(kind: type[Kind], tensor: str, function: str) -> bool:
    """Return True if a function can set a tensor of a layer type: there is one, with a fan-in and fan-out if needed."""
    return tensor in kind.state and (kind.state[tensor].fans or not INITIALIZERS[function].fans)
