"""Weight initialisation as data: the functions of torch.nn.init with their arguments and defaults."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from archc.kinds import KINDS, Kind
from archc.kinds.base import shown
from archc.language.spec import InitRule
from archc.language.validate import validate
from archc.problems import Mark, Problem, Problems
from archc.reading import Map, Seq

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

INITIALIZED = {name: kind.torch for name, kind in KINDS.items() if kind.tensors is not Kind.tensors}
"""The kinds that have weights, with their classes."""

WITHOUT_FANS = frozenset(name for name in INITIALIZED if "norm" in name)
"""Those whose weight has no fan-in and fan-out."""


def fans_problem(function: str, what: str, mark: Mark) -> Problem:
    """Of an initialiser that needs the fans of something that has none."""
    message = f"`{function}` needs fan-in and fan-out, which {what} does not have"
    return Problem("E0222", message, mark, help="use `normal` or a number")


def parse_init(node: Any, problems: Problems) -> tuple[InitRule, ...]:
    """The rules of weight initialisation."""
    rules = []
    for item, mark in zip(node, node.items_at, strict=True) if isinstance(node, Seq) else ():
        if not isinstance(item, Map) or "layers" not in item:
            continue
        names = item["layers"]
        listed = list(names) if isinstance(names, Seq) else [names]
        if not all(isinstance(name, str) for name in listed):
            continue  # told by the types of the keys
        marks = (
            dict(zip(names, names.items_at, strict=True))
            if isinstance(names, Seq)
            else {names: item.values_at["layers"]}
        )
        tensors = {}
        for tensor in ("weight", "bias"):
            if item.get(tensor) is not None:
                function = _initializer(item[tensor], item.values_at[tensor], problems)
                if function:
                    tensors[tensor] = function
                    flat = [name for name in marks if name in WITHOUT_FANS]
                    if INITIALIZERS[function[0]].fans and (tensor == "bias" or flat):
                        what = f"the {tensor} of `{flat[0]}`" if flat else "a bias"
                        problems.add(fans_problem(function[0], what, item.values_at[tensor]))
        if not tensors and not problems:
            problems.add(
                Problem("E0202", "an init rule sets `weight` or `bias`", mark, help="`weight: {normal: {std: 0.01}}`")
            )
        kinds = tuple(name for name in marks if name in INITIALIZED)
        for name in marks:
            if name in KINDS and name not in INITIALIZED:
                problems.add(Problem("E0222", f"`{name}` has no weights", marks[name]))
        paths = tuple(name for name in marks if name not in KINDS)
        rules.append(InitRule(kinds, paths, tensors, mark, {path: marks[path] for path in paths}))
    return tuple(rules)


def _initializer(node: Any, mark: Mark, problems: Problems) -> tuple[str, dict[str, Any]] | None:
    if isinstance(node, int | float) and not isinstance(node, bool) and abs(node) < 3e38:
        return "constant", {"val": float(node)}
    arguments: Any = {}
    name = node
    if isinstance(node, Map) and len(node) == 1:
        ((name, arguments),) = node.items()
        mark = node.keys_at[name]
    if not isinstance(name, str) or name not in INITIALIZERS:
        help, fix = problems.suggest(str(name), INITIALIZERS, mark)
        problems.add(Problem("E0203", f"{shown(name)} is no initialiser", mark, help=help, fix=fix))
        return None
    root = arguments if isinstance(arguments, Map) else None
    model = validate(INITIALIZERS[name], arguments or {}, root, mark, problems, f"`{name}`")
    return (
        None
        if model is None
        else (name, model.model_dump(exclude_defaults=True) if name != "constant" else model.model_dump())
    )
