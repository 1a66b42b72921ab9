"""Small networks and runs for the trainer's tests: one thread, a few steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

SPEC = """\
name: Small
input: [1, 8, 8]
parameters: {num_classes: 10, width: 8, dropout: 0.2}
layers:
  conv1: {conv2d: {out_channels: $width, kernel_size: 3, padding: same}}
  bn1: batch_norm2d
  relu1: relu
  conv2: {conv2d: {out_channels: $(2 * width), kernel_size: 3, stride: 2, padding: 1}}
  relu2: relu
  pool: {adaptive_avg_pool2d: 1}
  flatten: flatten
  dropout: {dropout: $dropout}
  fc: {linear: $num_classes}
"""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors are quicker in one thread, and other processes are left in peace."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in a folder of its own with a small spec."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(SPEC)
    return tmp_path
