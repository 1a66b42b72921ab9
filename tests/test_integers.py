"""Inputs that hold integers: those that an embedding reads, wherever it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from parity import assert_equal_modules, emitted_class, seeded
from test_memory import really_alive, really_kept
from torch import Tensor, nn

import archc
from archc.build.verify import shape_problems
from archc.testing.agreement import assert_agreement

TEXT = """
name: Reader
inputs: {words: [12], facts: [3, 4]}
arguments: {count: 30, dim: 8}
blocks:
  Words:
    arguments: {count: , dim: }
    layers:
      embedding: {embedding: {num_embeddings: $count, embedding_dim: $dim, padding_idx: 0}}
      position: {parameter: {shape: [12, $dim], init: normal}}
      sum: {add: [embedding, position]}
layers:
  embedded: {Words: [$count, $dim]}
  head: {layers: [{embedding: {num_embeddings: 7, embedding_dim: 2}}, flatten], from: words, auxiliary: true}
  read: {gru: {hidden_size: 5}, from: embedded}
  other: {linear: 5, from: facts}
  both: {concat: [read, other]}
  scores: {linear: 2}
"""


class Words(nn.Module):
    """The block, written by hand."""

    def __init__(self, count: int, dim: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(count, dim, padding_idx=0)
        self.position = nn.Parameter(nn.init.normal_(torch.empty(12, dim)))

    def forward(self, x: Tensor) -> Tensor:
        return self.embedding(x) + self.position


class Reader(nn.Module):
    """A network that reads words."""

    def __init__(self, count: int = 30, dim: int = 8) -> None:
        super().__init__()
        self.words = Words(count, dim)
        self.gru = nn.GRU(dim, 5, batch_first=True)
        self.scores = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x, _ = self.gru(self.words(x))
        return self.scores(x)


HAND = """
name: Hand
input: [12]
arguments: {count: 30, dim: 8}
blocks:
  Words:
    arguments: {count: , dim: }
    layers:
      embedding: {embedding: {num_embeddings: $count, embedding_dim: $dim, padding_idx: 0}}
      position: {parameter: {shape: [12, $dim], init: normal}}
      sum: {add: [embedding, position]}
layers:
  words: {Words: [$count, $dim]}
  gru: {gru: 5}
  scores: {linear: 2}
"""


def test_the_bound_is_that_of_the_smallest_embedding() -> None:
    """Through blocks and auxiliary heads; an input without an embedding holds numbers."""
    architecture = archc.loads(TEXT)
    assert architecture.integers == {"words": 7}
    assert archc.loads(HAND).configure(count=50).integers == {"input": 50}
    assert_agreement(architecture)
    assert shape_problems(architecture.network, architecture.build())[1] == []


@pytest.mark.parametrize("settings", [{}, {"count": 3, "dim": 5}], ids=str)
def test_a_network_is_the_one_written_by_hand(settings: dict[str, int]) -> None:
    """Keys, initial weights under a seed (that of the padding is zero), a strict load, outputs and gradients."""
    architecture = archc.loads(HAND).configure(**settings)
    x = torch.randint(architecture.integers["input"], (2, 12))
    for make in (architecture.build, lambda: emitted_class(archc.loads(HAND))(**settings)):
        made, theirs = seeded(make), seeded(lambda: Reader(**settings))
        assert_equal_modules(made, theirs, x)
        theirs.load_state_dict(seeded(make).state_dict(), strict=True)
        assert not made.state_dict()["words.embedding.weight"][0].any()


@pytest.mark.usefixtures("plain_kernels")
def test_an_integer_takes_eight_bytes() -> None:
    """The backward pass needs the integers, too."""
    architecture = archc.loads(HAND)
    x, memory = torch.randint(30, (2, 12)), architecture.summary().memory(2)
    assert memory.kept == really_kept(architecture.build(), x)
    assert memory.peak <= really_alive(architecture.build(), x)
    alone = archc.loads("input: [12]\nlayers: [{embedding: {num_embeddings: 3, embedding_dim: 4}}]").summary().memory(2)
    assert (alone.kept, alone.peak) == (2 * 12 * 8, 2 * 12 * (8 + 4 * 4))


@pytest.mark.parametrize("suffix", ["pt2", "onnx"])
def test_an_export_reads_integers(tmp_path: Path, suffix: str) -> None:
    exported = archc.export(archc.loads(HAND), tmp_path / f"net.{suffix}", dynamic=("batch",))
    assert max(each.difference for each in exported.comparisons) < 1e-5


def test_a_module_that_reads_integers_is_imported() -> None:
    found = archc.import_(Reader(), (12,))
    assert archc.loads(found.text).integers == {"input": 30}
    assert found.keys == {key: key for key in Reader().state_dict()}
    assert archc.diff(archc.loads(found.text), Reader(), input=(12,)).equal
