"""Compilation of a spec's bodies to plans: wiring is resolved, and channels and sizes become expressions.

It only runs for specs that are valid for their declared arguments, so it reports nothing. A value without an expression
in the class's arguments is carried in a local variable, or exported as an attribute of the class that knows it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import Any

from archc.expressions import (
    Choice,
    Compare,
    Const,
    Expr,
    Expression,
    Items,
    Name,
    Text,
    compare,
    either,
    equal,
    free_names,
    lift,
    lower,
    substitute,
    tree_of,
    walk,
)
from archc.expressions.tree import VALUELESS
from archc.graph import Network
from archc.graph import walk as walk_layers
from archc.kinds import Alternatives, Join, Kind
from archc.kinds.arithmetic import Numbered
from archc.kinds.axes import DIMENSIONS
from archc.language.parse import make_kind
from archc.language.spec import (
    Block,
    BlockCall,
    Body,
    Callee,
    ChosenCall,
    Entry,
    LayerCall,
    Parameter,
    Reference,
    Share,
    Splice,
)
from archc.language.spec import Name as EntryName
from archc.plan import plan as p
from archc.plan.chosen import Option, arguments_of, cases
from archc.plan.finish import UNKNOWN, UnknownRead, every_make, every_step, finished
from archc.plan.forms import Forms
from archc.plan.guards import both, guards, under
from archc.plan.loops import after_the_last, closed_form, is_chain, unify
from archc.plan.plan import (
    Again,
    Assign,
    BodyPlan,
    Chosen,
    ClassPlan,
    Guard,
    Input,
    Kept,
    Layer,
    Loop,
    Make,
    Operand,
    Shape,
    Turn,
    Use,
    Value,
    identifier,
    plain_name,
)
from archc.plan.shapes import (
    Inexpressible,
    alike,
    channels_of,
    dimensions,
    expanded,
    layer_plan,
    lifted,
    merged,
    merged_size,
    output_shapes,
    rank_of,
    rearranged,
    replaced,
    shortest,
    simplified,
    sizes,
)
from archc.problems import Mark, Problems

_WRITTEN_OUT = 12
"""A named loop with a literal count up to this is written out."""

_LONGEST = 24
"""A dimension with more nodes than this becomes a local."""

Scope = dict[str, Any]
Outputs = dict[str | None, Value]


class _Again(Exception):
    """Raised if a class can't serve all arguments: compile again, with a class for each set of arguments."""


def plan_network(network: Network) -> list[ClassPlan]:
    """The classes of a network's source in order of use; the network's own class comes last."""
    written_out: set[int] = set()
    while True:
        try:
            compiler = _Compiler(network, written_out)
            classes = finished(compiler.network(network))
        except _Again:
            continue
        except UnknownRead as found:
            written_out.add(found.owner)
            continue
        if not _names_one_of_several_classes(classes):
            return classes
        written_out |= {0, *compiler.forms.blocks}


def _names_one_of_several_classes(classes: list[ClassPlan]) -> bool:
    """Return True if an argument names a block that has a class for each rank: it would not be clear which one."""
    counts = Counter(id(plan.block) for plan in classes if plan.block is not None)
    named = (use for make in every_make(classes) if isinstance(make.what, Chosen) for use in make.what.options)
    return any(isinstance(use, Use) and counts[id(use.target.block)] > 1 for use in named)


class _Parts(dict[str | None, Value]):
    """The results of a layer with an unknown number of outputs, created when they are looked up."""

    def __init__(self, make: Make, shapes: Numbered) -> None:
        super().__init__()
        self.make, self.shapes = make, shapes

    def __contains__(self, output: object) -> bool:
        return super().__contains__(output) or output in self.shapes

    def __missing__(self, output: str | None) -> Value:
        assert output is not None
        return Value(self.make, self.shapes[output], output)


@dataclass(slots=True, eq=False)
class _Named:
    """An entry of a loop for references: its name, its results, and the loops that contain it."""

    name: str | Text
    outputs: Outputs
    make: Make
    loops: tuple[Loop, ...]


@dataclass(slots=True, eq=False)
class _Made:
    """An entry that others can share: how it was compiled, and its results.

    `elsewhere` means that it is in another loop, or in another of its iterations.
    """

    entry: Entry
    scope: Scope
    make: Make
    outputs: Outputs
    loops: tuple[Loop, ...]
    elsewhere: bool = False


@dataclass(slots=True, eq=False)
class _Frame:
    """The values that the entries of a body can refer to.

    `around` is the scope of the enclosing body. `shared` means that a loop around it is written out, and `condition` is
    that loop's. `running` are the locals, by dimension, of a loop that is a chain: an entry that changes a dimension
    updates its local. `apart` collects the shapes of captured values under separate names, for a class that serves
    several places. `absent` are the entries that never exist, `conditional` those that may not. `made` are the entries
    that others can share.
    """

    body: Body
    inputs: tuple[Value, ...]
    parent: _Frame | None
    around: Scope
    names: dict[str, Outputs] = field(default_factory=dict)
    looped: list[_Named] = field(default_factory=list)
    captures: dict[tuple[Any, str | None], Value] = field(default_factory=dict)
    taken: list[Reference] = field(default_factory=list)
    loops: tuple[Loop, ...] = ()
    parts: list[Operand] = field(default_factory=list)
    shared: bool = False
    condition: Any = None
    running: dict[int, Name] = field(default_factory=dict)
    apart: dict[tuple[Any, str | None], Shape] | None = None
    absent: set[str] = field(default_factory=set)
    conditional: dict[str, Make] = field(default_factory=dict)
    made: dict[str | Text, _Made] = field(default_factory=dict)

    @property
    def given(self) -> Value:
        """What flows into the body."""
        return self.inputs[0]

    @property
    def in_loop(self) -> bool:
        """True if its entries are created in a loop, either its own or an enclosing body's."""
        return bool(self.loops) or (self.parent is not None and self.parent.in_loop)


@dataclass(slots=True)
class _Flow:
    """The destination of a body's steps, and the results of the last entry, which the next one takes."""

    steps: list[p.Step]
    last: Outputs


class _Compiler:
    """Compiles a spec's bodies; `written_out` has the blocks (0: the network) whose classes have literal values."""

    def __init__(self, network: Network, written_out: set[int]) -> None:
        self.spec = spec = network.spec
        self.used = network.graph
        self.broadcast = {
            layer.node.mark
            for layer in walk_layers(network.graph)
            if isinstance(layer.kind, Join) and layer.kind.broadcasts and _broadcasts(layer.node.in_shapes)
        }
        """The joins that repeat an axis after the channels, in this network."""
        self.written_out = written_out
        self.forms = Forms(spec)
        self.blocks: dict[Any, ClassPlan] = {}
        self.nested: dict[tuple[int, int], tuple[ClassPlan, _Frame]] = {}
        self.guards: list[Guard] = []
        self.owner = 0
        self.count = 0

    @property
    def literal(self) -> bool:
        """True if the current class has literal values."""
        return self.owner in self.written_out

    def local(self, name: str, form: str = "integer") -> Name:
        """A new local; the printer names it after the text before the `#`, and makes the name unique."""
        self.count += 1
        return Name(f"{name}#{self.count}", form)

    # Classes

    def network(self, network: Network) -> ClassPlan:
        """The network's own class."""
        shapes = tuple(tuple(map(lift, shape)) for shape in network.inputs.values())
        scope: Scope = {"in_channels": network.input[0]}
        spec = self.spec
        if self.literal:
            return self.define(0, spec.name, spec.description, spec.body, shapes, scope | network.parameters, [], [])
        parameters, locals_ = self.parameters(network.declared, scope, 0, set())
        declared = tuple(network.declared)
        return self.define(
            0, spec.name, spec.description, spec.body, shapes, scope, parameters, locals_, None, declared
        )

    def block(self, block: Block, shapes: tuple[Shape, ...], given: Scope) -> ClassPlan:
        """The class of a block for inputs of these ranks, or for these arguments if it is written out."""
        owner, inputs = id(block), list(block.inputs)
        key: Any = (owner, *map(len, shapes))
        scope: Scope = {}
        names = [Name(name, "integer") for name in sizes(inputs, shapes)]
        rest = iter(names)
        own: tuple[Shape, ...] = tuple(tuple(islice(rest, len(shape))) for shape in shapes)
        parameters = [p.Parameter(name.name, "int") for name in names]
        locals_: list[Name] = []
        if owner in self.written_out:
            if free_names((*chain(*shapes), *given.values())):
                raise Inexpressible("a block that is written out has arguments that are not known")
            own, parameters = tuple(tuple(map(lift, shape)) for shape in shapes), []
            key = (owner, own, *map(lift, given.values()))
            scope = {**given, **{n: substitute(shape[0], {}) for n, shape in zip(block.channels, shapes, strict=True)}}
        if key not in self.blocks:
            assert block.body is not None
            if owner not in self.written_out:
                scope |= {name: shape[0] for name, shape in zip(block.channels, own, strict=True)}
                overridden = self.forms.overridden.get(owner, set())
                more, locals_ = self.parameters(block.parameters, scope, owner, overridden)
                parameters += more
            name, text = block.name, block.description
            self.blocks[key] = self.define(
                owner, name, text, block.body, own, scope, parameters, locals_, block, tuple(block.parameters)
            )
        return self.blocks[key]

    def parameters(
        self, declared: dict[str, Parameter], scope: Scope, owner: int, overridden: set[str]
    ) -> tuple[list[p.Parameter], list[Name]]:
        """The constructor's arguments and the locals; both are added to the scope."""
        found, locals_ = [], []
        for name, parameter in declared.items():
            default = substitute(tree_of(parameter.default), scope)
            form = self.forms.form(owner, name)
            derived = lift(default) if free_names(default) else None
            if derived is not None and name not in overridden:
                scope[name] = Name(name, form, derived)
                locals_.append(scope[name])
                continue
            annotation = self.forms.annotation(owner, name)
            value = None if derived is not None else substitute(lift(default), {})
            found.append(p.Parameter(name, annotation, value, parameter.required, derived))
            scope[name] = Name(name, form)
        return found, locals_

    def define(
        self,
        owner: int,
        name: str,
        description: str,
        body: Body,
        shapes: tuple[Shape, ...],
        scope: Scope,
        parameters: list[p.Parameter],
        locals_: list[Name],
        block: Block | None = None,
        declared: tuple[str, ...] = (),
    ) -> ClassPlan:
        """Create a class from its body."""
        before, self.owner = self.owner, owner
        around, self.guards = self.guards, []
        try:
            plan, results = self.body(body, shapes, scope, None, {})
        except Inexpressible:
            # If literal values aren't enough, a size is that of a block with arguments, so no block has arguments.
            more = set(self.forms.blocks) if self.literal else {owner}
            if more <= self.written_out:
                raise
            self.written_out |= more
            raise _Again from None
        finally:
            self.owner = before
            found, self.guards = self.guards, around
        made = ClassPlan(
            name, description, parameters, locals_, plan, {}, root=owner == 0, block=block, owner=owner,
            literal=owner in self.written_out, ranks=tuple(map(len, shapes)), declared=declared,
        )  # fmt: skip
        known = {parameter.name for parameter in parameters}
        for output, value in results.items():
            made.results[output] = self.exported(made, value.shape, known, output)
        known |= {local.name for local in locals_}
        made.guards = [guard for guard in dict.fromkeys(found) if guard.condition.names <= known]
        rules = self.spec.init if block is None else block.init
        made.init = tuple(rule.replaced(lambda value: substitute(tree_of(value), scope)) for rule in rules)
        return made

    def exported(self, made: ClassPlan, shape: Shape, known: AbstractSet[str], output: str | None) -> Shape:
        """A result's shape in terms of the class's arguments.

        A dimension without such an expression becomes an attribute.
        """
        if isinstance(shape, Alternatives):
            condition, yes, no = shape
            return Alternatives(
                (condition, self.exported(made, yes, known, output), self.exported(made, no, known, output))
            )
        dims = []
        for what, size in zip(DIMENSIONS[len(shape)], shape, strict=True):
            size = expanded(size)
            if isinstance(size, Expr) and not free_names(size) <= known:
                name = f"{identifier(output or '') or 'out'}_{what}"
                made.exports[name] = size
                size = Name(f".{name}", "integer")
            dims.append(size)
        return tuple(dims)

    def annotations(self) -> Callable[[str], str]:
        """The types of the names that a nested body reads from the current class."""
        owner = self.owner
        return lambda name: (
            self.forms.annotation(owner, name.partition("#")[0]) if (owner, name) in self.forms.sources else "int"
        )

    # Bodies

    def body(
        self, body: Body, shapes: tuple[Shape, ...], scope: Scope, parent: _Frame | None, around: Scope
    ) -> tuple[BodyPlan, Outputs]:
        """The plan of a body for its inputs, and its results."""
        frame = _Frame(body, _inputs(body, shapes), parent, around)
        if parent is not None:
            frame.shared = parent.shared
        return self.run(frame, scope)

    def run(self, frame: _Frame, scope: Scope) -> tuple[BodyPlan, Outputs]:
        """The plan of a frame's body, and its results."""
        body = frame.body
        flow = _Flow([], {None: frame.given})
        frame.names["input"] = {None: frame.given}
        frame.names |= {name: {None: value} for name, value in zip(body.inputs, frame.inputs, strict=False)}
        self.entries(body.entries, scope, frame, flow)
        if body.form == "branches":
            flow.last = self.join(body, frame, flow)
        results: Outputs
        optional: dict[str | None, Make] = {}
        if body.outputs:
            results = {}
            for output, inner in self.outputs(body.outputs, self.arriving(scope, flow.last.get(None))):
                assert output.name is not None
                (reference,) = output.sources
                name, (source, _) = self.name(output.name, inner), self.referred(reference, inner)
                if source in frame.absent:
                    continue
                if isinstance(name, Text):
                    raise Inexpressible("the names of the outputs are not known")
                results[name] = self.lookup(reference, frame, inner)
                if source in frame.conditional:
                    optional[name] = frame.conditional[source]
        else:
            results = {None: _single(flow.last)}
        for value in (*results.values(), *(part.value for part in frame.parts)):
            self.read_bare(value, None, [])
        captures = list(map(p.Capture, frame.taken, frame.captures.values()))
        chain = body.form == "list" or (
            body.form == "mapping" and not body.outputs and not captures and is_chain(flow.steps, frame.given)
        )
        return BodyPlan(body, flow.steps, results, captures, chain, body.form == "list", optional), results

    def entries(self, entries: Iterable[Entry | Splice], scope: Scope, frame: _Frame, flow: _Flow) -> None:
        """Add the steps of entries to the flow."""
        for entry in entries:
            if isinstance(entry, Entry):
                self.entry(entry, scope, frame, flow)
            else:
                self.splice(entry, scope, frame, flow)

    def arriving(self, scope: Scope, value: Value | None) -> Scope:
        """The scope of an entry or loop with this input; outside of blocks, `in_channels` are the input's channels."""
        if self.owner or value is None:
            return scope
        return {**scope, "in_channels": lower(lift(channels_of(value.shape)))}

    def condition(self, when: Expression | None, scope: Scope) -> Any:
        """None if an entry always exists, False if it never does, otherwise the condition."""
        if when is None:
            return None
        value = substitute(when.tree, scope)
        if isinstance(value, Expr) and not free_names(value):
            with suppress(*VALUELESS):  # then the constructor raises the exception, if it comes there
                value = value.evaluate({})
        return value if isinstance(value, Expr) else None if value else False

    def entry(self, entry: Entry, scope: Scope, frame: _Frame, flow: _Flow) -> None:
        """Compile one entry: what it creates, its inputs, its results."""
        element = entry.element
        assert element is not None
        if isinstance(element, LayerCall) and element.kind.many:
            taken = [self.lookup(reference, frame, scope) for reference in element.operands]
            arriving = frame.given if frame.body.form == "branches" else flow.last.get(None)
        elif entry.sources:
            taken = [self.lookup(reference, frame, scope) for reference in entry.sources]
            arriving = taken[0]
        else:
            taken = [frame.given if frame.body.form == "branches" else _single(flow.last)]
            arriving = taken[0]
        scope = self.arriving(scope, arriving)
        name = self.name(entry.name, scope) if entry.name is not None else ""
        when = self.condition(entry.when, scope)
        when = when if when is False else both(frame.condition, when)
        owner: _Made | None = None
        if isinstance(element, Share) and when is not False:
            owner, when = self.owner_of(element, when, scope, frame)
        for value in taken:
            self.read_bare(value, element, taken)
        before = len(self.guards)
        made = None
        if when is not False:
            try:
                made = (
                    self.make(entry, name, taken, scope, frame)
                    if owner is None
                    else self.again(entry, owner, name, taken, scope, frame)
                )
                self.guards[before:] = under(when, self.guards[before:])
            except (IndexError, TypeError, ValueError):  # the spec isn't valid if the entry exists
                if when is None:
                    raise
                self.guards[before:] = [Guard(lift(when), f"`{plain_name(name)}` does not fit its input")]
        if made is None:
            outputs: Outputs = {None: taken[0]}
            if not entry.auxiliary:
                self.flows(frame, flow, outputs)
            if isinstance(name, str) and not frame.loops:
                frame.names[name] = outputs
                frame.absent.add(name)
            return
        make, outputs = made
        make.when = when
        if entry.name is not None and not isinstance(outputs, _Parts):
            made_of = owner or _Made(entry, scope, make, outputs, frame.loops)
            frame.made[name] = made_of
        if when is not None and isinstance(name, str):
            frame.conditional[name] = make
        flow.steps.append(make)
        if not isinstance(outputs, _Parts):
            outputs = {output: self.named(value, frame, flow) for output, value in outputs.items()}
        own = outputs
        if frame.running:
            outputs = {None: self.run_on(outputs[None], when, frame, flow)}
        elif when is not None and None in outputs and frame.body.form != "branches":
            value = outputs[None]
            outputs = {None: self.named(Value(make, merged(when, value.shape, taken[0].shape)), frame, flow)}
        elif when is not None and None not in outputs:
            outputs[None] = taken[0]  # only valid without the entry, because with it a reader names one of the outputs
        if frame.loops:
            frame.looped.append(_Named(name, outputs, make, frame.loops))
        elif entry.name is not None:
            assert isinstance(name, str)
            frame.names[name] = outputs
        if entry.auxiliary:
            return
        self.flows(frame, flow, outputs)
        if frame.body.form == "branches":
            frame.parts.append(Operand(_single(own), when, frame.loops))

    def read_bare(self, value: Value, element: Any, beside: list[Value]) -> None:
        """Record where a tensor of the body has a reader other than arithmetic, which needs a copy per image."""
        make = value.source
        if not is_bare(make):
            return
        assert isinstance(make, Make)
        arithmetic = isinstance(element, LayerCall) and element.kind.infix
        if not arithmetic or all(is_bare(other.source) for other in beside):
            make.expanded = True

    def run_on(self, value: Value, when: Any, frame: _Frame, flow: _Flow) -> Value:
        """The result of a chain's entry, with its dimensions in the locals that the loop updates."""
        for at, name in frame.running.items():
            if not equal(value.shape[at], name):
                flow.steps.append(Assign(name, value.shape[at], when))
        return Value(value.source, replaced(value.shape, dict(frame.running)))

    def named(self, value: Value, frame: _Frame, flow: _Flow) -> Value:
        """The value with long dimensions in locals.

        Otherwise a reader that uses a dimension twice would double the expression for each entry.
        """
        if frame.in_loop or isinstance(value.shape, Alternatives):
            return value
        names: dict[int, Any] = {}
        for at, size in enumerate(value.shape):
            if isinstance(size, Expr) and size.size >= _LONGEST:
                if not free_names(size):
                    names[at] = substitute(size, {})
                    continue
                names[at] = self.local(dimensions(value.shape)[at])
                flow.steps.append(Assign(names[at], size))
        return Value(value.source, replaced(value.shape, names), value.output) if names else value

    def flows(self, frame: _Frame, flow: _Flow, outputs: Outputs) -> None:
        """Make these the input of the next entry, except in branches, which all take the body's input."""
        if frame.body.form != "branches":
            flow.last = outputs

    def name(self, name: EntryName, scope: Scope) -> str | Text:
        """An entry's name: a string, or a Text with loop variables."""
        if all(isinstance(part, str) for part in name.parts):
            return name.text
        text = substitute(Text(tuple(part if isinstance(part, str) else part.tree for part in name.parts)), scope)
        if isinstance(text, str):
            return text
        pieces: list[str | Expr] = []
        for piece in text.pieces:  # known values become text
            piece = str(piece.value) if isinstance(piece, Const) else piece
            if isinstance(piece, str) and pieces and isinstance(pieces[-1], str):
                pieces[-1] += piece
            else:
                pieces.append(piece)
        return str(pieces[0]) if len(pieces) == 1 and isinstance(pieces[0], str) else Text(tuple(pieces))

    def make(
        self, entry: Entry, name: str | Text, taken: list[Value], scope: Scope, frame: _Frame
    ) -> tuple[Make, Outputs]:
        """The plan of an entry for its inputs."""
        element = entry.element
        make = Make(name, None, [Operand(value) for value in taken], entry.mark, None, entry.auxiliary)  # type: ignore[arg-type]
        shapes = tuple(lifted(value.shape) for value in taken)
        if isinstance(element, LayerCall):
            make.what, found = self.layer(element, shapes, scope, entry.mark)
        elif isinstance(element, BlockCall):
            make.what, found = self.use(element, shapes, scope, make)
        elif isinstance(element, ChosenCall):
            make.what, found = self.chosen(element, shapes, scope, make)
        else:
            assert isinstance(element, Body)
            make.what, found = self.nested_body(element, taken[0], scope, frame, make)
        if isinstance(found, Numbered):
            return make, _Parts(make, found)
        return make, {output: Value(make, shape, output) for output, shape in found.items()}

    def owner_of(self, share: Share, when: Any, scope: Scope, frame: _Frame) -> tuple[_Made | None, Any]:
        """The entry that a share runs once more, and the condition; False if the entry never exists."""
        name, _ = self.referred(share.owner, scope)
        if name in frame.absent:
            return None, False
        found = frame.made.get(name)
        if found is None or found.loops != frame.loops[: len(found.loops)]:
            found = self.in_another_loop(name, frame)
        return found, both(found.make.when, when)

    def in_another_loop(self, name: str | Text, frame: _Frame) -> _Made:
        """An entry of a loop, in the iteration for which it has this name."""
        found: list[_Made] = []
        for known, made in frame.made.items():
            solved = unify(known, name) if made.loops else None
            if solved is not None:
                own = {each for loop in made.loops for each in loop.names}
                scope = {each: substitute(lift(value), solved) for each, value in made.scope.items()}
                if free_names(lift((tuple(scope.values()), made.make.when))) & own - solved.keys():
                    raise Inexpressible(f"`{plain_name(name)}` depends on its loop")
                found.append(replace(made, scope=scope, elsewhere=True))
        if len(found) != 1:
            raise Inexpressible(f"`{plain_name(name)}` cannot be shared")
        return found[0]

    def again(
        self, entry: Entry, owner: _Made, name: str | Text, taken: list[Value], scope: Scope, frame: _Frame
    ) -> tuple[Make, Outputs]:
        """The plan of an entry that runs the module of another one, which has been compiled for other inputs."""
        assert isinstance(entry.element, Share)
        make, outputs = self.make(owner.entry, name, taken, owner.scope, frame)
        inside = list(every_step(make.what.steps)) if isinstance(make.what, BodyPlan) else []
        make.mark, make.auxiliary = entry.mark, entry.auxiliary
        local = make.held is not None or any(
            isinstance(step, Assign) or (isinstance(step, Make) and step.held is not None) for step in inside
        )
        called = self.referred(entry.element.owner, scope)[0] if owner.elsewhere else owner.make.name
        make.what, make.held = Again(owner.make, make.layer, called), None
        given = zip(taken, owner.make.inputs, strict=False)
        if not owner.elsewhere and all(_is_same(value.shape, operand.value.shape) for value, operand in given):
            outputs = {output: Value(make, value.shape, output) for output, value in owner.outputs.items()}
        elif local:
            raise Inexpressible("a size that follows from a layer inside is that of its first use")
        return make, outputs

    # Layers and joins

    def layer(
        self, call: LayerCall, shapes: tuple[Shape, ...], scope: Scope, mark: Mark | None = None
    ) -> tuple[Layer, dict[str | None, Shape]]:
        """A layer's calls and the shapes of its outputs.

        Sizes that no expression relates are taken to be equal where a join needs them to be, unless the join at the
        `mark` broadcasts.
        """
        if call.kind.opaque and not isinstance(shapes[0], Alternatives):
            scope = {**dict(zip(dimensions(shapes[0]), shapes[0], strict=True)), **scope}
        kind = self.kind(call, scope)
        found = output_shapes(kind, shapes)
        self.guards += guards(kind)
        if kind.many and mark not in self.broadcast:
            found = {None: shortest(kind, shapes, found[None])}
        return layer_plan(kind, shapes), found

    def kind(self, call: LayerCall, scope: Scope) -> Kind:
        """The kind of a layer, with expressions for arguments whose values are unknown."""
        kind = call.ready
        if kind is None:
            arguments = {name: substitute(tree_of(value), scope) for name, value in call.arguments.items()}
            unknown = any(free_names(arguments.get(name, ())) for name in call.kind.structural)
            if unknown or any(isinstance(arguments.get(name), Expr) for name in call.kind.listed):
                raise Inexpressible("the rank follows from an argument that is not known")
            # A number may still be written as a product, such as 3 * 4 * 4 features.
            arguments |= {name: _number(arguments[name]) for name in call.kind.structural if name in arguments}
            kind = make_kind(call, arguments, Problems()) if not free_names(tuple(arguments.values())) else None
            kind = kind or call.kind.symbolic(arguments)
        return kind

    def chosen(
        self, element: ChosenCall, shapes: tuple[Shape, ...], scope: Scope, make: Make
    ) -> tuple[Layer | Use | Chosen, dict[str | None, Shape]]:
        """The layer or class that an argument names, and the shapes of its results."""
        which = substitute(element.which.tree, scope)
        if isinstance(which, Callee):
            call = element.call(which)
            if isinstance(call, LayerCall):
                return self.layer(call, shapes, scope)
            return self.use(call, shapes, scope, make)
        options: list[Option] = []
        for name, call in element.calls():
            before = len(self.guards)
            test = Compare((which, Const(name)), ("==",))
            try:
                options.append(self.option(name, call, shapes, scope, make))
            except (IndexError, TypeError, ValueError):  # the spec isn't valid for it
                del self.guards[before:]
            self.guards[before:] = under(test, self.guards[before:])
        return cases(which, options)

    def option(
        self, name: Callee, call: LayerCall | BlockCall, shapes: tuple[Shape, ...], scope: Scope, make: Make
    ) -> Option:
        """A layer or class that an argument may name, with its arguments."""
        if isinstance(call, LayerCall):
            if any(isinstance(shape, Alternatives) for shape in shapes):
                raise Inexpressible(f"`{name}` takes an input of one of two ranks")
            layer, found = self.layer(call, shapes, scope)
            if isinstance(found, Numbered) or len(layer.calls) > 1:
                raise Inexpressible(f"`{name}` is called in more than one way")
            return Option(name, layer, *arguments_of(self.kind(call, scope), shapes[0], call.arguments), found)
        use, found = self.use(call, shapes, scope, make)
        if use.target.literal or make.held is not None:
            make.held = None
            raise Inexpressible(f"`{name}` has no shape in the names of its parameters")
        parameters = call.block.parameters
        given = {n: value for n, value in use.arguments.items() if n in call.arguments or n not in parameters}
        return Option(name, use, (), tuple(given.items()), found)

    def join(self, body: Body, frame: _Frame, flow: _Flow) -> Outputs:
        """The join of a body's branches, as its last step."""
        assert body.join is not None
        kind = body.join.ready
        assert isinstance(kind, Join)
        parts = frame.parts
        if len(parts) == 1 and not parts[0].loops and parts[0].when is None:
            return {None: parts[0].value}
        certain = [part for part in parts if part.when is None and not part.loops]
        shape: Shape
        if kind.joined_axis(1) is not None:
            ranked = [part.value.shape for part in (*certain, *parts) if not isinstance(part.value.shape, Alternatives)]
            if not ranked:
                raise Inexpressible("every branch may have one of two ranks")
            shape = (self.total(parts, flow), *ranked[0][1:])
        else:
            like = [lifted(part.value.shape) for part in certain or parts]
            shape = like[0]
            if len(like) > 1:
                shape = output_shapes(kind, tuple(like))[None]
                shape = shape if body.join.mark in self.broadcast else shortest(kind, tuple(like), shape)
            for part in parts if certain else ():
                when = _exists(part)
                if when is not None:
                    other = alike(lifted(part.value.shape), shape, when)
                    shape = merged(when, output_shapes(kind, (shape, other))[None], shape)
        layer = Layer(
            type(kind), ((None, kind.call((shape, shape))),), kind.function((shape, shape)), kind.infix, False
        )
        make = Make("join", layer, parts, body.join.mark, joins=True)
        flow.steps.append(make)
        return {None: Value(make, shape)}

    def total(self, parts: list[Operand], flow: _Flow) -> Any:
        """The channels of concatenated branches; those of a loop count once per iteration."""
        total: Any = 0
        counted: Name | None = None
        for part in parts:
            channels = channels_of(part.value.shape)
            if not part.loops:
                total = total + (channels if part.when is None else either(part.when, channels, 0))
                continue
            names = {name for loop in part.loops for name in loop.names}
            share = channels if part.when is None else either(part.when, channels, 0)
            if not free_names((share, *(loop.turns for loop in part.loops[1:]))) & names:
                for loop in part.loops:
                    share = merged_size(loop.when, loop.turns * share, 0)
                total = total + share
                continue
            if counted is None:
                counted = self.local("joined")
                flow.steps.insert(0, Assign(counted, 0))
            part.loops[-1].steps.append(Assign(counted, counted + share))
        return total + counted if counted is not None else total

    # Blocks

    def use(
        self, call: BlockCall, shapes: tuple[Shape, ...], scope: Scope, make: Make
    ) -> tuple[Use, dict[str | None, Shape]]:
        """A block with its arguments, and the shapes of its results in terms of the caller."""
        shapes = tuple(
            self.ranked(shape, call.block, at) if isinstance(shape, Alternatives) else shape
            for at, shape in enumerate(shapes)
        )
        arguments: Scope = sizes(list(call.block.inputs), shapes)
        given = {name: substitute(tree_of(value), scope) for name, value in call.arguments.items()}
        inner: Scope = dict(arguments)
        for name, parameter in call.block.parameters.items():
            if name in given:
                inner[name] = arguments[name] = self.same(given, name, call, inner)
            else:
                inner[name] = substitute(tree_of(parameter.default), inner)
                if not free_names(tree_of(parameter.default)):
                    arguments[name] = inner[name]
        own = {name: inner[name] for name in call.block.parameters}
        target = self.block(call.block, shapes, own)
        return Use(target, arguments), {o: self.outward(found, inner, make) for o, found in target.results.items()}

    def ranked(self, shape: Shape, block: Block, at: int) -> Shape:
        """The shape that a block can take as its input `at`, if that may have two ranks.

        The block may be invalid for one of them.
        """
        ranks, stack, seen = set[int](), [self.used], set[int]()
        while stack:
            for node in stack.pop().nodes:
                if node.graph is not None and id(node.graph) not in seen:
                    seen.add(id(node.graph))
                    stack.append(node.graph)
                    if node.graph.block is block:
                        ranks.add(len(node.in_shapes[at]))
        sides, wanted = list(shape[1:]), list[Shape]()
        while sides:
            side = sides.pop(0)
            if isinstance(side, Alternatives):
                sides[:0] = side[1:]
            elif not ranks or len(side) in ranks:
                wanted.append(side)
        if len({len(side) for side in wanted}) != 1 and ranks:
            raise Inexpressible(f"`{block.name}` takes inputs of two ranks")
        return wanted[0]

    def outward(self, shape: Shape, inner: Scope, make: Make) -> Shape:
        """A result of a class in terms of its caller."""
        if isinstance(shape, Alternatives):
            return merged(
                substitute(shape[0], inner), self.outward(shape[1], inner, make), self.outward(shape[2], inner, make)
            )
        dims = []
        for size in shape:
            if isinstance(size, Name) and size.name.startswith("."):
                if make.held is None:
                    make.held = self.local((isinstance(make.name, str) and identifier(make.name)) or "layer", "")
                size = Name(f"{make.held.name}{size.name}", "integer")
            else:
                size = simplified(rearranged(substitute(size, inner)))
            dims.append(size)
        return tuple(dims)

    def same(self, given: Scope, name: str, call: BlockCall, inner: Scope) -> Any:
        """Resolve `padding: same` given to a block: p = d(k - 1)/2 of the kernel in the same call."""
        value = given[name]
        if name != "padding" or value != "same":
            return value
        from archc.kinds.convolution import same_padding

        def beside(other: str, default: Any) -> Any:
            if other in given:
                return given[other]
            parameter = call.block.parameters.get(other)
            return default if parameter is None else substitute(tree_of(parameter.default), inner)

        return same_padding(beside("kernel_size", None), beside("dilation", 1))

    def nested_body(
        self, body: Body, value: Value, scope: Scope, frame: _Frame, make: Make
    ) -> tuple[BodyPlan | Use, dict[str | None, Shape]]:
        """A nested body: a chain in place, or a separate class.

        In a loop that is written out, one class serves all iterations, with the differences as arguments. If a size is
        an attribute of a layer that may be absent, the class takes the size, because it can't take the attribute.
        """
        if frame.shared and not self.literal and body.form != "list":
            return self.shared(body, value, scope, frame, make)
        plan, results = self.body(body, (value.shape,), scope, frame, scope)
        inputs = list(make.inputs)
        self.take(plan, frame, scope, make)
        if plan.chain:
            return plan, {None: results[None].shape}
        if any(_is_of_one_branch(operand.value.shape) for operand in make.inputs):
            make.inputs = inputs
            return self.shared(body, value, scope, frame, make)
        made = ClassPlan(
            "", "", [], [], plan, {}, hint=plain_name(make.name), annotations=self.annotations(), owner=self.owner
        )
        around = tuple(scope.values()) + tuple(operand.value.shape for operand in make.inputs)
        known = free_names(lift(around)) | scope.keys()
        for output, result in results.items():
            made.results[output] = self.exported(made, result.shape, known, output)
        return Use(made, {}), {output: self.outward(shape, {}, make) for output, shape in made.results.items()}

    def shared(
        self, body: Body, value: Value, scope: Scope, frame: _Frame, make: Make
    ) -> tuple[BodyPlan | Use, dict[str | None, Shape]]:
        """A nested body that takes everything it reads from the enclosing scope as arguments."""
        key = (id(body), rank_of(value.shape))
        if key not in self.nested:
            inner = {name: Name(name, "integer" if type(found) is int else "") for name, found in scope.items()}
            shape = tuple(self.local(dim) for dim in dimensions(value.shape))
            own = _Frame(body, _inputs(body, (shape,)), frame, scope, apart={})
            plan, results = self.run(own, inner)
            made = ClassPlan(
                "", "", [], [], plan, {}, hint=plain_name(make.name), annotations=self.annotations(), owner=self.owner
            )
            taken = [*shape, *(size for _, sizes in own.apart.items() for size in sizes)] if own.apart else list(shape)
            known = inner.keys() | {size.name for size in taken}
            for output, result in results.items():
                made.results[output] = self.exported(made, result.shape, known, output)
            self.nested[key] = made, own
        made, own = self.nested[key]
        arguments = {**scope, **dict(zip((size.name for size in own.given.shape), value.shape, strict=True))}
        self.take(made.body, frame, scope, make)
        for capture, operand in zip(made.body.captures, make.inputs[1:], strict=True):
            names = (size.name for size in capture.value.shape)
            arguments.update(zip(names, operand.value.shape, strict=True))
        return Use(made, arguments), {o: self.outward(shape, arguments, make) for o, shape in made.results.items()}

    def take(self, plan: BodyPlan, frame: _Frame, scope: Scope, make: Make) -> None:
        """Give an entry the values that its body reads from enclosing bodies."""
        make.inputs += [Operand(self.lookup(capture.reference, frame, scope)) for capture in plan.captures]

    # Loops

    def splice(self, splice: Splice, scope: Scope, frame: _Frame, flow: _Flow) -> None:
        """A loop: written out if its iterations are literal, otherwise a loop of the plan."""
        arriving = self.arriving(scope, frame.given if frame.body.form == "branches" else flow.last.get(None))
        when = self.condition(splice.when, arriving)
        if when is False:
            return
        count, rows, turns = self.turns(splice, arriving)
        if turns is None:
            self.loop(splice, scope, frame, flow, both(frame.condition, when), count, rows)
            return
        shared, frame.shared = frame.shared, True
        outer, frame.condition = frame.condition, both(frame.condition, when)
        for turn in turns:
            self.entries(splice.entries, scope | turn, frame, flow)
        frame.shared, frame.condition = shared, outer

    def turns(self, splice: Splice, scope: Scope) -> tuple[Any, Any, list[Scope] | None]:
        """The count and the rows of a loop, and the values of its variables by turn if it is written out."""
        count = substitute(tree_of(splice.count), scope)
        count = count if free_names(count) else _number(count)
        rows = _elements(substitute(tree_of(splice.rows), scope))
        literal = (
            isinstance(rows, tuple)
            if splice.count is None
            else type(count) is int and (count <= _WRITTEN_OUT or self.literal)
        )
        if not literal:
            return count, rows, None
        turns = []
        for turn in range(count) if splice.count is not None else range(len(rows)):
            names: Scope = {splice.index: turn} if splice.index else {}
            if splice.count is None:
                row = _elements(rows[turn])
                names |= dict(zip(splice.variables, row if len(splice.variables) > 1 else (row,), strict=True))
            turns.append({name: lower(lift(value)) for name, value in names.items()})
        return count, rows, turns

    def outputs(self, outputs: Iterable[Entry | Splice], scope: Scope) -> Iterator[tuple[Entry, Scope]]:
        """The outputs of a body, those of loops once a turn, with the values of the names that they may use."""
        for output in outputs:
            if isinstance(output, Entry):
                yield output, scope
                continue
            _, _, turns = self.turns(output, scope)
            if turns is None:
                raise Inexpressible("the number of outputs is not known")
            for turn in turns:
                yield from self.outputs(output.entries, scope | turn)

    def loop(self, splice: Splice, scope: Scope, frame: _Frame, flow: _Flow, when: Any, count: Any, rows: Any) -> None:
        """A loop of the plan. Changes of the shape have a closed form, or are carried in a local."""
        if self.literal:
            raise Inexpressible("a loop of unknown turns")
        start = _single(flow.last)
        index = self.local(splice.index or "i")
        variables = tuple(self.local(name, self.forms.form(self.owner, name)) for name in splice.variables)
        inner = scope | dict(zip(splice.variables, variables, strict=True))
        if splice.index:
            inner[splice.index] = index

        def turn(shape: Shape) -> tuple[Loop, Shape]:
            """The loop for an input `shape` of each iteration, and the output shape of an iteration."""
            loop = Loop(count, rows, variables, index, when, Turn(start))
            before = flow.last
            flow.last = {None: Value(loop.turn, shape)}
            steps, flow.steps = flow.steps, loop.steps
            frame.loops = (*frame.loops, loop)
            self.entries(splice.entries, inner, frame, flow)
            loop.end = _single(flow.last)
            flow.steps, flow.last, frame.loops = steps, before, frame.loops[:-1]
            return loop, loop.end.shape

        def tried(shape: Shape) -> Shape:
            """The output shape of an iteration, without side effects."""
            kept = dict(frame.names), list(frame.looped), list(frame.parts)
            _, end = turn(shape)
            frame.names, frame.looped, frame.parts = kept
            return end

        if frame.body.form == "branches":
            flow.steps.append(turn(start.shape)[0])
            return
        current, carried = start.shape, dict[int, Name]()
        while True:
            end = tried(current)
            if isinstance(current, Alternatives) or isinstance(end, Alternatives) or len(end) != len(current):
                raise Inexpressible("the rank changes within a loop")
            changed = [at for at in range(len(end)) if at not in carried and not equal(end[at], current[at])]
            if not changed:
                break
            for at in changed:
                carried[at] = self.local(dimensions(current)[at])
            current = replaced(current, carried)
        if not carried:
            loop, end = turn(current)
            flow.steps.append(loop)
            flow.last = {None: Value(loop, end)}
            return
        during, after = dict[int, Any](carried), dict[int, Any]()
        final, chain = end, self.is_chain_of_entries(splice)
        probe = Loop(count, rows, variables, index, when, Turn(start))
        differing = probe.names | {name.name for name in carried.values()}
        for at, name in carried.items():
            if type(end[at]) is Name and "#" in end[at].name and end[at].name != name.name:
                chain = False  # what an inner loop carries is passed on
            closed = closed_form(name, start.shape[at], end[at], probe, differing)
            if closed is not None:
                during[at], after[at] = closed
        left = {at: name for at, name in carried.items() if at not in after}
        tangled = {
            at: Name(f"{UNKNOWN}{name.name}", "integer")
            for at, name in left.items()
            if free_names(final[at]) & ({other.name for other in carried.values()} - {name.name})
        }
        during |= tangled  # a dimension that depends on another local of the loop is unknown, but rarely needed
        left = {at: name for at, name in left.items() if at not in tangled}
        after |= tangled
        frame.running = left if chain else {}
        loop, end = turn(replaced(current, during))
        frame.running = {}
        for at, name in left.items():
            flow.steps.append(Assign(name, start.shape[at]))
            if not chain:
                loop.steps.append(Assign(name, end[at]))
            after[at] = Name(name.name, "integer", after_the_last(name, start.shape[at], final[at], loop, differing))
        flow.steps.append(loop)
        sizes = {at: size if at in left else merged_size(when, size, start.shape[at]) for at, size in after.items()}
        flow.last = {None: Value(loop, replaced(end, sizes))}

    def is_chain_of_entries(self, splice: Splice) -> bool:
        """Return True if the entries of a loop are layers and blocks that each take the previous result."""
        return all(
            isinstance(part, Entry)
            and not part.sources
            and not part.auxiliary
            and not isinstance(part.element, Body)
            and not (isinstance(part.element, LayerCall) and part.element.kind.many)
            for part in splice.entries
        )

    # References

    def lookup(self, reference: Reference, frame: _Frame, scope: Scope) -> Value:
        """The value of a name, here or in an enclosing body."""
        name, output = self.referred(reference, scope)
        found = self.find(name, output, frame)
        if found is not None:
            return found
        if frame.parent is None or (
            isinstance(name, Text) and not free_names(name) <= free_names(lift(tuple(scope.values())))
        ):
            raise Inexpressible(f"`{plain_name(name)}` cannot be looked up")
        key = (name, output)
        if key not in frame.captures:
            value = self.lookup(reference, frame.parent, frame.around)
            self.read_bare(value, None, [])
            shape = value.shape
            if frame.apart is not None:
                shape = tuple(self.local(f"{plain_name(name)}_{dim}") for dim in dimensions(shape))
                frame.apart[key] = shape
            position = len(frame.inputs) + len(frame.captures)
            label = identifier(f"{plain_name(name)}_{output}" if output else plain_name(name))
            frame.captures[key] = Value(Input(position, label), shape)
            frame.taken.append(reference)
        return frame.captures[key]

    def referred(self, reference: Reference, scope: Scope) -> tuple[Any, str | None]:
        """The name (a text, or one that carries an index) and the output that a reference names."""
        name: str | Text = reference.name
        if reference.template is not None:
            name = self.name(reference.template, scope)
        output = reference.output
        if reference.part is not None:
            part = self.name(reference.part, scope)
            if isinstance(part, Text):
                raise Inexpressible(f"`{reference.output}` is not known")
            output = part
        return name, output

    def find(self, name: str | Text, output: str | None, frame: _Frame) -> Value | None:
        """The value of a name in this body."""
        if isinstance(name, str) and name in frame.names:
            return _output(frame.names[name], output)
        for known in reversed(frame.looped):
            if known.name == name and known.loops == frame.loops[: len(known.loops)]:
                return _output(known.outputs, output)
        shapes = []
        for known in frame.looped:
            solved = unify(known.name, name)
            if solved is None:
                continue
            known.make.kept = known.make.expanded = True
            value = _output(known.outputs, output)
            shape = tuple(expanded(substitute(size, solved)) for size in value.shape)
            if free_names(lift(shape)) & {name for loop in known.loops for name in loop.names | {loop.index.name}}:
                raise Inexpressible(f"the shape of `{plain_name(name)}` is not known")
            shapes.append(shape)
        if not shapes:
            return None
        if any(not all(map(equal, shape, shapes[0])) for shape in shapes[1:]):
            raise Inexpressible(f"`{plain_name(name)}` may have one of several shapes")
        return Value(Kept(name), shapes[0], output)


# Shapes


def _inputs(body: Body, shapes: tuple[Shape, ...]) -> tuple[Value, ...]:
    """The inputs of a body under the names that it declares."""
    names = list(body.inputs) or ["x"]
    return tuple(Value(Input(at, name), shape) for at, (name, shape) in enumerate(zip(names, shapes, strict=True)))


def _broadcasts(inputs: tuple[Shape, ...]) -> bool:
    """Return True if inputs of a join have different sizes after the channels."""
    return len({shape[1:] for shape in inputs}) > 1


def _is_of_one_branch(shape: Shape) -> bool:
    """Return True if a size is an attribute of an entry under a condition, so that it doesn't always exist."""
    choices = (node for node in walk(lift(shape)) if isinstance(node, Choice))
    return any("." in name for choice in choices for name in free_names(choice))


def is_bare(source: Any) -> bool:
    """Return True if a value is a tensor of the body itself."""
    return isinstance(source, Make) and isinstance(source.what, Layer) and source.what.kind.bare


def _elements(value: Any) -> Any:
    """The elements of a literal list, some of which may be expressions."""
    return value.items if isinstance(value, Items) else value


def _is_same(one: Shape, other: Shape) -> bool:
    """Return True if two shapes are equal for all arguments."""
    return len(one) == len(other) and all(map(equal, one, other))


def _single(outputs: Outputs) -> Value:
    if None not in outputs:
        raise Inexpressible("an entry has several outputs")
    return outputs[None]


def _output(outputs: Outputs, output: str | None) -> Value:
    if output not in outputs:
        raise Inexpressible("an output is not known")
    return outputs[output]


def _number(value: Any) -> Any:
    """The value of a tree without names, or of the trees in a list."""
    if isinstance(value, Expr):
        return value.evaluate({})
    return type(value)(map(_number, value)) if isinstance(value, list | tuple) else value


def _exists(part: Operand) -> Any:
    """The condition under which a branch, or one of a loop, exists; None if it always does or differs by iteration."""
    conditions = [part.when]
    for loop in part.loops:
        conditions += [loop.when, compare(loop.turns, ">", 0)]
    found: Any = None
    for condition in conditions:
        found = found if condition is None or condition is True else both(found, condition)
    names = {name for loop in part.loops for name in loop.names}
    return None if free_names((part.value.shape, found)) & names else found
