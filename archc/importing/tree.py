"""The tree of a spec while it is made: bodies of entries, with concrete numbers or expressions as arguments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from archc.kinds import Kind


class Formula(str):
    """An expression as an argument, without its `$(…)`."""

    __slots__ = ()


@dataclass(slots=True, eq=False)
class Layer:
    """A layer type with every argument's value; those in `implied` can be omitted, because they follow."""

    kind: type[Kind]
    arguments: dict[str, Any]
    implied: frozenset[str] = frozenset()

    @property
    def structure(self) -> tuple[Any, ...]:
        """What layers of one structure have in common: everything but the values of arguments."""
        return self.kind.kind, self.arguments.get("target") if self.kind.opaque else None, *self.arguments


@dataclass(slots=True, eq=False)
class Use:
    """A block with the values of its parameters; `instance` is the body that it stands for."""

    block: Block
    arguments: dict[str, Any]
    instance: Body


@dataclass(slots=True, eq=False)
class Share:
    """The layer or body of an earlier entry, `owner`, which runs once more. It has no arguments of its own."""

    owner: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Body:
    """A list or a mapping of entries. `title` is the class of the module that it was, and `path` where that was.

    `form` is `list`, `mapping`, or `branches` with a `join`. `channels` are those of its input, `output` those of its
    output. A `closed` body reads nothing but its inputs, so it can become a block. If it has several, it has to, and
    `inputs` has their channels by name. `outputs` has the names of the results, if they aren't the last entry.
    """

    title: str
    path: str
    form: str
    entries: list[Entry]
    channels: int
    output: int
    closed: bool = True
    inputs: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    join: str = ""


@dataclass(slots=True, eq=False)
class Entry:
    """An entry of a body; `source` is its `from`, `operands` are the inputs of a join or of a block with several.

    All are names within the body. `operation` is the number of the layer's operation in the source, if it has weights.
    Of a block's instance an entry can be `absent`, because other instances have it.
    """

    name: str
    element: Layer | Use | Body | Share
    source: str = ""
    operands: tuple[str, ...] = ()
    auxiliary: bool = False
    when: Formula | None = None
    operation: int | None = None
    absent: bool = False


@dataclass(slots=True, eq=False)
class Parameter:
    """A parameter of a block; `default` is None if it is required. `measure` is what it counts, such as `channels`."""

    name: str
    default: tuple[Any] | None = None
    measure: str = ""


@dataclass(slots=True, eq=False)
class Block:
    """A body with parameters and a name."""

    name: str
    parameters: list[Parameter]
    body: Body


def same_value(one: Any, other: Any) -> bool:
    """Return True if two arguments are equal and of one type: 1 is neither 1.0 nor true."""
    return type(one) is type(other) and bool(one == other)


def operations(body: Body) -> Iterator[int]:
    """The operations with weights of a body, in the order in which its layers run."""
    for entry in body.entries:
        if entry.absent:
            continue
        if isinstance(entry.element, Body):
            yield from operations(entry.element)
        elif isinstance(entry.element, Use):
            yield from operations(entry.element.instance)
        elif entry.operation is not None:
            yield entry.operation


def bodies(body: Body) -> Iterator[tuple[Entry, Body]]:
    """Every body below this one with the entry that holds it, inner ones first; blocks are not entered."""
    for entry in body.entries:
        if isinstance(entry.element, Body):
            yield from bodies(entry.element)
            yield entry, entry.element
