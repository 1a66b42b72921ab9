"""A validated spec: what a file says, with its places, before any size is known."""

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
    """A value that was reported as wrong where it is written: nothing is said of what follows from it."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN: Final = Unknown()


def is_known(value: Any) -> bool:
    """Return True if a value was not reported as wrong, nor any part of it."""
    return value is not UNKNOWN and not (isinstance(value, tuple) and not all(map(is_known, value)))


@dataclass(frozen=True, slots=True)
class Name:
    """An entry's name; `parts` mixes text and expressions where it carries an index, `fixed` is one without."""

    parts: tuple[str | Expression, ...]
    mark: Mark
    fixed: str = ""

    @property
    def text(self) -> str:
        """The name as it is written."""
        return "".join(part if isinstance(part, str) else f"$({part.text})" for part in self.parts)


@dataclass(frozen=True, slots=True)
class Reference:
    """`name` or `name.output`: an earlier result; `template` is a name that carries an index, `part` such an output."""

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
    """The name of a layer type or a block as a value: the layer or the block itself is `target`."""

    target: type[Kind] | Block

    def __new__(cls, name: str, target: type[Kind] | Block) -> Callee:
        """`name` for a layer type or a block."""
        made = super().__new__(cls, name)
        made.target = target
        return made

    @property
    def is_elementwise(self) -> bool:
        """Whether it is a layer that gives what it takes, and is called as any other of these."""
        return isinstance(self.target, type) and self.target.is_elementwise()

    def __deepcopy__(self, memo: object) -> Callee:
        """Itself: a copy of a block would be another block."""
        return self

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, str(other)) is True and getattr(other, "target", self.target) is self.target

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


@dataclass(slots=True, eq=False)
class ChosenCall:
    """A layer or a block that an expression names.

    `options` are those that the spec names for it. `make` makes the call of one, or raises SpecError with what is wrong
    with the arguments for it; `made` are the calls so far.
    """

    which: Expression
    mark: Mark
    arguments: tuple[Any, ...]
    make: Callable[[Callee], LayerCall | BlockCall]
    options: list[Callee] = field(default_factory=list)
    made: dict[Callee, LayerCall | BlockCall] = field(default_factory=dict, repr=False)

    def call(self, callee: Callee) -> LayerCall | BlockCall:
        """The call of a layer or block. Raises SpecError if it does not take the arguments."""
        if callee not in self.made:
            self.made[callee] = self.make(callee)
        return self.made[callee]

    def calls(self) -> Iterator[tuple[Callee, LayerCall | BlockCall]]:
        """The options that take the arguments, with their calls."""
        for option in self.options:
            with suppress(SpecError):
                yield option, self.call(option)


@dataclass(slots=True, eq=False)
class Body:
    """A chain (`list` or `mapping`), or branches with their join.

    Each of its `outputs` is an entry without an element: its name is that of the output, its source the value.
    """

    form: Literal["list", "mapping", "branches"]
    entries: tuple[Entry | Splice, ...]
    mark: Mark
    join: LayerCall | None = None
    outputs: tuple[Entry | Splice, ...] = ()


@dataclass(slots=True, eq=False)
class Entry:
    """One place in a body: a layer, a block or a nested body, and where its input comes from.

    Without an element it is an entry that was reported as wrong: its result is unknown. If all of it is one layer, then
    `meant` is the kind that this is likely to be.
    """

    name: Name | None
    element: LayerCall | BlockCall | ChosenCall | Body | None
    mark: Mark
    source: Reference | None = None
    when: Expression | None = None
    auxiliary: bool = False
    meant: type[Kind] | None = None


@dataclass(slots=True, eq=False)
class Splice:
    """`repeat` or for-each: its entries take its place, once a turn."""

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
    """A parameter with its default; `required` means that it has none.

    An `inherited` one is the network's own: a block has it because it reads it, and no call names it. `callees` are the
    places in its value where layers and blocks are named: `()` is the value itself, `("*", 1)` the second item of each
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
    """A body with parameters and a name.

    One that is not `sound` was reported as wrong where it is declared, so its uses are not looked at. The rules of
    `init` set the weights of each instance as soon as it is made. `known` are the blocks that its file can name.
    """

    name: str
    parameters: dict[str, Parameter]
    description: str
    mark: Mark
    body: Body | None = None
    sound: bool = True
    init: tuple[InitRule, ...] = ()
    known: dict[str, Block] = field(default_factory=dict, repr=False)

    @property
    def own(self) -> list[str]:
        """The names of the parameters that calls can give."""
        return [name for name, parameter in self.parameters.items() if not parameter.inherited]


@dataclass(slots=True)
class InitRule:
    """How weights start: for the kinds and paths named, function and arguments of torch.nn.init by tensor.

    A path is that of a layer, or of a part with layers below it; it may be a pattern. Arguments may be expressions
    over the parameters of the network or block; a graph has the rules with their values.
    """

    kinds: tuple[str, ...]
    paths: tuple[str, ...]
    tensors: dict[str, tuple[str, dict[str, Any]]]
    mark: Mark
    path_marks: dict[str, Mark]

    @property
    def settable(self) -> list[str]:
        """The kinds whose tensors it can set, all of them: for a part of a network it applies to these."""
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
    """Expected properties of itself, with the place of each claim."""

    claims: dict[str, Any]
    marks: dict[str, Mark]


@dataclass(slots=True)
class Spec:
    """One network as its files say it; `problems` are the faults found so far."""

    name: str
    stem: str
    description: str
    paper: str
    input: tuple[int, ...]
    input_mark: Mark
    parameters: dict[str, Parameter]
    blocks: dict[str, Block]
    body: Body
    init: tuple[InitRule, ...]
    expect: Expectations
    source: Source
    problems: list[Problem]
    again: Callable[[dict[str, str]], Spec] = field(repr=False, compare=False)
    """The spec as it would be with other texts of its files, by the names of their sources. Raises SpecError."""
