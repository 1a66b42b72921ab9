"""Tensors that are entries, layers whose channels are last, and rules of `init` in blocks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from parity import assert_equal_modules, emitted_class, seeded
from torch import nn

import archc
from archc.kinds import KINDS
from archc.testing.agreement import assert_agreement

TOKENS = """
input: [3, 8, 8]
arguments: {dim: 8, scaled: true, depth: 2}
blocks:
  Block:
    arguments: {dim: , scaled: }
    layers:
      norm: {layer_norm: $dim}
      attention: {multihead_attention: 2}
      scale: {parameter: {shape: [$in_channels, $dim], init: 0.5}, when: $scaled}
      product: {multiply: [scale, attention]}
      sum: {add: [product, input]}
    init:
      - {match: layer_norm, weight: 2, bias: {normal: {std: 0.1}}}
layers:
  conv: {conv2d: {out_channels: $dim, kernel_size: 4, stride: 4}}
  flatten: {flatten: {start_dim: 2}}
  patches: {permute: [0, 2, 1]}
  token: {parameter: {shape: [1, $dim], leading: true}}
  tokens: {concat: [token, patches]}
  position: {parameter: {shape: [$in_channels, $dim], init: {trunc_normal: {std: 0.02}}}}
  embedded: {add: [tokens, position]}
  blocks:
    - {Block: [$dim, $scaled], repeat: $depth}
  first: {select: {dim: 1, index: 0}}
  head: {linear: 3}
"""


@pytest.mark.parametrize("settings", [{}, {"dim": 4, "depth": 1}, {"scaled": False}], ids=str)
def test_learned_tensors_are_entries(settings: dict[str, Any]) -> None:
    """Keys are the names of the entries, built and emitted alike, for all parameters."""
    architecture = archc.loads(TOKENS)
    assert_agreement(architecture.configure(**settings))
    built, emitted = seeded(lambda: architecture.build(**settings)), emitted_class(architecture)
    assert_equal_modules(built, seeded(lambda: emitted(**settings)), torch.rand(2, 3, 8, 8))
    state = built.state_dict()
    dim = settings.get("dim", 8)
    assert list(state)[:2] == ["token", "position"]
    assert (state["token"].shape, state["position"].shape) == ((1, 1, dim), (5, dim))
    assert torch.equal(state["token"], torch.zeros(1, 1, dim))
    assert ("blocks.0.scale" in state) == settings.get("scaled", True)
    assert (state["blocks.0.norm.weight"] == 2).all()
    assert 0 < state["blocks.0.norm.bias"].abs().max() < 1


def test_arithmetic_takes_a_tensor_as_it_is() -> None:
    """It broadcasts over the batch; anything else gets one for each image."""
    source = archc.loads(TOKENS).emit()
    assert "self.token.expand(patches.shape[0], -1, -1)" in source
    assert "+ self.position" in source
    assert "self.position.expand" not in source


def test_two_tensors_alone_make_one_for_each_image() -> None:
    """Neither has a batch to broadcast over."""
    architecture = archc.loads("""
input: [4, 6]
layers:
  a: {parameter: {shape: [4, 6], init: 2}}
  b: {parameter: {shape: [4, 6], init: 3, leading: true}}
  product: {multiply: [a, b]}
  sum: {add: [product, input]}
""")
    assert_agreement(architecture)
    x = torch.rand(2, 4, 6)
    assert torch.equal(architecture.build()(x), x + 6)


def test_tensors_in_loops_and_bodies() -> None:
    """A tensor of an iteration has the iteration's name; a nested body that reads one gets it for each image."""
    architecture = archc.loads(
        """
input: [4, 6]
layers:
  bias: {parameter: {shape: [4, 6], init: {uniform: {}}}}
  turns:
    repeat: 2
    index: i
    layers:
      linear$i: {linear: 6, from: input}
  nested:
    layers:
      linear: {linear: 6}
      sum: {add: [linear, bias]}
""".replace("{linear: 6, from: input}", "{linear: 6}").replace("  turns:", "  start: {add: [bias, input]}\n  turns:")
    )
    assert_agreement(architecture)
    shifted = archc.loads("""
input: [4, 6]
arguments: {depth: 14}
layers:
  turns:
    repeat: $depth
    index: i
    layers:
      layer$i:
        layers:
          shift: {parameter: {shape: [4, 6], init: {normal: {std: 1.0}}}}
          sum: {add: [input, shift]}
""")
    assert_agreement(shifted)
    assert list(shifted.build().state_dict()) == [f"layer{i}.shift" for i in range(14)]


def test_receptive_fields_follow_axes_that_move() -> None:
    """A permutation takes the view along, attention sees everything, and a learned tensor nothing."""
    rows = {row.path: row for row in archc.loads(TOKENS).summary().layers}
    assert rows["patches"].receptive_field == rows["blocks.0.norm"].receptive_field == (8, 8)
    assert rows["position"].receptive_field == (0, 0)
    last = archc.loads("""
input: [3, 32, 32]
layers:
  - conv2d: {out_channels: 8, kernel_size: 3, padding: 1}
  - permute: [0, 2, 3, 1]
  - linear: 4
  - permute: [0, 3, 1, 2]
  - conv2d: {out_channels: 8, kernel_size: [3, 5], padding: same}
  - permute: [0, 2, 3, 1]
  - window_attention: {num_heads: 2, window_size: 4}
  - patch_merging
""").summary()
    assert [row.receptive_field for row in last.layers] == [
        *[(3, 3)] * 4,
        *[(5, 7)] * 2,
        (11, 13),
        (12, 14),
    ]


@given(st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)), st.sampled_from([2, 3, 4]), st.booleans())
def test_window_attention_is_torchvisions(size: tuple[int, int, int], window: int, shifted: bool) -> None:
    """With its weights, for any size of map and window: outputs differ by 0.0."""
    from torchvision.models.swin_transformer import PatchMerging, ShiftedWindowAttention

    images, *sizes = size
    shift = window // 2 if shifted else 0
    kind = KINDS["window_attention"](num_heads=2, window_size=window, shift_size=shift)
    theirs = seeded(lambda: ShiftedWindowAttention(8, [window] * 2, [shift] * 2, 2))
    from archc.build.builder import make_layer

    ours = seeded(lambda: make_layer(kind.call(((*sizes, 8),))))
    merging = make_layer(KINDS["patch_merging"]().call(((*sizes, 8),)))
    reference = PatchMerging(8)
    reference.load_state_dict(merging.state_dict())
    x = torch.randn(images, *sizes, 8)
    state: dict[nn.Module, nn.Module] = {ours: theirs, merging: reference}
    for own, other in state.items():
        assert list(own.state_dict()) == list(other.state_dict())
        assert all(torch.equal(own.state_dict()[key], value) for key, value in other.state_dict().items())
        assert torch.equal(own.eval()(x), other.eval()(x))


BUFFERS = """
name: Net
input: [3, 8, 8]
arguments: {means: [0.5, 0.25, 1], masked: true, fill: 0.5}
blocks:
  Masked:
    arguments: {masked: }
    layers:
      mask: {buffer: {shape: [$in_channels, 8, 8], init: $fill}, when: $masked}
      product: {multiply: [mask, input]}
layers:
  mean: {buffer: {shape: [3, 1, 1], values: $means}}
  centered: {subtract: [input, mean]}
  masked: {Masked: $masked}
  noise: {buffer: {shape: [2, 8, 8], leading: true, init: {normal: {std: 0.5}}}}
  joined: {concat: [masked, noise]}
  turns:
    repeat: 2
    index: i
    layers:
      pooled$i: {adaptive_avg_pool2d: {output_size: [8, 2]}}
      step$i: {buffer: {shape: [1, 1, 2], values: [1, '$(i + 2)']}}
      sum$i: {add: [pooled$i, step$i]}
"""


@pytest.mark.parametrize("settings", [{}, {"masked": False}, {"means": (1, 2, 3), "fill": 2}], ids=str)
def test_buffers_are_kept_and_not_trained(settings: dict[str, Any]) -> None:
    """They are in the state dict, built and emitted alike, with no parameter among them."""
    architecture = archc.loads(BUFFERS)
    assert_agreement(architecture.configure(**settings))
    emitted = emitted_class(architecture)
    built = seeded(lambda: architecture.build(**settings))
    assert_equal_modules(built, seeded(lambda: emitted(**settings)), torch.rand(2, 3, 8, 8))
    state = built.state_dict()
    assert torch.equal(state["mean"].flatten(), torch.tensor(settings.get("means", (0.5, 0.25, 1.0))).float())
    assert torch.equal(state["step1"].flatten(), torch.tensor([1.0, 3.0]))
    assert ("masked.mask" in state) == settings.get("masked", True)
    assert list(built.parameters()) == []
    summary = architecture.configure(**settings).summary()
    assert summary.parameters == 0
    assert summary.memory().weights == 4 * sum(value.numel() for value in state.values())


def test_buffers_come_back_from_a_class() -> None:
    """With their values among the weights."""
    architecture = archc.loads(BUFFERS)
    found = archc.import_(emitted_class(architecture)(), input=(3, 8, 8))
    assert found.text.count("buffer") == 5
    assert torch.equal(found.weights["mean"].flatten(), torch.tensor([0.5, 0.25, 1.0]))
