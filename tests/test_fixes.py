"""Fixes: what an editor can mend. Applied, the fault is gone, and nothing else has become wrong."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_errors import CASES

import archc
from archc import Problem, SpecError
from archc.problems import applied
from archc.testing import WrongSpec, wrong_specs


def problems_of(text: str) -> list[Problem]:
    try:
        archc.loads(text)
    except SpecError as error:
        return error.problems
    return []


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


# Faults of every sort that has a fix

KINDS_OF_LAYERS = [
    "conv2d: {out_channels: 4, kernel_size: K, padding: P, stride: S}",
    "max_pool2d: {kernel_size: K, padding: P, stride: S}",
]


@st.composite
def layers(draw: st.DrawFn, stride: int = 1) -> str:
    """A window on a map, with a padding that keeps the size or does not."""
    text = draw(st.sampled_from(KINDS_OF_LAYERS)) if stride == 1 else KINDS_OF_LAYERS[0]
    kernel = draw(st.sampled_from([1, 2, 3, 5]))
    padding: object = draw(st.integers(0, kernel // 2))
    if stride == 1 and kernel % 2 and "conv" in text and draw(st.booleans()):
        padding = "same"
    text = text.replace("K", str(kernel)).replace("S", str(stride)).replace("P", str(padding))
    return f"{{{text.replace(', padding: 0', '') if draw(st.booleans()) else text}}}"


@st.composite
def modules(draw: st.DrawFn) -> str:
    """Branches that may differ in size, in the network itself or in a block that is used twice."""
    rows = []
    for name in "abc"[: draw(st.integers(2, 3))]:
        chain = draw(st.lists(layers(draw(st.sampled_from([1, 1, 1, 2]))), min_size=1, max_size=2))
        rows.append(f"      {name}: [{', '.join(chain)}]")
    body = "    branches:\n" + "\n".join(rows) + "\n    join: concat\n"
    head = f"input: [3, {draw(st.integers(9, 40))}, {draw(st.integers(9, 40))}]\n"
    if draw(st.booleans()):
        return f"{head}blocks:\n  B:\n{body}layers: [B, {{B: }}]\n"
    return f"{head}layers:\n  m:\n{body}"


@st.composite
def unets(draw: st.DrawFn) -> str:
    """Down and up again with skips: odd sizes, paddings of any size, several ways to become larger."""
    depth = draw(st.integers(1, 3))
    ups = ["conv_transpose2d: {out_channels: 4, kernel_size: 2, stride: 2}", "upsample: {scale_factor: 2}"]
    padding = draw(st.sampled_from(["same", "same", "1", "0"]))
    rows = []
    for level in range(depth):
        rows += [f"  down{level}: {{Double: 4}}", f"  pool{level}: {{max_pool2d: 2}}"]
    rows.append("  bottom: {Double: 4}")
    for level in reversed(range(depth)):
        up = draw(st.sampled_from(ups))
        rows += [f"  up{level}: {{{up}}}", f"  skip{level}: {{concat: [up{level}, down{level}]}}"]
    conv = "{{conv2d: {{out_channels: $w, kernel_size: 3, padding: {}}}}}"
    block = f"blocks: {{Double: {{arguments: {{w: }}, layers: [{conv.format('same')}, {conv.format(padding)}]}}}}\n"
    size = [draw(st.integers(24, 70)) for _ in range(2)]
    return f"input: [3, {size[0]}, {size[1]}]\n{block}layers:\n" + "\n".join(rows) + "\n"


TYPED = """name: Net
input: [3, 32, 32]
arguments: {width: 8, depth: 2}
blocks:
  Unit:
    arguments: {channels: , kernel_size: 3}
    layers:
      conv: {conv2d: {out_channels: $channels, kernel_size: $kernel_size, padding: same, bias: false}}
      norm: batch_norm2d
      relu: {relu: {inplace: true}}
layers:
  stem: {conv2d: {out_channels: $width, kernel_size: 3, stride: 2, padding: 1}}
  first: {Unit: [$width, 5]}
  second: {Unit: {channels: $(width * 1), kernel_size: 3}}
  total: {add: [stem, second, first]}
  repeated: {repeat: $depth, index: i, layers: {"more$i": {Unit: $width}}}
  pool: {adaptive_avg_pool2d: 1}
  flat: flatten
  linear: {linear: '$(max(width, 4))'}
expect:
  parameters: 3688
  output: [8]
  min_input: [1, 1]
"""
WORDS = [found.span() for found in re.finditer(r"[A-Za-z_]{4,}", TYPED)]
SWAPS = [
    ("channels: $(width * 1)", "channels: $(widht * 2 // widht * 8)"),
    ("padding: 1", "padding: valid"),
    ("bias: false", "bias: False"),
    ("bias: false", "bias: no"),
    ("kernel_size: 3, stride", "kernel_size: '3', stride"),
    ("kernel_size: 3, stride", "kernel_size: 3.0, stride"),
    ("channels: $(width * 1)", "channels: 8, stride: 1"),
    ("out_channels: $width", "out_channels: width"),
    ("{linear: '$(max(width, 4))'}", "{linear: $(max(width, 4))}"),
    ("{linear: '$(max(width, 4))'}", "{linear: [512, 8]}"),
    ("{linear: '$(max(width, 4))'}", "{linear: {in_features: 8, out_features: 8}}"),
    ("stride: 2, padding: 1", "stride: 2, padding: same"),
    ("flat: flatten", "flat: {relu: {inplace: true}, from: total}\n  late: {add: [pool, total]}\n  f: flatten"),
]


def slips() -> Iterator[str]:
    """A spec with a letter too many, too few or out of place, a wrong claim, or a value written otherwise."""
    for right, wrong in SWAPS:
        yield TYPED.replace(right, wrong)
    for claim in ("parameters: 3688", "output: [8]", "min_input: [1, 1]"):
        yield TYPED.replace(claim, re.sub(r"\d+", "7", claim))
    for start, end in WORDS:
        word = TYPED[start:end]
        for wrong in (word[:2] + word[3:], word[:2] + word[1:], word[0] + word[2] + word[1] + word[3:]):
            yield TYPED[:start] + wrong + TYPED[end:]


def removed(text: str, fixed: Counter[str]) -> None:
    """Each fix, applied, takes its problem away and brings no other of its code; a join without one has a reason.

    A fix that leaves no problem was for the only one: no other problem followed from it.
    """
    problems = problems_of(text)
    for problem in problems:
        if problem.fix is None:
            assert problem.code != "E0312" or problem.help
            continue
        fixed[problem.code] += 1
        left = problems_of(applied(text, problem.fix))
        place = problem.message, problem.where
        before, after = (sum((one.message, one.where) == place for one in found) for found in (problems, left))
        assert after < before, problem  # a join further on may only now have inputs
        assert not any(other.code.startswith("E01") for other in left)
        before, after = (sum(one.code == problem.code for one in found) for found in (problems, left))
        assert after <= before, problem
        assert left or len(problems) == 1, problems


def test_every_fix_of_a_slip_removes_its_fault() -> None:
    fixed = Counter[str]()
    for text in slips():
        removed(text, fixed)
    assert set(fixed) >= {"E0201", "E0203", "E0204", "E0205", "E0207", "E0210", "E0211", "E0212", "E0304", "E0401"}, (
        fixed
    )
    assert fixed.total() > 100, fixed


def test_every_fix_of_a_join_makes_it_fit() -> None:
    """In modules and U-Nets of any sizes; at times there is none."""
    fixed = Counter[str]()

    @settings(max_examples=settings().max_examples * 4)
    @given(st.one_of(modules(), unets()))
    def check(text: str) -> None:
        removed(text, fixed)

    check()
    assert fixed["E0312"] > 20, fixed


HEAD = "input: [3, 32, 32]\n"
JOIN = "b: relu\n  c: relu\njoin: concat"
HANDS_ON = """
blocks:
  B:
    arguments: {kernel_size: , padding: 0}
    layers: [{conv2d: {out_channels: 3, kernel_size: $kernel_size, padding: $padding}}]
"""
MENDS = {  # ‹what is wrong→what is right›
    "truth as other languages write it": "layers: [{conv2d: {out_channels: 4, kernel_size: 3, bias: ‹no→false›}}]",
    "a number in quotes": "layers: [{max_pool2d: ‹'2'→2›}]",
    "a number with a point": "layers: [{max_pool2d: ‹2.0→2›}]",
    "no padding": "layers: [{conv2d: {out_channels: 4, kernel_size: 3, padding: ‹valid→0›}}]",
    "nothing": "layers: [{max_pool2d: {kernel_size: 2, stride: ‹None→null›}}]",
    "a repeat in quotes": "layers: [{repeat: ‹'2'→2›, layers: [relu]}]",
    "a repeat with a point": "layers: [{repeat: ‹2.0→2›, layers: [relu]}]",
    "a repeat without its sign": "arguments: {depth: 2}\nlayers: [{repeat: ‹depth→$depth›, layers: [relu]}]",
    "another truth": "layers: {a: {relu: , auxiliary: ‹no→false›}}",
    "a mistyped truth": "layers: [{conv2d: {out_channels: 4, kernel_size: 3, bias: ‹fals→false›}}]",
    "a mistyped word": "layers: [{conv2d: {out_channels: 4, kernel_size: 3, padding: ‹saem→same›}}]",
    "a mistyped choice": ("layers: [{conv2d: {out_channels: 4, kernel_size: 3, padding_mode: ‹rfelect→reflect›}}]"),
    "a parameter without its sign": "arguments: {w: 4}\nlayers: [flatten, {linear: ‹w→$w›}]",
    "an expression without its sign": "arguments: {w: 4}\nlayers: [flatten, {linear: ‹w * 2→$(w * 2)›}]",
    "listed arguments": (
        "layers: [{conv2d: ‹[64, 128, 3, 2, 1]→{out_channels: 128, kernel_size: 3, stride: 2, padding: 1}›}]"
    ),
    "listed arguments of one reading": "layers: [flatten, {linear: ‹[512, 10]→{out_features: 10}›}]",
    "a kind": "layers: [‹flaten→flatten›]",
    "a quoted kind": "layers: ['‹rleu→relu›']",
    "an argument": "layers: [{max_pool2d: {‹kernel→kernel_size›: 2}}]",
    "an argument that is there": "layers: [{max_pool2d: {‹kernel: 3, →›kernel_size: 2}}]",
    "a key": "‹layer→layers›: [relu]",
    "a key that is there": "‹imput: 3\n→›layers: [relu]",
    "a modifier": "layers: {a: {relu: , ‹form→from›: input}}",
    "a name in an expression": "arguments: {width: 8}\nlayers: [flatten, {linear: $(3 * (‹widht→width› + 1))}]",
    "a reference": "layers: {stem: relu, sum: {add: [input, ‹stme→stem›]}}",
    "quotes": "layers: [flatten, {linear: ‹$(max(8, 9))→'$(max(8, 9))'›}]",
    "input channels": "layers: [{conv2d: {‹in_channels: 3, →›out_channels: 4, kernel_size: 1}}]",
    "input channels, last": "layers:\n  - batch_norm2d:\n      eps: 0.1‹\n      num_features: 3→›\n",
    "same with a stride": "layers: [{conv2d: {out_channels: 4, kernel_size: 3, stride: 2, padding: ‹same→1›}}]",
    "in place": "layers: {a: {relu: {inplace: ‹true→false›}}, sum: {add: [input, a]}}",
    "a claim": "layers: [flatten, {linear: 2}]\nexpect: {output: ‹[3]→[2]›}",
    "the smallest input": "layers: [flatten, {linear: 2}]\nexpect: {min_input: ‹[3, 3]→[32, 32]›}",
    "a padding": f"branches:\n  a: {{conv2d: {{out_channels: 4, kernel_size: 5, padding: ‹1→same›}}}}\n  {JOIN}",
    "no padding beside a kernel": (
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
    "what a stride has dropped": (
        "layers:\n  a: {conv2d: {out_channels: 4, kernel_size: 2, padding: 1}}\n  p: {max_pool2d: 2}\n"
        "  u: {conv_transpose2d: {out_channels: 4, kernel_size: 2‹→, output_padding: 1›, stride: 2}}\n"
        "  j: {add: [u, a]}"
    ),
    "a padding that an earlier use does not show": (
        "blocks: {D: {layers: [{conv2d: {out_channels: 4, kernel_size: 3, padding: ‹0→same›}}]}}\n"
        "layers: {a: D, p: {max_pool2d: 2}, b: D, u: {upsample: {scale_factor: 2}}, j: {add: [u, a]}}"
    ),
    "a stride handed to a block": (
        "blocks: {B: {arguments: {step: }, layers: [{max_pool2d: {kernel_size: 1, stride: $step}}]}}\n"
        f"branches:\n  a: {{B: ‹2→1›}}\n  {JOIN}"
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
    "a stride that is not all": (
        f"branches:\n  a: [{{max_pool2d: {{kernel_size: 2, stride: 2}}}}, {{max_pool2d: 2}}]\n  {JOIN}"
    ),
    "two paddings at once": (
        "branches:\n  a: [{conv2d: {out_channels: 4, kernel_size: 3}}, {conv2d: {out_channels: 4, kernel_size: 3}}]\n"
        f"  {JOIN}"
    ),
    "listed arguments of two readings": "layers: [{conv2d: [64, 3, 2, 1]}]",
    "nothing where something is needed": "layers: [{max_pool2d: None}]",
    "a word that is no parameter": "layers: [{conv2d: {out_channels: 4, kernel_size: three}}]",
    "an expression of unknown names": "layers: [{conv2d: {out_channels: w * 2, kernel_size: 3}}]",
    "no padding of a stride": "layers: [{max_pool2d: {kernel_size: 2, stride: valid}}]",
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


HELPS = {
    "conv2d: [64, 3, 2, 1]": "write `conv2d: {out_channels: 64, kernel_size: 3, stride: 2, padding: 1}`",
    "conv2d: [1, 6, 5]": (
        "write `conv2d: {out_channels: 6, kernel_size: 5}`; archc infers the input channels from the previous layer"
    ),
    "conv2d: [64, [3, 1], 2]": "write `conv2d: {out_channels: 64, kernel_size: [3, 1], stride: 2}`",
    "conv2d: [$w, 3, 2]": "write `conv2d: {out_channels: $w, kernel_size: 3, stride: 2}`",
    "conv2d: [a, b]": "name each argument",
    "conv2d: {out_channels: 4, kernel_size: 3, padding: valid}": "for no padding, write `padding: 0`",
    "max_pool2d: {kernel_size: 2, stride: None}": "for no value, write `null`",
    "max_pool2d: None": "",
    "conv2d: {out_channels: eight, kernel_size: 3}": "",
}


@pytest.mark.parametrize("layer", HELPS)
def test_a_help_says_what_was_meant_or_nothing(layer: str) -> None:
    (problem,) = problems_of(f"{HEAD}arguments: {{w: 8}}\nlayers: [{{{layer}}}]")
    assert problem.help == HELPS[layer]
