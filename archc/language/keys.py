"""The keys of specs, each with its meaning and an example."""

from __future__ import annotations

from typing import Final, NamedTuple

from pydantic import BaseModel

from archc.language.header import BlockKeys, EntryKeys, ExpectKeys, ExtendKeys, InitKeys, SpecKeys, meanings_of

OWNERS: Final[dict[str, type[BaseModel]]] = {
    "a spec": SpecKeys,
    "a block": BlockKeys,
    "an entry": EntryKeys,
    "`init`": InitKeys,
    "`expect`": ExpectKeys,
    "a spec that extends another": ExtendKeys,
}
"""The places of a spec that have keys."""


class Key(NamedTuple):
    """A key: its meaning in each place where it is used, and an example spec, if there is one."""

    name: str
    meanings: dict[str, str]
    example: str


def find_key(name: str) -> Key | None:
    """A key of specs by name; None if it doesn't exist."""
    meanings = {owner: meanings_of(keys)[name] for owner, keys in OWNERS.items() if name in meanings_of(keys)}
    return Key(name, meanings, EXAMPLES.get(name, "")) if meanings else None


_HEAD = "input: [3, 32, 32]\n"
_BRANCHES = """\
input: [3, 32, 32]
branches:
  narrow: {conv2d: {out_channels: 8, kernel_size: 1}}
  wide: {conv2d: {out_channels: 8, kernel_size: 3, padding: same}}
join: concat
"""
_LOOP = """\
input: [3, 32, 32]
layers:
  stages:
    for: [width, stride]
    in: [[16, 1], [32, 2]]
    index: i
    layers:
      conv$i: {conv2d: {out_channels: $width, kernel_size: 3, stride: $stride, padding: 1}}
"""
_BLOCK = """\
input: [3, 32, 32]
blocks:
  Unit:
    description: A convolution and its activation.
    arguments: {width: , kernel: 3}
    layers:
      conv: {conv2d: {out_channels: $width, kernel_size: $kernel, padding: same}}
      relu: relu
layers:
  first: {Unit: 16}
  second: {Unit: [32, 5]}
"""

EXAMPLES: Final = {
    "input": f"{_HEAD}layers: [flatten, {{linear: 10}}]\n",
    "layers": f"{_HEAD}layers:\n  conv: {{conv2d: {{out_channels: 8, kernel_size: 3}}}}\n  relu: relu\n",
    "branches": _BRANCHES,
    "join": _BRANCHES,
    "outputs": """\
input: [3, 32, 32]
layers:
  conv: {conv2d: {out_channels: 8, kernel_size: 3}}
  pool: {max_pool2d: 2}
outputs: {fine: conv, coarse: pool}
""",
    "from": """\
input: [3, 32, 32]
layers:
  conv: {conv2d: {out_channels: 3, kernel_size: 3, padding: same}}
  shortcut: {identity: , from: input}
  sum: {add: [conv, shortcut]}
""",
    "share": """\
input: [3, 32, 32]
layers:
  fine: {conv2d: {out_channels: 8, kernel_size: 3, padding: same}}
  coarse: {max_pool2d: 2}
  head: {conv2d: {out_channels: 4, kernel_size: 1}, from: fine}
  again: {share: head, from: coarse}
outputs: [head, again]
""",
    "when": """\
input: [3, 32, 32]
arguments: {pooled: true}
layers:
  conv: {conv2d: {out_channels: 8, kernel_size: 3}}
  pool: {max_pool2d: 2, when: $pooled}
""",
    "auxiliary": """\
input: [3, 32, 32]
layers:
  conv: {conv2d: {out_channels: 8, kernel_size: 3}}
  head: {auxiliary: true, layers: [flatten, {linear: 10}]}
  pool: {adaptive_avg_pool2d: 1, from: conv}
  flatten: flatten
  fc: {linear: 10}
""",
    "repeat": f"{_HEAD}layers:\n  - repeat: 3\n    layers:\n      - conv2d: {{out_channels: 8, kernel_size: 3}}\n"
    "      - relu\n",
    "for": _LOOP,
    "in": _LOOP,
    "index": _LOOP,
    "arguments": """\
input: [3, 32, 32]
arguments: {width: 16, num_classes: 10}
layers:
  - conv2d: {out_channels: $(width * 2), kernel_size: 3}
  - flatten
  - linear: $num_classes
""",
    "blocks": _BLOCK,
    "description": _BLOCK,
    "init": """\
input: [3, 32, 32]
init:
  - {match: conv2d, weight: {kaiming_normal: {mode: fan_out}}, bias: 0}
layers:
  conv: {conv2d: {out_channels: 8, kernel_size: 3}}
""",
    "checkpoint_keys": """\
input: [3, 32, 32]
checkpoint_keys: {"head.*": "fc.*", "ema.*": null}
layers:
  flatten: flatten
  fc: {linear: 10}
""",
    "expect": f"{_HEAD}expect: {{parameters: 30730, output: [10]}}\nlayers: [flatten, {{linear: 10}}]\n",
}
"""A spec per key, for `archc explain`; a test checks each one."""
