"""What the source of a network says, before it is text: classes with parameters, and what they make and run.

A plan is parametric, as the spec is: its arguments, conditions, counts and names are expressions over the parameters
of the class, and no instance of a block shapes it. It knows nothing of PyTorch but the calls that the layer kinds
hold as data, so another printer is another reader of these classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from archc.expressions import Call, Compare, Expr, Logic, Name, Text, lift
from archc.kinds import Call as TorchCall
from archc.kinds import Kind
from archc.language.spec import Block, Body, InitRule, Reference
from archc.problems import Mark

Shape = tuple[Any, ...]
"""Channels and sizes (or features), each a number or an expression."""


@dataclass(slots=True, eq=False)
class Parameter:
    """A constructor argument with its annotation. `derived` is what it is where it is not given."""

    name: str
    annotation: str
    default: Any = None
    required: bool = True
    derived: Expr | None = None


@dataclass(slots=True, eq=False)
class Value:
    """A tensor in a body: what made it, which of its outputs it is, and its shape.

    `source` is an entry, a loop (what flows out of it), or one of the words below.
    """

    source: Source
    shape: Shape
    output: str | None = None


@dataclass(frozen=True, slots=True)
class Input:
    """The body's own input (0), or a value of a body around it that it takes as a further one."""

    position: int = 0
    name: str = "x"


@dataclass(slots=True, eq=False)
class Turn:
    """What flows into a turn of a loop: at first `start`."""

    start: Value


@dataclass(frozen=True, slots=True)
class Kept:
    """The result of a loop's entry, looked up by its name."""

    key: Text | str


@dataclass(slots=True, eq=False)
class Layer:
    """A layer: its constructor (one call, or one for each condition), and the function that does without it."""

    kind: type[Kind]
    calls: tuple[tuple[Any, TorchCall], ...]
    function: TorchCall | None
    infix: str
    several: bool


@dataclass(slots=True, eq=False)
class Use:
    """A class in use, with its arguments by the names of its parameters."""

    target: ClassPlan
    arguments: dict[str, Any]

    def given(self) -> dict[str, Any]:
        """The arguments of the class's parameters; a nested body takes the names of the scope around it as they are."""
        names = [parameter.name for parameter in self.target.parameters]
        if self.target.block is not None:
            return {name: self.arguments[name] for name in names if name in self.arguments}
        return {name: self.arguments.get(name, Name(name)) for name in names}


class Case(NamedTuple):
    """A call of what an argument names: where `when` holds (None: in all other cases), `callee` is called.

    A class takes its keywords as far as it has these parameters; it is one of `targets`.
    """

    when: Any
    callee: Any
    positional: tuple[Any, ...]
    keywords: tuple[tuple[str, Any], ...]
    targets: tuple[ClassPlan, ...] = ()

    def given(self) -> list[tuple[str, Any]]:
        """The keywords that are taken."""
        known = [{parameter.name for parameter in target.parameters} for target in self.targets]
        return [(name, value) for name, value in self.keywords if not known or all(name in names for names in known)]


@dataclass(slots=True, eq=False)
class Chosen:
    """A layer or a class that an argument names, with all that it can be, and the calls for these."""

    options: tuple[Layer | Use, ...]
    cases: tuple[Case, ...]


@dataclass(slots=True, eq=False)
class Operand:
    """An input of an entry; `when` says whether a branch takes part in its join, `loops` that there is one a turn."""

    value: Value
    when: Any = None
    loops: tuple[Loop, ...] = ()


@dataclass(slots=True, eq=False)
class Make:
    """An entry: what it makes under which name, and what it takes. Without its condition it hands its input on.

    `held` is the local that others read an export of it from, if any; `joins` says that it joins the branches of a
    body. `expanded` says of a tensor of the body that something reads one for each image.
    """

    name: str | Text
    what: Layer | Use | Chosen | BodyPlan
    inputs: list[Operand]
    mark: Mark
    when: Any = None
    auxiliary: bool = False
    kept: bool = False
    held: Name | None = None
    joins: bool = False
    expanded: bool = False


@dataclass(slots=True, eq=False)
class Assign:
    """A local of the constructor gets a value: the channels or a size that a loop carries from turn to turn."""

    target: Name
    value: Any
    when: Any = None


@dataclass(slots=True, eq=False)
class Loop:
    """Steps that are taken once a turn: `count` times, or once for each of `rows`."""

    count: Any
    rows: Any
    variables: tuple[Name, ...]
    index: Name
    when: Any
    turn: Turn
    steps: list[Step] = field(default_factory=list)
    end: Value | None = None

    @property
    def turns(self) -> Any:
        """How many there are."""
        if self.rows is None:
            return self.count
        return len(self.rows) if isinstance(self.rows, tuple) else Call("len", (lift(self.rows),))

    @property
    def names(self) -> set[str]:
        """What differs from turn to turn: its variables, and what it assigns."""
        assigned = {step.target.name for step in self.steps if isinstance(step, Assign)}
        return {self.index.name, *(variable.name for variable in self.variables), *assigned}


Step = Make | Loop | Assign
Source = Make | Loop | Turn | Input | Kept


class Capture(NamedTuple):
    """A value of a body around this one: how it is named there, and what it is here."""

    reference: Reference
    value: Value


@dataclass(slots=True, eq=False)
class BodyPlan:
    """A body: its steps in order, its results by name, and what it reads of the bodies around it.

    `chain`: every entry takes the one before it, so that an nn.Sequential does the same; `numbered`: its entries have
    numbers for names. `optional` are the results that exist only if an entry does, with that entry.
    """

    body: Body
    steps: list[Step]
    results: dict[str | None, Value]
    captures: list[Capture]
    chain: bool
    numbered: bool
    optional: dict[str | None, Make] = field(default_factory=dict)

    def makes(self) -> Iterator[Make]:
        """Every entry, those of loops included, in order."""
        return makes(self.steps)


def makes(steps: list[Step]) -> Iterator[Make]:
    """The entries among steps and within loops, in order."""
    for step in steps:
        if isinstance(step, Loop):
            yield from makes(step.steps)
        elif isinstance(step, Make):
            yield step


class Guard(NamedTuple):
    """Arguments that archc refuses, though PyTorch would take them in silence: `refused` holds for them.

    It matters only where `when` holds, if that is not None.
    """

    refused: Compare
    message: str
    when: Any = None

    @property
    def condition(self) -> Expr:
        """The whole condition."""
        return self.refused if self.when is None else Logic("and", (lift(self.when), self.refused))


@dataclass(slots=True, eq=False)
class ClassPlan:
    """A class of the source: a block, the network, or a nested body that is no plain chain.

    `hint` is the name of a nested body's entry. `declared` are the names of the spec's parameters in its order,
    `locals` those that are derived from others. `rank` is that of its input. `results` are the shapes of its outputs
    in the names of its parameters; a dimension that they cannot say is an attribute, one of `exports`, and its name
    begins with a dot. `init` are the rules of its initial weights. `literal`: the class holds the values of its
    parameters, and serves these alone.
    """

    name: str
    description: str
    parameters: list[Parameter]
    locals: list[Name]
    body: BodyPlan
    results: dict[str | None, Shape]
    exports: dict[str, Any] = field(default_factory=dict)
    guards: list[Guard] = field(default_factory=list)
    init: tuple[InitRule, ...] = ()
    root: bool = False
    hint: str = ""
    block: Block | None = None
    owner: int = 0
    literal: bool = False
    rank: int = 0
    declared: tuple[str, ...] = ()
    annotations: Callable[[str], str] = str
    renamed: dict[str, Name] = field(default_factory=dict)
    classes: dict[int, str] = field(default_factory=dict)
    """The names of the classes of blocks, by the id of the block, for those that arguments name."""

    @property
    def nested(self) -> bool:
        """True for the class of a nested body, neither a block's nor the network's."""
        return self.block is None and not self.root


def targets_of(what: Any) -> Iterator[ClassPlan]:
    """The classes that an entry uses."""
    for used in what.options if isinstance(what, Chosen) else (what,):
        if isinstance(used, Use):
            yield used.target


def layers_of(what: Any) -> Iterator[Layer]:
    """The layers that an entry may be."""
    for layer in what.options if isinstance(what, Chosen) else (what,):
        if isinstance(layer, Layer):
            yield layer


def plain_name(name: str | Text) -> str:
    """An entry's name without the values that it carries, as an identifier; nothing if it is a number."""
    pieces = [name] if isinstance(name, str) else [piece for piece in name.pieces if isinstance(piece, str)]
    return identifier("".join(pieces))


def identifier(text: str) -> str:
    """The name of an entry or an output as an identifier, with `_` for `-`; nothing if it cannot be one."""
    found = text.replace("-", "_").strip("_")
    return found if found.isidentifier() else ""
