"""Small networks and runs for the trainer's tests: one thread, a few steps."""

from __future__ import annotations

from pathlib import Path

import pytest

SPEC = """\
name: Small
input: [1, 8, 8]
arguments: {num_classes: 10, width: 8, dropout: 0.2}
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
def _one_thread(one_thread: None) -> None:
    """The workers of pytest-xdist are left their own core."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in a folder of its own with a small spec."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(SPEC)
    return tmp_path
