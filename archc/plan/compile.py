"""A spec's bodies to plans: the wiring resolved, and channels and sizes as expressions over the parameters.

It runs for specs that are valid for their declared parameters, so that it reports nothing. What an expression cannot
say in the names of a class's parameters is carried in a local, or told by an attribute of the class that knows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from archc.expressions import (
    Compare,
    Const,
    Expr,
    Expression,
    Items,
    Name,
    Text,
    either,
    equal,
    free_names,
    lift,
    lower,
    substitute,
    tree_of,
)
from archc.graph import Network
from archc.kinds import Alternatives, Join, Kind
from archc.kinds.arithmetic import Numbered
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
    Splice,
)
from archc.language.spec import Name as EntryName
from archc.plan import plan as p
from archc.plan.chosen import Option, arguments_of, cases
from archc.plan.finish import UNKNOWN, UnknownRead, finished
from archc.plan.forms import Forms
from archc.plan.guards import both, guards, under
from archc.plan.loops import after_the_last, closed_form, is_chain, unify
from archc.plan.plan import (
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
    DIMENSIONS,
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
)
from archc.problems import Problems

_WRITTEN_OUT = 12
"""A literal count of turns up to which the entries of a named loop are written out."""

_LONGEST = 24
"""A dimension of so many nodes becomes a local."""

Scope = dict[str, Any]
Outputs = dict[str | None, Value]


class _Again(Exception):
    """A class cannot serve all arguments: compile once more, with one class for each."""


def plan_network(network: Network) -> list[ClassPlan]:
    """The classes of a network's source, each after those that it uses; the network's own is the last."""
    written_out: set[int] = set()
    while True:
        try:
            return finished(_Compiler(network, written_out).network(network))
        except _Again:
            continue
        except UnknownRead as found:
            written_out.add(found.owner)


class _Parts(dict[str | None, Value]):
    """The results of a layer that has an unknown number of them: each is made when it is looked up."""

    def __init__(self, make: Make, shapes: Numbered) -> None:
        super().__init__()
        self.make, self.shapes = make, shapes

    def __contains__(self, output: object) -> bool:
        return output in self.shapes

    def __missing__(self, output: str | None) -> Value:
        assert output is not None
        return Value(self.make, self.shapes[output], output)


@dataclass(slots=True, eq=False)
class _Named:
    """An entry of a loop, as references find it: its name, its results, and the loops that it stands in."""

    name: str | Text
    outputs: Outputs
    make: Make
    loops: tuple[Loop, ...]


@dataclass(slots=True, eq=False)
class _Frame:
    """What the entries of a body can refer to.

    `around` is the scope of the body around it. `shared`: a loop around it is written out, and `condition` is that
    loop's. `running` are the locals, by dimension, of a loop that is a chain: an entry that changes a dimension
    updates its local. `apart` collects the shapes of captured values under names of their own, for a class that
    serves several places. `absent` are the entries that are never there, `conditional` those that may not be.
    """

    body: Body
    given: Value
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

    @property
    def in_loop(self) -> bool:
        """Whether its entries are made once a turn, by a loop of its own or of a body around it."""
        return bool(self.loops) or (self.parent is not None and self.parent.in_loop)


@dataclass(slots=True)
class _Flow:
    """Where a body's steps go, and the results of the last entry, which the next one takes."""

    steps: list[p.Step]
    last: Outputs


class _Compiler:
    """Compiles a spec's bodies; `written_out` has the blocks (0: the network) whose classes hold literal values."""

    def __init__(self, network: Network, written_out: set[int]) -> None:
        self.spec = spec = network.spec
        self.used = network.graph
        self.written_out = written_out
        self.forms = Forms(spec)
        self.blocks: dict[Any, ClassPlan] = {}
        self.nested: dict[tuple[int, int], tuple[ClassPlan, _Frame]] = {}
        self.guards: list[Guard] = []
        self.owner = 0
        self.count = 0

    @property
    def literal(self) -> bool:
        """Whether the class at hand holds literal values."""
        return self.owner in self.written_out

    def local(self, name: str, form: str = "integer") -> Name:
        """A local of its own: the printer gives it the name before the `#`, or one like it."""
        self.count += 1
        return Name(f"{name}#{self.count}", form)

    # Classes

    def network(self, network: Network) -> ClassPlan:
        """The network's own class."""
        shape = tuple(map(lift, network.input))
        scope: Scope = {"in_channels": network.input[0]}
        spec = self.spec
        if self.literal:
            return self.define(0, spec.name, spec.description, spec.body, shape, scope | network.parameters, [], [])
        parameters, locals_ = self.parameters(network.declared, scope, 0, set())
        declared = tuple(network.declared)
        return self.define(0, spec.name, spec.description, spec.body, shape, scope, parameters, locals_, None, declared)

    def block(self, block: Block, shape: Shape, given: Scope) -> ClassPlan:
        """The class of a block for inputs of this rank; of one that is written out, for these arguments."""
        owner = id(block)
        key: Any = (owner, len(shape))
        scope: Scope = {}
        names = tuple(Name(f"in_{dim}", "integer") for dim in dimensions(shape))
        own: Shape = names
        parameters = [p.Parameter(name.name, "int") for name in names]
        locals_: list[Name] = []
        if owner in self.written_out:
            if free_names((*shape, *given.values())):
                raise Inexpressible("a block that is written out has arguments that are not known")
            key = (owner, *map(lift, shape), *map(lift, given.values()))
            constants: Shape = tuple(map(lift, shape))
            own, parameters, scope = constants, [], {**given, "in_channels": substitute(shape[0], {})}
        if key not in self.blocks:
            assert block.body is not None
            if owner not in self.written_out:
                scope["in_channels"] = own[0]
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
        """The constructor's arguments and the locals; both become names of the scope."""
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
        shape: Shape,
        scope: Scope,
        parameters: list[p.Parameter],
        locals_: list[Name],
        block: Block | None = None,
        declared: tuple[str, ...] = (),
    ) -> ClassPlan:
        """A class from its body."""
        before, self.owner = self.owner, owner
        around, self.guards = self.guards, []
        try:
            plan, results = self.body(body, Value(Input(), shape), scope, None, {})
        except Inexpressible:
            if self.literal:
                raise
            self.written_out.add(owner)
            raise _Again from None
        finally:
            self.owner = before
            found, self.guards = self.guards, around
        made = ClassPlan(
            name, description, parameters, locals_, plan, {}, root=owner == 0, block=block, owner=owner,
            literal=owner in self.written_out, rank=len(shape), declared=declared,
        )  # fmt: skip
        known = {parameter.name for parameter in parameters}
        for output, value in results.items():
            made.results[output] = self.told(made, value.shape, known, output)
        known |= {local.name for local in locals_}
        made.guards = [guard for guard in dict.fromkeys(found) if guard.condition.names <= known]
        rules = self.spec.init if block is None else block.init
        made.init = tuple(rule.replaced(lambda value: substitute(tree_of(value), scope)) for rule in rules)
        return made

    def told(self, made: ClassPlan, shape: Shape, known: AbstractSet[str], output: str | None) -> Shape:
        """A result's shape in the names of the parameters; what they cannot say becomes an attribute."""
        if isinstance(shape, Alternatives):
            condition, yes, no = shape
            return Alternatives((condition, self.told(made, yes, known, output), self.told(made, no, known, output)))
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
        """The types of the names that a nested body reads of the class at hand."""
        owner = self.owner
        return lambda name: (
            self.forms.annotation(owner, name.partition("#")[0]) if (owner, name) in self.forms.sources else "int"
        )

    # Bodies

    def body(
        self, body: Body, value: Value, scope: Scope, parent: _Frame | None, around: Scope
    ) -> tuple[BodyPlan, Outputs]:
        """The plan of a body for its input, and its results."""
        frame = _Frame(body, Value(Input(), value.shape), parent, around)
        if parent is not None:
            frame.shared = parent.shared
        return self.run(frame, scope)

    def run(self, frame: _Frame, scope: Scope) -> tuple[BodyPlan, Outputs]:
        """The plan of a frame's body, and its results."""
        body = frame.body
        flow = _Flow([], {None: frame.given})
        frame.names["input"] = {None: frame.given}
        self.entries(body.entries, scope, frame, flow)
        if body.form == "branches":
            flow.last = self.join(body, frame, flow)
        results: Outputs
        optional: dict[str | None, Make] = {}
        if body.outputs:
            results = {}
            for output, inner in self.outputs(body.outputs, self.arriving(scope, flow.last.get(None))):
                assert output.name is not None
                assert output.source is not None
                name, (source, _) = self.name(output.name, inner), self.referred(output.source, inner)
                if source in frame.absent:
                    continue
                if isinstance(name, Text):
                    raise Inexpressible("the names of the outputs are not known")
                results[name] = self.lookup(output.source, frame, inner)
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
        """The steps of entries, into the flow."""
        for entry in entries:
            if isinstance(entry, Entry):
                self.entry(entry, scope, frame, flow)
            else:
                self.splice(entry, scope, frame, flow)

    def arriving(self, scope: Scope, value: Value | None) -> Scope:
        """The scope of an entry or a loop that takes a value: outside of blocks `in_channels` are the value's."""
        if self.owner or value is None:
            return scope
        return {**scope, "in_channels": lower(lift(channels_of(value.shape)))}

    def condition(self, when: Expression | None, scope: Scope) -> Any:
        """None where an entry is always there; False where it never is; else the condition."""
        if when is None:
            return None
        value = substitute(when.tree, scope)
        return value if isinstance(value, Expr) else None if value else False

    def entry(self, entry: Entry, scope: Scope, frame: _Frame, flow: _Flow) -> None:
        """One entry: what it makes, its inputs, its results."""
        element = entry.element
        assert element is not None
        if isinstance(element, LayerCall) and element.kind.many:
            taken = [self.lookup(reference, frame, scope) for reference in element.operands]
            arriving = frame.given if frame.body.form == "branches" else flow.last.get(None)
        elif entry.source is not None:
            taken = [self.lookup(entry.source, frame, scope)]
            arriving = taken[0]
        else:
            taken = [frame.given if frame.body.form == "branches" else _single(flow.last)]
            arriving = taken[0]
        scope = self.arriving(scope, arriving)
        name = self.name(entry.name, scope) if entry.name is not None else ""
        when = self.condition(entry.when, scope)
        when = when if when is False else both(frame.condition, when)
        for value in taken:
            self.read_bare(value, element, taken)
        if when is False:
            outputs: Outputs = {None: taken[0]}
            if not entry.auxiliary:
                self.flows(frame, flow, outputs)
            if isinstance(name, str) and not frame.loops:
                frame.names[name] = outputs
                frame.absent.add(name)
            return
        before = len(self.guards)
        make, outputs = self.make(entry, name, taken, scope, frame)
        self.guards[before:] = under(when, self.guards[before:])
        make.when = when
        if when is not None and isinstance(name, str):
            frame.conditional[name] = make
        flow.steps.append(make)
        if not isinstance(outputs, _Parts):
            outputs = {output: self.named(value, frame, flow) for output, value in outputs.items()}
        made = outputs
        if frame.running:
            outputs = {None: self.run_on(outputs[None], when, frame, flow)}
        elif when is not None and None in outputs and frame.body.form != "branches":
            value = outputs[None]
            outputs = {None: self.named(Value(make, merged(when, value.shape, taken[0].shape)), frame, flow)}
        if frame.loops:
            frame.looped.append(_Named(name, outputs, make, frame.loops))
        elif entry.name is not None:
            assert isinstance(name, str)
            frame.names[name] = outputs
        if entry.auxiliary:
            return
        self.flows(frame, flow, outputs)
        if frame.body.form == "branches":
            frame.parts.append(Operand(_single(made), when, frame.loops))

    def read_bare(self, value: Value, element: Any, beside: list[Value]) -> None:
        """Note where a tensor of the body is read other than by arithmetic, which needs one for each image."""
        make = value.source
        if not is_bare(make):
            return
        assert isinstance(make, Make)
        arithmetic = isinstance(element, LayerCall) and element.kind.infix
        if not arithmetic or all(is_bare(other.source) for other in beside):
            make.expanded = True

    def run_on(self, value: Value, when: Any, frame: _Frame, flow: _Flow) -> Value:
        """The value of a chain's entry, its dimensions in the locals that the loop updates."""
        for at, name in frame.running.items():
            if not equal(value.shape[at], name):
                flow.steps.append(Assign(name, value.shape[at], when))
        return Value(value.source, replaced(value.shape, dict(frame.running)))

    def named(self, value: Value, frame: _Frame, flow: _Flow) -> Value:
        """The value, its long dimensions in locals: what reads a dimension twice doubles it, entry after entry."""
        if frame.in_loop or isinstance(value.shape, Alternatives):
            return value
        names: dict[int, Any] = {}
        for at, size in enumerate(value.shape):
            if isinstance(size, Expr) and size.size >= _LONGEST:
                names[at] = self.local(dimensions(value.shape)[at])
                flow.steps.append(Assign(names[at], size))
        return Value(value.source, replaced(value.shape, names), value.output) if names else value

    def flows(self, frame: _Frame, flow: _Flow, outputs: Outputs) -> None:
        """The next entry takes these, but in branches, which all take the body's input."""
        if frame.body.form != "branches":
            flow.last = outputs

    def name(self, name: EntryName, scope: Scope) -> str | Text:
        """An entry's name: a text, or one that carries what the turn of a loop decides."""
        if all(isinstance(part, str) for part in name.parts):
            return name.text
        text = substitute(Text(tuple(part if isinstance(part, str) else part.tree for part in name.parts)), scope)
        if isinstance(text, str):
            return text
        pieces: list[str | Expr] = []
        for piece in text.pieces:  # what is known is text
            piece = str(piece.value) if isinstance(piece, Const) else piece
            if isinstance(piece, str) and pieces and isinstance(pieces[-1], str):
                pieces[-1] += piece
            else:
                pieces.append(piece)
        return str(pieces[0]) if len(pieces) == 1 and isinstance(pieces[0], str) else Text(tuple(pieces))

    def make(
        self, entry: Entry, name: str | Text, taken: list[Value], scope: Scope, frame: _Frame
    ) -> tuple[Make, Outputs]:
        """What an entry makes of its inputs."""
        element = entry.element
        make = Make(name, None, [Operand(value) for value in taken], entry.mark, None, entry.auxiliary)  # type: ignore[arg-type]
        shapes = tuple(lifted(value.shape) for value in taken)
        if isinstance(element, LayerCall):
            make.what, found = self.layer(element, shapes, scope)
        elif isinstance(element, BlockCall):
            make.what, found = self.use(element, shapes[0], scope, make)
        elif isinstance(element, ChosenCall):
            make.what, found = self.chosen(element, shapes[0], scope, make)
        else:
            assert isinstance(element, Body)
            make.what, found = self.nested_body(element, taken[0], scope, frame, make)
        if isinstance(found, Numbered):
            return make, _Parts(make, found)
        return make, {output: Value(make, shape, output) for output, shape in found.items()}

    # Layers and joins

    def layer(self, call: LayerCall, shapes: tuple[Shape, ...], scope: Scope) -> tuple[Layer, dict[str | None, Shape]]:
        """A layer's calls and the shapes of its outputs."""
        kind = self.kind(call, scope)
        found = output_shapes(kind, shapes)
        self.guards += guards(kind)
        if kind.many:
            found = {None: shortest(kind, shapes, found[None])}
        return layer_plan(kind, shapes), found

    def kind(self, call: LayerCall, scope: Scope) -> Kind:
        """The kind of a layer, with expressions for what is not known of its arguments."""
        kind = call.ready
        if kind is None:
            arguments = {name: substitute(tree_of(value), scope) for name, value in call.arguments.items()}
            unknown = any(free_names(arguments.get(name, ())) for name in call.kind.structural)
            if unknown or any(isinstance(arguments.get(name), Expr) for name in call.kind.listed):
                raise Inexpressible("the rank follows from an argument that is not known")
            # A number may still be written as it came about, such as 3 * 4 * 4 features.
            arguments |= {name: _number(arguments[name]) for name in call.kind.structural if name in arguments}
            kind = make_kind(call, arguments, Problems()) if not free_names(tuple(arguments.values())) else None
            kind = kind or call.kind.symbolic(arguments)
        return kind

    def chosen(
        self, element: ChosenCall, shape: Shape, scope: Scope, make: Make
    ) -> tuple[Layer | Use | Chosen, dict[str | None, Shape]]:
        """What an argument names, and the shapes of its results."""
        which = substitute(element.which.tree, scope)
        if isinstance(which, Callee):
            call = element.call(which)
            if isinstance(call, LayerCall):
                return self.layer(call, (shape,), scope)
            return self.use(call, shape, scope, make)
        options: list[Option] = []
        for name, call in element.calls():
            before = len(self.guards)
            test = Compare((which, Const(name)), ("==",))
            try:
                options.append(self.option(name, call, shape, scope, make))
            except (IndexError, TypeError, ValueError):  # the spec is not valid for it
                del self.guards[before:]
            self.guards[before:] = under(test, self.guards[before:])
        return cases(which, options)

    def option(self, name: Callee, call: LayerCall | BlockCall, shape: Shape, scope: Scope, make: Make) -> Option:
        """One of the layers or classes that an argument may name, with its arguments."""
        if isinstance(call, LayerCall):
            layer, found = self.layer(call, (shape,), scope)
            if isinstance(found, Numbered) or len(layer.calls) > 1:
                raise Inexpressible(f"`{name}` is called in more than one way")
            return Option(name, layer, *arguments_of(self.kind(call, scope), shape, call.arguments), found)
        use, found = self.use(call, shape, scope, make)
        if use.target.literal or make.held is not None:
            make.held = None
            raise Inexpressible(f"`{name}` has no shape in the names of its parameters")
        given = {n: value for n, value in use.arguments.items() if n.startswith("in_") or n in call.arguments}
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
                shape = shortest(kind, tuple(like), output_shapes(kind, tuple(like))[None])
            for part in parts if certain else ():
                if part.when is not None and not part.loops:
                    other = alike(lifted(part.value.shape), shape, part.when)
                    shape = merged(part.when, output_shapes(kind, (shape, other))[None], shape)
        layer = Layer(
            type(kind), ((None, kind.call((shape, shape))),), kind.function((shape, shape)), kind.infix, False
        )
        make = Make("join", layer, parts, body.join.mark, joins=True)
        flow.steps.append(make)
        return {None: Value(make, shape)}

    def total(self, parts: list[Operand], flow: _Flow) -> Any:
        """The channels of branches side by side; those of a loop count once a turn."""
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

    def use(self, call: BlockCall, shape: Shape, scope: Scope, make: Make) -> tuple[Use, dict[str | None, Shape]]:
        """A block with its arguments, and the shapes of its results in the caller's names."""
        if isinstance(shape, Alternatives):
            shape = self.ranked(shape, call.block)
        arguments: Scope = dict(zip((f"in_{dim}" for dim in dimensions(shape)), shape, strict=True))
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
        target = self.block(call.block, shape, own)
        return Use(target, arguments), {o: self.outward(found, inner, make) for o, found in target.results.items()}

    def ranked(self, shape: Shape, block: Block) -> Shape:
        """Of shapes of two ranks the one that a block takes: it need not be valid for the other."""
        ranks, stack, seen = set[int](), [self.used], set[int]()
        while stack:
            for node in stack.pop().nodes:
                if node.graph is not None and id(node.graph) not in seen:
                    seen.add(id(node.graph))
                    stack.append(node.graph)
                    if node.graph.block is block:
                        ranks.add(len(node.in_shapes[0]))
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
        """A result of a class in the names of the one that uses it."""
        if isinstance(shape, Alternatives):
            return merged(
                substitute(shape[0], inner), self.outward(shape[1], inner, make), self.outward(shape[2], inner, make)
            )
        dims = []
        for size in shape:
            if isinstance(size, Name) and size.name.startswith("."):
                if make.held is None:
                    make.held = self.local(make.name if isinstance(make.name, str) and make.name else "layer", "")
                size = Name(f"{make.held.name}{size.name}", "integer")
            else:
                size = simplified(rearranged(substitute(size, inner)))
            dims.append(size)
        return tuple(dims)

    def same(self, given: Scope, name: str, call: BlockCall, inner: Scope) -> Any:
        """`padding: same` given to a block is p = d(k - 1)/2 of the kernel given beside it."""
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
        """A nested body: a chain in place, or a class of its own.

        In a loop that is written out one class serves all turns: it takes what differs as arguments.
        """
        if frame.shared and not self.literal and body.form != "list":
            return self.shared(body, value, scope, frame, make)
        plan, results = self.body(body, value, scope, frame, scope)
        self.take(plan, frame, scope, make)
        if plan.chain:
            return plan, {None: results[None].shape}
        made = ClassPlan(
            "", "", [], [], plan, {}, hint=plain_name(make.name), annotations=self.annotations(), owner=self.owner
        )
        around = tuple(scope.values()) + tuple(operand.value.shape for operand in make.inputs)
        known = free_names(lift(around)) | scope.keys()
        for output, result in results.items():
            made.results[output] = self.told(made, result.shape, known, output)
        return Use(made, {}), {output: self.outward(shape, {}, make) for output, shape in made.results.items()}

    def shared(
        self, body: Body, value: Value, scope: Scope, frame: _Frame, make: Make
    ) -> tuple[BodyPlan | Use, dict[str | None, Shape]]:
        """A nested body that takes all that it reads of the scope around it as arguments."""
        key = (id(body), rank_of(value.shape))
        if key not in self.nested:
            inner = {name: Name(name, "integer" if type(found) is int else "") for name, found in scope.items()}
            shape = tuple(self.local(dim) for dim in dimensions(value.shape))
            own = _Frame(body, Value(Input(), shape), frame, scope, apart={})
            plan, results = self.run(own, inner)
            made = ClassPlan(
                "", "", [], [], plan, {}, hint=plain_name(make.name), annotations=self.annotations(), owner=self.owner
            )
            taken = [*shape, *(size for _, sizes in own.apart.items() for size in sizes)] if own.apart else list(shape)
            known = inner.keys() | {size.name for size in taken}
            for output, result in results.items():
                made.results[output] = self.told(made, result.shape, known, output)
            self.nested[key] = made, own
        made, own = self.nested[key]
        arguments = {**scope, **dict(zip((size.name for size in own.given.shape), value.shape, strict=True))}
        self.take(made.body, frame, scope, make)
        for capture, operand in zip(made.body.captures, make.inputs[1:], strict=True):
            names = (size.name for size in capture.value.shape)
            arguments.update(zip(names, operand.value.shape, strict=True))
        return Use(made, arguments), {o: self.outward(shape, arguments, make) for o, shape in made.results.items()}

    def take(self, plan: BodyPlan, frame: _Frame, scope: Scope, make: Make) -> None:
        """Give an entry the values that its body reads of those around it."""
        make.inputs += [Operand(self.lookup(capture.reference, frame, scope)) for capture in plan.captures]

    # Loops

    def splice(self, splice: Splice, scope: Scope, frame: _Frame, flow: _Flow) -> None:
        """A loop: written out where its turns are literal, else a loop of the plan."""
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
        """A loop of the plan. What its turns change of the shape has a closed form, or is carried in a local."""
        if self.literal:
            raise Inexpressible("a loop of unknown turns")
        start = _single(flow.last)
        index = self.local(splice.index or "i")
        variables = tuple(self.local(name, self.forms.form(self.owner, name)) for name in splice.variables)
        inner = scope | dict(zip(splice.variables, variables, strict=True))
        if splice.index:
            inner[splice.index] = index

        def turn(shape: Shape) -> tuple[Loop, Shape]:
            """The loop, if `shape` flows into each turn, and what flows out of one."""
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
            """What flows out of a turn, without a trace of the turn."""
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
            if isinstance(end, Alternatives) or len(end) != len(current):
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
                chain = False  # what a loop within it carries goes on as it is
            closed = closed_form(name, start.shape[at], end[at], probe, differing)
            if closed is not None:
                during[at], after[at] = closed
        left = {at: name for at, name in carried.items() if at not in after}
        tangled = {
            at: Name(f"{UNKNOWN}{name.name}", "integer")
            for at, name in left.items()
            if free_names(final[at]) & ({other.name for other in carried.values()} - {name.name})
        }
        during |= tangled  # what follows from another local of the loop is not known; mostly nobody asks
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
        """Whether the entries of a loop are layers and blocks that each take the one before it."""
        return all(
            isinstance(part, Entry)
            and part.source is None
            and not part.auxiliary
            and not isinstance(part.element, Body)
            and not (isinstance(part.element, LayerCall) and part.element.kind.many)
            for part in splice.entries
        )

    # References

    def lookup(self, reference: Reference, frame: _Frame, scope: Scope) -> Value:
        """The value that a name stands for, here or in a body around this one."""
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
            position = 1 + len(frame.captures)
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
        """The value of a name of this very body."""
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


def is_bare(source: Any) -> bool:
    """Whether a value is a tensor of the body itself."""
    return isinstance(source, Make) and isinstance(source.what, Layer) and source.what.kind.bare


def _elements(value: Any) -> Any:
    """The elements of a list that is written out, of which some are expressions."""
    return value.items if isinstance(value, Items) else value


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
