"""The base class of layer types: arguments, requirements, shapes, state, costs, drawing and the torch call.

A layer type (a kind) is a pydantic model of its arguments, with PyTorch's names and defaults. Everything else in archc
(the module, the source line, the initial weights, the JSON Schema, the reference page, the tests) is derived from it.
"""

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, ClassVar, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict

FLOAT = 4
"""Bytes of a number in float32."""

Shape = tuple[Any, ...]
"""A tensor's shape without its batch dimension: (channels, height, width) or (features,). Elements are plain integers;
for the calls and shapes of a class of the source they may be expressions."""

Inputs = tuple[Shape, ...]
"""The shapes of a layer's inputs, in the order of the spec: one, or several for a join."""

Role = Literal["conv", "pool", "norm", "activation", "linear", "join", "dropout", "reshape"]
"""The category of a layer, which determines its color in drawings and which layers share a box."""


class Alternatives(tuple[Any, ...]):
    """A shape whose rank depends on a condition that is an expression: (condition, shape, shape)."""

    __slots__ = ()


class Fault(NamedTuple):
    """The reason why a layer can't take its input: `argument` is the wrong argument, if any, and `value` fixes it."""

    code: str
    message: str
    argument: str | None = None
    label: str = ""
    help: str = ""
    value: str = ""


class Call(NamedTuple):
    """A torch call as data: `nn.Conv2d(3, 64, kernel_size=3)`.

    The function of a layer may also be a method of its input, which is a target without a dot (`expand`), an index of
    it (`[]`, with the axis, start, end and step), or the input itself (an empty target).
    Values are plain or expressions; arguments that equal torch's defaults are omitted, because `kind` knows them.
    """

    target: str
    positional: tuple[Any, ...] = ()
    keywords: tuple[tuple[str, Any], ...] = ()
    kind: type["Kind"] | None = None


class Window(NamedTuple):
    """The input positions that one output position depends on along one axis, for receptive fields.

    The output at position i reads the input from `i * step - before` over `extent` positions;
    `extent` is None if every output reads the whole input. With `inside` it reads positions of the map alone:
    what of the stretch lies beyond the map's edge is the edge's position, or nothing. Where the windows of a layer are
    uneven, some start up to `early` positions before that.
    """

    extent: int | None
    step: float = 1.0
    before: float = 0.0
    inside: bool = False
    early: float = 0.0


class State(NamedTuple):
    """A tensor in the state of a layer type: the facts that don't depend on sizes.

    It is `trained`, or a statistic that is only kept. It has `fans` (fan-in and fan-out) if an initializer can scale
    by them. The arguments in `flags` must all be true, or the layer is without it and the module's attribute is None or
    missing; it is `nullable` if PyTorch declares that attribute so, and a type checker wants a test either way.
    `integers` are of 8 bytes each.
    """

    trained: bool = True
    fans: bool = False
    flags: tuple[str, ...] = ()
    nullable: bool = False
    integers: bool = False


class Stored(NamedTuple):
    """A tensor in the state of a layer: its shape, whether it is trained or only a statistic, and of integers."""

    shape: tuple[int, ...]
    trained: bool = True
    integers: bool = False


class Kind(BaseModel):
    """A layer type. Subclasses declare their arguments as fields and override the methods they need."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    kind: ClassVar[str]
    """The name in specs."""
    torch: ClassVar[str]
    """The module class: a class of torch.nn, or one of archc (`archc.Concat`)."""
    positional: ClassVar[tuple[str, ...]] = ()
    """Constructor arguments that the source passes by position."""
    channel_arguments: ClassVar[tuple[str, ...]] = ()
    """Arguments that affect neither the output size nor the valid input sizes."""
    many: ClassVar[bool] = False
    """True if the layer takes a list of inputs."""
    infix: ClassVar[str] = ""
    """The operator that joins the inputs in the source."""
    spread: ClassVar[bool] = False
    """True if its function takes the inputs one by one instead of as a list."""
    most: ClassVar[int | None] = None
    """How many inputs it takes at most, if it takes a list; None: any number."""
    seen: ClassVar[int | None] = None
    """How many of the inputs, from the first on, the values of the output follow from; None: all of them."""
    features_last: ClassVar[bool] = False
    """True if it works along the last axis, so that a feature map needs its channels there."""
    keeps_storage: ClassVar[bool] = False
    """True if the output can share the input's memory (a view)."""
    repeats: ClassVar[bool] = False
    """True if elements of the output share memory, so that no layer can overwrite it."""
    reads_itself: ClassVar[bool] = False
    """True if the gradient of one of several inputs needs that input, too, not only the others."""
    state: ClassVar[Mapping[str, State]] = {}
    """The tensors of the layer by their names in the state dict, in that order; `shapes` has their shapes."""
    inside: ClassVar[tuple[str, ...]] = ()
    """The layer types of the modules with weights inside its module, which rules of `init` reach, too."""
    bare: ClassVar[bool] = False
    """True for a tensor of the body itself: its key is the entry's name, and no module holds it."""
    structural: ClassVar[tuple[str, ...]] = ()
    """Arguments that decide the rank of the output or the order of its axes, so no expression gives a shape."""
    listed: ClassVar[tuple[str, ...]] = ()
    """Arguments that are lists whose length decides the rank; their elements may be expressions."""
    mappings: ClassVar[tuple[str, ...]] = ()
    """Arguments that take an initializer, which may be written as a mapping; it is a tuple of pairs."""
    keywords: ClassVar[tuple[str, ...]] = ()
    """Arguments that are mappings from names to values; they are tuples of pairs."""
    opaque: ClassVar[bool] = False
    """True if its class isn't known: its arguments can name the sizes of its input, and rules of `init` skip it."""
    classes: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """The possible module classes with their arguments, if there are several."""

    role: ClassVar[Role] = "reshape"
    """The category of the layer, for drawings."""
    title: ClassVar[str] = ""
    """The name in drawings (default: `kind` with spaces instead of underscores)."""
    short: ClassVar[str] = ""
    """The name in the box of the layer above, such as `BN` (default: `title`)."""
    aliases: ClassVar[tuple[str, ...]] = ()
    """Names in papers and other libraries, in lower case without underscores, for suggestions."""
    examples: ClassVar[tuple[str, ...]] = ()
    """Arguments as in a spec, as examples for the reference page (default: the required arguments)."""

    @classmethod
    def alone(cls) -> str | None:
        """The argument that takes a value without a name; None if there is none.

        `batch_norm2d: 64` has none: its author means the input's channels, which follow.
        """
        name = next(iter(cls.model_fields), None)
        derived = cls.positional and cls.positional[0] not in cls.model_fields
        return None if name is None or (derived and not cls.model_fields[name].is_required()) else name

    @classmethod
    def is_choosable(cls) -> bool:
        """Return True if a parameter can name it: it takes one input, and is always of one module class."""
        return not (cls.many or cls.bare or cls.opaque or cls.classes)

    @classmethod
    def is_elementwise(cls) -> bool:
        """Return True if it gives what it takes and is called without knowing that: one can stand for another."""
        same = ("output", "derived", "call", "written")
        return cls.is_choosable() and all(getattr(cls, name) is getattr(Kind, name) for name in same)

    @classmethod
    def symbolic(cls, arguments: Mapping[str, Any]) -> Self:
        """A layer whose arguments can be expressions, for `output`, `derived`, `call` and `function`; not validated."""
        return cls.model_construct(**arguments)

    @classmethod
    def likely(cls, x: Shape) -> dict[str, list[Any]]:
        """Argument values that fit an input of shape x, if random values of their types rarely do.

        Tests draw layers from them.
        """
        return {}

    def label(self, inputs: Inputs) -> str:
        """The layer in the notation of papers: `3×3 conv, 192, /2`.

        Arguments that are `Written` are shown so.
        """
        return self.title or self.kind.replace("_", " ")

    def tag(self) -> str:
        """The text that it adds to the box of the layer above in a drawing: `BN`, `ReLU`."""
        return self.short or self.label(())

    def requirements(self, inputs: Inputs) -> Iterator[Fault]:
        """Check the input and the combination of arguments, and yield each error."""
        return iter(())

    def output(self, inputs: Inputs) -> Any:
        """The output's shape for a valid input; a dict of shapes if there are several outputs.

        Height and width must not shrink as the input's grow: the smallest input is searched by that.
        """
        return inputs[0]

    def derived(self, inputs: Inputs) -> dict[str, Any]:
        """Constructor arguments that are inferred from the input's shape."""
        return {}

    def written(self) -> dict[str, Any]:
        """The arguments that differ from torch's defaults, in the form that torch expects."""
        fields = type(self).model_fields
        return {
            name: value
            for name, value in self.__dict__.items()
            if value != (default := fields[name].default) or type(value) is not type(default)
        }

    def settled(self, inputs: Inputs) -> dict[str, Any]:
        """Every argument with its effective value: defaults are filled in, and lists of equal numbers become one.

        A flag of a tensor that another flag turns off is false.
        """
        off = {name for name, state in self.state.items() if not all(getattr(self, flag) for flag in state.flags)}
        return {name: False if name in off else _one(value) for name, value in self.__dict__.items()}

    def call(self, inputs: Inputs) -> Call:
        """The constructor call of the module, for the input's shape."""
        given = {**self.derived(inputs), **self.written()}
        first = tuple(
            given.pop(name) if name in given else getattr(self, name)
            for name in self.positional
            if name in given or type(self).model_fields[name].is_required()
        )
        return Call(self.torch, first, tuple(given.items()), type(self))

    def function(self, inputs: Inputs) -> Call | None:
        """The equivalent function call, if the source should call a function instead of creating a module."""
        return None

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments that a module has, from its attributes of the same names."""
        return attributes

    @classmethod
    def may_lack(cls, tensor: str, arguments: Mapping[str, Any]) -> bool:
        """Return True if a module's attribute may be None with these arguments, some of them expressions."""
        flags = [arguments.get(name, cls.model_fields[name].default) for name in cls.state[tensor].flags]
        return cls.state[tensor].nullable or any(flag is not True for flag in flags)

    def shapes(self, inputs: Inputs) -> dict[str, tuple[int, ...]]:
        """The shapes of all tensors, including those that flags turn off."""
        return {}

    def tensors(self, inputs: Inputs) -> dict[str, Stored]:
        """The tensors of the layer by their names in the state dict."""
        shapes = self.shapes(inputs) if self.state else {}
        return {
            name: Stored(shapes[name], state.trained, state.integers)
            for name, state in self.state.items()
            if self._holds(state)
        }

    def parameters(self, inputs: Inputs) -> int:
        """The number of trainable parameters."""
        if not self.state:
            return 0
        count, shapes = 0, self.shapes(inputs)
        for name, state in self.state.items():
            if state.trained and (not state.flags or self._holds(state)):
                count += prod(shapes[name])
        return count

    def _holds(self, state: State) -> bool:
        return all(map(self.__dict__.__getitem__, state.flags))

    def macs(self, inputs: Inputs, y: Shape) -> int:
        """Multiply-adds for one image; counted for convolutions and linear layers."""
        return 0

    def windows(self, inputs: Inputs) -> tuple[Window, ...]:
        """The input positions that an output position depends on, along each axis after the channels."""
        return (Window(1),) * (len(inputs[0]) - 1)

    def first_window(self, inputs: Inputs) -> Window:
        """As `windows`, along the first axis: all of it, unless the layer works on each position alone."""
        return Window(1) if type(self).windows is Kind.windows else Window(None)

    def moves(self, inputs: Inputs, at: int = 0) -> tuple[int | None, ...]:
        """The axis of the output that each axis of the input `at` becomes; None for one that is mixed with others."""
        return tuple(range(len(inputs[at])))

    @property
    def integers(self) -> int | None:
        """How many integers from 0 on its input can hold, if it reads integers; None for numbers."""
        return None

    @property
    def overwrites(self) -> bool:
        """True if the layer overwrites its input."""
        return bool(self.__dict__.get("inplace", False))  # pydantic's getattr is slow where there is none

    def needs_input(self, inputs: Inputs) -> bool:
        """True if the backward pass needs the input, which is then kept."""
        return False

    @property
    def pads_first(self) -> bool:
        """True if only a padding reads the input, so its gradient is needed only by the layers above."""
        return False

    @property
    def needs_output(self) -> bool:
        """True if the backward pass needs the output, so nothing may overwrite it."""
        return False

    @property
    def keeps_output(self) -> bool:
        """True if the output is kept for that: the kernels that PyTorch has for some devices may not need it."""
        return self.needs_output

    def kept(self, inputs: Inputs, images: int) -> int:
        """Bytes kept for the backward pass in addition to input and output: masks, indices, statistics."""
        return 0

    def scratch(self, inputs: Inputs, images: int) -> int:
        """Bytes of the temporary tensors that the layer needs during inference, in addition to input and output."""
        return 0


def _one(value: Any) -> Any:
    equal = isinstance(value, tuple) and len(set(value)) == 1 and value[0] is not None
    return value[0] if equal else value


AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
"""What the axes after the channels are called, by their number."""

_MAPS = {1: "sequence", 2: "feature map", 3: "volume"}


def need_map(inputs: Inputs, kind: str, rank: int = 2) -> Iterator[Fault]:
    """Yield an error unless the input has channels and `rank` axes after them: (channels, height, width) for two."""
    (x,) = inputs
    if len(x) != 1 + rank:
        stem, other = kind.removesuffix(f"{rank}d"), len(x) - 1
        help = "move it before the `flatten`" if other == 0 else ""
        if other in AXES and stem != kind:
            help = f"use `{stem}{other}d`"
            if other == rank + 1 and x[1] in (1, 3):  # channels, most likely
                help += f"; if {x[0]} is the size of a batch, remove it from `input`"
        what = f"a {_MAPS[rank]} ({', '.join(('channels', *AXES[rank]))})"
        yield Fault("E0301", f"`{kind}` expects {what}, but gets {form(x)}", help=help)


def need_vector(inputs: Inputs, kind: str) -> Iterator[Fault]:
    """Yield an error unless the input is (features,)."""
    (x,) = inputs
    if len(x) != 1:
        yield Fault(
            "E0301",
            f"`{kind}` expects a vector, but gets a feature map of {form(x)}",
            help="put a `flatten` before it",
        )


def form(x: Shape) -> str:
    """A shape as text: `64×112×112`, or `a vector of 1000`."""
    return f"a vector of {x[0]}" if len(x) == 1 else "×".join(map(str, x))


def volume(x: Shape) -> int:
    """The number of elements of a shape."""
    return prod(x)


def shown(value: Any) -> str:
    """A value in the notation of specs, cut to a readable length."""
    import json

    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**20:
        return "a number of more than 20 digits"
    text = "nothing" if value is None else json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "…"
