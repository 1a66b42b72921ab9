"""Shared layers: what they compute, their classes, what they cost, and which weights they can't share."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import archc
from archc import SpecError
from archc.build.verify import shape_problems
from archc.testing import assert_agreement

HEAD = """
name: Net
input: [3, 16, 16]
layers:
  a: {conv2d: {out_channels: 4, kernel_size: 3, padding: same}}
  head: {conv2d: {out_channels: 4, kernel_size: 3, padding: same}}
  b: {max_pool2d: 2, from: a}
  again: {share: head, from: b}
outputs: [head, again]
"""
BLOCK = """
name: Net
input: [3, 16, 16]
arguments: {depth: 3, width: 4}
blocks:
  Unit:
    arguments: {ratio: 2}
    layers:
      up: {conv2d: {out_channels: $(in_channels * ratio), kernel_size: 3, padding: same}}
      norm: batch_norm2d
      act: relu
      down: {conv2d: {out_channels: $in_channels, kernel_size: 1}}
      sum: {add: [down, input]}
layers:
  stem: {conv2d: {out_channels: $width, kernel_size: 3, padding: same}}
  layer: {Unit: 3}
  again$i: {share: layer, repeat: $(depth - 1), index: i}
  flatten: flatten
  fc: {linear: 2}
"""
SIAMESE = """
name: Net
inputs: {left: [3, 16, 16], right: [3, 16, 16]}
layers:
  tower: [{conv2d: {out_channels: 4, kernel_size: 3}}, batch_norm2d, relu, flatten, {linear: 5}]
  other: {share: tower, from: right}
  far: {subtract: [tower, other]}
"""
OPTIONAL = """
name: Net
input: [3, 16, 16]
arguments: {deep: true, twice: true}
layers:
  stem: {conv2d: {out_channels: 4, kernel_size: 3, padding: same}}
  layer: {conv2d: {out_channels: 4, kernel_size: 3, padding: same}, when: $deep}
  again: {share: layer}
  third: {share: layer, when: $twice}
  last: {conv2d: {out_channels: 4, kernel_size: 1}}
  more: {share: last, when: $twice}
"""
IN_LOOP = """
name: Net
input: [3, 16, 16]
arguments: {depth: 3}
layers:
  stem: {conv2d: {out_channels: 4, kernel_size: 3, padding: same}}
  rounds:
    repeat: $depth
    index: i
    layers:
      conv$i: {conv2d: {out_channels: 4, kernel_size: 3, padding: same}}
      act$i: relu
      again$i: {share: conv$i}
"""
TWO_LOOPS = """
name: Net
inputs: {left: [3, 16, 16], right: [3, 16, 16]}
arguments: {depth: 3}
layers:
  conv$i: {conv2d: {out_channels: $(4 + 2 * i), kernel_size: 3}, repeat: $depth, index: i}
  start: {identity: , from: right}
  other$i: {share: conv$i, repeat: $depth, index: i}
  far: {add: [conv$(depth - 1), other$(depth - 1)]}
"""
PYRAMID = """
name: Net
input: [3, 32, 32]
arguments: {levels: 3}
blocks:
  Head:
    arguments: {channels: 8}
    layers:
      conv: {conv2d: {out_channels: $channels, kernel_size: 3, padding: same}}
      act: relu
      boxes: {conv2d: {out_channels: 4, kernel_size: 1}}
      classes: {conv2d: {out_channels: 2, kernel_size: 1}, from: act}
    outputs: [boxes, classes]
layers:
  p0: {conv2d: {out_channels: 4, kernel_size: 3, padding: same}}
  p$(i + 1): {max_pool2d: 2, repeat: $(levels - 1), index: i}
  head: {Head: 4, from: p0}
  head$(i + 1): {share: head, from: p$(i + 1), repeat: $(levels - 1), index: i}
outputs:
  - {boxes: head.boxes, classes: head.classes}
  - {boxes$(i + 1): head$(i + 1).boxes, repeat: $(levels - 1), index: i}
  - {classes$(i + 1): head$(i + 1).classes, repeat: $(levels - 1), index: i}
"""
CAPTURE = """
name: Net
input: [3, 16, 16]
layers:
  a: {conv2d: {out_channels: 4, kernel_size: 3, padding: same}}
  body:
    layers:
      conv: {conv2d: {out_channels: 4, kernel_size: 3, padding: same}}
      sum: {add: [conv, a]}
  again: {share: body}
"""
BRANCHES = """
name: Net
input: [4, 16, 16]
arguments: {on: true}
branches:
  one: {conv2d: {out_channels: 4, kernel_size: 3, padding: same}, when: $on}
  two: {share: one}
  three: identity
join: concat
"""
HEADS = """
name: Net
input: [3, 16, 16]
layers:
  a: {conv2d: {out_channels: 4, kernel_size: 3, padding: same}}
  unit: {conv2d: {out_channels: 4, kernel_size: 3, padding: same}}
  early: {share: unit, auxiliary: true}
  b: relu
"""
FUNCTIONS = """
name: Net
input: [3, 16, 16]
layers:
  flat: flatten
  act: {relu: }
  small: {adaptive_avg_pool2d: 2, from: input}
  again: {share: flat}
  more: {share: act}
outputs: [act, more]
"""
SPECS = {name.lower(): text for name, text in dict(globals()).items() if name.isupper() and isinstance(text, str)}


@pytest.mark.parametrize("name", SPECS)
def test_a_share_runs_the_module_of_its_owner(name: str) -> None:
    architecture = archc.loads(SPECS[name])
    assert_agreement(architecture)
    assert not shape_problems(architecture.network, architecture.build())[1]
