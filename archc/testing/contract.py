"""The contract of emitted source: each of its classes, made with any arguments, is the module that archc builds.

For the network's class these are other values of the spec's parameters; for a block's class other values of its
parameters, and inputs with other channels and sizes. What is compared is all that a module is: its keys, shapes,
initial weights under a seed, outputs in both modes, and the gradients of its weights and its input, bit for bit.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from archc import Architecture
from archc.build.builder import build_graph
from archc.build.inputs import Bounds, noise, with_batch
from archc.emit import emit_source
from archc.emit.naming import class_names
from archc.graph import Graph, Instance, Network, evaluate, integer_bounds
from archc.kinds import Shape
from archc.language.callees import callee, converted
from archc.language.spec import Block, BlockCall, Body, Entry, Name, Parameter, Reference, Splice
from archc.plan import ClassPlan, plan_network
from archc.plan.shapes import sizes
from archc.problems import Problems, SpecError
from archc.testing.agreement import as_classes, assert_same_outputs, assert_same_state, same_bits, set_seed
from archc.testing.specs import like, settings_of

Draw = Callable[[st.SearchStrategy[Any]], Any]
Scope = dict[str, Any]
Shapes = tuple[Shape, ...]
"""Those of the inputs of a module."""


@dataclass
class Tally:
    """What was compared, and what was not: `unrefused` are the reasons why archc refuses what a class takes."""

    counts: Counter[str] = field(default_factory=Counter)
    unrefused: Counter[str] = field(default_factory=Counter)


class Emitted:
    """An emitted file that was run, and its classes by what they stand for."""

    def __init__(self, architecture: Architecture, source: str | None = None) -> None:
        self.architecture = architecture
        self.source = emit_source(architecture.network) if source is None else source
        space: dict[str, Any] = {"__name__": f"emitted_{architecture.name}"}
        exec(compile(self.source, f"<{architecture.name}>", "exec", dont_inherit=True), space)
        plans = plan_network(architecture.network)
        names = class_names(plans)
        self.plans = plans
        self.space = space | {plan.block.name: space[names[id(plan)]] for plan in plans if plan.block is not None}
        self.network: type[nn.Module] = space[architecture.name]
        self.blocks: dict[tuple[Block, tuple[int, ...]], type[nn.Module]] = {}
        for plan in plans:
            if plan.block is not None and not plan.literal:
                self.blocks[plan.block, plan.ranks] = space[names[id(plan)]]

    @property
    def literal(self) -> list[ClassPlan]:
        """The classes that hold literal values, and are right for the arguments in the file alone."""
        return [plan for plan in self.plans if plan.literal]

    def network_with(self, tally: Tally, **values: Any) -> None:
        """Compare the network's class, made with these values, with the network that archc builds for them.

        Values of parameters that are not arguments of the class are left out. Raises AssertionError.
        """
        taken = inspect.signature(self.network).parameters
        values = {name: value for name, value in values.items() if name in taken}
        shapes = tuple(self.architecture.inputs.values())
        try:
            other = self.architecture.configure(**values)
        except SpecError as error:
            bounds = integer_bounds(self.architecture.network.graph)
            _refused(tally, error, lambda: self.network(**self.classes(values)), shapes, bounds)
            return
        values = {name: other.network.declared[name].default for name in values}
        tally.counts["networks"] += 1
        with _named(f"{self.architecture.name}({_shown(values)})"):
            bounds = integer_bounds(other.network.graph)
            assert_same_network(other.build, lambda: self.network(**self.classes(values)), shapes, bounds)

    def classes(self, values: Scope) -> Scope:
        """Arguments as the file's classes take them."""
        return {name: as_classes(value, self.space) for name, value in values.items()}

    def class_of(self, use: tuple[Instance, Shapes]) -> type[nn.Module] | None:
        """The class of a block in use for inputs; None if it holds literal values."""
        instance, shapes = use
        return self.blocks.get((instance.block, tuple(map(len, shapes))))

    def block_with(self, tally: Tally, block: Block, shapes: Shapes, values: Scope) -> None:
        """Compare a block's class with the block that archc builds for these arguments.

        Values of parameters that are not arguments of the class are left out. Raises AssertionError.
        """
        made = self.blocks[block, tuple(map(len, shapes))]
        taken = inspect.signature(made).parameters
        arguments = {name: value for name, value in values.items() if name in taken}
        values = {name: value for name, value in values.items() if name in taken or block.parameters[name].required}
        arguments |= {name: size for name, size in sizes(list(block.inputs), shapes).items() if name in taken}
        try:
            graph = use_of(self.architecture.network, block, shapes, values).graph
        except SpecError as error:
            _refused(tally, error, lambda: made(**self.classes(arguments)), shapes, (None,) * len(shapes))
            return
        tally.counts["blocks"] += 1
        with _named(f"{block.name}({_shown(arguments)}) for inputs of the shapes {shapes}"):
            built, written = lambda: build_graph(graph, block.name), lambda: made(**self.classes(arguments))
            assert_same_network(built, written, shapes, integer_bounds(graph))

    def block(self, tally: Tally, name: str, *shapes: Shape, **values: Any) -> None:
        """As `block_with`, for the block of this name; layers and blocks among the values are named."""
        block, problems = self.architecture.network.spec.blocks[name], Problems()
        for key, value in values.items():
            parameter = block.parameters[key]
            values[key] = converted(
                value, parameter.callees, lambda word: callee(word, block.known, block.mark, problems)
            )
        problems.raise_any()
        self.block_with(tally, block, shapes, values)


def assert_contract(architecture: Architecture, draw: Draw, sets: int, tally: Tally, most_blocks: int = 8) -> None:
    """Every class of an architecture's source with the arguments that occur, and with `sets` drawn sets of others.

    Of the uses of blocks in the network (and in the network with other parameters) the first `most_blocks` are looked
    at. Raises AssertionError.
    """
    emitted = Emitted(architecture)
    tally.counts["specs"] += 1
    tally.counts["literal"] += len(emitted.literal)
    emitted.network_with(tally)
    networks = [architecture.network]
    for _ in range(sets if architecture.arguments else 0):
        values = draw(settings_of(architecture.arguments))
        emitted.network_with(tally, **values)
        try:
            networks.append(architecture.configure(**values).network)
        except SpecError:
            continue
    uses = [use for network in networks for use in uses_of(network.graph) if emitted.class_of(use) is not None]
    for use, shapes in uses[:most_blocks]:
        made = emitted.class_of((use, shapes))
        assert made is not None
        taken = inspect.signature(made).parameters
        given = given_of(use, taken.keys())
        emitted.block_with(tally, use.block, shapes, given)
        for _ in range(sets):
            values, others = draw(calls_like(use.block, given, shapes))
            emitted.block_with(tally, use.block, others, values)


# Arguments


def uses_of(graph: Graph) -> Iterator[tuple[Instance, Shapes]]:
    """The blocks in use, each different one once, with the shapes of their inputs."""
    seen: set[int] = set()
    stack = [graph]
    while stack:
        for node in stack.pop().nodes:
            below = node.graph
            if below is None or id(below) in seen:
                continue
            seen.add(id(below))
            stack.append(below)
            if isinstance(node.element, Instance):
                yield node.element, node.in_shapes


def given_of(use: Instance, taken: Any) -> Scope:
    """The arguments with which a block is used; what its class does not take is left to its default."""
    return {
        name: use.arguments[name]
        for name, parameter in use.block.parameters.items()
        if name in taken or parameter.required
    }


@st.composite
def calls_like(draw: st.DrawFn, block: Block, given: Scope, shapes: Shapes) -> tuple[Scope, Shapes]:
    """Other arguments of the same types, and inputs of the same ranks; archc may refuse them."""
    values: Scope = {}
    for name, value in given.items():
        way = draw(st.sampled_from(["other", "same", "same", "default"]))
        if way == "other":
            values[name] = draw(like(value))
        elif way == "same" or block.parameters[name].required:
            values[name] = value
    changed: dict[int, int] = {}  # equal sizes mostly stay equal: joins need that
    others = []
    for shape in shapes:
        channels = draw(st.sampled_from([shape[0], shape[0], 1, 2, 3, 4, 8]))
        for size in shape[1:]:
            changed.setdefault(size, draw(st.sampled_from([size, size, size, 1, 4, 7, 9])))
        others.append((channels, *(changed[size] for size in shape[1:])))
    return values, tuple(others)


def use_of(network: Network, block: Block, shapes: Shapes, values: Scope) -> Instance:
    """A block in use for some inputs and arguments. Raises SpecError."""
    mark = block.mark
    call = BlockCall(block, mark, values, dict.fromkeys(values, mark))
    outputs = () if block.body is None else _outputs_of("use", block.body.outputs)
    inputs = {f"input{at}": shape for at, shape in enumerate(shapes)}
    sources = tuple(Reference(name, None, mark) for name in inputs)
    entry = Entry(Name(("use",), mark, "use"), call, mark, sources)
    body = Body("mapping", (entry,), mark, outputs=outputs, inputs=dict.fromkeys(inputs, mark))
    given = {name: Parameter(name, value, False, mark) for name, value in values.items()} if outputs else {}
    spec = dataclasses.replace(
        network.spec, body=body, parameters=given, init=(), inputs=inputs, input_marks=body.inputs, problems=[]
    )
    use = evaluate(spec).graph.nodes[0].element
    assert isinstance(use, Instance)
    return use


def _outputs_of(entry: str, outputs: tuple[Entry | Splice, ...]) -> tuple[Entry | Splice, ...]:
    """Outputs that hand on those of an entry, under the same names."""
    found: list[Entry | Splice] = []
    for output in outputs:
        if isinstance(output, Splice):
            found.append(dataclasses.replace(output, entries=_outputs_of(entry, output.entries)))
        else:
            assert output.name is not None
            reference = Reference(entry, output.name.fixed, output.mark, part=output.name)
            found.append(dataclasses.replace(output, sources=(reference,)))
    return tuple(found)


# Comparison


def assert_same_network(
    make_one: Callable[[], nn.Module], make_other: Callable[[], nn.Module], shapes: Sequence[Shape], bounds: Bounds
) -> None:
    """Two ways to make a module make the same one, for inputs of some shapes and bounds. Raises AssertionError.

    Where one cannot run (batch normalization in training needs more than one value), neither can the other.
    """
    one, other = _seeded(make_one), _seeded(make_other)
    assert_same_state(one, other)
    for training in (False, True):
        found = [_run(module.train(training), shapes, bounds) for module in (one, other)]
        first, second = found
        if isinstance(first, Exception) or isinstance(second, Exception):
            assert type(first) is type(second), (first, second)
            continue
        assert_same_outputs(first[0], second[0])
        assert first[1].keys() == second[1].keys()
        different = [name for name, value in first[1].items() if not same_bits(value, second[1][name])]
        assert not different, f"gradients differ: {different}"
    assert_same_state(one, other)  # running statistics too


def _seeded(make: Callable[[], nn.Module]) -> nn.Module:
    set_seed(0)
    return make()


def _run(
    module: nn.Module, shapes: Sequence[Shape], bounds: Bounds
) -> tuple[dict[str, Tensor], dict[str, Tensor]] | Exception:
    """The outputs by name, and the gradients by parameter and input."""
    inputs = noise(bounds, with_batch(2, shapes), torch.Generator().manual_seed(1))
    inputs = [x.requires_grad_() if x.is_floating_point() else x for x in inputs]
    set_seed(2)
    try:
        result = module(*[x * 1 for x in inputs])  # some layers change their input
        outputs = {"output": result} if isinstance(result, Tensor) else dict(result)
        total = torch.stack([(output * output).sum() for output in outputs.values()]).sum()
        module.zero_grad()
        if total.requires_grad:
            total.backward()  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        return error
    named = dict(module.named_parameters()) | {f"input {at}": x for at, x in enumerate(inputs)}
    gradients = {name: value.grad for name, value in named.items() if value.grad is not None}
    return {name: output.detach() for name, output in outputs.items()}, gradients


# Reports


def _refused(
    tally: Tally, error: SpecError, make: Callable[[], nn.Module], shapes: Sequence[Shape], bounds: Bounds
) -> None:
    """Count arguments that archc refuses, and whether the class refuses them, too."""
    tally.counts["refused"] += 1
    try:
        result = _run(make().train(), shapes, bounds)
        raised = result if isinstance(result, Exception) else None
    except Exception as found:
        raised = found
    if raised is None:
        problem = error.problems[0]
        tally.counts["unrefused"] += 1
        tally.unrefused[f"{problem.code} {re.sub(r'`[^`]*`|[0-9×]+', '…', problem.message)}"] += 1
    elif not isinstance(raised, ValueError | RuntimeError):
        tally.counts[f"refused by {type(raised).__name__}"] += 1


class _named:  # noqa: N801
    """Says of which class an AssertionError is."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            raise AssertionError(f"{self.what}: {type(error).__name__}: {error}") from error


def _shown(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())
