"""Properties of single layers over all arguments and sizes, with PyTorch's `meta` device as the judge.

A case is a layer with its arguments on an input of one size. tests/test_kinds.py has the rest of the contract:
real values, defaults, gradients of one layer.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kind_cases import CASES, Case
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import archc
from archc import SpecError
from archc.build.inputs import zeros
from archc.kinds import Kind, Shape
from archc.kinds.convolution import same_padding
from archc.testing.arguments import draw_arguments, fault_of, repaired, schema_of

REFUSALS = (RuntimeError, ValueError, IndexError, ZeroDivisionError)
LENGTHS = range(1, 13)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@st.composite
def arguments_and_inputs(draw: st.DrawFn, case: Case) -> tuple[dict[str, Any], list[Shape]]:
    """Arguments, half of them repaired for the first input, and inputs that differ along one axis at a time."""
    channels = draw(st.sampled_from([4, 1, 2, 3, 6, 12]))
    ranks = [rank for rank in (2, 0, 1, 3) if repaired(case.kind, {}, (4, *(4, 6, 5)[:rank])) is not None]
    rank = draw(st.sampled_from([rank for rank in ranks if rank in (0, 2)] or ranks))
    x: Shape = (channels, *draw(st.tuples(*[st.integers(1, 14 if rank < 3 else 8)] * rank)))
    arguments = draw_arguments(draw, case.kind, x)
    if draw(st.booleans()):
        arguments = repaired(case.kind, arguments, x) or arguments
    elif case.kind.torch.startswith("nn.") and draw(st.integers(0, 3)) == 3:
        arguments = _out_of_range(draw, case.kind, arguments)
    if rank == 0:
        return arguments, [(features,) for features in (channels, *range(1, 9))]
    lengths = LENGTHS if rank < 3 else LENGTHS[:8]
    return arguments, [x, *((*x[:axis], n, *x[axis + 1 :]) for axis in range(1, 1 + rank) for n in lengths)]


def _out_of_range(draw: st.DrawFn, kind: type[Kind], arguments: dict[str, Any]) -> dict[str, Any]:
    """One argument just below its least value."""
    bounded = {name: _least(schema) for name, schema in schema_of(kind).items() if _least(schema) is not None}
    if not bounded:
        return arguments
    name = draw(st.sampled_from(sorted(bounded)))
    return {**arguments, name: bounded[name] - 1}


def _least(schema: Any) -> Any:
    return next((part["minimum"] for part in (schema, *schema.get("anyOf", ())) if "minimum" in part), None)


def as_torch(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in arguments.items()}


class Judge:
    """PyTorch's verdict on a layer; a module is made once for all sizes for which its arguments are the same."""

    def __init__(self, case: Case, arguments: dict[str, Any]) -> None:
        self.case = case
        self.kind = case.kind.model_construct(**as_torch(arguments))
        self.modules: dict[str, nn.Module] = {}

    def module(self, x: Shape, device: str) -> nn.Module:
        key = f"{device} {self.kind.derived((x,))}"
        if key not in self.modules:
            with torch.device(device):
                self.modules[key] = self.case.reference(self.kind, x)
        return self.modules[key]

    def shapes(self, x: Shape, device: str) -> list[tuple[int, ...]] | None:
        """What the real module gives for one image; None where torch refuses, gives nothing, or the largest of none."""
        try:
            result = self.module(x, device)(*zeros((self.kind.integers,), ((1, *x),), device))
        except (*REFUSALS, NotImplementedError):
            return None
        parts = result if isinstance(result, tuple | list) else (result,)
        shapes = [tuple(part.shape) for part in parts]
        return (
            shapes
            if all(part.numel() and not (part.device.type == "cpu" and part.isneginf().any()) for part in parts)
            else None
        )


def agreed(judge: Judge, arguments: dict[str, Any], x: Shape) -> bool:
    """Whether archc finds a case legal, held against torch."""
    case = judge.case
    fault = fault_of(case.kind, arguments, x)
    real = judge.shapes(x, "meta")
    if fault is None:
        layer = case.kind(**arguments)
        y = layer.output((x,))
        expected = [(1, *shape) for shape in (y.values() if isinstance(y, dict) else [y])]
        # A few functions are not there for the meta device, or are stricter on it: the CPU judges.
        assert (real or judge.shapes(x, "cpu")) == expected
        return True
    if {fault[0], fault[1]} & case.lenient.keys():
        return False
    # The meta device does not check everything that the CPU does.
    assert real is None or judge.shapes(x, "cpu") is None, (fault, real)
    return False


@pytest.mark.parametrize("name", [name for name in CASES if name != "relative_attention"])  # it wants squares
def test_a_layer_is_legal_exactly_when_torch_accepts_it(name: str, cases: Counter[str]) -> None:
    """Both directions, over arguments and sizes; the shape is the real one where it is legal.

    Parameters are the module's, multiply-adds half of what `FlopCounterMode` counts.
    """
    case = CASES[name]
    count = Counter[str]()

    @settings(max_examples=settings().max_examples * 3 // 4)
    @given(arguments_and_inputs(case))
    def check(drawn: tuple[dict[str, Any], list[Shape]]) -> None:
        judged, legal = assert_judged(case, *drawn)
        cases[name] += judged
        count.update(judged=judged, legal=legal)

    check()
    assert count["legal"] >= count["judged"] * 0.2


def assert_judged(case: Case, arguments: dict[str, Any], inputs: list[Shape]) -> tuple[int, int]:
    """Hold archc's verdict on arguments against torch's for each input; how many, and how many were legal."""
    judge = Judge(case, arguments)
    with torch.no_grad():
        sound = [x for x in inputs if agreed(judge, arguments, x)]
    if sound:
        assert_costs(judge, arguments, sound[-1])
    return len(inputs), len(sound)


def assert_costs(judge: Judge, arguments: dict[str, Any], x: Shape) -> None:
    layer = judge.case.kind(**arguments)
    module = judge.module(x, "meta")
    assert layer.parameters((x,)) == sum(parameter.numel() for parameter in module.parameters())
    y = layer.output((x,))
    macs = layer.macs((x,), next(iter(y.values())) if isinstance(y, dict) else y)
    if type(layer).macs is Kind.macs and macs == 0 and not layer.parameters((x,)):
        return  # nothing is trained: torch's counter knows no such function either (tests/test_kinds.py)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(*zeros((layer.integers,), ((1, *x),), "meta"))
    assert 2 * macs == counter.get_total_flops()


# The padding rule


def test_same_keeps_height_and_width() -> None:
    """`padding: same` keeps the size for every odd kernel, every dilation and every size, in archc and in torch."""
    for kernel in range(1, 14, 2):
        for dilation in range(1, 6):
            padding = same_padding(kernel, dilation)
            with torch.device("meta"):
                real = nn.Conv2d(2, 3, kernel, padding=padding, dilation=dilation)
            layer = CASES["conv2d"].kind(out_channels=3, kernel_size=kernel, padding="same", dilation=dilation)
            for size in range(1, 65, 3):
                x = (2, size, 65 - size)
                assert list(layer.requirements((x,))) == []
                assert layer.output((x,)) == (3, size, 65 - size)
                assert real(torch.empty(1, *x, device="meta")).shape[2:] == x[1:]


def test_same_keeps_the_size_of_an_even_kernel_only_with_an_even_dilation() -> None:
    """d(k - 1) decides: where it is odd, no integer padding keeps the size, and archc says so."""
    for kernel in range(1, 12):
        for dilation in range(1, 6):
            keeps = any(2 * padding == dilation * (kernel - 1) for padding in range(40))
            fault = fault_of(
                CASES["conv2d"].kind,
                {"out_channels": 1, "kernel_size": kernel, "padding": "same", "dilation": dilation},
                (1, 64, 64),
            )
            assert (fault is None) == keeps


_MENDS = (
    re.compile(r"write (?:the padding as a number: )?`(padding: \S+?)`"),
    re.compile(r"use an odd (kernel) such as (\d+)"),
)


@given(
    kind=st.sampled_from(["conv2d", "max_pool2d", "avg_pool2d"]),
    kernel=st.integers(1, 9),
    padding=st.one_of(st.integers(0, 6), st.just("same")),
    dilation=st.integers(1, 3),
    stride=st.integers(1, 3),
)
def test_the_mend_that_an_error_proposes_makes_the_spec_sound(
    kind: str, kernel: int, padding: Any, dilation: int, stride: int
) -> None:
    """What the help of a padding's fault says to write is written where the fault points: archc has nothing to say."""
    dilated = "" if kind == "avg_pool2d" else f", dilation: {dilation}"
    channels = "out_channels: 4, " if kind == "conv2d" else ""
    window = f"{{{kind}: {{{channels}kernel_size: {kernel}, stride: {stride}{dilated}, padding: {padding}}}}}"
    other = "relu" if stride == 1 else f"{{adaptive_avg_pool2d: [{-(-40 // stride)}, {-(-40 // stride)}]}}"
    body = f"branches:\n  a: relu\n  b: [{window}]\n" if stride == 1 else f"branches:\n  a: {other}\n  b: [{window}]\n"
    text = f"input: [4, 40, 40]\n{body}join: concat\n"
    if stride > 1:
        text = f"input: [4, 40, 40]\nlayers: [{window}]\n"
    if kind != "conv2d" and padding == "same":
        return  # a fault of its own (E0203): `same` is no word of pooling
    for _ in range(3):
        try:
            archc.loads(text)
        except SpecError as error:
            (problem,) = error.problems
            help = problem.help
        else:
            return
        found = next((match for mend in _MENDS if (match := mend.search(help))), None)
        if found is None:
            # Without a mend: no padding that the layer takes makes this window keep the size.
            spans = (kernel - 1) * (1 if kind == "avg_pool2d" else dilation)
            assert spans % 2 or (kind != "conv2d" and spans // 2 > kernel // 2)
            return
        if found[1] == "kernel":
            text = text.replace(f"kernel_size: {kernel}", f"kernel_size: {found[2]}")
        else:
            assert problem.mark is not None
            text = text.replace(f"padding: {padding}", found[1])
            padding = found[1].removeprefix("padding: ")
    raise AssertionError(f"three mends did not make it sound:\n{text}")
