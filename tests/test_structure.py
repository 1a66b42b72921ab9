"""Structure of the language: joins and outputs with `when`, branches in lists, references and names of all sorts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from parity import assert_equal_modules, emitted_class, seeded

import archc
from archc import Architecture
from archc.graph import warnings
from archc.language.names import as_class_name, class_name_fault
from archc.problems import SpecError


def agreed(text: str, **settings: Any) -> Architecture:
    """A network with settings: built, emitted, and the class of its defaults with these arguments are one."""
    whole = archc.loads(text)
    architecture = whole.configure(**settings)
    x = torch.rand(2, *architecture.input)
    built = seeded(architecture.build)
    assert_equal_modules(built, seeded(emitted_class(architecture)), x)
    made = emitted_class(whole)
    assert_equal_modules(built, seeded(lambda: made(**settings)), x)
    return architecture


def codes(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        archc.loads(text)
    return [problem.code for problem in caught.value.problems]


RESIDUAL = """
input: [8, 16, 16]
arguments: {residual: false}
layers:
  conv: {conv2d: {out_channels: 8, kernel_size: 3, padding: same}}
  sum: {add: [conv, input], when: $residual}
  relu: relu
"""


def test_a_join_with_a_condition_is_its_first_operand_without_it() -> None:
    """In a ResNet block without the shortcut, nothing is added."""
    assert [layer.kind for layer in agreed(RESIDUAL).summary().layers] == ["conv2d", "relu"]
    assert [layer.kind for layer in agreed(RESIDUAL, residual=True).summary().layers] == ["conv2d", "add", "relu"]
    x = torch.rand(1, 8, 16, 16)
    model = archc.loads(RESIDUAL).build()
    assert torch.equal(model(x), torch.relu(model.conv(x)))


def test_what_only_an_absent_join_reads_is_unused() -> None:
    """It runs for nothing, so there is a warning."""
    text = RESIDUAL.replace("  sum: {add: [conv, input]", "  side: {relu6: , from: input}\n  sum: {add: [conv, side]")
    (warning,) = warnings(agreed(text).network)
    assert (warning.code, warning.message) == ("W0105", "the result of `side` is never used")
    assert "omitted because of its `when`" in warning.help
    with_condition = text.replace("{relu6: , from: input}", "{relu6: , from: input, when: $residual}")
    assert agreed(with_condition).summary().layers[-1].kind == "relu"
    assert len(agreed(with_condition, residual=True).summary().layers) == 4


OPTIONAL = """
input: [3, 8, 8]
arguments: {aux_loss: false, side: false}
layers:
  a: {conv2d: {out_channels: 8, kernel_size: 3}}
  b: {conv2d: {out_channels: 8, kernel_size: 3}}
  aux: {conv2d: {out_channels: 2, kernel_size: 1}, from: a, when: $aux_loss}
  side: {relu: , from: b, when: $side}
outputs: {out: b, aux: aux, side: side}
"""


def test_an_output_of_an_absent_entry_is_absent() -> None:
    """It never stands for the value that the entry would have taken, which has other channels here."""
    assert agreed(OPTIONAL).outputs == {"out": (8, 4, 4)}
    assert agreed(OPTIONAL, aux_loss=True).outputs == {"out": (8, 4, 4), "aux": (2, 6, 6)}
    assert agreed(OPTIONAL, side=True).outputs == {"out": (8, 4, 4), "side": (8, 4, 4)}
    model = emitted_class(archc.loads(OPTIONAL))(aux_loss=True)
    assert list(model(torch.rand(1, 3, 8, 8))) == ["out", "aux"]


def test_optional_outputs_beside_heads() -> None:
    text = OPTIONAL.replace("outputs:", "  head: {auxiliary: true, layers: [flatten, {linear: 2}]}\noutputs:")
    for settings in ({}, {"aux_loss": True}):
        agreed(text, **settings)
    assert set(emitted_class(archc.loads(text))()(torch.rand(1, 3, 8, 8))) == {"out", "head"}


def test_a_network_without_any_output_is_refused() -> None:
    assert codes(OPTIONAL.replace("{out: b, aux: aux, side: side}", "[aux]").replace("$side", "true")) != []
    text = "input: [3, 8, 8]\narguments: {f: false}\nlayers: {a: {relu: , when: $f}}\noutputs: {y: a}\n"
    assert codes(text) == ["E0219"]


def test_branches_in_a_list_have_numbers_for_names() -> None:
    """As the children of an nn.ModuleList have; the numbers of the others stay if one is omitted."""
    text = """
input: [3, 8, 8]
arguments: {wide: true}
layers:
  convs:
    branches:
      - {conv2d: {out_channels: 8, kernel_size: 1}, when: $wide}
      - [{conv2d: {out_channels: 8, kernel_size: 3, padding: same}}, relu]
      - identity
    join: concat
  relu: relu
"""
    assert list(agreed(text).build().state_dict()) == [
        "convs.0.weight", "convs.0.bias", "convs.1.0.weight", "convs.1.0.bias"
    ]  # fmt: skip
    assert agreed(text, wide=False).outputs == {"output": (11, 8, 8)}
    assert list(agreed(text, wide=False).build().state_dict()) == ["convs.1.0.weight", "convs.1.0.bias"]
    assert agreed("input: [3, 8, 8]\nbranches: [relu, silu]\njoin: add\n").outputs == {"output": (3, 8, 8)}
    assert codes("input: [3, 8, 8]\nbranches: [relu, tanh, {silu: , repeat: 2}]\njoin: add\n") == ["E0217"]


def test_names_that_are_no_identifiers() -> None:
    """PyTorch takes every name without a dot."""
    text = """
input: [3, 8, 8]
arguments: {deep: true}
layers:
  block1-0: {conv2d: {out_channels: 8, kernel_size: 3}}
  block1-1: {conv2d: {out_channels: 8, kernel_size: 3}, when: $deep}
  trunk:
    layers:
      t-0: {conv2d: {out_channels: 4, kernel_size: 1}, from: block1-0}
      t-1: {relu: }
outputs: {0: block1-1, 1: trunk}
"""
    assert agreed(text).outputs == {"0": (8, 4, 4), "1": (4, 6, 6)}
    assert agreed(text, deep=False).outputs == {"1": (4, 6, 6)}
    assert "trunk.t-0.weight" in archc.loads(text).build().state_dict()
    assert codes(text.replace("block1-1", "1block")) == ["E0208"]
    assert codes(text.replace("{0: block1-1", "{a.b: block1-1")) == ["E0208"]


@given(st.text())
@example("True")
@example("9" * 200 + "a" * 200)
def test_any_text_can_name_a_network(text: str) -> None:
    """Files that are imported have names of all sorts."""
    assert not class_name_fault(as_class_name(text))


@pytest.mark.parametrize("reference", ["body.layer$i", "body.layer$(i + 0)", "bod$('y').layer1"])
def test_a_reference_to_an_output_can_carry_an_index(reference: str) -> None:
    text = f"""
input: [3, 8, 8]
blocks:
  B:
    layers:
      layer1: {{conv2d: {{out_channels: 8, kernel_size: 3, padding: same}}}}
      layer2: {{conv2d: {{out_channels: 8, kernel_size: 3, padding: same}}}}
    outputs: [layer1, layer2]
layers:
  body: B
  a: {{conv2d: {{out_channels: 8, kernel_size: 1}}, from: body.layer2}}
  l: {{for: i, in: [1, 2], layers: {{s$i: {{add: [a, "{reference}"]}}}}}}
  end: {{add: [s1, s2]}}
"""
    assert agreed(text).outputs == {"output": (8, 8, 8)}
    assert codes(text.replace("layer$", "lay$").replace(".layer1", ".lay1")) == ["E0221"]


def test_names_that_source_has_to_spell_otherwise() -> None:
    """A number or a name with dashes cannot be an attribute or an argument as it stands."""
    agreed("""
input: [3, 8, 8]
arguments: {flag: 3}
branches: [{permute: [0, 1, 2, 3], when: $(flag > 2)}, tanh]
join: add
""")
    text = """
input: [3, 8, 8]
blocks:
  Two:
    layers:
      a: relu
      b: {tanh: , from: input}
    outputs: {a-b: a, "0": b}
layers:
  two: Two
  end:
    from: two.a-b
    layers:
      c: {add: [two.a-b, two.0]}
      d: {multiply: [c, two.0]}
"""
    assert agreed(text).outputs == {"output": (3, 8, 8)}


def test_a_nested_body_in_a_loop_takes_the_size_that_a_block_before_it_makes() -> None:
    """The class of the inner body takes what only the outer one's parameters tell."""
    assert agreed("""
input: [2, 11, 4]
blocks:
  X2: {layers: {c: {concat: [input, input]}}}
layers:
  loop:
    repeat: 3
    index: i
    layers:
      a$i:
        layers:
          b:
            layers:
              - {X2: , when: $(in_channels != 4)}
              - {pad: {padding: 0, channels: $(in_channels - 4)}}
            when: $(i > 0)
""").outputs


def test_turns_that_follow_from_a_size_in_a_network_that_is_written_out() -> None:
    """The rank depends on the channels, so the source has the numbers; sizes are still products there."""
    agreed("""
input: [4, 6, 6]
layers:
  - flatten
  - layers:
      out: {unflatten: {dim: $(in_channels - 143), unflattened_size: [-1, 2]}}
      torch_$i: {dropout: 0.5, repeat: $(in_channels - 70), index: i}
""")
