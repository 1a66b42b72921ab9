"""The state of a body during evaluation: its nodes so far, and the values of its names."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

from archc.graph.graph import INPUT, Node, Outputs, Ref
from archc.kinds import Shape
from archc.language.spec import BlockCall, Body, Entry

Scope = dict[str, Any]
"""The values of the names that expressions may use."""

OWN = Ref(INPUT)
"""The input of the enclosing layers."""


class Made(NamedTuple):
    """A named entry that exists, the values of its names, and the position of its node."""

    entry: Entry
    scope: Scope
    position: int


class Frame:
    """The state of one body.

    `around` is the enclosing frame: of a nested body or, with a `call`, of a block that is called there. A node, and
    the shape of its result, is None after an error. `absent` are the entries whose `when` is false, and `made` the
    named entries that others can share.
    """

    name = ""
    """The current entry."""
    entry: Entry | None = None
    taken = OWN
    """The input of the current entry."""
    last = OWN
    """The result of the previous entry."""
    previous = "input"
    """The name of the previous entry."""
    whole = True
    """Whether all names are known so far."""
    calling: BlockCall | None = None
    """The block whose arguments are being evaluated."""
    captures: dict[tuple[str, str | None], Ref] | None = None
    captured: tuple[Ref, ...] = ()
    """Tensors of enclosing bodies that are further inputs, as references there."""

    def __init__(
        self, body: Body, shapes: tuple[Shape, ...], around: Frame | None = None, call: BlockCall | None = None
    ) -> None:
        self.body = body
        self.inputs: list[Shape | None] = [*shapes]
        self.around = around
        self.call = call
        self.depth: int = 1 if around is None else around.depth + 1
        self.in_block: bool = call is not None or (around is not None and around.in_block)
        self.nodes: list[Node | None] = []
        self.names = {"input": OWN} | {name: Ref(INPUT - at) for at, name in enumerate(body.inputs)}
        self.absent: set[str] = set()
        self.made: dict[str, Made] = {}

    @cached_property
    def written(self) -> set[str]:
        """The names of all entries of the body, including later ones."""
        entries = [entry for entry in self.body.entries if isinstance(entry, Entry)]
        return {entry.name.text for entry in entries if entry.name is not None}

    def chain(self) -> list[Frame]:
        """The frames from the network's to this one."""
        return [*(self.around.chain() if self.around is not None else ()), self]

    def shape(self, ref: Ref) -> Shape | None:
        """The shape of a value; None after an error."""
        if ref.node < 0:
            return self.inputs[INPUT - ref.node]
        node = self.nodes[ref.node]
        return None if node is None else node.shapes[ref.output]

    def outputs(self, ref: Ref) -> Outputs:
        """The shapes of a name's value by output; empty after an error."""
        if ref.node >= 0 and ref.output is None:
            node = self.nodes[ref.node]
            return {} if node is None else node.shapes
        shape = self.shape(ref)
        return {} if shape is None else {None: shape}

    def capture(self, name: str, output: str | None, ref: Ref, shape: Shape | None) -> Ref:
        """Add a value of the enclosing body as a further input."""
        if self.captures is None:
            self.captures = {}
        found = self.captures.get((name, output))
        if found is None:
            found = self.captures[name, output] = Ref(INPUT - len(self.inputs))
            self.captured += (ref,)
            self.inputs.append(shape)
        return found
