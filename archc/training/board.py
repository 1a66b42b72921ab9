"""The figures of a run for TensorBoard, beside metrics.csv and losses.csv."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import Tensor

from archc.problems import Problem, SpecError

FIGURES = {
    "loss/training": "train_loss",
    "loss/validation": "val_loss",
    "accuracy/training": "train_accuracy",
    "accuracy/validation": "val_accuracy",
    "accuracy/validation, best five": "val_top5",
    "learning rate": "lr",
    "images a second": "images_per_second",
}
"""Of each epoch, and their columns in metrics.csv."""


def require_board() -> None:
    """Raises SpecError (E0701) where TensorBoard is not installed."""
    if find_spec("tensorboard") is None:
        help = "pip install 'archc[tensorboard]', or leave --tensorboard away"
        raise SpecError([Problem("E0701", "TensorBoard is not installed", file="recipe", help=help)])


class Board:
    """Writes to a folder what TensorBoard reads: the figures of each epoch, the loss of each step.

    A run that is resumed writes all of it anew, so that no step is there twice or missing.
    """

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        self._writer: Any = SummaryWriter(str(folder))
        self._epochs = self._steps = 0

    def write(self, rows: list[dict[str, float]], losses: list[Tensor]) -> None:
        """Add the epochs that are new: a row and a tensor of losses each."""
        for row, part in list(zip(rows, losses, strict=True))[self._epochs :]:
            self._epochs += 1
            for loss in part.tolist():
                self._steps += 1
                self._writer.add_scalar("loss/step", loss, self._steps)
            for name, column in FIGURES.items():
                self._writer.add_scalar(name, row[column], self._epochs)
        self._writer.flush()

    def close(self) -> None:
        """No more is written."""
        self._writer.close()
