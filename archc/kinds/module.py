"""Any nn.Module of a Python package as a layer: archc knows nothing about its class, so it creates it and runs it once.

Nothing of that happens here: whoever allows it gives a function, `Inspect`, that does it.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final, NamedTuple, Self

from pydantic import PlainValidator, PrivateAttr, WithJsonSchema
from pydantic_core import PydanticCustomError

from archc.kinds.base import Call, Fault, Inputs, Kind, Role, Shape, Stored, Window, form, shown
from archc.kinds.registry import register
from archc.kinds.types import integer
from archc.known import key_of, remember


class Inspection(NamedTuple):
    """The facts about a module for its input: its output, its tensors by their keys, and its costs."""

    output: Shape
    tensors: Mapping[str, Stored]
    parameters: int
    macs: int


Inspect = Callable[["Module", Inputs], Inspection | Fault]
"""Creates a module and runs it for an input; returns the reason if that fails."""

_allowed: list[Inspect] = []


def allow_modules(inspect: Inspect) -> None:
    """Allow `module` entries in all specs that this process reads from now on, for a program such as the command."""
    _allowed[:] = [inspect]


def allowed() -> Inspect | None:
    """The function for all specs, if `module` entries are allowed."""
    return _allowed[0] if _allowed else None


_ADDRESS = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)


def _address(value: Any) -> str:
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value) or set(value.split(".")) & set(keyword.kwlist):
        what = "expected the address of a class, such as `timm.layers.CbamModule`, got {shown}"
        raise PydanticCustomError("address", what, {"shown": shown(value)})
    return value


def _arguments(value: Any) -> tuple[tuple[str, Any], ...]:
    pairs = tuple(value.items()) if isinstance(value, dict) else value
    if not isinstance(pairs, tuple) or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
        what = "expected arguments by name, such as `{channels: 64}`, got {shown}"
        raise PydanticCustomError("arguments", what, {"shown": shown(value)})
    for name, _ in pairs:
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            raise PydanticCustomError("argument", "{shown} is not the name of an argument", {"shown": shown(name)})
    return pairs


def _shape(value: Any) -> Any:
    if value == "same":
        return value
    if not isinstance(value, list | tuple) or not value:
        what = "expected `same` or a list of sizes such as `[64, $height, $width]`, got {shown}"
        raise PydanticCustomError("shape", what, {"shown": shown(value)})
    return tuple(integer(size, 1) for size in value)


_NAMED = {
    "type": "object",
    "properties": {},
    "additionalProperties": {"type": ["boolean", "null", "number", "string", "array"]},
}


@register
class Module(Kind):
    """A class of any Python package that is an nn.Module with one input and one output.

    archc imports and runs it, so you have to allow it: `--allow-modules`, or `archc.load(spec, allow_modules=True)`.
    """

    kind: ClassVar[str] = "module"
    torch: ClassVar[str] = "nn.Module"
    opaque: ClassVar[bool] = True
    listed: ClassVar[tuple[str, ...]] = ("shape",)
    keywords: ClassVar[tuple[str, ...]] = ("arguments",)
    role: ClassVar[Role] = "reshape"
    examples: ClassVar[tuple[str, ...]] = (
        "{target: torch.nn.ChannelShuffle, arguments: {groups: 2}}",
        "{target: torchvision.ops.SqueezeExcitation, arguments: {input_channels: $channels, squeeze_channels: 4}}",
        "{target: torch.nn.MaxPool2d, arguments: {kernel_size: 2}, shape: [$channels, $(height // 2), $(width // 2)]}",
    )

    target: Annotated[str, PlainValidator(_address), WithJsonSchema({"type": "string", "pattern": _ADDRESS.pattern})]
    """The address of the class: its module and its name, with dots."""
    arguments: Annotated[tuple[tuple[str, Any], ...], PlainValidator(_arguments), WithJsonSchema(_NAMED)] = ()
    """The arguments of its constructor by their names."""
    shape: Annotated[
        Any,
        PlainValidator(_shape),
        WithJsonSchema(
            {"anyOf": [{"const": "same"}, {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1}]}
        ),
    ] = "same"
    """The shape of its output without the batch: a list of sizes, or `same` if it is that of the input."""

    _inspect: Inspect | None = PrivateAttr(None)
    _built: Inputs | None = PrivateAttr(None)

    def __eq__(self, other: object) -> bool:
        return type(other) is Module and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((self.target, key_of(*self.arguments), self.shape))

    def seen_by(self, inspect: Inspect | None, inputs: Inputs) -> Self:
        """The same layer, built for an input, with the function that runs it; always the same object."""
        if inspect is None:
            return self
        key = (inspect, inputs, self, key_of(*self.arguments))
        found: Self | None = _SEEN.get(key)
        if found is None:
            found = self.model_copy()
            found._inspect, found._built = inspect, inputs
            remember(_SEEN, key, found)
        return found

    def _found(self, inputs: Inputs) -> Inspection:
        """The facts about a valid layer."""
        assert self._inspect is not None
        found = self._inspect(self, inputs)
        assert isinstance(found, Inspection)
        return found

    @property
    def name(self) -> str:
        """The name of its class."""
        return self.target.rpartition(".")[2]

    def label(self, inputs: Inputs) -> str:
        return self.name

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        if self._inspect is None:
            help = "allow it with `--allow-modules`, or with `archc.load(spec, allow_modules=True)`"
            yield Fault(
                "E0230", f"archc would import and run `{self.target}`, which is not allowed", "target", help=help
            )
            return
        found = self._inspect(self, inputs)
        if isinstance(found, Fault):
            yield found
        elif inputs == self._built and found.output != self._declared(inputs):
            written = f"[{', '.join(map(str, found.output))}]"
            message = (
                f"`{self.name}` gives {form(found.output)} for {form(inputs[0])}, not {form(self._declared(inputs))}"
            )
            help = f"write `shape: {written}`, with expressions for the sizes that follow from others"
            yield Fault("E0318", message, "shape", help=help)

    def _declared(self, inputs: Inputs) -> Shape:
        return inputs[0] if self.shape == "same" else tuple(self.shape)

    def output(self, inputs: Inputs) -> Shape:
        return self._declared(inputs) if self._inspect is None else self._found(inputs).output

    def settled(self, inputs: Inputs) -> dict[str, Any]:
        return {"target": self.target, "arguments": self.arguments, "shape": self.shape}

    def call(self, inputs: Inputs) -> Call:
        own = self.target.removeprefix("torch.nn.")
        return Call(self.target if "." in own else f"nn.{own}", (), self.arguments, type(self))

    def tensors(self, inputs: Inputs) -> dict[str, Stored]:
        return dict(self._found(inputs).tensors)

    def parameters(self, inputs: Inputs) -> int:
        return self._found(inputs).parameters

    def macs(self, inputs: Inputs, y: Shape) -> int:
        return self._found(inputs).macs

    def windows(self, inputs: Inputs) -> tuple[Window, ...]:
        return (Window(None),) * (len(self.output(inputs)) - 1)  # it may read everything

    def moves(self, inputs: Inputs, at: int = 0) -> tuple[int | None, ...]:
        same = self._declared(inputs) == inputs[0]
        return super().moves(inputs, at) if same else (None,) * len(inputs[at])

    def needs_input(self, inputs: Inputs) -> bool:
        return True

    @property
    def needs_output(self) -> bool:
        return True


_SEEN: Final[dict[Any, Any]] = {}
"""Layers by the function that runs them, their input and their arguments."""
