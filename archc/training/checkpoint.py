"""Checkpoints: written completely or not at all, with checksums. The newest two are kept."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

from torch import Tensor

from archc.build.foreign import Unusable, load_pickled
from archc.build.weights import save_archive
from archc.problems import Problem, SpecError

KEPT = 2
_NAME = re.compile(r"epoch-(?P<epoch>\d{6})-step-(?P<step>\d{9})\.pt")


def save_checkpoint(folder: Path, epoch: int, step: int, state: dict[str, Any]) -> Path:
    """Write the state after a number of epochs and steps, then remove all but this checkpoint and the one before.

    The file only appears under its name once it is completely on the disk. Raises SpecError (E0601) if it can't be
    written; earlier checkpoints are kept.
    """
    path = folder / f"epoch-{epoch:06}-step-{step:09}.pt"
    save_archive(state, path)
    found = checkpoints(folder)
    # A run continues from the newest intact checkpoint, so a newer one than this is damaged.
    newest = [each for each in found if each.name <= path.name][:KEPT]
    for other in found:
        if other not in newest:
            other.unlink(missing_ok=True)
    return path


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a folder, newest first."""
    return sorted((path for path in folder.glob("epoch-*.pt") if _NAME.fullmatch(path.name)), reverse=True)


def load_checkpoint(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """The newest intact state, and a sentence for each damaged one that was skipped.

    None if the folder has no checkpoint. Raises SpecError (E0706) if all of them are damaged.
    """
    found = checkpoints(folder)
    notes: list[str] = []
    for path in found:
        try:
            return _state_in(path), notes
        except Unusable as fault:
            notes.append(f"the checkpoint {path.name} is damaged ({fault}): using the previous one")
    if found:
        what = f"every checkpoint in `{folder}` is damaged"
        help = "best.safetensors may still have the best weights; start again with another --out"
        raise SpecError([Problem("E0706", what, file=str(folder), help=help)])
    return None, notes


def _state_in(path: Path) -> dict[str, Any]:
    """Read the state in a checkpoint. Raises Unusable."""
    match = _NAME.fullmatch(path.name)
    assert match is not None
    # Checksums show damage, not intent: only tensors and plain values are read, and each is what it should be.
    state = load_pickled(path)
    if not _intact(path):
        raise Unusable("its checksum is wrong")
    fault = _fault(state, int(match["epoch"]), int(match["step"]))
    if fault:
        raise Unusable(fault)
    return state  # type: ignore[no-any-return]


def _intact(path: Path) -> bool:
    """Return True if each entry of the archive has its checksum, which torch doesn't verify."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except Exception:  # zipfile raises anything on a damaged file
        return False


_KEYS = {
    "epoch": int,
    "step": int,
    "at": int,
    "seconds": float,
    "model": dict,
    "optimizer": dict,
    "schedule": dict,
    "scaler": dict,
    "ema": dict,
    "generators": list,
    "meter": list,
    "rows": list,
    "losses": list,
}
"""The entries of a checkpoint, and their types."""


def _fault(state: Any, epoch: int, step: int) -> str:
    """The reason why a state can't belong to a run after this many epochs and steps; empty if it can."""
    if not isinstance(state, dict):
        return "it does not contain a training state"
    wrong = [key for key, kind in _KEYS.items() if not isinstance(state.get(key), kind)]
    if wrong:
        return f"its `{wrong[0]}` is missing or has the wrong type"
    if not isinstance(state["schedule"].get("last_epoch"), int):
        return "its `schedule` has no step"
    if (state["epoch"], state["step"]) != (epoch, step) or not 0 <= state["at"] <= step:
        return "its step differs from the one in its name"
    rows, losses = state["rows"], state["losses"]
    if len(rows) != epoch or not all(isinstance(row, dict) and _numbers(row, rows[0]) for row in rows):
        return "its `rows` do not have one row per epoch"
    if len(losses) != epoch or not all(isinstance(part, Tensor) and part.ndim == 1 for part in losses):
        return "its `losses` do not have one tensor per epoch"
    if not (state["generators"] and len(state["generators"]) == len(state["meter"])):
        return "its `generators` and `meter` are for different numbers of processes"
    return ""


def _numbers(row: dict[Any, Any], first: dict[Any, Any]) -> bool:
    from archc.training.run_folder import COLUMNS  # it imports this module, too

    named = row.keys() == first.keys() and all(isinstance(name, str) for name in row)
    return named and row.keys() >= set(COLUMNS) and all(isinstance(value, int | float) for value in row.values())
