"""A run's folder: what it holds, and that one process works in it."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from archc import __version__
from archc.build import save_state
from archc.files import cannot_write, make_folder, write_bytes, write_text
from archc.problems import Problem, SpecError
from archc.training.checkpoint import checkpoints

if TYPE_CHECKING:
    from archc.training.board import Board

COLUMNS = (
    "epoch", "lr", "train_loss", "train_accuracy", "train_top5", "val_loss", "val_accuracy", "val_top5",
    "seconds", "images_per_second",
)  # fmt: skip
"""Of metrics.csv, a row an epoch; accuracies in 0 … 1."""

Row = dict[str, float]


class RunFolder:
    """The files of a run. Only its first process writes to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last = path / "last"
        self._lock: int | None = None
        self._board: Board | None = None

    def open(self) -> None:
        """Make the folder and keep other processes out until this one ends. Raises SpecError (E0705)."""
        make_folder(self.last)
        try:
            self._lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise cannot_write(self.path, error) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            self._lock = None
            what = f"another process trains in `{self.path}`"
            help = "wait for it, or choose another folder with --out"
            raise SpecError([Problem("E0705", what, file=str(self.path), help=help)]) from None

    def close(self) -> None:
        """Let other processes in."""
        if self._board is not None:
            self._board.close()
            self._board = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def begun(self) -> bool:
        """Whether a run stands in it."""
        return (self.path / "run.json").is_file() or bool(checkpoints(self.last))

    def write_description(self, files: dict[str, str], facts: dict[str, Any]) -> None:
        """The recipe, the network and the facts of the run."""
        for name, text in files.items():
            write_text(self.path / name, text)
        write_text(self.path / "run.json", json.dumps(facts, indent=2, ensure_ascii=False) + "\n")

    def refuse_another(self, files: dict[str, str], facts: dict[str, Any]) -> None:
        """Hold what is asked for against what the run was begun with. Raises SpecError (E0706) if they differ."""
        known = read_facts(self.path)
        problems = [
            self._differs(f"{name}: {known[name]!r}, now {facts[name]!r}")
            for name in ("model", "settings", "data", "limit", "classes", "input")
            if known[name] != json.loads(json.dumps(facts[name]))
        ]
        for name, text in files.items():
            try:
                kept = (self.path / name).read_text("utf-8")
            except (OSError, UnicodeDecodeError):
                problems.append(self._differs(f"`{name}` cannot be read any more"))
                continue
            if name == "recipe.yaml":
                problems += [self._differs(f"its recipe has `{old}`, now `{new}`") for old, new in _changes(kept, text)]
            elif kept != text:
                problems.append(self._differs(f"`{name}` is another"))
        if problems:
            raise SpecError(problems)

    def _differs(self, what: str) -> Problem:
        help = f"`archc train --resume {self.path}` alone goes on as it was begun"
        return Problem("E0706", f"the run in `{self.path}` was begun otherwise: {what}", file=str(self.path), help=help)

    def write_metrics(self, rows: list[Row]) -> None:
        """metrics.csv."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _figure(row[name]) for name in COLUMNS} for row in rows)
        write_text(self.path / "metrics.csv", text.getvalue())

    def write_curves(self, title: str, rows: list[Row], best: Row, losses: list[Tensor], smoothed: bool) -> None:
        """curves.png, and the numbers of its finest line, losses.csv."""
        from archc.training.curves import draw_curves

        write_bytes(self.path / "curves.png", draw_curves(title, rows, best, losses, smoothed))
        steps = enumerate((loss for part in losses for loss in part.tolist()), 1)
        write_text(self.path / "losses.csv", "step,loss\n" + "".join(f"{step},{loss:.6g}\n" for step, loss in steps))

    def open_board(self, rows: list[Row], losses: list[Tensor]) -> None:
        """Put the figures so far into tensorboard/, and from now on those of every epoch."""
        from archc.training.board import Board

        self._board = Board(self.path / "tensorboard")
        self._board.write(rows, losses)

    def write_board(self, rows: list[Row], losses: list[Tensor]) -> None:
        """tensorboard/, if it is open."""
        if self._board is not None:
            self._board.write(rows, losses)

    def write_best(self, state: dict[str, Tensor]) -> None:
        """best.safetensors."""
        save_state(state, self.path / "best.safetensors")


def _changes(old: str, new: str) -> list[tuple[str, str]]:
    """The lines that differ, side by side."""
    fields = [{line.partition(":")[0]: line for line in text.splitlines()} for text in (old, new)]
    names = fields[0] | fields[1]
    return [(fields[0].get(n, "-"), fields[1].get(n, "-")) for n in names if fields[0].get(n) != fields[1].get(n)]


def _figure(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"


_FACTS = {
    "data": str,
    "data_dir": str,
    "limit": int,
    "classes": list,
    "model": str,
    "reference": dict,
    "settings": dict,
    "input": list,
}
"""What run.json must say for the run to be used again."""


def read_facts(path: Path) -> dict[str, Any]:
    """What a run's run.json says. Raises SpecError (E0705) if it is no run."""
    try:
        facts: dict[str, Any] = json.loads((path / "run.json").read_text("utf-8"))
        if not all(isinstance(facts[name], kind) for name, kind in _FACTS.items()) or "kind" not in facts["reference"]:
            raise ValueError("not what was written")
    except (OSError, ValueError, KeyError, TypeError):
        what = f"`{path}` is no folder of a run"
        help = "a run's folder holds run.json, recipe.yaml and last/"
        raise SpecError([Problem("E0705", what, file=str(path), help=help)]) from None
    return facts


def fresh_folder(stem: str) -> Path:
    """A new folder below runs/, numbered where the name is taken."""
    make_folder(Path("runs"))
    number = 1
    while True:
        path = Path("runs") / (stem if number == 1 else f"{stem}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
        except OSError as error:
            raise cannot_write(path, error) from None
        else:
            return path


def versions(device: torch.device) -> dict[str, Any]:
    """What a result depends on beside recipe, network and data."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "archc": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": f"{device.type} ({name})",
        "threads": torch.get_num_threads(),
    }
