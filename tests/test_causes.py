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
        return error.problems
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
        "init: [{match: relu, weight: 0}]",
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


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ("$(average(3))", "E0211"),
        ("$(1 // 0)", "E0213"),
        ("$(nobody + 1)", "E0212"),
        ("$(2 +)", "E0211"),
        ("{a: 1}", "E0203"),
        ("[1, $(1 // 0)]", "E0213"),
    ],
)
def test_what_reads_a_bad_parameter_is_silent(parameters: str, code: str) -> None:
    """Everything that an expression decides; what does not depend on it is told."""
    text = f"""input: [3, 32, 32]
arguments: {{bad: {parameters}, worse: $bad}}
blocks:
  Unit: {{arguments: {{k: , n: 3}}, layers: [{{conv2d: {{out_channels: $k, kernel_size: $n, padding: same}}}}]}}
layers:
  repeated: {{repeat: $bad, index: i, layers: {{r$i: relu}}}}
  behind: {{add: [r0, r1]}}
  argument: {{conv2d: {{out_channels: $bad, kernel_size: 1}}}}
  computed: {{conv2d: {{out_channels: '$(max(worse, 3) * 2)', kernel_size: 1}}, from: input}}
  present: {{relu: , when: $(bad > 3), from: input}}
  each: {{for: [a, b], in: [[1, $bad], $bad], index: i, layers: {{e$i: {{max_pool2d: [$a, $b]}}}}}}
  looped: {{for: q, in: $bad, layers: {{"l$q": relu}}}}
  named: {{add: [l1, e0]}}
  block: {{Unit: {{k: $bad}}, from: input}}
  handed: {{Unit: ['$(worse + 1)', 5], from: input}}
  apart: {{conv2d: {{out_channels: 3, kernel_size: 40}}, from: input}}
"""
    with pytest.raises(SpecError) as caught:
        archc.loads(text)
    told = [(problem.code, problem.mark and problem.mark.line) for problem in caught.value.problems]
    assert told == [(code, 2), ("E0302", 16)]


def test_a_bound_hides_nothing() -> None:
    """What stands before the entry that is too much is told with it."""
    text = """input: [3, 8, 8]
layers:
  a: {relu: , from: nowhere}
  b: {conv2d: {out_channels: 3, kernel_size: 9}, from: input}
  c: {repeat: 10000000, layers: [relu]}
"""
    with pytest.raises(SpecError) as caught:
        archc.loads(text)
    assert [problem.code for problem in caught.value.problems] == ["E0210", "E0302", "E0220"]


def test_a_fault_hides_no_other_that_does_not_depend_on_it() -> None:
    """Four faults, one behind the other."""
    text = """input: [3, 32, 32]
layers:
  conv1: {conv2d: {out_channels: 16, kernel_szie: 3}}
  conv2: {conv2d: {out_channels: 8, kernel_size: 4, padding: same}}
  m:
    branches:
      a: {conv2d: {out_channels: 8, kernel_size: 1}}
      b: {conv2d: {out_channels: 8, kernel_size: 5, padding: 1}}
    join: concat
  fc: {lineer: 10}
"""
    problems = problems_of_text(text)
    assert [(problem.code, problem.mark and problem.mark.line) for problem in problems] == [
        ("E0205", 3),
        ("E0303", 4),
        ("E0312", 8),
        ("E0204", 10),
    ]
    assert problems[2].help.endswith("write `padding: same`")
    assert "an entry before this one has an error" in problems[2].note


def problems_of_text(text: str) -> list[Problem]:
    with pytest.raises(SpecError) as caught:
        archc.loads(text)
    return caught.value.problems


@pytest.mark.parametrize(
    "behind",
    [
        "{conv2d: {out_channels: 8, kernel_size: 33}}",  # a window that another size would hold
        "{conv2d: {out_channels: 8, kernel_size: 3, groups: 4}}",  # channels that may be divided
        "{linear: 3}",  # the faulty entry may be meant to flatten
        "{add: [first, known]}",  # what it gives may have that size
        "{concat: [first, small]}",
        "{concat: [first, halved]}",  # an even size would do
    ],
)
@pytest.mark.parametrize(
    "wrong",
    ["rellu", "{conv2d: {out_channels: 8, kernel: }}", "{conv2d: {out_channels: 8, kernel_size: 2, padding: same}}"],
)
def test_what_depends_on_a_faulty_entry_is_not_told(wrong: str, behind: str) -> None:
    text = f"""input: [3, 32, 32]
layers:
  known: {{conv2d: {{out_channels: 8, kernel_size: 1}}}}
  small: {{max_pool2d: 2}}
  first: {wrong}
  halved: [{{max_pool2d: 2}}, {{upsample: {{scale_factor: 2}}}}]
  last: {behind}
  end: {{concat: [last, small]}}
"""
    (problem,) = problems_of_text(text)
    assert problem.mark is not None
    assert problem.mark.line == 5
