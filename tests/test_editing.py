"""A spec edited step by step: after every edit archc's verdict is PyTorch's, and so is the layer at which it stops."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from kind_cases import CASES
from test_layers import REFUSALS, as_torch

import archc
from archc import SpecError
from archc.kinds import KINDS, Kind, Shape
from archc.testing import assert_agreement, dump
from archc.testing.arguments import draw_arguments, kinds_for

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

Entry = dict[str, Any]

CHAINED = [
    kind
    for kind in KINDS.values()
    if not (kind.many or kind.bare or kind.opaque or kind.features_last or kind.kind in ("chunk", "split"))
]
"""Kinds that take one tensor and give one. Those that want the channels last are archc's own matter: torch takes any
axis for them, and archc refuses an image that no `permute` has prepared."""


class Editing(RuleBasedStateMachine):
    """A chain of layers and, beside it, the same modules of torch.nn made by hand and run one after another."""

    def __init__(self) -> None:
        super().__init__()
        self.input = (3, 8, 8)
        self.entries: list[Entry] = []

    @initialize(input=st.tuples(st.sampled_from([1, 3, 4, 6]), st.integers(1, 12), st.integers(1, 12)))
    def begin(self, input: tuple[int, int, int]) -> None:
        """A network of one layer."""
        self.input = input
        self.entries = [{"relu": {}}]

    @rule(data=st.data(), kind=st.sampled_from(CHAINED), place=st.integers(0, 99))
    def add(self, data: st.DataObject, kind: type[Kind], place: int) -> None:
        """Put a layer of any kind anywhere, legal there or not."""
        self.entries.insert(place % (len(self.entries) + 1), {kind.kind: self.arguments(data, kind)})

    @rule(data=st.data(), place=st.integers(0, 99))
    def add_one_that_fits_the_input(self, data: st.DataObject, place: int) -> None:
        """Put a layer that takes the network's input anywhere."""
        kind = data.draw(st.sampled_from([kind for kind in kinds_for(self.input) if kind in CHAINED]))
        self.entries.insert(place % (len(self.entries) + 1), {kind.kind: self.arguments(data, kind)})

    @rule(place=st.integers(0, 99))
    def remove(self, place: int) -> None:
        """Take a layer away; the last one stays."""
        if len(self.entries) > 1:
            del self.entries[place % len(self.entries)]

    @rule(data=st.data(), place=st.integers(0, 99))
    def change(self, data: st.DataObject, place: int) -> None:
        """Give a layer other arguments."""
        place %= len(self.entries)
        (name,) = self.entries[place]
        self.entries[place] = {name: self.arguments(data, KINDS[name])}

    @rule(place=st.integers(0, 99), times=st.integers(2, 3))
    def repeat(self, place: int, times: int) -> None:
        """Copy a layer behind itself."""
        place %= len(self.entries)
        self.entries[place : place + 1] = [dict(self.entries[place]) for _ in range(times)]

    def arguments(self, data: st.DataObject, kind: type[Kind]) -> Entry:
        drawn = draw_arguments(data.draw, kind, self.input)
        return {name: value for name, value in drawn.items() if name != "inplace"}

    @invariant()
    def archc_and_torch_agree(self) -> None:
        """archc accepts the chain exactly when torch runs it; else it names the first layer that torch refuses."""
        stop, reason = self.real()
        text = dump({"input": list(self.input), "layers": self.entries})
        problems = problems_of(text)
        lines = [problem.mark.line - 3 for problem in problems if problem.mark]
        assert lines[:1] == ([] if stop is None else [stop]), f"{text}\n{problems}\ntorch: layer {stop}: {reason}"
        if stop is None:
            assert_agreement(archc.loads(text))

    def real(self) -> tuple[int | None, str]:
        """The first layer that torch refuses, if there is one, and why."""
        x = torch.zeros(1, *self.input)
        for position, entry in enumerate(self.entries):
            ((name, arguments),) = entry.items()
            case = CASES[name]
            if refused := _refused_by_archc_alone(name, arguments, tuple(x.shape[1:])):
                return position, refused
            try:
                layer = case.kind.model_construct(**as_torch(arguments))
                with torch.no_grad():
                    x = case.reference(layer, tuple(x.shape[1:]))(x)
                assume(x.numel() <= 10**6)  # archc's own limits are larger
                if not x.numel():
                    raise ValueError("no output")
            except REFUSALS as error:
                return position, str(error)
        return None, ""


def problems_of(text: str) -> list[archc.Problem]:
    try:
        archc.loads(text)
    except SpecError as error:
        return error.problems
    return []


def _refused_by_archc_alone(name: str, arguments: Entry, x: Shape) -> str:
    """Where torch is lenient, as tests/kind_cases.py lists it, such as `same` of even kernels.

    A tensor with one axis too few is an input without a batch for torch.
    """
    kind, lenient = KINDS[name], set(CASES[name].lenient)
    if name.endswith(f"{len(x)}d"):
        lenient.add("E0301")
    fault = next(iter(kind(**arguments).requirements((x,))), None) if _valid(kind, arguments) else None
    return fault.message if fault is not None and fault.code in lenient else ""


def _valid(kind: type[Kind], arguments: Entry) -> bool:
    try:
        kind(**arguments)
    except ValueError:
        return False
    return True


Editing.TestCase.settings = settings(max_examples=settings().max_examples // 3, stateful_step_count=10)
TestEditing = Editing.TestCase
