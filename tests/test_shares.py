"""Shared layers: what they compute, their classes, what they cost, and which weights they can't share."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torchvision.models.detection.retinanet import RetinaNetClassificationHead

import archc
from archc import SpecError
from archc.build.verify import shape_problems
from archc.drawing.model import boxes_in
from archc.drawing.pictures import pictures_of
from archc.explorer.data import explorer_data
from archc.testing import assert_agreement
from archc.testing.agreement import modules

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
TWINS = """
name: Net
inputs: {left: [3, 32, 32], right: [3, 32, 32]}
arguments: {depth: 3, width: 4}
layers:
  stem: {conv2d: {out_channels: $width, kernel_size: 3}}
  conv$i: {conv2d: {out_channels: $(width + 2 * (i + 1)), kernel_size: 3}, repeat: $depth, index: i}
  start: {share: stem, from: right}
  other$j: {share: conv$j, repeat: $depth, index: j}
  far: {add: [conv$(depth - 1), other$(depth - 1)]}
"""
BACKWARDS = """
name: Net
input: [3, 16, 16]
arguments: {depth: 20}
layers:
  stem: {conv2d: {out_channels: 4, kernel_size: 3, padding: same}}
  conv$i: {conv2d: {out_channels: 4, kernel_size: 3, padding: same}, repeat: $depth, index: i}
  back$j: {share: conv$(depth - 1 - j), repeat: $depth, index: j}
  last: {share: conv0}
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


def test_the_state_has_the_keys_of_the_owner_alone() -> None:
    model = archc.loads(BLOCK).build()
    assert {key.partition(".")[0] for key in model.state_dict()} == {"stem", "layer", "fc"}


def test_parameters_count_once_and_multiply_adds_each_time() -> None:
    one, three = archc.loads(BLOCK).configure(depth=1), archc.loads(BLOCK)
    assert one.cost.parameters == three.cost.parameters
    assert one.cost.parameters == sum(parameter.numel() for parameter in three.build().parameters())
    (unit,) = [line.macs for line in one.summary().outline() if line.path == "layer"]
    assert three.cost.macs - one.cost.macs == 2 * unit
    assert one.summary().memory().weights == three.summary().memory().weights


def test_a_summary_says_whose_weights_a_layer_has() -> None:
    summary = archc.loads(PYRAMID).summary()
    shown = {line.path: (line.parameters, line.shares) for line in summary.outline()}
    assert shown["head"] == (4 * 4 * 9 + 4 + 4 * 4 + 4 + 4 * 2 + 2, "")
    assert shown["head1"] == shown["head2"] == (0, "head")
    rows = {row.path: row.shares for row in summary.layers}
    assert rows["head2.boxes"] == "head.boxes"
    assert rows["head.boxes"] == ""
    (_, *again) = archc.loads(BLOCK).summary().outline()[1:3]
    assert (again[0].path, again[0].shares) == ("again0", "layer")


@pytest.mark.parametrize("twice", [True, False])
@pytest.mark.parametrize("deep", [True, False])
def test_a_share_of_an_omitted_entry_is_omitted(deep: bool, twice: bool) -> None:
    settings: dict[str, Any] = {"deep": deep, "twice": twice}
    architecture = archc.loads(OPTIONAL)
    assert_agreement(architecture.configure(**settings))
    built, emitted = modules(architecture, **settings)
    x = torch.randn(2, 3, 16, 16)
    assert torch.equal(built(x), emitted(x))
    paths = [row.path for row in architecture.configure(**settings).summary().layers]
    assert ("again" in paths) == settings["deep"]
    assert ("third" in paths) == (settings["deep"] and settings["twice"])


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_class_repeats_one_layer_as_often_as_its_argument_says(depth: int) -> None:
    source = archc.loads(BLOCK).emit()
    assert "for _ in range(self.depth - 1):\n            x = self.layer(x)\n" in source
    built, emitted = modules(archc.loads(BLOCK), depth=depth)
    x = torch.randn(2, 3, 16, 16)
    assert torch.equal(built(x), emitted(x))


@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("text", [TWINS, BACKWARDS, IN_LOOP])
def test_a_class_shares_the_layers_of_a_loop_by_their_names(text: str, depth: int) -> None:
    architecture = archc.loads(text)
    built, emitted = modules(architecture, depth=depth)
    inputs = [torch.randn(2, *shape) for shape in architecture.inputs.values()]
    assert torch.equal(built(*inputs), emitted(*inputs))


def test_running_statistics_are_updated_on_each_run() -> None:
    model = archc.loads(SIAMESE).build().train()
    model(torch.randn(4, 3, 16, 16), torch.randn(4, 3, 16, 16))
    assert model.state_dict()["tower.1.num_batches_tracked"] == 2


def test_the_head_of_retinanet_has_the_weights_and_outputs_of_torchvision() -> None:
    """One head on five levels: https://arxiv.org/abs/1708.02002."""
    convolutions = "\n".join(
        "      - [{conv2d: {out_channels: 256, kernel_size: 3, padding: same}}, relu]" for _ in range(4)
    )
    levels = {f"p{level}": [256, 2 ** (8 - level), 2 ** (8 - level)] for level in range(3, 8)}
    architecture = archc.loads(
        f"""
name: Head
inputs: {levels}
layers:
  conv:
    layers:
{convolutions}
  logits: {{conv2d: {{out_channels: {9 * 91}, kernel_size: 3, padding: same}}}}
  conv$level: {{share: conv, from: p$level, for: level, in: [4, 5, 6, 7]}}
  logits$level: {{share: logits, from: conv$level, for: level, in: [4, 5, 6, 7]}}
outputs: [logits, logits4, logits5, logits6, logits7]
"""
    )
    theirs = RetinaNetClassificationHead(256, 9, 91)
    ours = architecture.build()
    assert [v.shape for v in ours.state_dict().values()] == [v.shape for v in theirs.state_dict().values()]
    state = dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True))
    ours.load_state_dict(state)
    maps = [torch.randn(1, *shape) for shape in levels.values()]
    found = torch.cat([y.reshape(1, 9, 91, -1).permute(0, 3, 1, 2).reshape(1, -1, 91) for y in ours(*maps).values()], 1)
    assert torch.equal(found, theirs(maps))


def test_a_share_that_changes_its_weights_is_refused_at_both_places() -> None:
    wrong = HEAD.replace("b: {max_pool2d: 2, from: a}", "b: {conv2d: {out_channels: 6, kernel_size: 1}, from: a}")
    with pytest.raises(SpecError) as caught:
        archc.loads(wrong)
    (problem,) = caught.value.problems
    assert (problem.code, problem.mark.line if problem.mark else 0) == ("E0226", 8)
    assert "(line 6)" in problem.note


def test_weights_that_depend_on_the_height_are_refused() -> None:
    wrong = HEAD.replace(
        "head: {conv2d: {out_channels: 4, kernel_size: 3, padding: same}}", "head: [flatten, {linear: 4}]"
    )
    with pytest.raises(SpecError, match="E0226"):
        archc.loads(wrong)


# Other views


def test_a_drawing_names_the_owner_and_folds_no_share_into_it() -> None:
    (picture,) = pictures_of([archc.loads(BLOCK)])
    names = [(box.name, box.times) for box in boxes_in(picture.body)]
    assert names == [("stem", 1), ("layer", 1), ("again0–1 = layer", 2), ("flatten", 1), ("fc", 1)]
    (picture,) = pictures_of([archc.loads(SIAMESE)])
    assert "other = tower" in [box.name for box in boxes_in(picture.body)]


def test_the_explorer_counts_the_parameters_once() -> None:
    architecture = archc.loads(PYRAMID)
    data = explorer_data(architecture)
    assert sum(data["columns"]["parameters"]) == architecture.cost.parameters
    shown = {data["calls"][call]["text"] for call in data["columns"]["call"]}
    assert "the weights of head.boxes" in shown
    places = dict(zip(data["columns"]["name"], data["columns"]["source"], strict=True))
    lines = data["source"]["text"].split("\n")
    assert "head2 = self.head(p2)" in lines[places["head2"][2] - 1]


def test_diff_names_the_owner() -> None:
    separate = HEAD.replace(
        "{share: head, from: b}", "{conv2d: {out_channels: 4, kernel_size: 3, padding: same}, from: b}"
    )
    found = archc.diff(archc.loads(HEAD), archc.loads(separate))
    assert not found.equal
    assert 'share "head" → nothing' in str(found)
    assert found.state.missing == ("again.weight", "again.bias")
    renamed = archc.loads(HEAD.replace("head", "top"))
    assert archc.diff(archc.loads(HEAD), archc.loads(HEAD)).equal
    changes = [change for section in archc.diff(archc.loads(HEAD), renamed).sections for change in section.changes]
    assert [change.arguments for change in changes] == [()] * len(changes)


def test_an_init_rule_names_the_owner() -> None:
    rule = "init: [{match: %s, weight: 0.5}]\n"
    assert_agreement(archc.loads(HEAD + rule % "head"))
    with pytest.raises(SpecError, match="E0222"):
        archc.loads(HEAD + rule % "again")
