"""The plan of the source before it is text: classes with arguments, and what they create and run.

A plan is as parametric as the spec: its arguments, conditions, counts and names are expressions over the arguments of
the class, and no instance of a block affects it. It only knows PyTorch through the calls that the layer kinds hold as
data, so another back end can print the same plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from archc.expressions import Call, Expr, Logic, Name, Text, lift
from archc.kinds import Call as TorchCall
from archc.kinds import Kind
from archc.language.spec import Block, Body, InitRule, Reference
from archc.problems import Mark

Shape = tuple[Any, ...]
"""Channels and sizes (or features), each a number or an expression."""


@dataclass(slots=True, eq=False)
class Parameter:
    """A constructor argument with its annotation. `derived` is its value if it isn't given."""

    name: str
    annotation: str
    default: Any = None
    required: bool = True
    derived: Expr | None = None


@dataclass(slots=True, eq=False)
class Value:
    """A tensor in a body: its origin, which output it is, and its shape.

    `source` is an entry, a loop (the output of its last iteration), or one of the words below.
    """

    source: Source
    shape: Shape
    output: str | None = None


@dataclass(frozen=True, slots=True)
class Input:
    """An input of the body: its first (0), a further one that it declares, or a value of an enclosing body."""

    position: int = 0
    name: str = "x"


@dataclass(slots=True, eq=False)
class Turn:
    """The input of a loop's iteration, which is `start` at first."""

    start: Value


@dataclass(frozen=True, slots=True)
class Kept:
    """The result of a loop's entry, looked up by name."""

    key: Text | str


@dataclass(slots=True, eq=False)
class Layer:
    """A layer: its constructor calls, one per condition, and the function that replaces it in `forward`."""

    kind: type[Kind]
    calls: tuple[tuple[Any, TorchCall], ...]
    function: TorchCall | None
    infix: str
    several: bool


@dataclass(slots=True, eq=False)
class Use:
    """An instance of a class, with its arguments by name."""

    target: ClassPlan
    arguments: dict[str, Any]

    def given(self) -> dict[str, Any]:
        """The arguments of the class; a nested body takes the names of the enclosing scope unchanged."""
        names = [parameter.name for parameter in self.target.parameters]
        if self.target.block is not None:
            return {name: self.arguments[name] for name in names if name in self.arguments}
        return {name: self.arguments.get(name, Name(name)) for name in names}


class Case(NamedTuple):
    """A case of an argument that names a callee: `callee` is called if `when` is true (None: in all other cases).

    A class takes those keywords for which it has arguments; it is one of `targets`.
    """

    when: Any
    callee: Any
    positional: tuple[Any, ...]
    keywords: tuple[tuple[str, Any], ...]
    targets: tuple[ClassPlan, ...] = ()

    def given(self) -> list[tuple[str, Any]]:
        """The keywords that are passed."""
        known = [{parameter.name for parameter in target.parameters} for target in self.targets]
        return [(name, value) for name, value in self.keywords if not known or all(name in names for names in known)]


@dataclass(slots=True, eq=False)
class Chosen:
    """A layer or class that an argument names, with all its options, and the calls for these."""

    options: tuple[Layer | Use, ...]
    cases: tuple[Case, ...]


@dataclass(slots=True, eq=False)
class Again:
    """A share, which creates nothing: what its `owner` has created runs once more; `layer` if that is a layer.

    `name` is the owner's name where the share runs: another iteration has another loop variable.
    """

    owner: Make
    layer: Layer | None
    name: str | Text


@dataclass(slots=True, eq=False)
class Operand:
    """An input of an entry.

    `when` says whether a branch takes part in its join, `loops` that there is one per iteration.
    """

    value: Value
    when: Any = None
    loops: tuple[Loop, ...] = ()


@dataclass(slots=True, eq=False)
class Make:
    """An entry: what it creates under which name, and its inputs. Without its condition it returns its input.

    `held` is the local through which others read an export of it, if any; `joins` means that it joins the branches of a
    body. `expanded` means that a reader needs a tensor of the body once per image.
    """

    name: str | Text
    what: Layer | Use | Chosen | BodyPlan | Again
    inputs: list[Operand]
    mark: Mark
    when: Any = None
    auxiliary: bool = False
    kept: bool = False
    held: Name | None = None
    joins: bool = False
    expanded: bool = False

    @property
    def layer(self) -> Layer | None:
        """The layer that runs, if it is one."""
        what = self.what.layer if isinstance(self.what, Again) else self.what
        return what if isinstance(what, Layer) else None

    @property
    def runs(self) -> str | Text:
        """The name of what runs: its own, or that of the entry that it shares."""
        return self.what.name if isinstance(self.what, Again) else self.name

    @property
    def owner(self) -> Make:
        """The entry that creates what runs: itself, or the one that it shares."""
        return self.what.owner if isinstance(self.what, Again) else self


@dataclass(slots=True, eq=False)
class Assign:
    """An assignment to a local of the constructor: the channels or size that a loop carries."""

    target: Name
    value: Any
    when: Any = None


@dataclass(slots=True, eq=False)
class Loop:
    """Steps that are repeated: `count` times, or once for each of `rows`."""

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
        """The number of iterations."""
        if self.rows is None:
            return self.count
        return len(self.rows) if isinstance(self.rows, tuple) else Call("len", (lift(self.rows),))

    @property
    def names(self) -> set[str]:
        """The names that differ between iterations: its variables and assignments."""
        assigned = {step.target.name for step in self.steps if isinstance(step, Assign)}
        return {self.index.name, *(variable.name for variable in self.variables), *assigned}


Step = Make | Loop | Assign
Source = Make | Loop | Turn | Input | Kept


class Capture(NamedTuple):
    """A value of an enclosing body: its name there, and its value here."""

    reference: Reference
    value: Value


@dataclass(slots=True, eq=False)
class BodyPlan:
    """A body: its steps in order, its results by name, and what it reads from enclosing bodies.

    `chain` means that every entry takes the previous result, as in an nn.Sequential. `numbered` means that its entries
    have numbers for names. `optional` are the results that only exist if an entry does, with that entry.
    """

    body: Body
    steps: list[Step]
    results: dict[str | None, Value]
    captures: list[Capture]
    chain: bool
    numbered: bool
    optional: dict[str | None, Make] = field(default_factory=dict)

    def makes(self) -> Iterator[Make]:
        """Every entry, including those of loops, in order."""
        return makes(self.steps)


def makes(steps: list[Step]) -> Iterator[Make]:
    """The entries among steps and within loops, in order."""
    for step in steps:
        if isinstance(step, Loop):
            yield from makes(step.steps)
        elif isinstance(step, Make):
            yield step


class Guard(NamedTuple):
    """A condition on arguments that archc rejects but PyTorch would accept: `refused` is true for them.

    It only applies if `when` is true or None.
    """

    refused: Expr
    message: str
    when: Any = None

    @property
    def condition(self) -> Expr:
        """The whole condition."""
        return self.refused if self.when is None else Logic("and", (lift(self.when), self.refused))


@dataclass(slots=True, eq=False)
class ClassPlan:
    """A class of the source: a block, the network, or a nested body that isn't a plain chain.

    `hint` is the name of a nested body's entry. `declared` are the names of the spec's arguments in order, `locals`
    those derived from others. `ranks` are those of its inputs. `results` are the shapes of its outputs in terms of its
    arguments; a dimension without such an expression is an attribute, one of `exports`, whose name starts with a dot.
    `init` are the rules for its initial weights. `literal` means that the class holds the values of its arguments, and
    only serves these.
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
    ranks: tuple[int, ...] = ()
    declared: tuple[str, ...] = ()
    annotations: Callable[[str], str] = str
    renamed: dict[str, Name] = field(default_factory=dict)
    classes: dict[int, str] = field(default_factory=dict)
    """The names of the classes of blocks that arguments name, by the id of the block."""
    others: dict[str, str] = field(default_factory=dict)
    """The names of classes of other packages, and of archc's own whose names a block has, by their addresses."""

    def class_name(self, target: str) -> str:
        """The name of a layer's class in the source: `nn.ReLU`, `Concat`."""
        return self.others.get(target) or target.removeprefix("archc.")

    @property
    def inputs(self) -> list[str]:
        """The names of the inputs that it declares, or `x` for an only one without a name."""
        return list(self.body.body.inputs) or ["x"]

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
    """An entry's name without loop variables, as an identifier; empty if it is a number."""
    pieces = [name] if isinstance(name, str) else [piece for piece in name.pieces if isinstance(piece, str)]
    return identifier("".join(pieces))


def identifier(text: str) -> str:
    """The name of an entry or output as an identifier, with `_` for `-`; empty if it can't be one."""
    found = text.replace("-", "_").strip("_")
    return found if found.isidentifier() else ""
