"""What a report says of the cause: where a map vanished and what is large enough, every branch that differs."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import archc
from archc.problems import Problem, SpecError

LAYERS = st.sampled_from(
    [
        "{conv2d: {out_channels: 4, kernel_size: 3}}",
        "{conv2d: {out_channels: 4, kernel_size: 5, stride: 2, padding: 1}}",
        "{conv2d: {out_channels: 4, kernel_size: [1, 7], padding: [0, 2]}}",
        "{conv2d: {out_channels: 4, kernel_size: 3, dilation: 2}}",
        "{max_pool2d: {kernel_size: 3, stride: 2, ceil_mode: true}}",
        "{avg_pool2d: 2}",
        "relu",
        "{pad: [1, 0, 2, 1]}",
        "{upsample: {scale_factor: 2}}",
        "[relu, {max_pool2d: 2}]",
        "{branches: {a: {max_pool2d: 2}, b: {avg_pool2d: 2}}, join: add}",
    ]
)


def problems_of(size: tuple[int, int], layers: list[str]) -> list[Problem]:
    body = "\n".join(f"  - {layer}" for layer in layers)
    try:
        archc.loads(f"input: [4, {size[0]}, {size[1]}]\nlayers:\n{body}\n")
    except SpecError as error:
        return [problem for problem in error.problems if problem.code != "E0223"]
    return []


@given(st.lists(LAYERS, min_size=3, max_size=6), st.integers(1, 40), st.integers(1, 40))
def test_the_proposed_input_is_large_enough_and_no_larger(layers: list[str], height: int, width: int) -> None:
    """With it the window fits; with a row or a column less it, or one before it, does not."""
    vanished = [problem for problem in problems_of((height, width), layers) if problem.code == "E0302"]
    assume(vanished and vanished[0].mark and "is large enough" in vanished[0].help)
    place = vanished[0].mark
    assert place is not None
    proposed = re.match(r"`input: \[4, (\d+), (\d+)\]` is large enough", vanished[0].help)
    assert proposed is not None
    size = int(proposed[1]), int(proposed[2])
    later = [problem.mark.line for problem in problems_of(size, layers) if problem.mark is not None]
    assert all(line > place.line for line in later)
    for axis, declared in enumerate((height, width)):
        if size[axis] > declared:
            smaller = (size[0] - 1, size[1]) if axis == 0 else (size[0], size[1] - 1)
            (problem, *_) = problems_of(smaller, layers)
            assert problem.mark is not None
            assert problem.mark.line <= place.line


@pytest.mark.parametrize("number", [1, 2, 3])
def test_every_branch_that_differs_is_told(number: int) -> None:
    """Three of six branches have another size each: one report, all of them with their mends."""
    wrong = "{conv2d: {out_channels: 4, kernel_size: 5, padding: 1}}"
    right = "{conv2d: {out_channels: 4, kernel_size: 5, padding: same}}"
    branches = [wrong] * number + [right] * 3
    rows = "\n".join(f"    b{at}: {branch}" for at, branch in enumerate(branches))
    with pytest.raises(SpecError) as caught:
        archc.loads(f"input: [3, 9, 9]\nlayers:\n - branches:\n{rows}\n   join: concat\n")
    assert [(problem.code, problem.where) for problem in caught.value.problems] == [
        ("E0312", (f"0.b{at}",)) for at in range(number)
    ]
    assert all("write `padding: same`" in problem.help for problem in caught.value.problems)


@pytest.mark.parametrize(
    "rest",
    [
        "import: {nowhere.yaml: [Unit]}",
        "import: {nowhere.yaml: [Unit], elsewhere.yaml: [Other]}\nblocks: [Third]",
        "blocks: {Unit: [relu]}",
        "init: [{layers: relu, weight: 0}]",
        "description: once\ndescription: twice",
    ],
)
def test_faults_of_other_parts_hide_nothing(rest: str) -> None:
    """Beside what is wrong elsewhere, a mistyped layer and both wrong arguments of another are told."""
    text = f"""input: [3, 8, 8]
layers:
  a: rellu
  b: {{conv2d: {{out_channels: $nobody, kernel_size: 0}}, from: input}}
{rest}
"""
    with pytest.raises(SpecError) as caught:
        archc.loads(text)
    told = [problem.code for problem in caught.value.problems]
    assert told[:3] == ["E0204", "E0212", "E0203"]
