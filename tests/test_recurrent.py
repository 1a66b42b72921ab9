"""Recurrent layers in networks: keys, weights and outputs are those of the modules of PyTorch."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from parity import assert_equal_modules, emitted_class, seeded
from torch import Tensor, nn

import archc
from archc.testing.agreement import assert_agreement

SPEC = """
name: Reader
input: [1, 8, 20]
arguments: {hidden: 6, layers: 2, both: true, num_classes: 5}
layers:
  conv: {conv2d: {out_channels: 4, kernel_size: 3, padding: same}}
  columns: {flatten: {end_dim: 2}}
  steps: {permute: [0, 2, 1]}
  lstm: {lstm: {hidden_size: $hidden, num_layers: $layers, bidirectional: $both}}
  gru: {gru: {hidden_size: $hidden, bias: false}}
  fc: {linear: $num_classes}
"""


class Reader(nn.Module):
    """The same network, written by hand."""

    def __init__(self, hidden: int = 6, layers: int = 2, both: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.lstm = nn.LSTM(32, hidden, layers, batch_first=True, bidirectional=both)
        self.gru = nn.GRU(hidden * (2 if both else 1), hidden, bias=False, batch_first=True)
        self.fc = nn.Linear(hidden, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).flatten(1, 2).permute(0, 2, 1)
        x, _ = self.lstm(x)
        x, _ = self.gru(x)
        return self.fc(x)


@pytest.mark.parametrize("settings", [{}, {"layers": 1, "both": False}, {"hidden": 3, "layers": 3}], ids=str)
def test_a_network_is_the_one_written_by_hand(settings: dict[str, int]) -> None:
    """Keys in their order, initial weights under a seed, a strict load, outputs and gradients."""
    architecture = archc.loads(SPEC).configure(**settings)
    x = torch.randn(2, 1, 8, 20)
    for make in (architecture.build, lambda: emitted_class(archc.loads(SPEC))(**settings)):
        built, theirs = seeded(make), seeded(lambda: Reader(**settings))
        assert_equal_modules(built, theirs, x)
        theirs.load_state_dict(seeded(make).state_dict(), strict=True)
    assert_agreement(architecture)
    assert architecture.summary().parameters == sum(weight.numel() for weight in theirs.parameters())


class BidirectionalLSTM(nn.Module):
    """A layer of the CRNN's second part."""

    def __init__(self, features: int, hidden: int, out_features: int) -> None:
        super().__init__()
        self.rnn = nn.LSTM(features, hidden, bidirectional=True)
        self.embedding = nn.Linear(2 * hidden, out_features)

    def forward(self, x: Tensor) -> Tensor:
        x, _ = self.rnn(x)
        return self.embedding(x)


class CRNN(nn.Module):
    """Shi et al., 2015 (https://arxiv.org/abs/1507.05717), as it is usually written: with the steps first."""

    def __init__(self, hidden: int = 256, num_classes: int = 37) -> None:
        super().__init__()
        self.cnn = nn.Sequential()
        channels = 1
        for at, width in enumerate([64, 128, 256, 256, 512, 512, 512]):
            kernel, padding = (2, 0) if at == 6 else (3, 1)
            self.cnn.add_module(f"conv{at}", nn.Conv2d(channels, width, kernel, padding=padding))
            if at in (2, 4, 6):
                self.cnn.add_module(f"batchnorm{at}", nn.BatchNorm2d(width))
            self.cnn.add_module(f"relu{at}", nn.ReLU(inplace=True))
            if at in (0, 1):
                self.cnn.add_module(f"pooling{at}", nn.MaxPool2d(2))
            if at in (3, 5):
                self.cnn.add_module(f"pooling{at // 2 + 1}", nn.MaxPool2d(2, (2, 1), (0, 1)))
            channels = width
        self.rnn = nn.Sequential(BidirectionalLSTM(512, hidden, hidden), BidirectionalLSTM(hidden, hidden, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        x = self.cnn(x).squeeze(2).permute(2, 0, 1)
        return self.rnn(x).transpose(0, 1)


def test_the_crnn_of_the_guide_is_the_papers() -> None:
    """8.3 million parameters; keys, initial weights and a strict load, and outputs but for rounding."""
    page = (Path(__file__).parents[1] / "docs" / "one-dimensional.md").read_text("utf-8")
    (text,) = re.findall(r"```yaml\n(# file: crnn.yaml.*?)```", page, re.DOTALL)
    architecture = archc.loads(text)
    assert round(architecture.summary().parameters, -5) == 8_300_000
    built, theirs = seeded(architecture.build).eval(), seeded(CRNN).eval()
    assert list(built.state_dict()) == list(theirs.state_dict())
    assert all(torch.equal(*pair) for pair in zip(built.parameters(), theirs.parameters(), strict=True))
    theirs.load_state_dict(built.state_dict(), strict=True)
    x = torch.randn(2, 1, 32, 100)
    torch.testing.assert_close(built(x), theirs(x))
    assert_agreement(architecture.configure(hidden=4), gradients=False)


def test_nothing_may_overwrite_the_sequence() -> None:
    """The kernels of oneDNN for an LSTM, and cuDNN's for both layers, read it in the backward pass."""
    with pytest.raises(archc.SpecError) as caught:
        archc.loads("input: [4, 6]\nlayers: [{lstm: 3}, {relu: {inplace: true}}]")
    assert [problem.code for problem in caught.value.problems] == ["E0320"]
    if torch.backends.mkldnn.is_available():
        output = archc.loads("input: [4, 6]\nlayers: [{lstm: 3}]").build()(torch.randn(2, 4, 6))
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            output.relu_().sum().backward()
