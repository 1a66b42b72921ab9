"""Warnings: what is legal and surely not meant. Their pages show each one; here is what is none, and who shows them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from shell import Shell

import archc
from archc.graph import warnings
from archc.library import bundled

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


@pytest.mark.parametrize(("read", "expected"), [("a", ["W0104"]), ("b", []), ("c", [])])
def test_weights_are_dead_if_no_use_of_the_block_needs_them(read: str, expected: list[str]) -> None:
    """`b` is behind `a`, and before `c`, which has no weights of its own."""
    assert codes(TWO.replace("READ", read)) == expected


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
