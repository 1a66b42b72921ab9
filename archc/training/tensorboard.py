"""TensorBoard logging of a run, in addition to metrics.csv and losses.csv."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from torch import Tensor

from archc.extras import how_to_install, installed
from archc.files import cannot_write
from archc.problems import Problem, SpecError
from archc.training.run_folder import figures_of

FIGURES = {
    "loss/training": "train_loss",
    "loss/validation": "val_loss",
    "accuracy/training": "train_accuracy",
    "accuracy/validation": "val_accuracy",
    "accuracy/validation, top 5": "val_top5",
    "learning rate": "lr",
    "images per second": "images_per_second",
}
"""The values of each epoch, and their columns in metrics.csv; a training may lack some and have others."""

_PARTS = (("train", "training"), ("val", "validation"))


def require_board() -> None:
    """Raise SpecError (E0701) if TensorBoard isn't installed."""
    if not installed("tensorboard"):
        help = f"{how_to_install('tensorboard')}, or remove --tensorboard"
        raise SpecError([Problem("E0701", "TensorBoard is not installed", file="recipe", help=help)])


class Board:
    """Writes the metrics of each epoch and the loss of each step for TensorBoard.

    A resumed run writes everything again, so that no step is duplicated or missing. All methods raise SpecError (E0601)
    if the folder can't be written.
    """

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._folder = folder
        self._epochs = self._steps = 0
        with self._reporting():
            for old in folder.glob("events.out.tfevents.*"):
                old.unlink()
            self._writer: Any = SummaryWriter(str(folder))

    def write(self, rows: list[dict[str, float]], losses: list[Tensor]) -> None:
        """Add the new epochs: one row and one tensor of losses each."""
        with self._reporting():
            for row, part in list(zip(rows, losses, strict=True))[self._epochs :]:
                self._epochs += 1
                for loss in part.tolist():
                    self._steps += 1
                    self._writer.add_scalar("loss/step", loss, self._steps)
                own = {f"{name}/{part}": f"{start}_{name}" for name in figures_of(row) for start, part in _PARTS}
                known = {name: column for name, column in FIGURES.items() if column in row}
                for name, column in ({k: c for k, c in own.items() if c not in known.values()} | known).items():
                    self._writer.add_scalar(name, row[column], self._epochs)
            self._writer.flush()

    def close(self) -> None:
        """Close the writer. Earlier errors were reported when they happened."""
        with suppress(OSError):
            self._writer.close()

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Report a full disk once, because TensorBoard's writer thread passes its error on and also prints it."""
        hook = threading.excepthook
        threading.excepthook = lambda failed: None if isinstance(failed.exc_value, OSError) else hook(failed)
        try:
            yield
        except OSError as error:
            raise cannot_write(self._folder, error) from None
        finally:
            threading.excepthook = hook
