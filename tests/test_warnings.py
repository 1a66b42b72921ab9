"""Warnings: what is legal and surely not meant. Their pages show each one; here is what is none, and who shows them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from shell import Shell

import archc
from archc.drawing import draw_svg
from archc.explorer.data import explorer_data
from archc.graph import warnings
from archc.library import bundled
from archc.testing.agreement import assert_agreement
from archc.testing.contract import Emitted, Tally

UNREAD = "input: [3, 8, 8]\narguments: {width: 3}\nlayers: [relu]\n"


def codes(text: str) -> list[str]:
    return [problem.code for problem in warnings(archc.loads(text).network)]


@pytest.mark.parametrize("name", sorted(bundled()))
def test_bundled_specs_have_none(name: str) -> None:
    assert warnings(archc.load(name).network) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("arguments: {n: 2}\nlayers: [{relu: , repeat: $n}]", []),
        ("arguments: {n: 2}\nlayers: {a$i: {relu: , repeat: 2, index: i}, b: {relu: , from: a$(n - 1)}}", []),
        ("arguments: {n: 2, m: $n}\nlayers: [{relu: , repeat: $m}]", []),
        ("arguments: {n: 2}\nblocks: {B: {layers: [{relu: , repeat: $n}]}}\nlayers: [B]", []),
        ("blocks: {B: {arguments: {n: 2}, layers: [relu]}}\nlayers: [B]", ["W0101"]),
        ("arguments: {a: relu}\nlayers: [silu, {relu: , when: $(a == 'relu')}]", []),
        ("arguments: {a: silu}\nlayers: [silu, {relu: , when: \"$(a in ['relu', 'tanh'])\"}]", ["W0102"]),
        ("arguments: {a: silu}\nlayers: [silu, {relu: , when: $(a == 'relu' or not a == 'tanh')}]", ["W0102"]),
        ("arguments: {a: silu}\nlayers: [silu, {relu: , when: $(a != 'relu')}]", []),
        ("arguments: {a: none}\nlayers: [silu, {relu: , when: $(a == 'relu')}]", []),
        ("arguments: {a: null}\nlayers: [silu, {relu: , when: $(a == 'relu')}]", []),
        ("arguments: {f: true}\nbranches: {a: relu, b: {identity: , when: $f}}\njoin: add", []),
        ("arguments: {f: true}\nlayers: [relu, {identity: , when: $f}]", ["W0103"]),
    ],
)
def test_what_is_warned_of(text: str, expected: list[str]) -> None:
    assert codes(f"input: [3, 8, 8]\n{text}\n") == expected


TWO = """
input: [3, 8, 8]
blocks:
  B:
    layers:
      a: {conv2d: {out_channels: 3, kernel_size: 1}}
      b: {conv2d: {out_channels: 3, kernel_size: 1}}
      c: relu
    outputs: [a, b, c]
layers:
  one: B
  two: {B: , from: one.a}
  three: {relu: , from: two.READ}
"""


@pytest.mark.parametrize(("read", "expected"), [("a", ["W0104"]), ("b", ["W0105"]), ("c", ["W0105"])])
def test_weights_are_dead_if_no_use_of_the_block_needs_them(read: str, expected: list[str]) -> None:
    """`b` is behind `a`, and before `c`, which has no weights of its own. An output that no use reads is unused."""
    assert codes(TWO.replace("READ", read)) == expected


UNUSED = {
    "a module": "{batch_norm2d: , from: a}",
    "a function": "{add: [a, input]}",
    "a layer with parts": "{chunk: 2, from: a}",
    "an optional layer": "{conv2d: {out_channels: 2, kernel_size: 1}, when: $optional, from: a}",
    "an optional function": "{scale: 2, when: $optional, from: a}",
    "a block": "{Block: , from: a}",
    "a block with outputs": "{Several: , from: a}",
    "a chain": "{layers: [relu, {dropout: 0.5}], from: a}",
    "branches": "{branches: {p: relu, q: tanh}, join: add, from: a}",
    "what captures a value": "{layers: {p: {add: [input, a]}, q: {multiply: [p, a]}}, from: input}",
    "a learned tensor": "{parameter: [4, 1, 1]}",
    "nothing": "{identity: , from: a}",
}

DEAD = """
name: Dead
input: [4, 8, 8]
arguments: {optional: true}
blocks:
  Block: {layers: {p: relu, q: {batch_norm2d: , from: p}, r: {tanh: , from: p}}}
  Several: {layers: {p: relu, q: {batch_norm2d: , from: p}}, outputs: [p, q]}
layers:
  a: {conv2d: {out_channels: 4, kernel_size: 3, padding: same}}
  dead: UNUSED
  b: {conv2d: {out_channels: 4, kernel_size: 1, bias: $optional}, from: a}
  sum: {add: [b, a]}
"""


@pytest.mark.parametrize("unused", UNUSED.values(), ids=UNUSED)
def test_what_nothing_uses_runs_as_in_pytorch(unused: str, tmp_path: Path) -> None:
    """The module and the source agree bit for bit, statistics too; the source has no local that nothing reads."""
    architecture = archc.loads(DEAD.replace("UNUSED", unused))
    for optional in (True, False):
        configured = architecture.configure(optional=optional)
        assert_agreement(configured)
        expected = [] if "when" in unused and not optional else ["W0105"]
        assert [problem.code for problem in warnings(configured.network)] == expected
    Emitted(architecture).network_with(Tally(), optional=False)
    path = tmp_path / "dead.py"
    path.write_text(architecture.emit(), "utf-8")
    subprocess.run([sys.executable, "-m", "ruff", "check", "-q", "--isolated", "--select=F,B", str(path)], check=True)
    assert "dead = " not in path.read_text("utf-8").replace("self.dead = ", "")
    assert architecture.summary().layers
    assert draw_svg(architecture, everything=True)
    assert explorer_data(architecture)


CELL = """
name: NASBench201
input: [16, 8, 8]
blocks:
  Conv:
    arguments: {kernel_size: 1}
    layers: [relu, {conv2d: {out_channels: 16, kernel_size: $kernel_size, padding: same, bias: false}}, batch_norm2d]
  Cell:
    layers:
      edge01: Conv
      edge02: {Conv: 3, from: input}
      edge12: {avg_pool2d: {kernel_size: 3, stride: 1, padding: 1}, from: edge01}
      node2: {add: [edge02, edge12]}
      edge13: {Conv: 3, from: edge01}
      node3: {add: [input, edge13]}
layers: [Cell, Cell, adaptive_avg_pool2d: 1, flatten: 1, linear: 10]
"""


def test_a_cell_of_a_search_space_may_have_edges_that_lead_nowhere() -> None:
    """|nor_conv_1x1~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|none~2|: node 2 is unused."""
    architecture = archc.loads(CELL)
    assert [problem.message for problem in warnings(architecture.network)] == ["the result of `node2` is never used"]
    assert_agreement(architecture)
    model = architecture.build()
    model(torch.rand(2, 16, 8, 8)).sum().backward()
    without = {name for name, value in model.named_parameters() if value.grad is None}
    assert without == {name for name, _ in model.named_parameters() if "edge02" in name}


def test_an_input_that_nothing_reads_runs_as_in_pytorch() -> None:
    text = """
name: Net
inputs: {image: [3, 8, 8], table: [10]}
blocks:
  Block: {inputs: [x, y], layers: {a: relu}}
layers:
  a: relu
  b: {Block: , from: [a, input]}
"""
    architecture = archc.loads(text)
    found = warnings(architecture.network)
    assert [problem.message for problem in found] == [
        "the input `table` of the spec is never used",
        "the input `y` of block `Block` is never used",
    ]
    assert_agreement(architecture)


def test_heads_need_their_weights() -> None:
    text = "layers: {a: relu, h: {auxiliary: true, layers: [flatten, {linear: 2}]}, b: relu}"
    assert codes(f"input: [3, 8, 8]\n{text}\n") == []


def test_check_shows_them_and_strict_counts_them(sh: Shell, tmp_path: Path) -> None:
    path = tmp_path / "unread.yaml"
    path.write_text(UNREAD, "utf-8")
    code, out, err = sh("check", str(path))
    assert code == 0
    assert "unread.yaml: OK" in out
    assert err.startswith("warning[W0101]: nothing in the network reads the argument `width`\n")
    code, out, err = sh("check", "--strict", str(path))
    assert (code, out) == (1, "")
    assert err.startswith("warning[W0101]")
    for options, expected in (([], 0), (["--strict"], 1)):
        code, out, _ = sh("check", *options, "--format", "json", str(path))
        assert code == expected
        assert [(fact["code"], fact["severity"]) for fact in json.loads(out)] == [("W0101", "warning")]
    (result,) = json.loads(sh("check", "--format", "sarif", str(path))[1])["runs"][0]["results"]
    assert result["level"] == "warning"


def test_what_is_imported_is_not_warned_of(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(UNREAD, "utf-8")
    (tmp_path / "net.yaml").write_text("extends: base.yaml\narguments: {width: 4}\n", "utf-8")
    assert [problem.mark.line for problem in warnings(archc.load(tmp_path / "net.yaml").network) if problem.mark] == [2]
    (tmp_path / "other.yaml").write_text("extends: base.yaml\n", "utf-8")
    assert warnings(archc.load(tmp_path / "other.yaml").network) == []
