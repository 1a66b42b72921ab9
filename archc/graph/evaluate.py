"""Evaluation of a spec into the architecture graph, for given arguments and an input size.

Blocks are expanded, loops unrolled, conditions decided, and every shape inferred and checked, in one pass from the
input on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, NamedTuple, cast

from archc.graph.aliasing import overwrite_problems
from archc.graph.assuming import (
    ASSUMED,
    ASSUMPTIONS,
    MOST_ENTRIES,
    MOST_PROBLEMS,
    Assumption,
    agreed,
    comparable,
    meant,
    stand_in,
)
from archc.graph.frame import OWN, Frame, Made, Scope
from archc.graph.graph import Graph, Instance, Network, Node, Outputs, Ref
from archc.graph.infer import Inference
from archc.graph.initialization import init_problems
from archc.graph.integers import integer_problems
from archc.graph.lookup import NAME_THEM
from archc.graph.reads import names_read
from archc.graph.remedies import Remedies
from archc.graph.sharing import inputs_of, parted
from archc.kinds import Fault, Kind, Shape
from archc.kinds.base import shown
from archc.kinds.module import Inspect, allowed
from archc.known import key_of, remember
from archc.language import Spec
from archc.language.names import output_name_fault
from archc.language.references import lost_references
from archc.language.spec import (
    UNKNOWN,
    Block,
    BlockCall,
    Body,
    ChosenCall,
    Entry,
    LayerCall,
    Parameter,
    Reference,
    Share,
)
from archc.limits import MAX_BLOCK_DEPTH, MAX_LAYERS, how_to_raise
from archc.problems import Mark, Problem, SpecError

Observe = Callable[[Mark, Node | None, Scope], object]
"""Receives the location of an entry, its node (None if its `when` omits it), and the values of the names that it may
use."""


_Reads = dict[Body, tuple[tuple[str, ...], tuple[str, ...]] | None]


class _Nested(NamedTuple):
    """A nested body for all values that it reads: its graph, the tensors it captures, and its number of entries."""

    graph: Graph
    captures: tuple[tuple[str, str | None], ...]
    entries: int


class _Block(NamedTuple):
    """A block for its arguments and input: its graph, its problems, and its number of entries."""

    graph: Graph | None
    values: Scope
    problems: list[Problem]
    entries: int


def evaluate(spec: Spec, *, observe: Observe | None = None) -> Network:
    """The checked network of a spec. Raises SpecError with every error.

    `observe` is called for each entry that could be evaluated, including those before an error. An exception that it
    raises ends the evaluation.
    """
    return Evaluator(spec).network(observe=observe)


class Evaluator:
    """Evaluates one spec repeatedly; equal blocks and expressions are evaluated once for all arguments.

    `inspect` runs the modules of other packages; by default they aren't allowed.
    """

    def __init__(self, spec: Spec, inspect: Inspect | None = None) -> None:
        self.spec = spec
        self.inspect = inspect or allowed()
        self._known: dict[Any, Any] = {}
        self._reads: _Reads = {}

    def network(
        self,
        parameters: dict[str, Parameter] | None = None,
        inputs: dict[str, Shape] | None = None,
        *,
        observe: Observe | None = None,
    ) -> Network:
        """The checked network, like `evaluate`, for other arguments and other input sizes than the spec's."""
        evaluation, network = self._evaluated(self.spec, parameters, inputs, observe)
        problems = evaluation.problems
        if problems:

            def problems_of(spec: Spec, observe: Observe | None) -> list[Problem]:
                evaluation, _ = Evaluator(spec, self.inspect)._evaluated(spec, parameters, inputs, observe)
                return evaluation.problems.sorted() + _behind(evaluation, spec, parameters, inputs, observe)

            for problem in _behind(evaluation, self.spec, parameters, inputs, None):
                if problem.code in ("E0302", "E0312"):
                    problem.note = problem.note or ASSUMED
                problems.add(problem)
            Remedies(self.spec, problems_of).settle(problems.sorted())
        problems.raise_any()
        assert network is not None
        checks = (integer_problems(network), overwrite_problems(network), init_problems(network, evaluation.left_out))
        for problem in chain.from_iterable(checks):
            problems.add(problem)
        problems.raise_any()
        return network

    def _evaluated(
        self,
        spec: Spec,
        parameters: dict[str, Parameter] | None,
        inputs: dict[str, Shape] | None,
        observe: Observe | None,
    ) -> tuple[_Evaluation, Network | None]:
        """One evaluation, with its problems."""
        evaluation = _Evaluation(spec, self._known, self._reads, observe, self.inspect)
        try:
            network = evaluation.network(parameters or spec.parameters, inputs or spec.inputs)
        except SpecError as error:  # a bound is exceeded; also report what was found before
            network = None
            for problem in error.problems:
                evaluation.problems.add(problem)
        if parameters is None and inputs is None:  # otherwise the spec was already reported
            for reference, names in lost_references(spec):
                if not evaluation.problems.has_code("E0210", reference.mark):
                    evaluation.lost(reference, names)
        return evaluation, network


def _behind(
    base: _Evaluation,
    spec: Spec,
    parameters: dict[str, Parameter] | None,
    inputs: dict[str, Shape] | None,
    observe: Observe | None,
) -> list[Problem]:
    """The problems after faulty entries that don't depend on the results of these entries."""
    if not base.assumable or base.count > MOST_ENTRIES or len(base.problems) > MOST_PROBLEMS:
        return []
    found: list[list[Problem]] = []
    behind: list[Problem] = []
    for assumption in ASSUMPTIONS:
        evaluation = _Evaluation(spec, {}, {}, observe, base.inspect, assumption)
        with suppress(SpecError):  # a bound is exceeded; what was found before counts
            evaluation.network(parameters or spec.parameters, inputs or spec.inputs)
        problems = evaluation.problems.sorted()
        found.append(problems if found else [problem for problem in problems if not base.problems.has(problem)])
        behind = agreed(found)
        if not behind:
            break  # usually after the first
    return behind


class _Evaluation(Inference):
    """One evaluation of a spec; `left_out` are the entries of the network's own body whose `when` is false."""

    def __init__(
        self,
        spec: Spec,
        known: dict[Any, Any],
        reads: _Reads,
        observe: Observe | None,
        inspect: Inspect | None,
        assumption: Assumption | None = None,
    ) -> None:
        super().__init__(spec, known, inspect)
        self.assumption = assumption
        self.doubtful = self.doubtful or assumption is not None
        self.assumable = False
        """Whether the result of some faulty entry could be assumed."""
        self.spec = spec
        self.reads = reads
        self.observe = observe
        self.left_out: list[str] = []
        self.faulty: dict[Block, dict[object, _Block]] = {}  # blocks with problems, by input and arguments

    def network(self, declared: dict[str, Parameter], inputs: dict[str, Shape]) -> Network | None:
        """The whole network; None after an error. Raises SpecError if it exceeds a bound."""
        values: Scope = {}
        for name, parameter in declared.items():
            values[name] = self.value(parameter.default, values)
        shapes = tuple(inputs.values())
        graph = self.body(Frame(self.spec.body, shapes), {**values, "in_channels": shapes[0][0]})
        return None if graph is None else Network(self.spec, graph, declared, values, inputs)

    # Bodies

    def body(self, frame: Frame, scope: Scope) -> Graph | None:
        """The graph of a body; None if an error makes its result unknown."""
        around, self.frame = self.frame, frame
        graph = None
        if frame.depth <= MAX_BLOCK_DEPTH:
            self._entries(frame, scope)
            graph = self._graph(frame, scope)
        else:
            help = f"write a long chain as one list or mapping instead of nesting it; {how_to_raise('MAX_BLOCK_DEPTH')}"
            self.report("E0107", f"layers nest deeper than {MAX_BLOCK_DEPTH} levels", frame.body.mark, help=help)
        self.frame = around
        return graph

    def _entries(self, frame: Frame, scope: Scope) -> None:
        """Create the nodes of a body."""
        body, nodes, names = frame.body, frame.nodes, frame.names
        branches: list[tuple[str, Mark, Ref]] = []
        met: dict[Entry, bool] = {}  # entries of loops, and whether their names were reported
        for entry, inner in self.unfold(body.entries, scope):
            self.count += 1
            given_scope = inner
            if not frame.in_block:
                inner = self.arriving(inner, entry)
            if self.count > MAX_LAYERS:
                self.grow(0, entry.mark)
            given = entry.name
            name = str(len(nodes)) if given is None else given.fixed or self.name(given, inner)
            if name is None:
                frame.whole = False
                nodes.append(None)
                frame.last = Ref(len(nodes) - 1)
                branches.append(("", entry.mark, frame.last))
                continue
            if given is not None and name in names:
                self._named_twice(entry, given.mark, name, met)
                continue
            if given_scope is not scope:
                met[entry] = False
            if body.form == "list" and entry.sources:
                message = "an entry of a list cannot choose its input"
                self.report("E0218", message, entry.sources[0].mark, help=NAME_THEM)
                continue
            frame.name, frame.entry = name, entry
            made = self._entry(frame, entry, inner)
            if made is None:
                nodes.append(self._stand_in(frame, entry))
                names[name] = frame.last = Ref(len(nodes) - 1)
                branches.append((name, entry.mark, frame.last))
                continue
            ref, node = made
            if node is not None:
                nodes.append(node)
            else:
                frame.absent.add(name)
                if frame.around is None:
                    self.left_out.append(name)
            if self.observe is not None:
                self.observe(entry.mark, node, inner)
            if given is not None:
                names[name] = ref
                if node is not None:
                    owner = len(nodes) - 1 if node.shares is None else node.shares
                    frame.made[name] = Made(entry, inner, owner)
            if entry.auxiliary:
                self.heads.add(name)
                continue
            frame.last, frame.previous = ref, name
            if node is not None:
                branches.append((name, entry.mark, ref))
        if body.form == "branches":
            frame.last = self._join(frame, branches)

    def _stand_in(self, frame: Frame, entry: Entry) -> Node | None:
        """A node in place of a faulty entry, if its result can be assumed."""
        if self.assumption is None:
            self.assumable = self.assumable or meant(entry) is not None
            return None
        return stand_in(frame, entry, self.assumption)

    def channels(self, x: Shape) -> Any:
        """The channels of a shape; assumed channels are unknown."""
        return x[0] if self.assumption is None else UNKNOWN

    def join_fault(self, fault: Fault, name: str, mark: Mark, odd: Ref, right: Ref) -> None:
        """Report a join, like every diagnosis; with assumptions, only for sizes that can be compared."""
        if self.assumption is None or comparable(self.frame.nodes, odd, right):
            super().join_fault(fault, name, mark, odd, right)
        else:
            self.reported += 1  # the join has no result

    def _named_twice(self, entry: Entry, mark: Mark, name: str, met: dict[Entry, bool]) -> None:
        if entry.element is None or met.get(entry):
            return
        if entry not in met:
            what = "an entry has the name of the input" if name in self.frame.body.inputs else "two entries are named"
            self.report("E0209", f"{what} `{name}`", mark, help="rename one of them")
            return
        met[entry] = True
        help = f"add `index: i` next to the loop's `repeat` or `for`, and name the entry `{name}$i`"
        self.report("E0209", f"the loop creates more than one entry named `{name}`", mark, help=help)

    def _join(self, frame: Frame, branches: Sequence[tuple[str, Mark, Ref]]) -> Ref:
        """The result of a body's branches: their join, which is the last node."""
        call = frame.body.join
        assert call is not None
        parts = [(name, mark, ref) for name, mark, ref in branches if self.single(frame, ref, name, mark) is not None]
        refs = tuple([ref for _, _, ref in parts])
        if len(refs) == 1:
            return refs[0]  # the `when` of the other branches is false
        shapes = tuple([shape for ref in refs if (shape := frame.shape(ref)) is not None])
        made = None
        if not parts:
            self.report("E0310", "there is no branch to join: every `when` is false", frame.body.mark)
        elif len(shapes) == len(refs):
            places = [(name, mark) for name, mark, _ in parts]
            assert call.ready is not None
            made = self.join(call.ready, call.mark, refs, shapes, places, "branches of `join: ")
        frame.nodes.append(None if made is None else Node("join", made[0], call.mark, refs, shapes, made[1]))
        return Ref(len(frame.nodes) - 1)

    def _graph(self, frame: Frame, scope: Scope) -> Graph | None:
        """The graph of a body whose nodes exist."""
        body, block = frame.body, None if frame.call is None else frame.call.block
        results = self._results(frame, scope)
        if results is None or None in frame.nodes:
            return None
        for node in frame.nodes:
            if node is not None and node.auxiliary and node.name in (results if body.outputs else ("output",)):
                message = f"the head `{node.name}` has the name of an output"
                self.report("E0219", message, node.mark, help="rename the head")
        outputs: Outputs = {}
        for name, ref in results.items():
            outputs[name] = cast("Shape", frame.shape(ref))
        nodes = cast("tuple[Node, ...]", tuple(frame.nodes))
        sequential = body.form == "list"
        if body.form == "mapping" and block is None and frame.around is not None and not body.outputs:
            sequential = not frame.captures and _is_chain(nodes)
        captures = [name if output is None else f"{name}.{output}" for name, output in frame.captures or ()]
        further = (*list(body.inputs)[1:], *captures)
        inputs = cast("tuple[Shape, ...]", tuple(frame.inputs))  # no node has an unknown input
        rules = self.spec.init if frame.around is None else () if block is None else block.init
        init = tuple([self.init_rule(rule, scope) for rule in rules])
        return Graph(body.form, sequential, nodes, inputs, further, results, outputs, block, init)

    def _results(self, frame: Frame, scope: Scope) -> dict[str | None, Ref] | None:
        """The results of a body; None if one is unknown."""
        found: dict[str | None, Ref] = {}
        if not frame.body.outputs:
            last = self.single(frame, frame.last, frame.previous, frame.body.mark)
            return None if last is None or frame.shape(last) is None else {None: last}
        for entry, inner in self.unfold(frame.body.outputs, scope):
            if not entry.sources:
                return None  # a loop with a wrong number of iterations, which was reported
            name = None if entry.name is None else entry.name.fixed or self.name(entry.name, inner, output_name_fault)
            reference = self.reference(entry.sources[0], inner)
            if name is None or reference is None:
                return None
            if reference.name in frame.absent:
                continue  # an output of an omitted entry doesn't exist
            ref = self.find(reference)
            if ref is None or frame.shape(ref) is None:
                return None
            if reference.name not in frame.names:
                self.report("E0219", "an output must name an entry of the same `layers`", reference.mark)
                return None
            if name in found:
                self.report("E0209", f"two outputs are named `{name}`", entry.mark, help="rename one of them")
                return None
            found[name] = ref
        if not found:
            message = "every output names an entry whose `when` is false"
            self.report("E0219", message, frame.body.mark, help="name an output that always exists")
            return None
        return found

    # Entries

    def _entry(self, frame: Frame, entry: Entry, scope: Scope) -> tuple[Ref, Node | None] | None:
        """The value of an entry's name, and its node unless it is omitted; None after an error."""
        element, name = entry.element, frame.name
        if element is None:
            return None  # reported by the parser
        if entry.auxiliary and (frame.around is not None or frame.body.form != "mapping"):
            self.report("E0219", "an auxiliary head must be an entry of the network's own `layers`", entry.mark)
            return None
        present = True
        if entry.when is not None:
            present = self.known_value(entry.when, scope, entry.mark, "`when`")
            if type(present) is not bool:
                if present is not UNKNOWN:
                    message, help = (
                        f"`when` must be true or false, got {shown(present)}",
                        "use a comparison, such as `$(p > 0)`",
                    )
                    self.report("E0213", message, entry.mark, help=help)
                return None
        owner: Made | None = None
        if type(element) is Share and present:
            reference = self.reference(element.owner, scope)
            if reference is None:
                return None
            if reference.name in frame.absent:
                present = False  # a share of an omitted entry is omitted, too
            else:
                owner = self._owner(frame, reference)
                if owner is None:
                    return None
        refs: tuple[Ref, ...]
        shapes: tuple[Shape, ...]
        flow = OWN if frame.body.form == "branches" else frame.last
        outputs = frame.outputs(flow)
        if None in outputs and not entry.sources and not (type(element) is LayerCall and element.operands):
            refs, shapes = (flow,), (outputs[None],)
        else:
            taken = self._taken(frame, entry, flow, scope)
            if taken is None:
                if isinstance(element, BlockCall):
                    self._waits(element.block)
                return None
            refs, shapes = taken
        frame.taken = refs[0]
        if not present:
            return refs[0], None
        if owner is not None:
            element, scope = owner.entry.element, owner.scope
        if type(element) is ChosenCall:
            element = self.chosen(element, scope)
            if element is None:
                return None
        if owner is not None:
            wanted = element.block.arity if type(element) is BlockCall else 1
            if len(refs) != wanted:
                message = f"`{name}` takes {wanted} input{'s' * (wanted > 1)}, but gets {len(refs)}"
                help = f"name as many entries in `from` as `{owner.entry.name.text}` takes"  # type: ignore[union-attr]
                self.report("E0225", message, entry.mark, help=help)
                return None
        made: tuple[Kind | Instance | Graph, Outputs] | None
        if type(element) is LayerCall:
            made = self.layer(element, refs, shapes, scope)
        elif type(element) is BlockCall:
            made = self._instance(frame, element, shapes, scope)
        else:
            assert isinstance(element, Body)
            nested = self._nested(frame, element, shapes, scope)
            if nested is None:
                return None
            graph, captured = nested
            refs, shapes = refs + captured, graph.in_shapes
            made = graph, graph.outputs
        if made is None:
            return None
        thing, outputs = made
        if frame.body.form == "list" and _is_bare(thing):
            message = f"`{element.kind.kind}` needs a name, which is the key of its tensor"  # type: ignore[union-attr]
            self.report("E0218", message, entry.mark, help=NAME_THEM)
            return None
        if None not in outputs:
            if frame.body.form == "list":
                self.report("E0218", f"`{name}` has several outputs", entry.mark, help=NAME_THEM)
                return None
            if entry.auxiliary:
                help = "a head has one result: make each output a separate head, or join them"
                self.report("E0219", f"the head `{name}` has several outputs", entry.mark, help=help)
                return None
        call = None if isinstance(element, Body) else element
        position = None if owner is None else owner.position
        node = Node(name, thing, entry.mark, refs, shapes, outputs, entry.auxiliary, call, position)
        if position is not None and not self._fits(cast("Node", frame.nodes[position]), node):
            return None
        return Ref(len(frame.nodes)), node

    def _owner(self, frame: Frame, reference: Reference) -> Made | None:
        """The entry whose weights a `share` names; None after an error."""
        name, mark = reference.name, reference.mark
        made = frame.made.get(name)
        if made is None:
            if name in frame.names:
                if frame.names[name].node < 0:
                    help = "name an entry above that is a layer or a block"
                    self.report("E0226", f"`{name}` is an input, which has no weights", mark, help=help)
            elif frame.whole:
                self._lost_owner(frame, reference)
            return None
        element = made.entry.element
        if type(element) is Share:
            owner = cast("Node", frame.nodes[made.position])
            return frame.made[owner.name]
        what = ""
        if type(element) is LayerCall and (element.kind.many or element.kind.bare):
            what = "a join, which has no weights" if element.kind.many else "a tensor, not a layer"
            help = "write the join again" if element.kind.many else "name it as an input of several entries instead"
        elif made.entry.auxiliary:
            what, help = "an auxiliary head", "it exists only in training, so layers that always run cannot share it"
        if what:
            self.report("E0226", f"`{name}` is {what}", mark, help=help)
            return None
        return made

    def _lost_owner(self, frame: Frame, reference: Reference) -> None:
        """Report that no entry of the same body has the name that a `share` gives."""
        name, around = reference.name, frame.around if frame.call is None else None
        while around is not None and name not in around.names:
            around = around.around if around.call is None else None
        if around is None:
            self.lost(reference, frame.made, below=name in frame.written)
            return
        help = "move both entries into one body, or make them a block"
        self.report("E0226", f"`{name}` is not an entry of the same `layers`", reference.mark, help=help)

    def _fits(self, owner: Node, node: Node) -> bool:
        """Return True if a module made for its owner can also run as `node`; report an error otherwise."""
        difference = parted(owner, node)
        if difference is None:
            return True
        message = f"`{node.name}` gets {inputs_of(node)}, for which the weights of `{owner.name}` have another shape"
        note = f"`{owner.name}` (line {owner.mark.line}) gets {inputs_of(owner)}: {difference}"
        help = "give both the same channels (or features), or write a separate layer instead of `share`"
        self.report("E0226", message, node.mark, note=note, help=help)
        return False

    def _taken(
        self, frame: Frame, entry: Entry, flow: Ref, scope: Scope
    ) -> tuple[tuple[Ref, ...], tuple[Shape, ...]] | None:
        """The inputs of an entry, with their shapes; None if an error makes one unknown."""
        references = entry.sources
        if type(entry.element) is LayerCall and entry.element.operands:
            references = entry.element.operands
        written = [self.reference(reference, scope) for reference in references]
        found = [None if reference is None else self.find(reference) for reference in written]
        if not references:
            found = [self.single(frame, flow, frame.previous, entry.mark)]
        refs = tuple([ref for ref in found if ref is not None])
        shapes = tuple([shape for ref in refs if (shape := frame.shape(ref)) is not None])
        if len(shapes) < len(found):
            return None
        if frame.body.form == "list" and type(entry.element) is LayerCall:
            message = f"`{entry.element.kind.kind}` takes several tensors"
            self.report("E0218", message, entry.element.mark, help=NAME_THEM)
            return None
        return refs, shapes

    def _nested(
        self, frame: Frame, body: Body, shapes: tuple[Shape, ...], scope: Scope
    ) -> tuple[Graph, tuple[Ref, ...]] | None:
        """A nested body and the tensors that it captures; equal ones share their graph."""
        key = self._key(body, shapes, scope)
        known: _Nested | None = self.known.get(key)
        if known is not None:
            self.grow(known.entries, body.mark)
            found = [self.find(Reference(name, output, body.mark)) for name, output in known.captures]
            return known.graph, tuple([ref for ref in found if ref is not None])
        before, count = self.reported, self.count
        nested = Frame(body, shapes, frame)
        graph = self.body(nested, scope)
        if graph is None:
            return None
        if key is not None and self.reported == before:
            remember(self.known, key, _Nested(graph, tuple(nested.captures or ()), self.count - count))
        return graph, nested.captured

    def _key(self, body: Body, shapes: tuple[Shape, ...], scope: Scope) -> Any:
        """A key of everything that a nested body depends on.

        None if that is unknown, or if all entries are observed.
        """
        if body not in self.reads:
            self.reads[body] = names_read(body)
        reads = self.reads[body]
        if reads is None or self.observe is not None:
            return None
        names, references = reads
        around = [tuple(self.visible(name).items()) for name in references]
        return (body, shapes, *around, key_of(*[scope.get(name) for name in names]))

    def _instance(
        self, frame: Frame, call: BlockCall, shapes: tuple[Shape, ...], scope: Scope
    ) -> tuple[Instance, Outputs] | None:
        """An instance of a block; equal instances share their graph."""
        before, frame.calling = self.reported, call
        given = self.values(call.arguments.values(), scope)
        key = (call, shapes, key_of(*given))
        made: _Block | None = self.known.get(key)
        values = self.parameters(call, given, shapes) if made is None else made.values
        frame.calling = None
        if self.reported > before:
            return None
        if made is None:
            made = self._block(frame, call, shapes, values)
            if not made.problems:
                remember(self.known, key, made)
        else:
            self.grow(made.entries, call.mark)
        return None if made.graph is None else (Instance(made.graph, call.block, values), made.graph.outputs)

    def _block(self, frame: Frame, call: BlockCall, shapes: tuple[Shape, ...], values: Scope) -> _Block:
        """A block for the values of all its arguments."""
        block, faulty = call.block, self.faulty.setdefault(call.block, {})
        key = (block, shapes, key_of(*values.values()))
        known: _Block | None = self.known.get(key) or faulty.get(key)
        if known is not None:
            self.grow(known.entries, call.mark)
            for problem in known.problems:
                problem.repeats += 1
            return known
        seen, before = len(self.problems), self.count
        graph = None if block.body is None else self.body(Frame(block.body, shapes, frame, call), values)
        made = _Block(graph, values, self.problems.since(seen), self.count - before)
        remember(faulty if made.problems or graph is None else self.known, key, made)
        return made

    def _waits(self, block: Block) -> None:
        """Count a use of a block without inputs for each problem in the block."""
        for result in self.faulty.get(block, {}).values():
            for problem in result.problems if result.graph is None else ():
                problem.waiting += 1


def _is_chain(nodes: tuple[Node, ...]) -> bool:
    """Return True if each node only takes the result of the previous one, as in an nn.Sequential."""
    return all(
        node.inputs == (Ref(position - 1),)
        and None in node.shapes
        and not _is_bare(node.element)
        and node.shares is None
        for position, node in enumerate(nodes)
    )


def _is_bare(element: Kind | Instance | Graph) -> bool:
    return isinstance(element, Kind) and element.bare
