"""Tensors that are entries themselves: learned parameters, such as a class token, and buffers, which are only kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import PlainValidator, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from archc.kinds.base import Call, Fault, Inputs, Kind, Role, Shape, State, shown, volume
from archc.kinds.initializers import INITIALIZERS
from archc.kinds.labels import listed
from archc.kinds.registry import register
from archc.kinds.types import Flag, integer


def _shape(value: Any) -> Any:
    if not isinstance(value, list | tuple) or not value:
        raise PydanticCustomError("shape", "expected a list of sizes, got {shown}", {"shown": shown(value)})
    return tuple(integer(size, 1) for size in value)


_FUNCTIONS = tuple(name for name, initializer in INITIALIZERS.items() if not initializer.fans)


def _mapping(value: Any) -> Any:
    """A mapping that is written as pairs; any other value as it is."""
    pairs = value if isinstance(value, tuple) else ()
    return dict(pairs) if pairs and all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs) else value


def _initializer(value: Any) -> Any:
    """A number, or an initializer with its arguments, as pairs: `(("normal", (("std", 0.02),)),)`."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 3e38:
        return value
    named = _mapping(value)
    ((name, arguments),) = named.items() if isinstance(named, dict) and len(named) == 1 else ((value, None),)
    if not isinstance(name, str) or name not in _FUNCTIONS:
        what = f"expected a number or one of {', '.join(_FUNCTIONS)}, got {{shown}}"
        raise PydanticCustomError("initializer", what, {"shown": shown(name)})
    given = {} if arguments is None else _mapping(arguments)
    if not isinstance(given, dict):
        what = "`{name}` takes its arguments by name, got {got}"
        raise PydanticCustomError("initializer", what, {"name": name, "got": shown(given)})
    try:
        made = INITIALIZERS[name].model_validate(given)
    except ValidationError as error:
        fault = error.errors()[0]
        argument, got = ".".join(map(str, fault["loc"])), shown(fault["input"])
        what = "`{name}` has no argument `{argument}`, got {got}"
        if fault["type"] != "extra_forbidden":
            what = f"`{{argument}}` of `{{name}}`: {fault['msg'].lower()}, got {{got}}" if argument else fault["msg"]
        raise PydanticCustomError("initializer", what, {"name": name, "argument": argument, "got": got}) from None
    return ((name, tuple(made.arguments().items())),)


_NUMBERS = {
    "type": "object",
    "minProperties": 1,
    "maxProperties": 1,
    "properties": {
        name: {
            "type": "object",
            "additionalProperties": False,
            "properties": {field: {"type": "number"} for field in INITIALIZERS[name].model_fields},
        }
        for name in _FUNCTIONS
    },
    "additionalProperties": False,
}


@register
class Parameter(Kind):
    """A learned tensor, such as a class token, a positional embedding or the scale of a branch.

    Its key is the name of the entry. It is the same for each image of the batch, whose size it takes from its input.
    """

    kind: ClassVar[str] = "parameter"
    torch: ClassVar[str] = "nn.Parameter"
    bare: ClassVar[bool] = True
    listed: ClassVar[tuple[str, ...]] = ("shape",)
    mappings: ClassVar[tuple[str, ...]] = ("init",)
    state: ClassVar[Mapping[str, State]] = {"": State()}
    role: ClassVar[Role] = "reshape"
    title: ClassVar[str] = "learned"
    examples: ClassVar[tuple[str, ...]] = (
        "[64, 1, 1]",
        "{shape: [1, 768], leading: true, init: {normal: {std: 0.02}}}",
    )

    shape: Annotated[
        tuple[int, ...],
        PlainValidator(_shape),
        WithJsonSchema({"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1, "maxItems": 7}),
    ]
    """Its sizes, for one image."""
    init: Annotated[
        Any,
        PlainValidator(_initializer),
        WithJsonSchema({"anyOf": [{"type": "number"}, {"enum": list(_FUNCTIONS)}, _NUMBERS]}),
    ] = 0
    """Its initial values: a number, or an initializer such as `{normal: {std: 0.02}}`."""
    leading: Flag = False
    """Store it with a leading axis of length 1 in the place of the batch, as in `torch.zeros(1, 1, 768)`."""

    @classmethod
    def likely(cls, x: Shape) -> dict[str, list[Any]]:
        ones = [1] * (len(x) - 1)
        return {
            "shape": [[x[0], *ones], list(x)],
            "init": [0, 1, 1e-6, "normal", {"normal": {"std": 0.02}}, {"trunc_normal": {"std": 0.02}}, {"uniform": {}}],
        }

    def label(self, inputs: Inputs) -> str:
        return f"learned {listed(self.shape)}"

    def output(self, inputs: Inputs) -> Shape:
        return tuple(self.shape)

    def settled(self, inputs: Inputs) -> dict[str, Any]:
        return {"shape": self.shape, "init": self.init, "leading": self.leading}

    def call(self, inputs: Inputs) -> Call:
        shape = (*([1] if self.leading is True else []), *self.shape)
        # With an expression among the arguments, they aren't validated, and a word is as it was written.
        init = ((self.init, ()),) if isinstance(self.init, str) else self.init
        if isinstance(init, tuple):
            ((name, arguments),) = init
            return Call(self.torch, (shape,), (("function", INITIALIZERS[name].torch), *arguments), type(self))
        return Call(self.torch, (shape,), (("fill", self.init),), type(self))

    def function(self, inputs: Inputs) -> Call:
        return Call("expand", (-1,) * len(self.shape))

    def shapes(self, inputs: Inputs) -> dict[str, tuple[int, ...]]:
        return {"": ((1,) if self.leading else ()) + self.shape}


def _values(value: Any) -> Any:
    if value is None:
        return None
    plain = isinstance(value, list | tuple) and value and all(type(item) in (int, float) for item in value)
    if not plain or not all(abs(item) < 3e38 for item in value):
        raise PydanticCustomError("values", "expected a list of numbers, got {shown}", {"shown": shown(value)})
    return tuple(map(float, value))


@register
class Buffer(Parameter):
    """A tensor that is kept and not trained, such as the means of the input's channels or a mask.

    It is part of the state dict under the name of the entry, and the same for each image of the batch.
    """

    kind: ClassVar[str] = "buffer"
    torch: ClassVar[str] = "nn.Buffer"
    state: ClassVar[Mapping[str, State]] = {"": State(trained=False)}
    title: ClassVar[str] = "kept"
    aliases: ClassVar[tuple[str, ...]] = ("constant", "registerbuffer")
    examples: ClassVar[tuple[str, ...]] = ("[64, 1, 1]", "{shape: [3, 1, 1], values: [0.485, 0.456, 0.406]}")

    values: Annotated[
        Any,
        PlainValidator(_values),
        WithJsonSchema({"anyOf": [{"type": "array", "items": {"type": "number"}, "minItems": 1}, {"type": "null"}]}),
    ] = None
    """Its values, in the order in which they are stored, instead of `init`."""

    @classmethod
    def likely(cls, x: Shape) -> dict[str, list[Any]]:
        return {**super().likely(x), "values": [None]}

    def label(self, inputs: Inputs) -> str:
        return f"buffer {listed(self.shape)}"

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        if self.values is None:
            return
        count, size = len(self.values), volume(self.shape)
        if count != size:
            message = f"`buffer` has {size} elements, but {count} `values`"
            yield Fault("E0203", message, "values", help=f"write {size} numbers, or use `init` for equal ones")
        elif self.init != 0:
            yield Fault("E0203", "`buffer` takes either `init` or `values`", "init", help="remove one of them")

    def settled(self, inputs: Inputs) -> dict[str, Any]:
        return {**super().settled(inputs), "values": self.values}

    def call(self, inputs: Inputs) -> Call:
        made = super().call(inputs)
        return made if self.values is None else made._replace(keywords=(("values", self.values),))
