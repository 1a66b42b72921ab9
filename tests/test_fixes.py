"""Fixes: what an editor can mend. Applied, the fault is gone, and nothing else has become wrong."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from test_errors import CASES

import archc
from archc import Problem, SpecError
from archc.problems import Fix
from archc.testing import WrongSpec, wrong_specs


def problems_of(text: str) -> list[Problem]:
    try:
        archc.loads(text)
    except SpecError as error:
        return error.problems
    return []


def applied(text: str, fix: Fix) -> str:
    lines = text.split("\n")

    def offset(line: int, column: int) -> int:
        return sum(len(before) + 1 for before in lines[: line - 1]) + column - 1

    mark = fix.mark
    return text[: offset(mark.line, mark.column)] + fix.text + text[offset(mark.end_line, mark.end_column) :]


def assert_mends(text: str) -> int:
    """Each fix of a text's problems takes its fault away and breaks nothing; how many there are."""
    problems = problems_of(text)
    for problem in problems:
        if problem.fix is not None:
            left = problems_of(applied(text, problem.fix))
            assert problem.message not in [other.message for other in left]
            assert not any(other.code.startswith("E01") for other in left)
    return sum(problem.fix is not None for problem in problems)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_fixes_of_the_catalogue_mend(path: Path) -> None:
    assert_mends(path.read_text("utf-8"))


def test_fixes_of_planted_faults_mend() -> None:
    """Whatever the spec around them."""
    seen = Counter[int]()

    @settings(max_examples=settings().max_examples * 3)
    @given(wrong_specs())
    def check(wrong: WrongSpec) -> None:
        seen[assert_mends(wrong.text)] += 1

    check()
    assert seen[1] > seen.total() / 10, seen


HEAD = "input: [3, 32, 32]\n"
JOIN = "b: relu\n  c: relu\njoin: concat"
HANDS_ON = """
blocks:
  B:
    parameters: {kernel_size: , padding: 0}
    layers: [{conv2d: {out_channels: 3, kernel_size: $kernel_size, padding: $padding}}]
"""
MENDS = {  # ‹what is wrong→what is right›
    "a kind": "layers: [‹flaten→flatten›]",
    "a quoted kind": "layers: ['‹rleu→relu›']",
    "an argument": "layers: [{max_pool2d: {‹kernel→kernel_size›: 2}}]",
    "an argument that is there": "layers: [{max_pool2d: {‹kernel: 3, →›kernel_size: 2}}]",
    "a key": "‹layer→layers›: [relu]",
    "a key that is there": "‹inputs: 3\n→›layers: [relu]",
    "a modifier": "layers: {a: {relu: , ‹form→from›: input}}",
    "a name in an expression": "parameters: {width: 8}\nlayers: [flatten, {linear: $(3 * (‹widht→width› + 1))}]",
    "a reference": "layers: {stem: relu, sum: {add: [input, ‹stme→stem›]}}",
    "quotes": "layers: [flatten, {linear: ‹$(max(8, 9))→'$(max(8, 9))'›}]",
    "input channels": "layers: [{conv2d: {‹in_channels: 3, →›out_channels: 4, kernel_size: 1}}]",
    "input channels, last": "layers:\n  - batch_norm2d:\n      eps: 0.1‹\n      num_features: 3→›\n",
    "same with a stride": "layers: [{conv2d: {out_channels: 4, kernel_size: 3, stride: 2, padding: ‹same→1›}}]",
    "in place": "layers: {a: {relu: {inplace: ‹true→false›}}, sum: {add: [input, a]}}",
    "a claim": "layers: [flatten, {linear: 2}]\nexpect: {output: ‹[3]→[2]›}",
    "the smallest input": "layers: [flatten, {linear: 2}]\nexpect: {min_input: ‹[3, 3]→[32, 32]›}",
    "a padding": f"branches:\n  a: {{conv2d: {{out_channels: 4, kernel_size: 5, padding: ‹1→same›}}}}\n  {JOIN}",
    "no padding": (
        f"branches:\n  a: {{conv2d: {{out_channels: 4, kernel_size: [5, 3]‹→, padding: same› }}}}  # wide\n  {JOIN}"
    ),
    "no padding, further arguments": (
        "branches:\n  a:\n    max_pool2d:\n      kernel_size: [3, 1]  # tall‹→\n      padding: [1, 0]›\n"
        f"      stride: 1\n  {JOIN}"
    ),
    "no padding, last argument": (
        "branches:\n  a:\n    - conv2d:\n        out_channels: 4\n"
        f"        kernel_size: 3‹→\n        padding: same›\n  {JOIN}"
    ),
    "a padding handed to a block": f"{HANDS_ON}branches:\n  a: {{B: [3, ‹0→same›]}}\n  {JOIN}",
    "no padding handed to a block": f"{HANDS_ON}branches:\n  a: {{B: {{kernel_size: 3‹→, padding: same›}}}}\n  {JOIN}",
    "a padding handed to a block that has the kernel": (
        HANDS_ON.replace("kernel_size: ,", "k: 5,").replace("$kernel_size", "$k")
        + f"branches:\n  a: {{B: {{padding: ‹1→2›}}}}\n  {JOIN}"
    ),
    "a padding in a block": (
        HANDS_ON.replace(", padding: 0", "").replace("$padding", "‹1→same›")
        + f"branches:\n  a: {{B: {{kernel_size: 5}}}}\n  {JOIN}"
    ),
}


@pytest.mark.parametrize("name", MENDS)
def test_a_fix_is_what_a_person_would_write(name: str) -> None:
    both = re.compile("‹(.*?)→(.*?)›", re.DOTALL)
    wrong, mended = (HEAD + both.sub(rf"\{side}", MENDS[name]) for side in (1, 2))
    problem = next(problem for problem in problems_of(wrong) if problem.fix)
    assert problem.fix is not None
    assert applied(wrong, problem.fix) == mended
    assert problems_of(mended) == []


NO_FIX = {
    "positional arguments of a block": f"{HANDS_ON}branches:\n  a: {{B: [3]}}\n  {JOIN}",
    "a value on a line of its own": (
        f"branches:\n  a:\n    max_pool2d:\n      stride: 1\n      kernel_size:\n        3\n  {JOIN}"
    ),
    "an only argument": "layers: [{batch_norm2d: {num_features: 3}}]",
    "an expression without an end": "layers: [flatten, {linear: $(max(8, 9)}]",
    "an expression with quotes": "layers: [flatten, {linear: $(len('a,b'))}]",
}


@pytest.mark.parametrize("name", NO_FIX)
def test_no_fix_is_better_than_a_wrong_one(name: str) -> None:
    problems = problems_of(HEAD + NO_FIX[name])
    assert problems
    assert not any(problem.fix for problem in problems)
