"""A validated spec: the content of a file with its locations, before any size is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from archc.expressions import Expression
from archc.kinds import KINDS, Kind
from archc.kinds.initializers import can_set
from archc.problems import Mark, Problem, Source, SpecError


class Unknown:
    """A value that was reported as wrong; consequences aren't reported."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN: Final = Unknown()


def is_known(value: Any) -> bool:
    """Return True if neither a value nor any part of it was reported as wrong."""
    return value is not UNKNOWN and not (isinstance(value, tuple) and not all(map(is_known, value)))


@dataclass(frozen=True, slots=True)
class Name:
    """An entry's name; `parts` are strings and expressions if it has any, otherwise `fixed` is the name."""

    parts: tuple[str | Expression, ...]
    mark: Mark
    fixed: str = ""

    @property
    def text(self) -> str:
        """The name as written."""
        return "".join(part if isinstance(part, str) else f"$({part.text})" for part in self.parts)


@dataclass(frozen=True, slots=True)
class Reference:
    """`name` or `name.output`: an earlier result; `template` is a name with expressions, `part` such an output."""

    name: str
    output: str | None
    mark: Mark
    template: Name | None = None
    part: Name | None = None


@dataclass(slots=True, eq=False)
class LayerCall:
    """A layer kind with its arguments; `ready` is the validated kind if no argument is an expression."""

    kind: type[Kind]
    mark: Mark
    arguments: dict[str, Any]
    marks: dict[str, Mark]
    operands: tuple[Reference, ...] = ()
    ready: Kind | None = None


@dataclass(slots=True, eq=False)
class BlockCall:
    """A block with its arguments."""

    block: Block
    mark: Mark
    arguments: dict[str, Any]
    marks: dict[str, Mark]


class Callee(str):
    """The name of a layer type or a block as a value; `target` is the layer or block itself."""

    target: type[Kind] | Block

    def __new__(cls, name: str, target: type[Kind] | Block) -> Callee:
        """Create the value for a layer type or a block."""
        made = super().__new__(cls, name)
        made.target = target
        return made

    @property
    def is_elementwise(self) -> bool:
        """Return True if it is a layer that keeps its input's shape, and is called like all such layers."""
        return isinstance(self.target, type) and self.target.is_elementwise()

    def __deepcopy__(self, memo: object) -> Callee:
        """Return itself, because a copied block would be another block."""
        return self

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, str(other)) is True and getattr(other, "target", self.target) is self.target

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


@dataclass(slots=True, eq=False)
class ChosenCall:
    """A layer or a block that an expression names.

    `options` are those that the spec names for it. `make` creates the call of one, or raises SpecError if the arguments
    are wrong for it; `made` caches the calls.
    """

    which: Expression
    mark: Mark
    arguments: tuple[Any, ...]
    make: Callable[[Callee], LayerCall | BlockCall]
    options: list[Callee] = field(default_factory=list)
    made: dict[Callee, LayerCall | BlockCall] = field(default_factory=dict, repr=False)

    def call(self, callee: Callee) -> LayerCall | BlockCall:
        """The call of a layer or block. Raises SpecError if it can't take the arguments."""
        if callee not in self.made:
            self.made[callee] = self.make(callee)
        return self.made[callee]

    def calls(self) -> Iterator[tuple[Callee, LayerCall | BlockCall]]:
        """The options that can take the arguments, with their calls."""
        for option in self.options:
            with suppress(SpecError):
                yield option, self.call(option)


@dataclass(slots=True, eq=False)
class Share:
    """The layer, block or body of an entry above, `owner`, which runs once more with the same weights."""

    owner: Reference


@dataclass(slots=True, eq=False)
class Body:
    """A chain (`list` or `mapping`), or branches with their join; `inputs` are the names that it declares.

    The first input flows into the first entry, and `input` is another name of it. Without names it is the only one.
    Each of the `outputs` is an entry without an element: its name is that of the output, its source the value.
    """

    form: Literal["list", "mapping", "branches"]
    entries: tuple[Entry | Splice, ...]
    mark: Mark
    join: LayerCall | None = None
    outputs: tuple[Entry | Splice, ...] = ()
    inputs: dict[str, Mark] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Entry:
    """One entry of a body: a layer, a block, a nested body or a share of one, and its inputs.

    Without `sources` it takes the result of the previous entry.

    Without an element it was reported as wrong, and its result is unknown. If it can only be a layer, `meant` is its
    likely kind.
    """

    name: Name | None
    element: LayerCall | BlockCall | ChosenCall | Body | Share | None
    mark: Mark
    sources: tuple[Reference, ...] = ()
    when: Expression | None = None
    auxiliary: bool = False
    meant: type[Kind] | None = None


@dataclass(slots=True, eq=False)
class Splice:
    """A `repeat` or `for` loop, which is replaced by its entries, once per iteration."""

    count: Any
    rows: Any
    variables: tuple[str, ...]
    index: str | None
    entries: tuple[Entry | Splice, ...]
    mark: Mark
    when: Expression | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Its variables and its index."""
        return (*self.variables, *([self.index] if self.index else ()))


@dataclass(slots=True)
class Parameter:
    """An argument of a network or block, with its default; `required` means that it has none.

    An `inherited` one is the network's: a block has it because it reads it, and calls can't give it. `callees` are the
    paths in its value where layers and blocks are named: `()` is the value itself, `("*", 1)` the second item of each
    row.
    """

    name: str
    default: Any
    required: bool
    mark: Mark
    inherited: bool = False
    callees: frozenset[tuple[Any, ...]] = frozenset()


@dataclass(slots=True, eq=False)
class Block:
    """A body with arguments and a name.

    If `is_valid` is false, its declaration was reported as wrong, so its uses aren't checked. The rules of `init` set
    the weights of each instance directly after its creation. `known` are the blocks that its file can name, and
    `inputs` those of its body.
    """

    name: str
    parameters: dict[str, Parameter]
    description: str
    mark: Mark
    body: Body | None = None
    is_valid: bool = True
    init: tuple[InitRule, ...] = ()
    known: dict[str, Block] = field(default_factory=dict, repr=False)
    inputs: dict[str, Mark] = field(default_factory=dict)

    @property
    def arity(self) -> int:
        """The number of its inputs."""
        return max(len(self.inputs), 1)

    @property
    def channels(self) -> list[str]:
        """The names that its expressions have for the channels of its inputs."""
        return ["in_channels", *(f"{name}_channels" for name in list(self.inputs)[1:])]

    @property
    def own(self) -> list[str]:
        """The names of the arguments that calls can give."""
        return [name for name, parameter in self.parameters.items() if not parameter.inherited]


@dataclass(slots=True)
class InitRule:
    """A rule for initial weights: for kinds and paths, the function and arguments of torch.nn.init by tensor.

    A path refers to a layer, or to a part with layers below it; it may be a pattern. Arguments may be expressions over
    the arguments of the network or block; a graph has the rules with their values.
    """

    kinds: tuple[str, ...]
    paths: tuple[str, ...]
    tensors: dict[str, tuple[str, dict[str, Any]]]
    mark: Mark
    path_marks: dict[str, Mark]

    @property
    def settable(self) -> list[str]:
        """The kinds whose tensors it can set completely; for a part of a network it applies to these."""
        functions = [(tensor, function) for tensor, (function, _) in self.tensors.items()]
        return [name for name, kind in KINDS.items() if all(can_set(kind, *each) for each in functions)]

    def replaced(self, value: Callable[[Any], Any]) -> InitRule:
        """The rule with `value` of each argument in its place."""
        tensors = {
            tensor: (function, {name: value(argument) for name, argument in arguments.items()})
            for tensor, (function, arguments) in self.tensors.items()
        }
        return replace(self, tensors=tensors)


@dataclass(slots=True)
class Expectations:
    """The numbers that a spec claims, with the location of each claim."""

    claims: dict[str, Any]
    marks: dict[str, Mark]


@dataclass(slots=True)
class Spec:
    """One network as its files describe it; `problems` are the errors found so far.

    `inputs` are the shapes of its inputs by name; the only input of a spec with `input` is called `input`.
    `checkpoint_keys` are patterns for the keys of published weights, with the names that they have here.
    """

    name: str
    stem: str
    description: str
    paper: str
    inputs: dict[str, tuple[int, ...]]
    input_marks: dict[str, Mark]
    parameters: dict[str, Parameter]
    blocks: dict[str, Block]
    body: Body
    init: tuple[InitRule, ...]
    expect: Expectations
    checkpoint_keys: dict[str, str | None]
    source: Source
    problems: list[Problem]
    again: Callable[[dict[str, str]], Spec] = field(repr=False, compare=False)
    """Loads the spec again with other texts of its files, by the names of their sources. Raises SpecError."""
