"""What a layer kind is: arguments, requirements, shape, cost and the torch call, in one class.

A kind is a pydantic model of its arguments under PyTorch's names and defaults. Everything else in archc
(the module, the source line, the JSON Schema, the reference page, the tests) is derived from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema, WrapValidator
from pydantic_core import PydanticCustomError

from archc.expressions.symbol import Symbol, plain
from archc.limits import MAX_INTEGER

FLOAT = 4
"""Bytes of a number in float32."""

Shape = tuple[Any, ...]
"""A tensor's shape without its batch dimension: (channels, height, width) or (features,). The first
element may be a Symbol; the others are plain integers."""


class Fault(NamedTuple):
    """Why a kind refuses its input: `argument` is the one to blame, if there is one, and `value` what mends it."""

    code: str
    message: str
    argument: str | None = None
    label: str = ""
    help: str = ""
    value: str = ""


class Call(NamedTuple):
    """A torch call as data: `nn.Conv2d(3, 64, kernel_size=3)`.

    Values are plain or symbols; arguments that equal torch's defaults are left out: `kind` knows these.
    """

    target: str
    positional: tuple[Any, ...] = ()
    keywords: tuple[tuple[str, Any], ...] = ()
    kind: type[Kind] | None = None


class Window(NamedTuple):
    """How one output position looks at its input along one axis, for receptive fields.

    The output at position i reads the input from `i * step - before` over `extent` positions;
    `extent` is None where every output reads the whole input. With `inside` it reads positions of the map alone:
    what of the stretch lies beyond the map's edge is the edge's position, or nothing.
    """

    extent: int | None
    step: float = 1.0
    before: float = 0.0
    inside: bool = False


class Stored(NamedTuple):
    """A tensor of a layer's state: its shape, and whether it is trained or a statistic that is only kept."""

    shape: tuple[int, ...]
    trained: bool = True


def _symbolic(value: Any, handler: Any) -> Any:
    if type(value) is Symbol and value.value is not None:
        handler(value.value)
        return value
    return handler(plain(value))


Symbolic = WrapValidator(_symbolic)
"""Validates a symbol's value and keeps the symbol; nothing (`null`) has no name to keep."""


def opened(value: Any) -> Any:
    """A parameter's list, word or nothing as itself; the elements of a list keep their expressions."""
    if type(value) is Symbol and (value.value is None or isinstance(value.value, tuple | str)):
        return value.value
    return value


Word = BeforeValidator(opened)
"""A word that is a parameter's value becomes itself: the source writes it out, where a type checker knows it."""


def integer(value: Any, least: int, most: int = MAX_INTEGER, bound: str = "MAX_INTEGER") -> Any:
    """The value, if it is an integer from `least` to `most`, which is archc's `bound`. Raises PydanticCustomError."""
    number = plain(value)
    if number == "same":
        raise PydanticCustomError("same", "`same` is for stride-1 convolutions: write p = (k - 1) / 2 as a number")
    if type(number) is not int:
        raise PydanticCustomError("integer", "expected an integer, got {shown}", {"shown": shown(number)})
    if number < least:
        raise PydanticCustomError(
            "too_small", "must be at least {least}, got {shown}", {"least": least, "shown": number}
        )
    if number > most:
        raise PydanticCustomError(
            "too_large", "must be at most {most}, got {shown}", {"most": most, "shown": shown(number), "bound": bound}
        )
    return value


def shown(value: Any) -> str:
    """A value as a spec writes it, cut to a readable length."""
    import json

    value = plain(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**20:
        return "a number of more than 20 digits"
    text = "nothing" if value is None else json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "…"


def integer_type(least: int, most: int = MAX_INTEGER, bound: str = "MAX_INTEGER") -> Any:
    """Validator and JSON Schema of an integer within bounds."""
    schema = {"type": "integer", "minimum": least} | ({"maximum": most} if most < MAX_INTEGER else {})
    return (PlainValidator(lambda value: integer(value, least, most, bound)), WithJsonSchema(schema))


def _pair_type(least: int, *words: str, item: Any = None, optional: bool = False) -> Any:
    def check(value: Any) -> Any:
        if type(value) is Symbol and isinstance(value.value, tuple):
            check(value.value)
            return value
        value = opened(value)
        if optional and value is None:
            return None
        if isinstance(value, str) and value in words:
            return value
        if isinstance(value, list | tuple):
            if len(value) != 2:
                raise PydanticCustomError("pair", "expected an integer or a pair, got {shown}", {"shown": shown(value)})
            return tuple(one(part) for part in value)
        return one(value)

    def one(value: Any) -> Any:
        return value if item is not None and value in item else integer(value, least)

    single: dict[str, Any] = {"type": "integer", "minimum": least}
    items: dict[str, Any] = {"anyOf": [single, {"type": "null"}]} if item else single
    pair = {"type": "array", "items": items, "minItems": 2, "maxItems": 2}
    named: list[dict[str, Any]] = [{"const": word} for word in words]
    if optional:
        named.append({"type": "null"})
    return (PlainValidator(check), WithJsonSchema({"anyOf": [single, pair, *named]}))


_COUNT = integer_type(1)
_SIZES, _PADDING, _SAME = _pair_type(1), _pair_type(0), _pair_type(0, "same")
_OUTPUT, _OPTIONAL = _pair_type(1, item=(None,)), _pair_type(1, optional=True)

Count = Annotated[int, *_COUNT]
Pair = Annotated[int | tuple[int, int], *_SIZES]
NaturalPair = Annotated[int | tuple[int, int], *_PADDING]
PaddingOrSame = Annotated[Any, *_SAME]
OutputSize = Annotated[Any, *_OUTPUT]
OptionalPair = Annotated[Any, *_OPTIONAL]
Real = Annotated[float, Symbolic]
Positive = Annotated[float, Field(gt=0), Symbolic]
Flag = Annotated[bool, Symbolic]


def _probability(value: Any) -> Any:
    number = plain(value)
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= 1:
        raise PydanticCustomError("probability", "expected a number from 0 to 1, got {shown}", {"shown": shown(number)})
    return value


Probability = Annotated[
    float, PlainValidator(_probability), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1})
]


def pair(value: Any) -> tuple[int, int]:
    """An integer or a pair as plain (height, width)."""
    if type(value) is int:  # nearly always, and this is where inference spends its time
        return (value, value)
    value = plain(value)
    return value if isinstance(value, tuple) else (value, value)


class Kind(BaseModel):
    """A layer kind. Subclasses declare the arguments as fields and override what is theirs."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    kind: ClassVar[str]
    """The name in specs."""
    torch: ClassVar[str]
    """The module it stands for: a class of torch.nn, or one of archc's own (`archc.Concat`)."""
    positional: ClassVar[tuple[str, ...]] = ()
    """Constructor arguments that are written without their names."""
    many: ClassVar[bool] = False
    """Whether it takes a list of inputs."""
    infix: ClassVar[str] = ""
    """The operator that joins the inputs in the source."""
    keeps_storage: ClassVar[bool] = False
    """Whether the output may share its input's memory (a view)."""

    @classmethod
    def alone(cls) -> str | None:
        """The argument that a value stands for which is written without a name; None if there is none.

        `batch_norm2d: 64` has none: its author means the input's channels, which follow.
        """
        name = next(iter(cls.model_fields), None)
        derived = cls.positional and cls.positional[0] not in cls.model_fields
        return None if name is None or (derived and not cls.model_fields[name].is_required()) else name

    def requirements(self, x: Shape) -> Iterator[Fault]:
        """What of the input (and of the arguments together) this kind cannot work with."""
        return iter(())

    def output(self, x: Shape) -> Any:
        """The output's shape for a legal input; a dict of shapes where there are several outputs.

        Height and width must not shrink as the input's grow: the smallest input is searched by that.
        """
        return x

    def size_from(self) -> tuple[bool, tuple[Any, ...]]:
        """What the height and width of the output follow from: whether from the input's, and which arguments."""
        return True, ()

    def derived(self, x: Shape) -> dict[str, Any]:
        """Constructor arguments that follow from the input's shape."""
        return {}

    def written(self) -> dict[str, Any]:
        """The arguments that differ from torch's defaults, as torch takes them."""
        fields = type(self).model_fields
        return {
            name: value
            for name, value in self.__dict__.items()
            if type(value) is Symbol or value != fields[name].default or type(value) is not type(fields[name].default)
        }

    def settled(self, x: Shape) -> dict[str, Any]:
        """Every argument with the value that it amounts to: equals of a pair are one, what was left out follows."""
        return {name: _one(plain(value)) for name, value in self.__dict__.items()}

    def call(self, x: Shape) -> Call:
        """The constructor call of the module, for the input's shape."""
        given = {**self.derived(x), **self.written()}
        first = tuple(
            given.pop(name) if name in given else getattr(self, name)
            for name in self.positional
            if name in given or type(self).model_fields[name].is_required()
        )
        return Call(self.torch, first, tuple(given.items()), type(self))

    def function(self, x: Shape) -> Call | None:
        """The function that does the same without a module, if a person would rather call it."""
        return None

    def tensors(self, x: Shape) -> dict[str, Stored]:
        """What it holds, under the names of its state dict."""
        return {}

    def parameters(self, x: Shape) -> int:
        """How many trained numbers it has."""
        return sum(volume(tensor.shape) for tensor in self.tensors(x).values() if tensor.trained)

    def macs(self, x: Shape, y: Shape) -> int:
        """Multiply-adds for one image; counted for convolutions and linear layers."""
        return 0

    def windows(self, x: Shape) -> tuple[Window, Window]:
        """How an output position looks at the input, by height and width."""
        return (Window(1), Window(1))

    @property
    def overwrites(self) -> bool:
        """Whether it changes its input's memory."""
        return bool(self.__dict__.get("inplace", False))  # pydantic's getattr is slow where there is none

    @property
    def needs_input(self) -> bool:
        """Whether the backward pass reads its input, which is kept for it."""
        return False

    @property
    def pads_first(self) -> bool:
        """Whether its input is read by a padding alone, whose gradient is of use only to what comes before."""
        return False

    @property
    def needs_output(self) -> bool:
        """Whether the backward pass reads its output, so that nothing may overwrite it."""
        return False

    def kept(self, x: Shape, images: int) -> int:
        """Bytes that are kept for the backward pass beside input and output: masks, indices, statistics."""
        return 0

    def scratch(self, x: Shape, images: int) -> int:
        """Bytes that it takes beside input and output while it runs in inference, as far as they are tensors."""
        return 0


def _one(value: Any) -> Any:
    equal = isinstance(value, tuple) and len(value) in (2, 4) and len(set(value)) == 1 and value[0] is not None
    return value[0] if equal else value


def need_map(x: Shape, kind: str) -> Iterator[Fault]:
    """A fault unless the input is (channels, height, width)."""
    if len(x) != 3:
        yield Fault(
            "E0301",
            f"`{kind}` works on a map (channels, height, width), but gets {form(x)}",
            help="move it before the `flatten`",
        )


def need_vector(x: Shape, kind: str) -> Iterator[Fault]:
    """A fault unless the input is (features,)."""
    if len(x) != 1:
        yield Fault(
            "E0301",
            f"`{kind}` works on a vector, but gets a map of {form(x)}",
            help="put a `flatten` before it",
        )


def form(x: Shape) -> str:
    """A shape as people write it: `64×112×112`, or `a vector of 1000`."""
    return f"a vector of {plain(x[0])}" if len(x) == 1 else "×".join(str(plain(size)) for size in x)


def volume(x: Shape) -> int:
    """How many elements a shape has."""
    size = 1
    for length in x:
        size *= int(length)
    return size
