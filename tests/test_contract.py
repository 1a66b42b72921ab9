"""The contract of emitted source: a class is right for every argument for which the spec is valid."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archc
from archc.emit.naming import class_names
from archc.kinds import Shape
from archc.library import families
from archc.testing import Draft, assert_agreement, specs
from archc.testing.contract import Emitted, Tally, assert_contract, uses_of

pytestmark = pytest.mark.usefixtures("one_thread")

SETS = 2
"""Further sets of arguments for each class in the gate."""


def test_every_class_is_right_for_arguments_that_the_file_does_not_hold() -> None:
    """Networks with other parameters; blocks with other parameters, channels and sizes: bit for bit what is built."""
    tally = Tally()

    @settings(max_examples=settings().max_examples * 2)
    @given(specs(most=24, ranks=(2, 2, 2, 2, 0, 1, 3), most_inputs=3, shares=True), st.data())
    def check(draft: Draft, data: st.DataObject) -> None:
        assert_contract(draft.load(), data.draw, SETS, tally)

    check()
    assert tally.counts["networks"] >= tally.counts["specs"]
    assert tally.counts["blocks"] >= tally.counts["specs"]
    assert not [why for why in tally.unrefused if why.startswith(("E0303", "E0311"))]  # constructors raise for these


def test_a_loop_of_branches_that_broadcast_gives_their_channels() -> None:
    """If it has an iteration at all: one channel times two are two."""
    architecture = archc.loads("""
name: Net
input: [1, 12]
arguments: {n: 2}
layers:
  gated: {branches: {f: tanh, wide$i: {expand: {sizes: [2, 12]}, repeat: $n, index: i}}, join: multiply}
  conv: {conv1d: {out_channels: 2, kernel_size: 1}}
""")
    emitted = Emitted(architecture)
    for n in (2, 1, 0):
        emitted.network_with(Tally(), n=n)


def test_a_wrong_class_is_caught() -> None:
    """Each of these changes to a correct file makes another network for some arguments, and none for those in it."""
    architecture = archc.loads("""
name: Net
input: [8, 6, 6]
arguments: {p: 0.5}
blocks:
  Unit:
    arguments: {out_channels: , expand: 2, depth: 1}
    layers:
      - {conv2d: {out_channels: $(in_channels * expand), kernel_size: 1}, when: $(expand != 1)}
      - {conv2d: {out_channels: $out_channels, kernel_size: 3, padding: same, bias: $(depth > 1)}, repeat: $depth}
      - {dropout: 0.5}
layers: [{Unit: 8}, {Unit: [16, 2, 2]}, {dropout: $p}]
""")
    block: Shape = (8, 6, 6)
    right = Emitted(architecture)
    right.block(Tally(), "Unit", block, out_channels=8, expand=1)
    for old, new, values in [
        ("if expand != 1:", "if expand != 3:", {"out_channels": 8, "expand": 1}),
        ("for _ in range(depth)", "for _ in range(min(depth, 2))", {"out_channels": 8, "depth": 3}),
        ("in_channels * expand", "in_channels * 2", {"out_channels": 8, "expand": 3}),
        ("in_channels * expand", "8 * expand", {"out_channels": 8}),
        ("bias=depth > 1", "bias=depth == 2", {"out_channels": 8, "depth": 3}),
        ("expand: int = 2", "expand: int = 3", {"out_channels": 8}),
        ("nn.Dropout()", "nn.Dropout(0.25)", {"out_channels": 8}),
    ]:
        assert old in right.source, right.source
        wrong = Emitted(architecture, right.source.replace(old, new))
        shape = (4, 6, 6) if new == "8 * expand" else block
        with pytest.raises(AssertionError, match=r"^Unit\("):
            wrong.block(Tally(), "Unit", shape, **values)
    wrong = Emitted(architecture, right.source.replace("nn.Dropout(p)", "nn.Dropout(0.5)"))
    wrong.network_with(Tally())
    with pytest.raises(AssertionError, match=r"^Net\(p=0.25\)"):
        wrong.network_with(Tally(), p=0.25)


@dataclass
class Case:
    """A spec with a trap, and arguments that fall into it: of the network, and of blocks with the shape of an input."""

    text: str
    networks: list[dict[str, Any]] = field(default_factory=list)
    blocks: list[tuple[str, Shape, dict[str, Any]]] = field(default_factory=list)


CASES = {
    "a condition without a value in an entry that is absent": Case(
        """
input: [2, 4, 12]
arguments: {k: 1}
layers:
  first: relu
  second:
    when: $(k > 2)
    layers:
      a: {conv2d: {out_channels: 4, kernel_size: 1}}
      b: {relu: , when: $(4 // (in_channels - 4) == 1)}
""",
        networks=[{"k": 0}],
    ),
    "optional layers of one condition, one of which has a name that is not an identifier": Case(
        """
input: [3, 12, 12]
arguments: {p: 2}
blocks:
  Conv:
    layers: [{conv2d: {out_channels: 3, kernel_size: 1}}]
layers:
  first: {Conv: , when: $(p > 2)}
  x-y: {Conv: , when: $(p > 2), auxiliary: true}
  last: {subtract: [first, input]}
""",
        networks=[{"p": 3}],
    ),
    "an input whose channels are called as the channels of a result": Case(
        """
input: [4, 6, 8]
blocks:
  Both:
    inputs: [x, kept]
    layers:
      a: {concat: [x, input], when: $(in_channels > 4)}
      b: {mean: }
      c: {concat: [b, b], when: $(kept_channels > 3)}
  Inner:
    inputs: [heads, out]
    layers:
      both: {Both: , from: [input, out]}
  Outer:
    inputs: [skip, x]
    layers:
      inner: {Inner: , from: [input, skip]}
      last: {linear: 3}
layers:
  first: relu
  second: {Outer: , from: [first, first]}
""",
    ),
    "a slice, whose gradient has the layout of its input": Case(
        """
input: [4, 4, 4]
blocks:
  Part:
    layers:
      norm: batch_norm2d
      part: {slice: {dim: 2}}
      act: sigmoid
layers:
  first: Part
  second: {adaptive_max_pool2d: 4}
  third: {add: [input, second]}
  head: {adaptive_max_pool2d: 1, auxiliary: true}
  last: {sigmoid: , from: third}
""",
    ),
    "a block whose channels are read, with a name that is not an identifier": Case(
        """
input: [2, 4, 4]
blocks:
  Third:
    inputs: [x, low]
    layers:
      first: {slice: {dim: 1, step: 3}}
      second: {multiply: [first, low]}
  Two:
    inputs: [x, low]
    layers:
      a-1: {Third: , from: [x, low]}
      b: {conv2d: {out_channels: $(in_channels + 1), kernel_size: 1}}
      c: {unflatten: {dim: 2, unflattened_size: [-1, "$(1 if in_channels > 2 else 2)"]}}
layers:
  first: relu
  second: {Two: , from: [first, first]}
""",
    ),
    "an axis that is repeated": Case(
        """
input: [1, 4, 4]
arguments: {layer: identity}
layers:
  first_$i:
    repeat: 2
    index: i
    layers:
      - {upsample: {size: [1, 1]}}
      - branches: {layer: {upsample: {size: [1, $(i + 1)]}}, other: $layer}
        join: multiply
  last: layer_norm
""",
    ),
    "the last of many identities": Case(
        """
input: [2, 9, 4]
layers:
  first: relu
  loop: {repeat: 30, index: i, layers: {x$i: identity}}
  last: {add: [first, x29]}
""",
    ),
    "a condition of a join that follows from a block": Case(
        """
input: [1, 7, 8]
blocks:
  Wide:
    layers:
      - {conv2d: {out_channels: $(in_channels + 1), kernel_size: 1}, when: $(in_channels > 4)}
      - identity
layers:
  first: Wide
  second: {maximum: [first, input], when: "$(in_channels in [1, 4])"}
""",
        networks=[{}],
    ),
    "an entry that is absent, and does not fit its input": Case(
        """
input: [2, 4, 12]
arguments: {k: 4}
blocks:
  Cut:
    layers: {cut_$i: {slice: {dim: 1, start: 0, end: 2}, repeat: 4, index: i}}
layers:
  first: Cut
  second: {adaptive_avg_pool1d: 4, when: $(in_channels > 2)}
  third: {conv1d: {out_channels: 2, kernel_size: 1}, when: $(k > 4)}
""",
        networks=[{"k": 3}],
    ),
    "an absent entry of several inputs in a nested body": Case(
        """
input: [3, 4, 12]
arguments: {depth: 2}
layers:
  first: relu
  second: tanh
  out:
    layers:
      mixed: {add: [first, second, input], when: $(depth != 2)}
""",
        networks=[{"depth": 3}, {}],
    ),
    "channels of a block that may be absent, for a nested class": Case(
        """
input: [1, 7, 8]
blocks:
  Wider:
    layers:
      a: {conv2d: {out_channels: $(3 * in_channels), kernel_size: 1}, when: $(in_channels == 1)}
      b: {concat: [a, input]}
  Gate:
    layers: [{conv2d: {out_channels: $in_channels, kernel_size: 1}}]
  Both:
    arguments: {wider: false}
    layers:
      first: {Wider: , when: $wider}
      second:
        branches: {x: Gate, y: identity}
        join: multiply
      third:
        layers:
          x: {Gate: , from: first}
          sum: {add: [x, first]}
layers: [Both]
""",
        blocks=[("Both", (1, 7, 8), {"wider": True}), ("Both", (2, 4, 4), {"wider": True})],
    ),
    "weights inside of a layer that rules of init reach": Case(
        """
input: [1, 8, 12]
arguments: {std: 0.5}
layers:
  merged: [{permute: [0, 2, 3, 1]}, {patch_merging: {}}]
  attention: [{flatten: {end_dim: 2}}, {multihead_attention: {num_heads: 1}}]
init:
  - {match: merged.*, weight: {constant: {val: $std}}}
  - {match: linear, weight: {constant: {val: 0.25}}}
""",
        networks=[{"std": 0.1}],
    ),
    "an argument that would take the last axis away": Case(
        """
input: [2, 4, 6]
blocks:
  Largest:
    arguments: {k: }
    layers: {largest$i: {amax: {dim: 1, keepdim: $(k > 5)}, repeat: 4, index: i}}
layers: [{Largest: 6}]
""",
        blocks=[("Largest", (2, 4, 6), {"k": 7})],
    ),
    "channels that are the height of a matrix product": Case(
        """
input: [2, 4, 6]
blocks:
  Gram:
    layers:
      swapped: {permute: [0, 1, 3, 2]}
      product: {matmul: [input, swapped]}
      turned: {permute: [0, 3, 2, 1]}
      conv: {conv2d: {out_channels: 3, kernel_size: 1}}
layers: [Gram]
""",
        blocks=[("Gram", (2, 4, 6), {}), ("Gram", (3, 5, 2), {})],
    ),
    "an activation and a normalization that parameters name, or none": Case(
        """
input: [4, 6, 6]
arguments: {act: relu, rows: [[8, hardswish], [4, relu]]}
blocks:
  Conv:
    arguments: {width: , act: null, norm: batch_norm2d}
    layers:
      conv: {conv2d: {out_channels: $width, kernel_size: 1, bias: $(norm == null)}}
      norm: {$norm: {eps: 0.01}, when: $(norm != null)}
      act: {$act: , when: $(act != null)}
      gate: {sigmoid: , when: "$(act in ['hardswish', 'silu'])"}
layers:
  - {Conv: [$width, $each], for: [width, each], in: $rows}
  - Conv: [4, null, instance_norm2d]
  - Conv: [4, prelu, layer_norm2d]
  - Conv: [4, null, null]
  - {$act: , when: $(act != 'silu')}
""",
        networks=[
            {"act": "prelu"},
            {"act": "silu", "rows": ((2, "silu"), (3, "relu"), (4, "tanh"))},
            {"act": "dropout"},
        ],
        blocks=[
            ("Conv", (4, 6, 6), {"width": 3, "act": "hardswish", "norm": "instance_norm2d"}),
            ("Conv", (2, 6, 6), {"width": 3, "act": "identity", "norm": "layer_norm2d"}),
            ("Conv", (2, 6, 6), {"width": 3, "act": None, "norm": None}),
        ],
    ),
    "initial weights that follow from the parameters of the network and of blocks": Case(
        """
input: [3, 6, 6]
arguments: {classes: 4, gamma: 0.5, scales: [1, 2], slow: false, mode: fan_out}
blocks:
  Unit:
    arguments: {width: , scale: , fan: $(in_channels * 9)}
    layers:
      conv: {conv2d: {out_channels: $width, kernel_size: 3, padding: same}}
      embed: {parameter: {shape: [$width, 1, 1], init: {normal: {mean: $scale, std: $(width ** -0.5)}}}}
      sum: {add: [conv, embed]}
      bn: batch_norm2d
    init:
      - {match: conv2d, weight: {normal: {std: $(fan ** -0.5 * scale * gamma)}}, bias: $(scale - 1)}
  Shrunk:
    layers: [{conv2d: {out_channels: 4, kernel_size: 1}}]
    init: [{match: conv2d, weight: {kaiming_normal: {mode: $mode, a: $(in_channels / 10)}}}]
layers:
  one: {Unit: [$in_channels, 2]}
  rest$i: {Unit: [$(classes * i + 1), $scale], for: scale, in: $scales, index: i}
  last: Shrunk
  flatten: flatten
  fc: {linear: $classes}
init:
  - {match: fc, weight: {uniform: {a: $(-1 / classes ** 0.5), b: $(0.01 if slow else classes ** -0.5)}}, bias: 0}
  - {match: batch_norm2d, weight: $(len(scales) * gamma / in_channels)}
""",
        networks=[{"classes": 7}, {"slow": True}, {"scales": (3, 1, 2)}, {"gamma": 0.125}, {"mode": "fan_in"}],
        blocks=[("Unit", (2, 6, 6), {"width": 3, "scale": 3, "gamma": 2.0}), ("Shrunk", (5, 6, 6), {"mode": "fan_in"})],
    ),
    "outputs of loops": Case(
        """
input: [3, 6, 6]
blocks:
  Pyramid:
    arguments: {width: }
    layers:
      body:
        layers:
          layer$i: {conv2d: {out_channels: $(width * (i + 1)), kernel_size: 3, padding: same}, repeat: 3, index: i}
        outputs: {repeat: 3, index: i, f$i: layer$i}
      up$i: {conv2d: {out_channels: 4, kernel_size: 1}, from: body.f$i, repeat: 3, index: i}
      all: {concat: [up0, up1, up2]}
    outputs: [all, {for: i, in: [0, 2], p$i: up$i}]
layers:
  pyramid: {Pyramid: 2}
  relu1: {relu: , from: pyramid.all}
  relu2: {relu: , from: pyramid.p2}
  more$i: {tanh: , repeat: 3, index: i}
outputs:
  - {for: name, in: [relu1, relu2], out-$name: $name}
  - {repeat: 3, index: i, m$(i + 1): more$i}
  - {p: pyramid.p0}
""",
        blocks=[("Pyramid", (2, 6, 6), {"width": 3}), ("Pyramid", (3, 5, 6), {"width": 1})],
    ),
    "blocks of different widths and interfaces, and layers among them": Case(
        """
input: [4, 8, 8]
arguments: {rows: [[Basic, 4, 2], [Wide, 4, 3]], eps: 0.1}
blocks:
  Basic:
    arguments: {width: , stride: 1}
    layers: [{conv2d: {out_channels: $width, kernel_size: 1, stride: $stride}}, {batch_norm2d: {eps: $eps}}]
  Wide:
    arguments: {width: , stride: 1, factor: 2}
    layers:
      a: {conv2d: {out_channels: $(width * factor), kernel_size: 1, stride: $stride}}
      b: {add: [a, a]}
  Last:
    arguments: {bias: true}
    layers: [{linear: {out_features: 3, bias: $bias}}]
  Stage:
    arguments: {block: , width: , depth: 2}
    layers:
      - $block: [$width, 2]
      - {$block: {width: $width}, repeat: $(depth - 1)}
  Head:
    arguments: {mix: flatten, last: Last}
    layers:
      - $mix
      - flatten
      - $last
layers:
  stages:
    for: [block, width, depth]
    in: $rows
    index: i
    layers: {stage$i: {Stage: [$block, $width, $depth]}}
  head: Head
""",
        networks=[
            {"rows": (("Wide", 2, 1),)},
            {"rows": (("Wide", 3, 2), ("Wide", 2, 1), ("Basic", 5, 4)), "eps": 0.5},
            {"rows": (("Basic", 3, 2),)},
        ],
        blocks=[
            ("Stage", (3, 8, 8), {"block": "Basic", "width": 2, "depth": 3}),
            ("Stage", (3, 8, 8), {"block": "Wide", "width": 2, "depth": 3}),
            ("Head", (4, 2, 2), {}),
        ],
    ),
    "initial weights of parts of a network, and by patterns": Case(
        """
input: [4, 8, 8]
arguments: {depth: 2, extra: true}
blocks:
  Unit:
    layers:
      conv: {conv2d: {out_channels: 4, kernel_size: 1}}
      norm: batch_norm2d
      last: {conv2d: {out_channels: 4, kernel_size: 1, bias: false}}
layers:
  backbone:
    layers:
      stem: {conv2d: {out_channels: 4, kernel_size: 1}}
      units: [{Unit: , repeat: $depth}, {batch_norm2d: , when: $extra}]
  extra: {Unit: , when: $extra}
  head-1: {conv2d: {out_channels: 4, kernel_size: 1}}
init:
  - {match: [backbone.units.0, '*.stem'], weight: {normal: {std: 0.1}}}
  - {match: backbone, weight: {kaiming_normal: }, bias: 0}
  - {match: [extra.*, 'h?ad-[12]'], weight: 0.5, bias: 1}
  - {match: backbone.units.*, weight: 0.25}
""",
        networks=[{"depth": 0}, {"depth": 3}, {"extra": False}, {"extra": False, "depth": 1}],
    ),
    "a backbone that an argument names, with several outputs": Case(
        """
input: [4, 6, 6]
arguments: {backbone: Two}
blocks:
  Two:
    layers: {low: {conv2d: {out_channels: 6, kernel_size: 1}}, high: {conv2d: {out_channels: 4, kernel_size: 3}}}
    outputs: [low, high]
  Three:
    layers:
      a: relu
      low: {conv2d: {out_channels: 8, kernel_size: 1}}
      high: {conv2d: {out_channels: 5, kernel_size: 1, stride: 2}}
    outputs: [low, high]
  Neck:
    arguments: {body: Two}
    layers:
      body: $body
      top: {conv2d: {out_channels: 3, kernel_size: 1}, from: body.high}
      low: {conv2d: {out_channels: $in_channels, kernel_size: 1}, from: body.low}
    outputs: [top, low]
layers:
  one: {Neck: $backbone}
  x: {relu: , from: one.low}
  y: {relu: , from: one.top}
  two: {Neck: Three, from: x}
outputs: {a: y, b: two.top, c: two.low}
""",
        networks=[{"backbone": "Three"}],
        blocks=[("Neck", (2, 6, 6), {"body": "Three"}), ("Neck", (5, 7, 7), {"body": "Two"})],
    ),
    "a loop's argument follows from its index": Case(
        """
input: [4, 6, 6]
blocks:
  Layer:
    arguments: {p: 0.0}
    layers: [{conv2d: {out_channels: $in_channels, kernel_size: 1}}, {dropout: $p}]
  Stage:
    arguments: {depth: , first: , step: }
    layers: [{Layer: $(first + (turn + 1) * step), repeat: $(depth - 1), index: turn}]
layers: [{Stage: [2, 0.0, 0.1]}, {Stage: [4, 0.2, 0.1]}]
""",
        blocks=[
            ("Stage", (4, 6, 6), {"depth": 5, "first": 0.0, "step": 0.1}),
            ("Stage", (3, 6, 6), {"depth": 3, "first": 0.5, "step": 0.25}),
            ("Layer", (2, 6, 6), {}),
        ],
    ),
    "a conditional shortcut beside a conditional expansion": Case(
        """
input: [8, 6, 6]
blocks:
  Residual:
    arguments: {out_channels: , stride: 1, factor: 4}
    branches:
      body:
        - {conv2d: {out_channels: $(in_channels * factor), kernel_size: 1, bias: false}, when: $(factor > 1)}
        - conv2d: {out_channels: $out_channels, kernel_size: 3, stride: $stride, padding: 1}
      skip: {identity: , when: $(in_channels == out_channels and stride == 1)}
    join: add
layers: [{Residual: [8, 1, 1]}, {Residual: [12]}, {Residual: [12]}, {Residual: [16, 2]}]
""",
        blocks=[
            ("Residual", (16, 6, 6), {"out_channels": 16, "factor": 1}),
            ("Residual", (4, 6, 6), {"out_channels": 4, "stride": 2}),
            ("Residual", (4, 6, 6), {"out_channels": 8, "stride": 1, "factor": 2}),
        ],
    ),
    "names that a loop computes": Case(
        """
input: [4, 6, 6]
blocks:
  Grow:
    arguments: {growth: }
    layers:
      new: {conv2d: {out_channels: $growth, kernel_size: 3, padding: same}}
      all: {concat: [input, new]}
  Dense:
    arguments: {count: , growth: 2}
    layers: {layer$(at + 1): {Grow: $growth, repeat: $count, index: at}}
  Same:
    arguments: {count: }
    layers: {part$at: {conv2d: {out_channels: 4, kernel_size: 1}, repeat: $count, index: at}}
layers: [{Same: 2}, {Same: 3}, {Dense: 2}, {Dense: [3, 1]}]
""",
        blocks=[
            ("Dense", (4, 6, 6), {"count": 5}),
            ("Dense", (3, 6, 6), {"count": 1, "growth": 4}),
            ("Dense", (3, 6, 6), {"count": 0}),
            ("Same", (4, 6, 6), {"count": 5}),
            ("Same", (2, 6, 6), {"count": 1}),
        ],
    ),
    "a default that every use overrides": Case(
        """
input: [3, 6, 6]
blocks:
  Conv:
    arguments: {width: , kernel: 1, momentum: 0.1}
    layers: [{conv2d: {out_channels: $width, kernel_size: $kernel}}, {batch_norm2d: {momentum: $momentum}}]
layers: [{Conv: {width: 4, momentum: 0.01}}, {Conv: {width: 6, kernel: 3, momentum: 0.02}}]
""",
        blocks=[("Conv", (3, 6, 6), {"width": 5}), ("Conv", (3, 6, 6), {"width": 5, "kernel": 2, "momentum": 0.5})],
    ),
    "a long derived parameter": Case(
        """
input: [3, 6, 6]
blocks:
  Conv:
    arguments:
      channels:
      multiplier: 1.0
      nearest: $(max(8, int(channels * multiplier + 4) // 8 * 8))
      filters: $(nearest + 8 if nearest < 0.9 * (channels * multiplier) else nearest)
    layers: [{conv2d: {out_channels: $filters, kernel_size: 1}}, batch_norm2d]
layers: [{Conv: [10, 1.2]}, {Conv: [27, 1.1]}]
""",
        blocks=[
            ("Conv", (3, 6, 6), {"channels": channels, "multiplier": by})
            for channels in (3, 18, 44)
            for by in (1.0, 0.7, 1.3)
        ],
    ),
    "quotes in a condition": Case(
        """
input: [3, 6, 6]
blocks:
  Gate:
    arguments: {act: }
    layers:
      first: relu
      second:
        conv2d: {out_channels: 3, kernel_size: 1}
        when: '$(act != "a long text that ends in a backslash\\\\" and act != "this \\" and that, and so on and on")'
layers: {one: {Gate: tanh}, two: {Gate: 'this " and that, and so on and on'}}
""",
        blocks=[("Gate", (3, 6, 6), {"act": act}) for act in ("x", "a long text that ends in a backslash\\")],
    ),
    "a word that looks like an import": Case(
        """
input: [3, 6, 6]
arguments: {act: torch.relu}
layers: [{conv2d: {out_channels: 4, kernel_size: 1, bias: $(act == 'none')}}]
""",
        networks=[{"act": "none"}, {"act": "nn.Module"}],
    ),
    "several layers in one rule": Case(
        """
input: [3, 6, 6]
arguments: {wide: true}
layers:
  level$i: {conv2d: {out_channels: 4, kernel_size: 1}, for: i, in: [0, 1, 2, 3]}
  last: {conv2d: {out_channels: $(8 if wide else 2), kernel_size: 1}}
init:
  - {match: [level0, level2, last], weight: {normal: {std: 0.01}}, bias: 0}
  - {match: conv2d, weight: kaiming_normal}
""",
        networks=[{"wide": False}],
    ),
    "a size that an absent entry alone needs": Case(
        """
input: [2, 6, 6]
arguments: {classifier: false}
layers:
  - {conv2d: {out_channels: 4, kernel_size: 3}, when: $classifier}
  - {max_pool2d: 2, when: $classifier}
  - flatten
  - {linear: 5, when: $classifier}
""",
        networks=[{"classifier": True}],
    ),
    "a parameter, a child and a local of one name": Case(
        """
input: [4, 6, 6]
blocks:
  Part:
    arguments: {layer: 2, conv: [[$in_channels, 1], [2, 2]]}
    layers:
      channels: {conv2d: {out_channels: 4, kernel_size: 1}}
      layer: relu
      conv: tanh
      s: {add: [layer, channels, conv]}
      l: {repeat: $layer, index: i, layers: {r$i: {layers: {a: tanh, b: {add: [a, input]}}}}}
      rows: {for: [m, n], in: $conv, index: i, layers: {x$i: {dropout2d: 0.5}}}
layers: [{Part: 2}, Part, {Part: {conv: [[3, 1]]}}]
""",
        blocks=[("Part", (4, 6, 6), {"layer": 3}), ("Part", (4, 6, 6), {"layer": 1, "conv": ((1, 1),)})],
    ),
    "chunks by a parameter": Case(
        """
input: [4, 6, 6]
arguments: {parts: 2}
blocks:
  Halves:
    arguments: {count: }
    layers:
      split: {chunk: {chunks: '$(min(count, in_channels))'}}
      first: {relu: , from: split.0}
      both: {concat: [first, split.1]}
layers: [{Halves: $parts}]
""",
        networks=[{"parts": 4}, {"parts": 5}],
        blocks=[("Halves", (6, 6, 6), {"count": 3}), ("Halves", (8, 6, 6), {"count": 2})],
    ),
    "floor division of a real number by one": Case(
        """
input: [3, 6, 6]
arguments: {depth: 1.4}
layers: [{conv2d: {out_channels: 4, kernel_size: 1}, repeat: $(-int(-1 * depth // 1))}]
""",
        networks=[{"depth": 2.0}, {"depth": 2.6}],
    ),
    "conditional entries in lists within lists": Case(
        """
input: [4, 6, 6]
arguments: {extra: true}
layers:
  - conv2d: {out_channels: 4, kernel_size: 1}
  - - conv2d: {out_channels: 4, kernel_size: 1}
    - - {conv2d: {out_channels: 4, kernel_size: 1}, when: $extra}
      - conv2d: {out_channels: 4, kernel_size: 1}
    - {batch_norm2d: , when: $extra}
  - conv2d: {out_channels: 4, kernel_size: 1}
""",
        networks=[{"extra": False}],
    ),
    "a loop within a loop under a condition": Case(
        """
input: [3, 6, 6]
arguments: {depths: [2, 1], wide: true}
layers:
  stages:
    for: depth
    in: $depths
    index: i
    layers:
      stage$i:
        - {conv2d: {out_channels: $(4 + i), kernel_size: 1}, repeat: $depth, when: $(not wide)}
        - {conv2d: {out_channels: $(8 + 2 * i), kernel_size: 1}, repeat: $depth, when: $wide}
  fc: {conv2d: {out_channels: 2, kernel_size: 1}}
""",
        networks=[{"wide": False}, {"depths": (1, 3)}, {"depths": (1, 2), "wide": False}],
    ),
    "a derived default that a use overrides": Case(
        """
input: [6, 6, 6]
blocks:
  Wide:
    arguments: {expand: 3, hidden: $(in_channels * expand)}
    layers:
      - {conv2d: {out_channels: $hidden, kernel_size: 1}, when: $(expand != 1)}
      - conv2d: {out_channels: $hidden, kernel_size: 3, padding: same}
layers: [{Wide: 2}, {Wide: {expand: 1, hidden: 5}}]
""",
        blocks=[
            ("Wide", (4, 6, 6), {}),
            ("Wide", (4, 6, 6), {"expand": 1}),
            ("Wide", (4, 6, 6), {"expand": 1, "hidden": 7}),
            ("Wide", (4, 6, 6), {"hidden": 7}),
        ],
    ),
    "a kernel that is a number or a pair": Case(
        """
input: [4, 9, 9]
blocks:
  Same:
    arguments: {k: }
    layers: [{conv2d: {out_channels: 4, kernel_size: $k, padding: same}}]
layers: [{Same: 3}, {Same: {k: [3, 5]}}]
""",
        blocks=[("Same", (2, 9, 9), {"k": k}) for k in (1, 5, (1, 3), (7, 1))],
    ),
    "the rank depends on a parameter": Case(
        """
input: [4, 4, 4]
arguments: {flat: true}
layers: [{flatten: , when: $flat}, relu]
""",
        networks=[{"flat": False}],
    ),
    "two ranks, decided by one condition": Case(
        """
input: [3, 4, 6]
arguments: {j: true}
layers:
  a: {flatten: , when: $(not j)}
  b: {concat: [a, a, a]}
  c: {mean: , when: $j}
  d: {linear: 4}
""",
        networks=[{"j": False}],
    ),
    "two ranks among branches": Case(
        """
input: [3, 4, 6]
layers:
  - branches: {a: {upsample: {size: [1, $(in_channels - 2)]}}, b: {mean: {keepdim: $(in_channels == 3)}}}
    join: concat
  - {conv2d: {out_channels: $in_channels, kernel_size: 1}}
""",
    ),
    "a block after a value of two ranks": Case(
        """
input: [4, 6, 6]
arguments: {flat: 1}
blocks: {Pool: {layers: [{mean: {keepdim: '$(in_channels in [4, 6])'}}]}}
layers:
  x: {flatten: , when: $(flat != 1)}
  y: {branches: {a: Pool, b: {adaptive_avg_pool2d: 1}}, join: concat}
""",
        blocks=[("Pool", (4, 6, 6), {}), ("Pool", (3, 6, 6), {})],
    ),
    "channels that halve from turn to turn": Case(
        """
input: [32, 4, 4]
blocks:
  Half: {layers: [{conv2d: {out_channels: $(in_channels // 2), kernel_size: 1}}]}
  Halve:
    arguments: {n: 2}
    layers: [{conv2d: {out_channels: $in_channels, kernel_size: 1}}, {repeat: $n, layers: [Half]}]
layers: [{Halve: 2}, {Halve: 1}, {conv2d: {out_channels: $in_channels, kernel_size: 1}}]
""",
        blocks=[("Halve", (32, 4, 4), {"n": n}) for n in (0, 1, 3)] + [("Halve", (24, 4, 4), {"n": 3})],
    ),
    "a size that differs from turn to turn": Case(
        """
input: [4, 16, 16]
blocks:
  Shrink:
    arguments: {n: 2}
    layers:
      level: {repeat: $n, index: i, layers: {pool$i: {max_pool2d: 2}, norm$i: layer_norm}}
layers: [{Shrink: 2}]
""",
        blocks=[("Shrink", (4, 16, 16), {"n": 2})],
    ),
    "a linear layer that needs the size of its map": Case(
        """
input: [4, 8, 8]
blocks:
  Head:
    arguments: {classes: 3}
    layers: [{max_pool2d: 2}, flatten, {linear: $classes}]
layers: {a: Head}
""",
        blocks=[("Head", (4, 8, 8), {"classes": 5}), ("Head", (2, 6, 10), {})],
    ),
    "a word that decides which class is made": Case(
        """
input: [4, 6, 6]
blocks:
  Padded:
    arguments: {mode: constant}
    layers: [{pad: {padding: 1, mode: $mode}}, {conv2d: {out_channels: 4, kernel_size: 3}}]
layers: [{Padded: reflect}, Padded]
""",
        blocks=[("Padded", (2, 6, 6), {"mode": mode}) for mode in ("constant", "reflect", "replicate", "circular")],
    ),
    "statements before a class": Case(
        """
input: [2, 6, 6]
arguments: {conv: false}
blocks:
  Head: {layers: [silu, {leaky_relu: {inplace: true}, when: $(in_channels != 2)}]}
  Stage:
    arguments: {j: }
    layers: {x_: [{batch_norm2d: {eps: 0.001}}, Head], conv: {dropout: $j}}
layers:
  self: [[Head], {batch_norm2d: , when: $conv}, {Stage: 0.25}]
  conv: {conv2d: {out_channels: $(3 if conv else 4), kernel_size: 1}}
""",
        networks=[{"conv": True}],
        blocks=[("Head", (3, 6, 6), {}), ("Stage", (5, 6, 6), {"j": 0.5})],
    ),
    "comparisons in a row": Case(
        """
input: [4, 6, 6]
arguments: {a: true, b: true}
layers: [{conv2d: {out_channels: 4, kernel_size: 1, bias: $(a == true == b)}}]
""",
        networks=[{"a": False}, {"b": False}, {"a": False, "b": False}],
    ),
    "quotes in a computed name": Case(
        """
input: [4, 6, 6]
blocks:
  Names:
    arguments: {n: , act: "it's"}
    layers:
      "r$(i if act == 'a\\"b' else i + 1)": {conv2d: {out_channels: 4, kernel_size: 1}, repeat: $n, index: i}
layers: [{Names: 2}, {Names: 3}]
""",
        blocks=[("Names", (4, 6, 6), {"n": 2, "act": 'a"b'})],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_trap(name: str) -> None:
    """The classes are right for the arguments that fall into it, each block is one class, and archc takes them all."""
    case = CASES[name]
    emitted = Emitted(archc.loads(f"name: Net{case.text}"))
    assert_one_class_a_block(emitted)
    tally = Tally()
    emitted.network_with(tally)
    for values in case.networks:
        emitted.network_with(tally, **values)
    for block, shape, values in case.blocks:
        emitted.block(tally, block, shape, **values)
    assert tally.counts == Counter(networks=1 + len(case.networks)) + Counter(blocks=len(case.blocks))


WRITTEN_OUT = {"fpn_resnet50", "unet", "unet1d"}
"""Networks that read entries of an earlier loop by a computed index, which their class writes out."""


@pytest.mark.parametrize("name", families())
def test_a_block_of_a_bundled_spec_is_one_class(name: str) -> None:
    emitted = Emitted(archc.load(name))
    if name in WRITTEN_OUT:
        assert [plan.name for plan in emitted.literal] == [archc.load(name).name]
    else:
        assert_one_class_a_block(emitted)


def test_a_block_is_one_class() -> None:
    """Of drawn specs, too; few of them hold a block that is written out for each of its uses."""
    count = Counter[str]()

    @settings(max_examples=settings().max_examples * 5)
    @given(specs(most=24))
    def check(draft: Draft) -> None:
        emitted = Emitted(draft.load())
        count["specs"] += 1
        if emitted.literal:
            count["literal"] += 1
        else:
            assert_one_class_a_block(emitted)

    check()
    assert count["literal"] <= count["specs"] / 25


def assert_one_class_a_block(emitted: Emitted) -> None:
    """Each block that the network uses is one class of the file for every rank of its inputs, under its own name."""
    used = {(use.block, tuple(map(len, shapes))) for use, shapes in uses_of(emitted.architecture.network.graph)}
    assert emitted.literal == []
    assert used <= emitted.blocks.keys(), {block.name for block, _ in used - emitted.blocks.keys()}
    assert len({emitted.blocks[use] for use in used}) == len(used)
    written = [node.name for node in ast.parse(emitted.source).body if isinstance(node, ast.ClassDef)]
    assert written[-len(emitted.plans) :] == [class_names(emitted.plans)[id(plan)] for plan in emitted.plans]
    assert len(set(written)) == len(written)


def test_a_class_refuses_an_entry_that_does_not_fit_its_input() -> None:
    """The class takes an argument for which the spec has an entry of another rank, and says so."""
    layers = "{first: relu, second: {conv1d: {out_channels: 2, kernel_size: 1}, when: $(k > 4)}}"
    emitted = Emitted(archc.loads(f"name: Net\ninput: [2, 4, 12]\narguments: {{k: 4}}\nlayers: {layers}\n"))
    tally = Tally()
    emitted.network_with(tally, k=5)
    assert (tally.counts, tally.unrefused) == (Counter(refused=1), Counter())


LITERAL = {
    "a chosen layer behind an entry of another rank that is absent": """
input: [3, 8, 7]
arguments: {p: 1, k: batch_norm2d}
layers:
  - layers: [{permute: [0, 2, 1]}, {permute: [0, 2]}]
    when: $(p != 1)
  - $k
""",
    "an absent layer with several outputs": """
input: [2, 9, 4]
layers:
  first: {flatten: {}}
  second: {chunk: 1, when: $(in_channels > 80)}
  third: {split: "$(min(74, in_channels))", when: $(in_channels > 324)}
  last: {linear: 3}
""",
    "a condition on a number of features that is written as a product": """
input: [2, 3, 3]
layers:
  first: [{flatten: 2}, {permute: [0, 2, 1]}]
  second: {conv_transpose1d: {out_channels: $(in_channels - 8), kernel_size: 4}}
  third: {mean: , when: $(in_channels == 1)}
  last: {layer_norm: {}}
""",
    "a rule of init for a layer with the name of a layer type": """
input: [2, 3, 3]
layers:
  relu: {conv2d: {out_channels: 2, kernel_size: 1}}
  conv: {conv2d: {out_channels: 2, kernel_size: 1}}
init:
  - {match: relu, weight: 0.5}
""",
    "an argument that names a block with a class for each rank": """
input: [1, 5, 6]
blocks:
  Split: {layers: [{unflatten: {dim: 1, unflattened_size: [-1, 1]}}]}
  Any:
    arguments: {width: }
    layers: [$width]
layers:
  first: Split
  second: {Any: Split}
  third: Split
""",
    "a loop over a value of two ranks": """
input: [3, 5, 7]
blocks:
  Head:
    inputs: [image, x]
    layers:
      first: {mean: {keepdim: "$(x_channels in [3, 5])"}}
      loop:
        repeat: $(min(2, x_channels))
        index: i
        layers: {act$i: tanh}
      last: {add: [act1, x]}
layers:
  first: relu
  second: {Head: , from: [first, first]}
""",
    "a network whose sizes are those of blocks with arguments": """
input: [3, 10, 4]
blocks:
  Pool:
    branches:
      x_$j: {amax: {keepdim: $(j == 0)}, for: i, in: [3], index: j}
    join: multiply
  Twice:
    layers:
      - layers: {twice: {concat: [input, input]}}
layers:
  first: Pool
  second: {multiply: [input, first]}
  third:
    repeat: $(max(in_channels, 30))
    index: i
    layers:
      linear$i: [{flatten: 2}, {permute: [0, 2, 1]}, {linear: "$(min(2, in_channels))"}]
  fourth:
    - branches: [relu, {conv1d: {out_channels: $(in_channels + 2), kernel_size: 1}}]
      join: concat
    - Twice
""",
}


@pytest.mark.parametrize("name", LITERAL)
def test_what_no_argument_gives_is_written_out(name: str) -> None:
    """Where a size has no expression in the arguments of a class, the source has the values of this network."""
    assert_agreement(archc.loads(f"name: Net{LITERAL[name]}"))
