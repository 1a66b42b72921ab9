"""Values of the language: functions of lists, nothing as a default, parameters that blocks inherit, `in_channels`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from parity import assert_equal_modules, emitted_class, seeded

import archc
from archc.problems import SpecError


def channels(text: str, **settings: Any) -> int:
    """The channels that a network gives; what is built and what is emitted agree."""
    architecture = archc.loads(text)
    if settings:
        architecture = architecture.configure(**settings)
    x = torch.rand(1, *architecture.input)
    assert_equal_modules(seeded(architecture.build), seeded(emitted_class(architecture)), x)
    return architecture.outputs["output"][0]


def codes(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        archc.loads(text)
    return [problem.code for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("$(sum(depths))", 9),
        ("$(sum(depths[:2]))", 5),
        ("$(sum(depths[1:]) + sum(depths[5:]))", 7),
        ("$(depths[-2:][0])", 3),
        ("$(ceil(ratio * 3))", 4),
        ("$(ceil(-ratio) + 3)", 2),
        ("$(ceil(8 / 2))", 4),
        ("$(len(depths[1:]))", 2),
    ],
)
def test_functions_of_lists(value: str, wanted: int) -> None:
    head = "input: [3, 4, 4]\narguments: {depths: [2, 3, 4], ratio: 1.1}\n"
    assert channels(f"{head}layers: [{{conv2d: {{out_channels: '{value}', kernel_size: 1}}}}]\n") == wanted


def test_partial_sums_in_a_loop() -> None:
    """Stochastic depth as in EfficientNet: each block's rate follows from the number of blocks before it."""
    text = """
input: [4, 4, 4]
arguments: {depths: [1, 2], rate: 0.3}
layers:
  - for: depth
    in: $depths
    index: s
    layers:
      - {dropout: '$(rate * (sum(depths[:s]) + i) / sum(depths))', repeat: $depth, index: i}
"""
    rates = [layer.p for layer in archc.loads(text).build()]
    assert rates == pytest.approx([0.0, 0.1, 0.2])
    source = archc.loads(text).emit()
    assert "sum(depths[:s])" in source
    model = emitted_class(archc.loads(text))(depths=(2, 2))
    assert [layer.p for layer in model] == pytest.approx([0.0, 0.075, 0.15, 0.225])


@pytest.mark.parametrize("value", ["$(sum(3))", "$(sum(['a']))", "$(ceil('a'))", "$(depths[0][:1])", "$(depths['a':])"])
def test_functions_of_other_values(value: str) -> None:
    head = "input: [3, 4, 4]\narguments: {depths: [2, 3]}\n"
    assert codes(f'{head}layers: [{{conv2d: {{out_channels: "{value}", kernel_size: 1}}}}]\n') == ["E0213"]


def test_steps_of_slices_are_no_part_of_the_language() -> None:
    assert codes("input: [3, 4, 4]\narguments: {a: [1], b: '$(a[::2])'}\nlayers: [relu]\n") == ["E0211"]


def test_nothing_is_a_default_and_no_value_is_required() -> None:
    text = """
input: [3, 4, 4]
blocks:
  Conv:
    arguments: {out_channels: , act: null}
    layers:
      - conv2d: {out_channels: $out_channels, kernel_size: 1}
      - {relu: , when: $(act != null)}
layers: [Conv: 8, Conv: {out_channels: 4, act: relu}, Conv: {out_channels: 4, act: null}]
"""
    assert channels(text) == 4
    assert [type(layer).__name__ for layer in archc.loads(text).build().modules()].count("ReLU") == 1
    assert "act: str | None = None" in archc.loads(text).emit()
    assert codes(text.replace("Conv: 8", "Conv: {act: relu}")) == ["E0206"]


def test_in_channels_outside_of_blocks_are_those_that_arrive() -> None:
    """In lists and mappings, behind `from`, in branches, in nested bodies and in the count of a loop."""
    text = """
input: [3, 4, 4]
arguments: {width: 2}
layers:
  a: {conv2d: {out_channels: $(in_channels * width), kernel_size: 1}}
  b:
    - {conv2d: {out_channels: $(in_channels * 2), kernel_size: 1}}
    - {conv2d: {out_channels: $(in_channels + 1), kernel_size: 1}}
  c: {conv2d: {out_channels: $(in_channels + 1), kernel_size: 1}, from: a}
  d: {concat: [b, c]}
  e: {relu: , when: $(in_channels == 20)}
  f$i: {conv2d: {out_channels: $(in_channels - 5), kernel_size: 1}, repeat: $(in_channels // 10), index: i}
  g:
    branches: {x: {conv2d: {out_channels: $in_channels, kernel_size: 1}}, y: identity}
    join: concat
"""
    assert channels(text) == 2 * (2 * 6 + 1 + 6 + 1 - 10)
    assert channels(text, width=3) == 2 * (2 * 9 + 1 + 9 + 1 - 10)


INHERITED = """
input: [3, 4, 4]
arguments: {eps: 0.1, width: 4, wide: $(width * 2)}
blocks:
  Outer:
    arguments: {times: 2}
    layers: [{Inner: , repeat: $times}, {conv2d: {out_channels: $wide, kernel_size: 1}}]
  Inner:
    layers: [conv2d: {out_channels: $(width * 3), kernel_size: 1}, batch_norm2d: {eps: $eps}]
layers: [Outer, Outer: 1]
"""


def test_blocks_inherit_the_parameters_of_the_network() -> None:
    """Also those that a block reads which they call, and those that others are computed from."""
    assert channels(INHERITED) == 8
    assert channels(INHERITED, width=5) == 10
    model = archc.loads(INHERITED).configure(eps=0.5).build()
    assert {module.eps for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)} == {0.5}
    assert codes(INHERITED.replace("Outer: 1", "Outer: {eps: 1}")) == ["E0205"]
    assert codes(INHERITED.replace("Outer: 1", "Outer: [1, 2]")) == ["E0207"]


@pytest.mark.parametrize(
    "change",
    [("{times: 2}", "{times: 2, eps: 1}"), ("{Inner: , repeat: $times}", "{Inner: , for: eps, in: [1, 2]}")],
)
def test_a_name_cannot_hide_what_a_block_inherits(change: tuple[str, str]) -> None:
    """Else a block would read another value than the one that its file shows."""
    assert codes(INHERITED.replace(*change)) == ["E0209"]


def test_an_imported_block_keeps_the_values_of_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(f"name: Net{INHERITED}", "utf-8")
    (tmp_path / "other.yaml").write_text(
        "input: [3, 4, 4]\narguments: {width: 100, eps: 7}\nimport: {net.yaml: [Outer]}\n"
        "layers: [{conv2d: {out_channels: $width, kernel_size: 1}}, {dropout: '$(eps / 8)'}, Outer]\n",
        "utf-8",
    )
    other = archc.load(tmp_path / "other.yaml")
    assert other.outputs == {"output": (8, 4, 4)}
    assert_equal_modules(seeded(other.build), seeded(emitted_class(other)), torch.rand(1, 3, 4, 4))
