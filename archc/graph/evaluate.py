"""The spec to the architecture graph, for given parameters and an input size.

Blocks are entered, loops unfolded, conditions decided, every shape inferred and checked, in one pass from the input on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
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
from archc.graph.frame import OWN, Frame, Scope
from archc.graph.graph import Graph, Instance, Network, Node, Outputs, Ref
from archc.graph.infer import Inference
from archc.graph.initialization import init_problems
from archc.graph.lookup import NAME_THEM
from archc.graph.reads import names_read
from archc.graph.remedies import Remedies
from archc.kinds import Fault, Kind, Shape
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
)
from archc.limits import MAX_BLOCK_DEPTH, MAX_LAYERS, how_to_raise
from archc.problems import Mark, Problem, SpecError

Observe = Callable[[Mark, Node | None, Scope], object]
"""Takes the place of an entry, its node (None where its `when` leaves it out), and the values of the names that it may
use."""


_Reads = dict[Body, tuple[tuple[str, ...], tuple[str, ...]] | None]


class _Nested(NamedTuple):
    """A nested body for all that it reads: its graph, what it captures, and how many entries it unfolds to."""

    graph: Graph
    captures: tuple[tuple[str, str | None], ...]
    entries: int


class _Block(NamedTuple):
    """A block for some arguments and an input: its graph, its problems, and how many entries it unfolds to."""

    graph: Graph | None
    values: Scope
    problems: list[Problem]
    entries: int


def evaluate(spec: Spec, *, observe: Observe | None = None) -> Network:
    """The checked network of a spec. Raises SpecError with every fault.

    `observe` is called with each entry that could be made, so also with those before a fault; what it raises ends
    the evaluation.
    """
    return Evaluator(spec).network(observe=observe)


class Evaluator:
    """Evaluates one spec, again and again: equal blocks and expressions are evaluated once for all parameters."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._known: dict[Any, Any] = {}
        self._reads: _Reads = {}

    def network(
        self,
        parameters: dict[str, Parameter] | None = None,
        input: tuple[int, ...] | None = None,
        *,
        observe: Observe | None = None,
    ) -> Network:
        """The checked network, as of `evaluate`, for other parameters and another input size than the spec's."""
        evaluation, network = self._evaluated(self.spec, parameters, input, observe)
        problems = evaluation.problems
        if problems:

            def problems_of(spec: Spec, observe: Observe | None) -> list[Problem]:
                evaluation, _ = Evaluator(spec)._evaluated(spec, parameters, input, observe)
                return evaluation.problems.sorted() + _behind(evaluation, spec, parameters, input, observe)

            for problem in _behind(evaluation, self.spec, parameters, input, None):
                if problem.code in ("E0302", "E0312"):
                    problem.note = problem.note or ASSUMED
                problems.add(problem)
            Remedies(self.spec, problems_of).settle(problems.sorted())
        problems.raise_any()
        assert network is not None
        for problem in (*overwrite_problems(network), *init_problems(network, evaluation.left_out)):
            problems.add(problem)
        problems.raise_any()
        return network

    def _evaluated(
        self,
        spec: Spec,
        parameters: dict[str, Parameter] | None,
        input: tuple[int, ...] | None,
        observe: Observe | None,
    ) -> tuple[_Evaluation, Network | None]:
        """One evaluation with its problems."""
        evaluation = _Evaluation(spec, self._known, self._reads, observe)
        try:
            network = evaluation.network(parameters or spec.parameters, input or spec.input)
        except SpecError as error:  # beyond a bound: what was found before it is reported, too
            network = None
            for problem in error.problems:
                evaluation.problems.add(problem)
        if parameters is None and input is None:  # else the spec was read before
            for reference, names in lost_references(spec):
                if not evaluation.problems.told("E0210", reference.mark):
                    evaluation.lost(reference, names)
        return evaluation, network


def _behind(
    base: _Evaluation,
    spec: Spec,
    parameters: dict[str, Parameter] | None,
    input: tuple[int, ...] | None,
    observe: Observe | None,
) -> list[Problem]:
    """The problems behind faulty entries that are there whatever these would give."""
    if not base.assumable or base.count > MOST_ENTRIES or len(base.problems) > MOST_PROBLEMS:
        return []
    found: list[list[Problem]] = []
    behind: list[Problem] = []
    for assumption in ASSUMPTIONS:
        evaluation = _Evaluation(spec, {}, {}, observe, assumption)
        with suppress(SpecError):  # beyond a bound: what was found before it counts
            evaluation.network(parameters or spec.parameters, input or spec.input)
        problems = evaluation.problems.sorted()
        found.append(problems if found else [problem for problem in problems if not base.problems.has(problem)])
        behind = agreed(found)
        if not behind:
            break  # nearly always after the first
    return behind


class _Evaluation(Inference):
    """One evaluation of a spec; `left_out` are the entries of the network's own body whose `when` is false."""

    def __init__(
        self,
        spec: Spec,
        known: dict[Any, Any],
        reads: _Reads,
        observe: Observe | None,
        assumption: Assumption | None = None,
    ) -> None:
        super().__init__(spec, known)
        self.assumption = assumption
        self.doubtful = self.doubtful or assumption is not None
        self.assumable = False
        """Whether the result of some faulty entry could be assumed."""
        self.spec = spec
        self.reads = reads
        self.observe = observe
        self.left_out: list[str] = []
        self.faulty: dict[Block, dict[object, _Block]] = {}  # blocks with problems, by input and arguments

    def network(self, declared: dict[str, Parameter], size: tuple[int, ...]) -> Network | None:
        """The whole network; None after a report. Raises SpecError for one that is beyond a bound."""
        values: Scope = {}
        for name, parameter in declared.items():
            values[name] = self.value(parameter.default, values)
        graph = self.body(Frame(self.spec.body, size), {**values, "in_channels": size[0]})
        return None if graph is None else Network(self.spec, graph, declared, values, size)

    # Bodies

    def body(self, frame: Frame, scope: Scope) -> Graph | None:
        """The graph of a body; None where a fault leaves its result unknown."""
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
        """Make the nodes of a body."""
        body, nodes, names = frame.body, frame.nodes, frame.names
        branches: list[tuple[str, Mark, Ref]] = []
        met: dict[Entry, bool] = {}  # those of loops, and whether their names were reported
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
                continue
            if given is not None and name in names:
                self._named_twice(entry, given.mark, name, met)
                continue
            if given_scope is not scope:
                met[entry] = False
            if body.form == "list" and entry.source is not None:
                message = "an entry of a list cannot choose its input"
                self.report("E0218", message, entry.source.mark, help=NAME_THEM)
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
            if entry.auxiliary:
                self.heads.add(name)
                continue
            frame.last, frame.previous = ref, name
            if node is not None:
                branches.append((name, entry.mark, ref))
        if body.form == "branches":
            frame.last = self._join(frame, branches)

    def _stand_in(self, frame: Frame, entry: Entry) -> Node | None:
        """A node in the place of a faulty entry, if something is assumed of it."""
        if self.assumption is None:
            self.assumable = self.assumable or meant(entry) is not None
            return None
        return stand_in(frame, entry, self.assumption)

    def channels(self, x: Shape) -> Any:
        """As they are; what depends on channels that are assumed is not looked at."""
        return x[0] if self.assumption is None else UNKNOWN

    def join_fault(self, fault: Fault, name: str, mark: Mark, odd: Ref, right: Ref) -> None:
        """As of every diagnosis; where something is assumed, only of sizes that can be compared all the same."""
        if self.assumption is None or comparable(self.frame.nodes, odd, right):
            super().join_fault(fault, name, mark, odd, right)
        else:
            self.reported += 1  # the join cannot be made

    def _named_twice(self, entry: Entry, mark: Mark, name: str, met: dict[Entry, bool]) -> None:
        if entry.element is None or met.get(entry):
            return
        if entry not in met:
            self.report("E0209", f"two entries are named `{name}`", mark, help="rename one of them")
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
            return refs[0]  # the other branches have a `when` that is false
        shapes = tuple([shape for ref in refs if (shape := frame.shape(ref)) is not None])
        made = None
        if not parts:
            self.report("E0310", "there is no branch to join: every `when` is false", frame.body.mark)
        elif len(shapes) == len(refs):
            frame.read.update([ref.node for ref in refs])
            places = [(name, mark) for name, mark, _ in parts]
            assert call.ready is not None
            made = self.join(call.ready, call.mark, refs, shapes, places, "branches of `join: ")
        frame.nodes.append(None if made is None else Node("join", made[0], call.mark, refs, shapes, made[1]))
        return Ref(len(frame.nodes) - 1)

    def _graph(self, frame: Frame, scope: Scope) -> Graph | None:
        """The graph of a body whose nodes are made."""
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
            frame.read.add(ref.node)
            outputs[name] = cast("Shape", frame.shape(ref))
        nodes = cast("tuple[Node, ...]", tuple(frame.nodes))
        if body.form != "list":
            unread = [node for i, node in enumerate(nodes) if i not in frame.read and not node.auxiliary]
            if unread:
                self.unread(unread)
        sequential = body.form == "list"
        if body.form == "mapping" and block is None and frame.around is not None and not body.outputs:
            sequential = _is_chain(nodes)
        captures = tuple([name if output is None else f"{name}.{output}" for name, output in frame.captures or ()])
        inputs = cast("tuple[Shape, ...]", tuple(frame.inputs))  # of unknown ones no node could be made
        rules = self.spec.init if frame.around is None else () if block is None else block.init
        init = tuple([self.init_rule(rule, scope) for rule in rules])
        return Graph(body.form, sequential, nodes, inputs, captures, results, outputs, block, init)

    def _results(self, frame: Frame, scope: Scope) -> dict[str | None, Ref] | None:
        """The values that a body gives; None where one is unknown."""
        found: dict[str | None, Ref] = {}
        if not frame.body.outputs:
            last = self.single(frame, frame.last, frame.previous, frame.body.mark)
            return None if last is None or frame.shape(last) is None else {None: last}
        for entry, inner in self.unfold(frame.body.outputs, scope):
            name = None if entry.name is None else entry.name.fixed or self.name(entry.name, inner, output_name_fault)
            reference = None if entry.source is None else self.reference(entry.source, inner)
            if name is None or reference is None:
                return None
            if reference.name in frame.absent:
                continue  # no output stands for another value than the one that it names
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
        """The value that an entry's name stands for, and its node unless it is left out; None after a fault."""
        element, name = entry.element, frame.name
        if element is None:
            return None  # reported when it was read
        if entry.auxiliary and (frame.around is not None or frame.body.form != "mapping"):
            self.report("E0219", "an auxiliary head must be an entry of the network's own `layers`", entry.mark)
            return None
        present = True
        if entry.when is not None:
            present = self.known_value(entry.when, scope, entry.mark, "`when`")
            if type(present) is not bool:
                if present is not UNKNOWN:
                    message, help = (
                        f"`when` must be true or false, got {present!r}",
                        "use a comparison, such as `$(p > 0)`",
                    )
                    self.report("E0213", message, entry.mark, help=help)
                return None
        refs: tuple[Ref, ...]
        shapes: tuple[Shape, ...]
        flow = OWN if frame.body.form == "branches" else frame.last
        outputs = frame.outputs(flow)
        if None in outputs and entry.source is None and not (type(element) is LayerCall and element.operands):
            refs, shapes = (flow,), (outputs[None],)
        else:
            taken = self._taken(frame, entry, flow, scope)
            if taken is None:
                if isinstance(element, BlockCall):
                    self._waits(element.block)
                return None
            refs, shapes = taken
        frame.taken = refs[0]
        frame.read.update([at for at, _ in (refs if present else refs[:1])])
        if not present:
            return refs[0], None
        if type(element) is ChosenCall:
            element = self.chosen(element, scope)
            if element is None:
                return None
        made: tuple[Kind | Instance | Graph, Outputs] | None
        if type(element) is LayerCall:
            made = self.layer(element, refs, shapes, scope)
        elif type(element) is BlockCall:
            made = self._instance(frame, element, shapes[0], scope)
        else:
            assert isinstance(element, Body)
            nested = self._nested(frame, element, shapes[0], scope)
            if nested is None:
                return None
            graph, captured = nested
            refs, shapes = refs + captured, graph.in_shapes
            frame.read.update([ref.node for ref in refs])
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
        node = Node(name, thing, entry.mark, refs, shapes, outputs, entry.auxiliary, call)
        return Ref(len(frame.nodes)), node

    def _taken(
        self, frame: Frame, entry: Entry, flow: Ref, scope: Scope
    ) -> tuple[tuple[Ref, ...], tuple[Shape, ...]] | None:
        """The values that an entry takes, with their shapes; None where a fault leaves one unknown."""
        references: tuple[Reference, ...] = () if entry.source is None else (entry.source,)
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

    def _nested(self, frame: Frame, body: Body, x: Shape, scope: Scope) -> tuple[Graph, tuple[Ref, ...]] | None:
        """A nested body and the values that it captures; equal ones share their graph."""
        key = self._key(body, x, scope)
        known: _Nested | None = self.known.get(key)
        if known is not None:
            self.grow(known.entries, body.mark)
            found = [self.find(Reference(name, output, body.mark)) for name, output in known.captures]
            return known.graph, tuple([ref for ref in found if ref is not None])
        before, count = self.reported, self.count
        nested = Frame(body, x, frame)
        graph = self.body(nested, scope)
        if graph is None:
            return None
        if key is not None and self.reported == before:
            remember(self.known, key, _Nested(graph, tuple(nested.captures or ()), self.count - count))
        return graph, nested.captured

    def _key(self, body: Body, x: Shape, scope: Scope) -> Any:
        """A key of all that a nested body follows from; None if it cannot be told, and if all entries are observed."""
        if body not in self.reads:
            self.reads[body] = names_read(body)
        reads = self.reads[body]
        if reads is None or self.observe is not None:
            return None
        names, references = reads
        around = [tuple(self.visible(name).items()) for name in references]
        return (body, x, *around, key_of(*[scope.get(name) for name in names]))

    def _instance(self, frame: Frame, call: BlockCall, x: Shape, scope: Scope) -> tuple[Instance, Outputs] | None:
        """A block in use; equal instances share their graph."""
        before, frame.calling = self.reported, call
        given = self.values(call.arguments.values(), scope)
        key = (call, x, key_of(*given))
        made: _Block | None = self.known.get(key)
        values = self.parameters(call, given, x) if made is None else made.values
        frame.calling = None
        if self.reported > before:
            return None
        if made is None:
            made = self._block(frame, call, x, values)
            if not made.problems:
                remember(self.known, key, made)
        else:
            self.grow(made.entries, call.mark)
        return None if made.graph is None else (Instance(made.graph, call.block, values), made.graph.outputs)

    def _block(self, frame: Frame, call: BlockCall, x: Shape, values: Scope) -> _Block:
        """A block for the values of all its parameters."""
        block, faulty = call.block, self.faulty.setdefault(call.block, {})
        key = (block, x, key_of(*values.values()))
        known: _Block | None = self.known.get(key) or faulty.get(key)
        if known is not None:
            self.grow(known.entries, call.mark)
            for problem in known.problems:
                problem.repeats += 1
            return known
        seen, before = len(self.problems), self.count
        graph = None if block.body is None else self.body(Frame(block.body, x, frame, call), values)
        made = _Block(graph, values, self.problems.since(seen), self.count - before)
        remember(faulty if made.problems or graph is None else self.known, key, made)
        return made

    def _waits(self, block: Block) -> None:
        """Count a use of a block without inputs for each problem in the block."""
        for result in self.faulty.get(block, {}).values():
            for problem in result.problems if result.graph is None else ():
                problem.waiting += 1


def _is_chain(nodes: tuple[Node, ...]) -> bool:
    """Whether each node takes exactly the one before it, so that an nn.Sequential does the same."""
    return all(
        node.inputs == (Ref(position - 1),) and None in node.shapes and not _is_bare(node.element)
        for position, node in enumerate(nodes)
    )


def _is_bare(element: Kind | Instance | Graph) -> bool:
    return isinstance(element, Kind) and element.bare
