"""The contract of the layer kinds, held against PyTorch itself: what each kind says is what torch does.

Everything runs on small tensors on the CPU, where torch checks and computes for real.
"""

from __future__ import annotations

import inspect
import operator
import re
from collections import Counter
from collections.abc import Iterable
from functools import reduce
from typing import Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kind_cases import CASES, EITHER, JOINS, MAPS, OPAQUE, PRODUCTS, TENSORS, Case, View, torch_class
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from archc.build import inputs
from archc.build.builder import make_layer
from archc.build.targets import module_class
from archc.expressions import Expr, Name
from archc.inference.receptive import Field
from archc.kinds import KINDS, Call, Fault, Join, Kind, Shape
from archc.kinds.arguments import meanings
from archc.kinds.initializers import SET
from archc.language.names import MODULE_ATTRIBUTES
from archc.problems.codes import codes
from archc.testing.arguments import repaired

REFUSALS = (RuntimeError, ValueError, IndexError, ZeroDivisionError, AssertionError)
"""What torch raises for arguments or inputs that it does not take."""


pytestmark = pytest.mark.usefixtures("one_thread", "plain_kernels")


every_kind = pytest.mark.parametrize("name", CASES)
allow_warnings = pytest.mark.filterwarnings(
    "ignore:Initializing zero-element tensors:UserWarning",
    "ignore:Using padding='same' with even kernel lengths:UserWarning",
    "ignore:dropout[123]d. Received a 2-D input:UserWarning",
    "ignore:input's size at dim=0 does not match:UserWarning",
    "ignore:dropout option adds dropout after all but last recurrent layer:UserWarning",
)
"""What torch itself warns of where it runs what archc refuses."""


# What torch does


def built(kind: Kind, *inputs: Shape) -> nn.Module:
    """The module that a build makes, in evaluation mode: archc's shapes are those of inference."""
    return make_layer(kind.call(inputs)).eval()


def outputs(module: nn.Module, *inputs: Tensor) -> list[Tensor]:
    with torch.no_grad():
        result = module(*inputs)
    return list(result) if isinstance(result, tuple) else [result]


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def given_to(kind: Kind, *shape: int) -> Tensor:
    """Noise that the kind can read: integers, if it reads integers."""
    (value,) = inputs.noise((kind.integers,), (shape,), torch.Generator().manual_seed(0))
    return value


def trained(value: Tensor) -> Tensor:
    """The value as a result of trained layers; integers are none."""
    return value.requires_grad_() * 1.0 if value.is_floating_point() else value


def inferred(kind: Kind, *inputs: Shape) -> list[Shape]:
    y = kind.output(inputs)
    return list(y.values()) if isinstance(y, dict) else [y]


def fault_of(kind: type[Kind], arguments: dict[str, Any], x: Shape) -> str | None:
    """The code of archc's first fault, or the argument that is out of its range; None for a legal layer."""
    try:
        layer = kind(**arguments)
    except ValidationError as error:
        return str(error.errors()[0]["loc"][0])
    faults = list(layer.requirements((x,)))
    for fault in faults:
        assert_fault_is_sound(layer, fault)
    return faults[0].code if faults else None


def runs(case: Case, arguments: dict[str, Any], x: Shape) -> bool:
    """Whether torch takes what archc may not have validated, and gives something."""
    try:
        layer = case.kind.model_construct(**arguments)
        module = case.reference(layer, x)
        parts = [part for images in (1, 2) for part in outputs(module, given_to(layer, images, *x))]
        return all(part.numel() and not part.isneginf().any() for part in parts)  # the largest of no values
    except REFUSALS:
        return False


def assert_fault_is_sound(kind: Kind, fault: Fault) -> None:
    assert fault.code in codes()
    assert fault.message
    assert fault.argument is None or fault.argument in type(kind).model_fields


# The contract


def test_every_kind_has_a_row() -> None:
    assert sorted(KINDS) == sorted([*CASES, *JOINS, *PRODUCTS, *TENSORS, *OPAQUE])
    assert all(issubclass(KINDS[name], Join) for name in (*JOINS, *PRODUCTS))


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_says_what_it_does(name: str) -> None:
    kind = KINDS[name]
    assert kind.kind == name
    assert kind.__doc__
    assert kind.__doc__ != Kind.__doc__


@pytest.mark.parametrize("name", KINDS)
def test_every_argument_says_what_it_means(name: str) -> None:
    """In a sentence under its field, which editors and the reference pages show."""
    said = meanings(KINDS[name])
    assert list(said) == list(KINDS[name].model_fields)
    assert [text for text in said.values() if not re.fullmatch(r"[A-Z`].{10,104}\.", text)] == []


@every_kind
def test_arguments_have_torchs_names_and_defaults(name: str) -> None:
    """Nothing to relearn: a spec's arguments are torch's, in name, default and order."""
    case = CASES[name]
    theirs = inspect.signature(torch_class(case.kind)).parameters
    differing = set()
    for argument, field in case.kind.model_fields.items():
        default = inspect.Parameter.empty if field.is_required() else field.default
        known = theirs.get(argument)
        if known is None or known.default != default or type(known.default) is not type(default):
            differing.add(argument)
    assert differing == set(case.own)
    assert case.kind.positional == tuple(theirs)[: len(case.kind.positional)]


@every_kind
def test_every_argument_of_torch_is_there_or_has_a_reason_not_to_be(name: str) -> None:
    """The torch class takes nothing else, other than what follows from the input and where the tensors are made."""
    case = CASES[name]
    theirs = inspect.signature(torch_class(case.kind)).parameters.values()
    named = {one.name for one in theirs if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)}
    inferred = set(case.kind.positional)
    assert named - case.kind.model_fields.keys() - inferred - {"device", "dtype"} == case.without.keys()
    assert all(case.without.values())


@every_kind
@allow_warnings
def test_a_layer_is_legal_where_torch_runs_it(name: str) -> None:
    """Legal: torch runs one image and two, and no output is empty. Illegal: torch refuses, or gives nothing."""
    case = CASES[name]
    seen: Counter[str] = Counter()

    @settings(max_examples=settings().max_examples * (12 if case.refuses else 1))
    @given(case.any())
    def check(drawn: tuple[dict[str, Any], Shape]) -> None:
        arguments, x = drawn
        fault = fault_of(case.kind, arguments, x)
        if fault is None:
            seen["legal"] += 1
            kind = case.kind(**arguments)
            module = built(kind, x)
            for images in (1, 2):
                real = [tuple(part.shape) for part in outputs(module, given_to(kind, images, *x))]
                assert real == [(images, *shape) for shape in inferred(kind, x)]
        else:
            seen["illegal"] += 1
            assert fault in case.lenient or not runs(case, arguments, x)

    check()
    assert seen["legal"] >= seen.total() * 0.2
    assert seen["illegal"] >= seen.total() * 0.05 if case.refuses else seen["illegal"] == 0


@every_kind
@pytest.mark.parametrize("x", [(6, 5), (6, 2, 3, 4)], ids=["rank 2", "rank 4"])
def test_a_kind_works_on_any_rank_or_refuses_it(name: str, x: Shape) -> None:
    """Beyond maps and vectors too: shapes, costs and memory are torch's, and there is a window for each axis."""
    case = CASES[name]
    arguments = repaired(case.kind, {}, x)
    if arguments is None:
        assert case.shapes is not EITHER
        others = (repaired(case.kind, {}, (6, *[4] * axes)) for axes in (2, 0, 1, 3))
        layer = case.kind(**next((found for found in others if found is not None), {}))
        assert "E0301" in [fault.code for fault in layer.requirements((x,))]
        return
    layer = case.kind(**arguments)
    module = built(layer, x)
    assert [tuple(part.shape[1:]) for part in outputs(module, given_to(layer, 2, *x))] == inferred(layer, x)
    assert {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()} == {
        name: tensor.shape for name, tensor in layer.tensors((x,)).items()
    }
    assert len(layer.windows((x,))) == len(x) - 1
    assert_kept(layer, [trained(given_to(layer, 2, *x))])


@every_kind
def test_a_kind_says_which_modules_with_weights_are_inside(name: str) -> None:
    """Rules of `init` reach them, in the built module and in the emitted source."""
    kind = CASES[name].kind
    sizes = ((6, *[4] * axes) for axes in (2, 0, 1, 3))
    x, arguments = next((x, found) for x in sizes if (found := repaired(kind, {}, x)) is not None)
    inner = list(built(kind(**arguments), x).modules())[1:]
    known = {other.kind: module_class(other.torch) for other in KINDS.values() if other.state}
    found = {
        name
        for module in inner
        for name, cls in known.items()
        if isinstance(module, cls) and any(True for _ in module.parameters(recurse=False))
    }
    assert found == set(kind.inside)


@allow_warnings
@pytest.mark.parametrize(("name", "fault"), [(name, fault) for name, case in CASES.items() for fault in case.lenient])
def test_torch_runs_what_is_listed_as_refused_by_archc_alone(name: str, fault: str) -> None:
    """No leniency is listed without need."""
    case = CASES[name]
    example = case.lenient[fault]
    assert example.why
    assert fault_of(case.kind, dict(example.arguments), example.x) == fault
    assert runs(case, dict(example.arguments), example.x)


@every_kind
def test_a_call_gives_the_module_every_argument(name: str) -> None:
    """What a call leaves out is torch's default: the module equals the one made from all arguments."""
    case = CASES[name]

    @given(case.legal())
    def check(layer: tuple[Kind, Shape]) -> None:
        kind, x = layer
        module, reference = built(kind, x), case.reference(kind, x)
        if getattr(kind, "padding", None) != "same":  # a call has it as the integer
            assert public(module) == public(reference)
        reference.load_state_dict(module.state_dict())
        value = given_to(kind, 2, *x)
        assert_same_bits(outputs(module, value.clone()), outputs(reference, value.clone()))

    check()


@every_kind
def test_arguments_settle_to_what_the_module_does(name: str) -> None:
    """Whoever writes down what an argument amounts to gets the same layer, and it settles to the same."""
    case = CASES[name]

    @given(case.legal())
    def check(layer: tuple[Kind, Shape]) -> None:
        kind, x = layer
        again = case.kind(**kind.settled((x,)))
        assert again.settled((x,)) == kind.settled((x,))
        assert inferred(again, x) == inferred(kind, x)
        module, reference = built(again, x), built(kind, x)
        reference.load_state_dict(module.state_dict())
        value = given_to(kind, 2, *x)
        assert_same_bits(outputs(module, value.clone()), outputs(reference, value.clone()))

    check()


def public(module: nn.Module) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if not name.startswith("_")}


@every_kind
@pytest.mark.parametrize("typed", [True, False], ids=["of known types", "of any type"])
def test_every_argument_and_size_may_be_an_expression(name: str, typed: bool) -> None:
    """Shapes and calls over names have the values that they have over what the names stand for."""
    case = CASES[name]

    @given(case.legal())
    def check(layer: tuple[Kind, Shape]) -> None:
        kind, x = layer
        given = {argument: getattr(kind, argument) for argument in kind.model_fields_set}
        names = {argument: Name(argument, form_of(value) if typed else "") for argument, value in given.items()}
        if "keepdim" in names:
            names["keepdim"] = given["keepdim"]  # no expression decides a rank
        names |= {argument: given[argument] for argument in case.kind.structural if argument in given}
        items = {
            f"{argument}{at}": item for argument in case.kind.listed for at, item in enumerate(given.get(argument, ()))
        }
        for argument in case.kind.listed:
            names[argument] = tuple(
                item if item == -1 else Name(f"{argument}{at}", "integer") for at, item in enumerate(given[argument])
            )
        symbolic = case.kind.symbolic(names)
        sizes = tuple(Name(f"size{axis}", "integer") for axis in range(len(x)))
        scope = given | items | {size.name: length for size, length in zip(sizes, x, strict=True)}
        known, unknown = kind.output((x,)), symbolic.output((sizes,))
        if isinstance(known, dict):
            assert {key: valued(unknown[key], scope) for key in known} == known
        else:
            assert valued(unknown, scope) == known
        if case.kind.function is not Kind.function:
            function, same = symbolic.function((sizes,)), kind.function((x,))
            assert same is not None
            if (name, function) != ("split", None):
                assert_same_bits(called(valued(function, scope), noise(2, *x)), called(same, noise(2, *x)))
        calls = symbolic.call((sizes,))
        cases = ((None, calls),) if isinstance(calls, Call) else calls
        call = next(call for condition, call in cases if condition is None or valued(condition, scope))
        module = make_layer(valued(call, scope)).eval()
        if given.get("padding") != "same":
            assert public(module) == public(built(kind, x))
        module.load_state_dict((reference := built(kind, x)).state_dict())
        value = given_to(kind, 2, *x)
        assert_same_bits(outputs(module, value), outputs(reference, value))

    check()


def form_of(value: Any) -> str:
    """How a name's values are known to the compiler."""
    if isinstance(value, tuple):
        return "pair" if len(value) == 2 and None not in value else ""
    return "integer" if type(value) is int else ""


def valued(found: Any, scope: dict[str, Any]) -> Any:
    """What holds expressions, with their values."""
    if isinstance(found, Call):
        return found._replace(positional=valued(found.positional, scope), keywords=valued(found.keywords, scope))
    if isinstance(found, list | tuple):
        return type(found)(valued(item, scope) for item in found)
    return found.evaluate(scope) if isinstance(found, Expr) else found


@every_kind
def test_costs_are_what_torch_counts(name: str) -> None:
    """Parameters are those that are trained; multiply-adds are half of torch's floating-point operations."""
    case = CASES[name]

    @given(case.legal())
    def check(layer: tuple[Kind, Shape]) -> None:
        kind, x = layer
        module = built(kind, x)
        trained = dict(module.named_parameters())
        state = module.state_dict().items()
        stored = {
            name: (tuple(tensor.shape), name in trained, not tensor.is_floating_point()) for name, tensor in state
        }
        assert dict(kind.tensors((x,))) == stored
        assert kind.parameters((x,)) == sum(parameter.numel() for parameter in trained.values())
        torch.backends.mha.set_fastpath_enabled(False)  # of fused attention torch counts nothing
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            outputs(module, given_to(kind, 1, *x))
        torch.backends.mha.set_fastpath_enabled(True)
        assert 2 * kind.macs((x,), inferred(kind, x)[0]) == counter.get_total_flops()

    check()


@pytest.mark.parametrize("name", [name for name in CASES if KINDS[name].state])
def test_what_is_known_of_a_kinds_tensors(name: str) -> None:
    """Which there are, whether an initializer can scale by their fans, whether torch declares them as possibly None."""
    case = CASES[name]
    seen: set[str] = set()

    @given(case.legal())
    def check(layer: tuple[Kind, Shape]) -> None:
        kind, x = layer
        module = built(kind, x)
        for tensor, state in kind.state.items():
            holder, _, attribute = tensor.rpartition(".")
            value = getattr(module.get_submodule(holder), attribute, None)
            assert (value is None) == any(not getattr(kind, flag) for flag in state.flags)
            assert kind.may_lack(tensor, kind.written()) == (state.nullable or value is None)
            if value is None:
                continue
            seen.add(tensor)
            if state.fans:
                assert min(nn.init._calculate_fan_in_and_fan_out(value)) >= 1
            elif value.ndim > 1:
                assert kind.role == "norm"  # whose fans would be those of a map

    check()
    assert seen == case.kind.state.keys()
    for tensor in case.kind.state.keys() & set(SET):
        declared = [vars(one).get("__annotations__", {}).get(tensor) for one in torch_class(case.kind).__mro__]
        optional = any(type(None) in get_args(annotation) for annotation in declared)
        assert case.kind.state[tensor].nullable == optional


@pytest.mark.parametrize("name", [name for name in CASES if KINDS[name].function is not Kind.function])
def test_a_function_gives_the_modules_bits(name: str) -> None:
    """Where the source may call a function, it does what the module does."""
    case = CASES[name]

    @given(case.legal())
    def check(layer: tuple[Kind, Shape]) -> None:
        kind, x = layer
        call = kind.function((x,))
        assert call is not None
        value = given_to(kind, 2, *x)
        assert_same_bits(called(call, value), outputs(built(kind, x), value))

    check()


@every_kind
def test_what_the_backward_pass_reads_of_the_output(name: str) -> None:
    """`keeps_output`: autograd refuses the backward pass once the output is overwritten, and only then."""
    case = CASES[name]

    @given(case.legal())
    def check(layer: tuple[Kind, Shape]) -> None:
        kind, x = layer
        result = built(kind, x).train()(trained(given_to(kind, 2, *x)))
        first = result[0] if isinstance(result, tuple) else result
        refusal = ""
        try:
            first.mul_(2.0)
            first.sum().backward()
        except RuntimeError as error:
            refusal = str(error)
        assert ("modified" in refusal) == kind.keeps_output <= kind.needs_output, refusal

    check()


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "E0320" in case.lenient])
def test_what_is_refused_in_place_has_no_backward_pass(name: str) -> None:
    """Torch runs it, but not back; legal layers are run back by the test above."""
    example = CASES[name].lenient["E0320"]
    module = CASES[name].reference(CASES[name].kind(**example.arguments), example.x).train()
    with pytest.raises(RuntimeError, match=r"in-place|In-place"):
        module(noise(2, *example.x).requires_grad_() * 1.0).sum().backward()


@every_kind
def test_memory_is_what_torch_keeps_for_the_backward_pass(name: str) -> None:
    """Input and output where a kind says so, and as many bytes beside them as it says."""
    case = CASES[name]

    @given(case.legal())
    def check(layer: tuple[Kind, Shape]) -> None:
        kind, x = layer
        assert_kept(kind, [trained(given_to(kind, 2, *x))])

    check()


def assert_kept(kind: Kind, inputs: list[Tensor]) -> None:
    shapes = tuple(tuple(tensor.shape[1:]) for tensor in inputs)
    module = built(kind, *shapes).train()
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[memory(tensor)] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = module(*inputs)
    own = {memory(tensor) for tensor in module.state_dict().values()}
    made = {memory(part) for part in (result if isinstance(result, tuple) else (result,))}
    read = {memory(tensor) for tensor in inputs}
    by_output = kind.keeps_output and not kind.keeps_storage  # parts of a split are views: nobody keeps them
    if made & read:
        assert bool(kept.keys() & made) == (kind.needs_input(shapes) or by_output)
    else:
        assert kept.keys() & read == (read if kind.needs_input(shapes) else set())
        assert kept.keys() & made == (made if by_output else set())
    beside = sum(size for place, size in kept.items() if place not in own | made | read)
    assert beside == kind.kept(shapes, inputs[0].shape[0])


def memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def called(call: Call, *given: Any) -> list[Tensor]:
    """A function's results as the emitted source calls it; no function at all is the value itself."""
    if not call.target:
        return [*given]
    if call.target == "[]":
        dim, *bounds = call.positional
        index: list[Any] = [slice(None)] * given[0].ndim
        index[dim] = slice(*bounds)
        return [given[0][tuple(index)]]
    module, _, name = call.target.rpartition(".")
    space: Any = {"torch": torch, "nn.functional": nn.functional, "": Tensor}[module]
    result = getattr(space, name)(*given, *call.positional, **dict(call.keywords))
    return list(result) if isinstance(result, tuple) else [result]


def assert_same_bits(one: Iterable[Tensor], other: Iterable[Tensor]) -> None:
    for first, second in zip(one, other, strict=True):
        assert torch.equal(first.view(torch.int32), second.view(torch.int32))  # so that NaN equals itself


# Receptive fields

LARGE = {1: st.integers(8, 24), 2: st.integers(8, 12), 3: st.integers(6, 8)}
"""Lengths of axes, by their number."""


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.view is not None])
def test_receptive_fields_are_what_an_impulse_shows(name: str) -> None:
    """An output sees an input where an impulse there changes it; compared where the window is inside the map."""
    case = CASES[name]
    rank = getattr(case.kind, "rank", 2)
    compared = 0

    @given(case.legal(st.tuples(st.sampled_from([2, 4, 6]), *[LARGE[rank]] * rank)))
    def check(layer: tuple[Kind, Shape]) -> None:
        nonlocal compared
        kind, x = layer
        if 1 < len(inferred(kind, x)[0]) < len(x):
            return  # it drops some axes
        if name == "slice" and kind.dim in (1, -len(x)):
            return  # it may drop the impulse's channel
        module = built(kind, x)
        for parameter in module.parameters():
            nn.init.ones_(parameter)
        for axis, window in enumerate(kind.windows((x,))):
            length = x[1 + axis]
            stretches = seen_stretches(module, x, axis)
            field = Field(length).through(window, len(stretches))
            if case.view is View.EXACT:
                for i, found in enumerate(stretches):
                    first, last = field.at(i)
                    if first >= 0 and last <= length - 1:
                        compared += 1
                        assert found == (first, last)
                continue
            compared += 1
            widest = max(last - first + 1 for first, last in filter(None, stretches))
            assert widest <= field.size
            if case.view is View.WIDEST and 2 * field.size <= length:
                assert widest == field.size

    check()
    assert compared >= settings().max_examples * 5 // 6


def seen_stretches(module: nn.Module, x: Shape, axis: int) -> list[tuple[int, int] | None]:
    """The first and last input position that each output position sees; a vector has one position."""
    length = x[1 + axis]
    impulses = torch.zeros(length + 1, *x)  # the last image has none
    for position in range(length):
        impulses[position, 0].select(axis, position).fill_(1)
    y = torch.cat(outputs(module, impulses), dim=1)
    changed = y[:-1] != y[-1]
    changed = changed.movedim(2 + axis, 1).flatten(2).any(2) if y.ndim == len(x) + 1 else changed.any(1, keepdim=True)
    found = [column.nonzero().flatten().tolist() for column in changed.T]
    return [(min(positions), max(positions)) if positions else None for positions in found]


# Joins


@st.composite
def shapes_to_join(draw: st.DrawFn, most: int = 3) -> tuple[Shape, ...]:
    """One to four shapes, most of them alike."""
    usual = draw(MAPS)
    channels, height, width = usual
    others: list[Shape] = [(channels + 1, height, width), (channels, height + 1, width), (channels,), (1, 1, 1)]
    repeated: list[Shape] = [(channels, 1, 1), (1, height, width), (channels, 1, width)]
    one = st.sampled_from([usual] * 12 + repeated + others)
    if draw(st.integers(0, 4)) == 0:
        one = st.sampled_from([(channels,), (channels,), (channels,), (channels + 1,)])
    count = draw(st.sampled_from([2, 2, 2, 3, 4, 1]))
    return tuple(draw(one) for _ in range(min(count, most + 1)))


@pytest.mark.parametrize("name", JOINS)
def test_a_join_is_legal_where_torch_joins(name: str) -> None:
    """Both directions again; archc refuses ranks that torch would align with the batch, and a join of one."""
    kind = KINDS[name]()
    assert isinstance(kind, Join)
    seen: Counter[str] = Counter()

    @given(shapes_to_join(kind.most or 3))
    def check(inputs: tuple[Shape, ...]) -> None:
        values = [noise(2, *shape) for shape in inputs]
        faults = list(kind.join_faults(inputs))
        assert list(kind.requirements(inputs)) == [fault for _, fault, _ in faults]
        for position, fault, right in faults:
            assert 0 <= right < len(inputs)
            assert_fault_is_sound(kind, fault)
            assert 0 <= position < len(inputs)
        if not faults:
            seen["legal"] += 1
            (result,) = outputs(built(kind, *inputs), *values)
            assert tuple(result.shape[1:]) == kind.output(inputs)
            assert kind.parameters(inputs) == kind.macs(inputs, kind.output(inputs)) == 0
            return
        seen["illegal"] += 1
        try:
            outputs(built(kind, *inputs), *values)
        except (RuntimeError, ValueError, TypeError, IndexError):
            return
        assert len(inputs) == 1 or ((kind.broadcasts or kind.seen) and len(set(map(len, inputs))) > 1)

    check()
    assert seen["legal"] >= seen.total() * 0.2
    assert seen["illegal"] >= seen.total() * 0.2


@pytest.mark.parametrize("name", JOINS)
@given(inputs=shapes_to_join())
def test_a_join_of_expressions_gives_the_same_shape(name: str, inputs: tuple[Shape, ...]) -> None:
    kind = KINDS[name]()
    if list(kind.requirements(inputs)):
        return
    symbolic = tuple(
        tuple(Name(f"size{place}_{axis}", "integer") for axis in range(len(x))) for place, x in enumerate(inputs)
    )
    scope = {
        size.name: length
        for sizes, x in zip(symbolic, inputs, strict=True)
        for size, length in zip(sizes, x, strict=True)
    }
    assert valued(kind.output(symbolic), scope) == kind.output(inputs)


@pytest.mark.parametrize("name", JOINS)
@given(inputs=shapes_to_join())
def test_what_a_join_keeps_for_the_backward_pass(name: str, inputs: tuple[Shape, ...]) -> None:
    kind = KINDS[name]()
    if not list(kind.requirements(inputs)):
        assert_kept(kind, [noise(2, *shape).requires_grad_() * 1.0 for shape in inputs])


@pytest.mark.parametrize("name", JOINS)
@given(inputs=shapes_to_join())
def test_a_join_in_the_source_gives_the_modules_bits(name: str, inputs: tuple[Shape, ...]) -> None:
    """The emitted source writes the operator or calls the function."""
    kind = KINDS[name]()
    if list(kind.requirements(inputs)):
        return
    values = [noise(2, *shape) for shape in inputs]
    call = kind.function(inputs)
    if call is not None:
        result = called(call, *(values if kind.spread else [values]))
    elif not kind.infix:
        assert name in ("resize", "crop")  # a module in the source, too
        return
    else:
        result = [reduce({"+": operator.add, "-": operator.sub, "*": operator.mul}[kind.infix], values)]
    assert_same_bits(result, outputs(built(kind, *inputs), *values))


# Products


@st.composite
def factors(draw: st.DrawFn) -> tuple[Shape, ...]:
    """Shapes of two matrices, or of as many of each, that mostly fit each other."""
    lead = draw(st.sampled_from([(), (3,), (2,)]))
    rows, inner, columns = (draw(st.integers(1, 5)) for _ in range(3))
    one, other = (*lead, rows, inner), (*lead, inner, columns)
    wrong = st.sampled_from([(*lead, inner + 1, columns), (4, *other), (7, rows, inner), (inner,), other[::-1]])
    return one, draw(st.one_of(st.just(other), st.just(other), st.just(other), wrong))


@st.composite
def operands(draw: st.DrawFn, name: str) -> tuple[Shape, ...]:
    """Shapes that a join may take: many of them fit."""
    if name not in PRODUCTS:
        return draw(shapes_to_join(KINDS[name].most or 3))  # type: ignore[attr-defined]
    one, other = draw(factors())
    if name == "matmul":
        return one, other
    return one, (*other[:-2], *other[-2:][::-1]), (*other[:-2], other[-1], draw(st.integers(1, 5)))


@pytest.mark.parametrize("name", [*JOINS, *PRODUCTS])
def test_the_inputs_of_a_join_agree_on_its_equal_axes(name: str) -> None:
    """There the source may take the size from any input, and it is the result's; 1 is repeated if it broadcasts."""
    kind = KINDS[name]()
    assert isinstance(kind, Join)
    seen = 0

    @given(operands(name))
    def check(inputs: tuple[Shape, ...]) -> None:
        nonlocal seen
        if list(kind.requirements(inputs)):
            return
        seen += 1
        result = kind.output(inputs)
        for at in kind.equal_axes(len(result)):
            lengths = {x[at] for x in inputs}
            assert lengths - ({1} if kind.broadcasts else set()) <= {result[at]}

    check()
    assert seen >= 4


@given(factors())
def test_a_product_is_legal_where_torch_multiplies(inputs: tuple[Shape, ...]) -> None:
    """In both directions; costs, memory and the operator in the source are torch's. Vectors are refused."""
    kind = KINDS["matmul"]()
    values = [noise(2, *x) for x in inputs]
    faults = list(kind.requirements(inputs))
    for fault in faults:
        assert_fault_is_sound(kind, fault)
    if faults:
        lengths = set(map(len, inputs))
        apart = len(lengths) > 1 or 1 in lengths or inputs[0][:-2] != inputs[1][:-2]
        if not apart:
            with pytest.raises(RuntimeError):
                outputs(built(kind, *inputs), *values)
        return
    assert_product(kind, inputs, values)
    assert_same_bits([values[0] @ values[1]], outputs(built(kind, *inputs), *values))


@given(factors(), st.booleans(), st.sampled_from([None, 0.5]), st.sampled_from([0.0, 0.2]))
def test_attention_of_queries_keys_and_values(
    factors: tuple[Shape, ...], is_causal: bool, scale: float | None, dropout: float
) -> None:
    """Shapes, costs and memory are torch's; the source calls the function where no weight is dropped."""
    kind = KINDS["scaled_dot_product_attention"](is_causal=is_causal, scale=scale, dropout_p=dropout)
    q, other = factors
    inputs = (q, other[::-1] if len(other) == 2 else (*other[:-2], other[-1], other[-2]) if other[1:] else other)
    inputs = (*inputs, inputs[1])
    values = [noise(2, *x) for x in inputs]
    faults = list(kind.requirements(inputs))
    if faults:
        assert len(set(map(len, inputs))) > 1 or q[-1] != inputs[1][-1] or q[:-2] != inputs[1][:-2]
        return
    assert_product(kind, inputs, values)
    call = kind.function(inputs)
    assert (call is None) == (dropout > 0)
    if call is not None:
        assert_same_bits(called(call, *values), outputs(built(kind, *inputs), *values))


def assert_product(kind: Kind, inputs: tuple[Shape, ...], values: list[Tensor]) -> None:
    """Shape, multiply-adds and memory are torch's."""
    (result,) = outputs(built(kind, *inputs), *values)
    assert tuple(result.shape[1:]) == kind.output(inputs)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        outputs(built(kind, *inputs), *(value[:1] for value in values))
    assert 2 * kind.macs(inputs, kind.output(inputs)) == counter.get_total_flops()
    dropped = getattr(kind, "dropout_p", 0) > 0
    if not dropped:  # queries and keys are kept scaled, and not as they are
        assert_kept(kind, [value.requires_grad_() * 1.0 for value in values])


@pytest.mark.parametrize(
    "inputs",
    [((3, 4), (3, 4)), ((4,), (4, 4)), ((3, 4), (3, 4), (3, 4), (3, 4))],
    ids=["two", "a vector", "four"],
)
def test_attention_takes_three_matrices(inputs: tuple[Shape, ...]) -> None:
    assert list(KINDS["scaled_dot_product_attention"]().requirements(inputs))


# Names


def test_no_layer_can_hide_what_a_module_has() -> None:
    attributes = {name for module in (nn.Module(), nn.Sequential()) for name in dir(module)}
    assert {name for name in attributes if not name.startswith("_")} <= MODULE_ATTRIBUTES
