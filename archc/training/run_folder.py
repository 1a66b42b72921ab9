"""The folder of a run: its files, and a lock, so that only one process uses it."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import platform
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from archc import __version__
from archc.build import read_weights, save_state
from archc.files import cannot_write, make_folder, read_bytes, write_bytes, write_text
from archc.problems import Problem, SpecError
from archc.text import first_line
from archc.training.checkpoint import checkpoints, save_checkpoint
from archc.training.fingerprint import changed
from archc.training.task import TASKS
from archc.training.writer import Request, Writer

if TYPE_CHECKING:
    from archc.training.meter import Score
    from archc.training.tensorboard import Board

COLUMNS = (
    "epoch", "lr", "train_loss", "val_loss", "seconds", "val_seconds", "checkpoint_seconds", "images_per_second",
)  # fmt: skip
"""The columns of metrics.csv, which has one row per epoch. Each loss is followed by the metrics, such as
`train_accuracy` in 0 … 1. `seconds` count from the end of the previous row, so they add up to the time of the run.
`val_seconds` of them are for validation, `checkpoint_seconds` for checkpoints and reports, and the rest is training."""

Row = dict[str, float]


def best_of(rows: list[Row], best_by: str = "auto") -> Row:
    """The epoch with the best validation metric; of equal ones, the one with the lowest loss.

    `best_by` is the name of a metric, or `loss`. For `loss`, and for a metric with `-` before its name, the lowest is
    best. `auto` is the accuracy, or the loss if there is none.
    """
    if best_by == "auto":
        best_by = "accuracy" if "val_accuracy" in rows[0] else "loss"
    name, sign = (best_by.removeprefix("-"), -1) if best_by.startswith("-") or best_by == "loss" else (best_by, 1)
    return max(rows, key=lambda row: (sign * row[f"val_{name}"], -row["val_loss"]))


def figures_of(row: Row) -> list[str]:
    """The names of the metrics in a row."""
    return [name.removeprefix("val_") for name in row if name.startswith("val_") and name not in COLUMNS]


class RunFolder:
    """The files of a run. Only its first process writes to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last = path / "last"
        self._lock: int | None = None
        self._board: Board | None = None
        self._writer = Writer(self._write)

    def open(self) -> None:
        """Create and lock the folder until this process ends. Raises SpecError (E0705)."""
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
            what = f"another process is training in `{self.path}`"
            help = "wait for it, or choose another folder with --out"
            raise SpecError([Problem("E0705", what, file=str(self.path), help=help)]) from None

    def close(self) -> None:
        """Unlock the folder once everything is written."""
        self._writer.wait()
        if self._board is not None:
            self._board.close()
            self._board = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def has_run(self) -> bool:
        """True if the folder contains a run."""
        return (self.path / "run.json").is_file() or bool(checkpoints(self.last))

    def write_description(self, files: dict[str, str], facts: dict[str, Any]) -> None:
        """Write the recipe, the network and the facts of the run."""
        for name, text in files.items():
            write_text(self.path / name, text)
        text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
        # A path that isn't UTF-8 is escaped, so that JSON can represent it.
        write_bytes(self.path / "run.json", text.encode("utf-8", "backslashreplace"))

    def write_recipe(self, text: str) -> None:
        """Write recipe.yaml."""
        write_text(self.path / "recipe.yaml", text)

    def refuse_another(self, files: dict[str, str], facts: dict[str, Any]) -> str:
        """Compare the request with the settings of the run. Raises SpecError (E0706) if they differ.

        A larger number of epochs is allowed; then a sentence describes its effect. It is empty if the number is the
        same.
        """
        longer = ""
        known = read_facts(self.path)
        problems = [
            self._differs(f"{name}: {known[name]!r}, now {facts[name]!r}")
            for name in (
                "model",
                "settings",
                "data",
                "test",
                "limit",
                "split",
                "split_seed",
                "task",
                "hooks",
                "classes",
                "input",
                "weights",
            )
            if known[name] != json.loads(json.dumps(facts[name]))
        ]
        problems += [self._differs(sentence) for sentence in changed(known["images"], facts["images"])]
        for name, text in files.items():
            try:
                original = (self.path / name).read_text("utf-8")
            except (OSError, UnicodeDecodeError):
                problems.append(self._differs(f"`{name}` can no longer be read"))
                continue
            if name == "recipe.yaml":
                changes = _changes(original, text)
                longer = _longer(changes, text)
                problems += [
                    self._differs(f"its recipe has `{old}`, now `{new}`")
                    for old, new in changes
                    if not (longer and old.startswith("epochs:"))
                ]
            elif original != text:
                problems.append(self._differs(f"`{name}` {_first_change(original, text)}"))
        if problems:
            raise SpecError(problems)
        return longer

    def _differs(self, what: str) -> Problem:
        help = f"`archc train --resume {self.path}` on its own continues with the original settings"
        return Problem(
            "E0706",
            f"the run in `{self.path}` was started with different settings: {what}",
            file=str(self.path),
            help=help,
        )

    def write_metrics(self, rows: list[Row]) -> None:
        """Write metrics.csv."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _figure(value) for name, value in row.items()} for row in rows)
        write_text(self.path / "metrics.csv", text.getvalue())

    def write_curves(self, title: str, rows: list[Row], best: Row, losses: list[Tensor], smoothed: bool) -> None:
        """Write curves.svg, and losses.csv with the loss of each step."""
        from archc.training.curves import draw_curves

        write_text(self.path / "curves.svg", draw_curves(title, rows, best, losses, smoothed))
        steps = enumerate((loss for part in losses for loss in part.tolist()), 1)
        write_text(self.path / "losses.csv", "step,loss\n" + "".join(f"{step},{loss:.6g}\n" for step, loss in steps))

    def open_board(self, rows: list[Row], losses: list[Tensor]) -> None:
        """Start TensorBoard logging with the epochs so far."""
        from archc.training.tensorboard import Board

        self._board = Board(self.path / "tensorboard")
        self._board.write(rows, losses)

    def write_board(self, rows: list[Row], losses: list[Tensor]) -> None:
        """Update tensorboard/, if logging is on."""
        if self._board is not None:
            self._board.write(rows, losses)

    def write_test(self, data: str, score: Score) -> None:
        """Write test.json: the results of the best weights on the test images."""
        text = json.dumps({"data": data, **score.facts()}, indent=2, ensure_ascii=False)
        write_text(self.path / "test.json", text + "\n")

    def read_best(self) -> dict[str, Tensor]:
        """Read the weights of best.safetensors. Raises SpecError (E0501) if the file doesn't exist."""
        return read_weights(self.path / "best.safetensors")

    def save(self, epoch: int, step: int, state: dict[str, Any], best: dict[str, Tensor] | None) -> None:
        """Write best.safetensors, if there are new best weights, and then a checkpoint, in a thread.

        The states must not change afterwards. Raises SpecError (E0601) if an earlier one couldn't be written.
        """
        self._writer.submit(Request(epoch, step, state, best))

    @property
    def saving_seconds(self) -> float:
        """The duration of the last `save` in its thread; 0 before the first one ends."""
        return self._writer.seconds

    def settle(self) -> None:
        """Wait until everything is written. Raises SpecError (E0601) if that failed."""
        self._writer.finish()

    def _write(self, request: Request) -> None:
        if request.best is not None:
            save_state(request.best, self.path / "best.safetensors")
        save_checkpoint(self.last, request.epoch, request.step, request.state)


def _changes(old: str, new: str) -> list[tuple[str, str]]:
    """The lines that differ, side by side."""
    fields = [{line.partition(":")[0]: line for line in text.splitlines()} for text in (old, new)]
    names = fields[0] | fields[1]
    return [(fields[0].get(n, "-"), fields[1].get(n, "-")) for n in names if fields[0].get(n) != fields[1].get(n)]


def _figure(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def _first_change(old: str, new: str) -> str:
    """The first line that differs between two texts."""
    for number, (one, other) in enumerate(zip_longest(old.splitlines(), new.splitlines(), fillvalue=""), 1):
        if one != other:
            return f"has `{one.strip()}` in line {number}, now `{other.strip()}`"
    return "differs in its line endings"


def _longer(changes: list[tuple[str, str]], recipe: str) -> str:
    """The effect of a larger number of epochs; empty if there are other changes."""
    for old, new in changes:
        (name, _, before), (_, _, after) = old.partition(":"), new.partition(":")
        if name == "epochs" and before.strip().isdigit() and after.strip().isdigit() and int(after) > int(before):
            falls = "schedule: cosine\n" in recipe or "schedule: linear\n" in recipe
            rate = "; the learning rate follows the longer schedule" if falls else ""
            return f"the run continues to epoch{after} instead of{before}{rate}"
    return ""


_FACTS = {
    "data": str,
    "test": str,
    "data_dir": str,
    "limit": int,
    "split": str,
    "split_seed": int,
    "classes": list,
    "task": str,
    "hooks": list,
    "model": str,
    "reference": dict,
    "settings": dict,
    "input": list,
    "weights": dict,
    "images": dict,
}
"""The entries that run.json needs."""


def read_facts(path: Path) -> dict[str, Any]:
    """Read a run's run.json. Raises SpecError (E0705) if it isn't from a run, or was changed."""
    fault = ""
    facts: Any = None
    try:
        facts = json.loads(read_bytes(path / "run.json"))
        fault = _wrong_fact(facts)
    except (OSError, ValueError, RecursionError) as error:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            fault = "run.json cannot be read"
    if facts is None or fault:
        what = f"`{path}` is not a run folder{fault and f': {fault}'}"
        help = "a run folder contains run.json, recipe.yaml and last/"
        raise SpecError([Problem("E0705", what, file=str(path), help=help)])
    assert isinstance(facts, dict)
    return facts


def read_history(path: Path) -> list[Row]:
    """The rows of a run's metrics.csv; empty if no epoch has finished. Raises SpecError (E0705) if it is damaged."""
    try:
        text = read_bytes(path / "metrics.csv").decode("utf-8")
        return [
            {name: int(value) if name == "epoch" else float(value) for name, value in row.items()}
            for row in csv.DictReader(io.StringIO(text, newline=""))
        ]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        what = f"`{path / 'metrics.csv'}` cannot be read: {first_line(error)}"
        raise SpecError([Problem("E0705", what, file=str(path))]) from None


def _wrong_fact(facts: Any) -> str:
    """The first entry of run.json that a training can't have written; empty if there is none."""
    if not isinstance(facts, dict):
        return "run.json does not contain a mapping"
    for name, kind in _FACTS.items():
        if not isinstance(facts.get(name), kind) or isinstance(facts[name], bool):
            return f"`{name}` in run.json is missing or of another type"
    classes, sizes, reference = facts["classes"], facts["input"], facts["reference"]
    if not all(isinstance(name, str) for name in classes) or not len(set(classes)) == len(classes) > 0:
        return "`classes` in run.json must be different names"
    if len(sizes) != 3 or not all(type(size) is int and 0 < size < 2**31 for size in sizes):
        return "`input` in run.json must be channels, height and width"
    if not _are_parts(facts["images"]):
        return "`images` in run.json must have `count` and `sha256` of each part"
    if facts["task"] not in TASKS:
        return "`task` in run.json is not one of archc's tasks"
    needed = {"spec": (), "module": (), "file": ("class",), "import": ("name",)}.get(str(reference.get("kind")))
    if needed is None or not all(isinstance(reference.get(name), str) for name in needed):
        return "`reference` in run.json does not name a network"
    return "`limit` in run.json is below 0" if facts["limit"] < 0 else ""


def _are_parts(images: dict[str, Any]) -> bool:
    """Return True if `images` of run.json is a `fingerprint`."""
    return {"train", "validation"} <= images.keys() <= {"train", "validation", "test"} and all(
        isinstance(part, dict) and type(part.get("count")) is int and isinstance(part.get("sha256"), str)
        for part in images.values()
    )


def fresh_folder(stem: str) -> Path:
    """A new folder in runs/, with a number if the name is taken."""
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
    """Versions that affect the result, besides recipe, network and data."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "archc": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": f"{device.type} ({name})",
        "threads": torch.get_num_threads(),
    }
