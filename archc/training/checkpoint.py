"""Checkpoints: written whole or not at all, two kept, each with its checksum in its name."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import re
from pathlib import Path
from typing import Any, BinaryIO

import torch

from archc.files import cannot_write
from archc.problems import Problem, SpecError

KEPT = 2
_NAME = re.compile(r"epoch-\d{6}-step-\d{9}-(?P<digest>[0-9a-f]{32})\.pt")


def save_checkpoint(folder: Path, epoch: int, step: int, state: dict[str, Any]) -> Path:
    """Write the state after so many epochs and steps; then remove all but the newest two.

    The file appears under its name, which holds the SHA-256 of its content (half of it), when all of it is on the
    disk. Raises SpecError (E0601) if it cannot be written: what was saved before stays.
    """
    name = f"epoch-{epoch:06}-step-{step:09}"
    temporary = folder / f".{name}.{os.getpid()}"
    try:
        with temporary.open("wb") as file:
            hashing = _Hashing(file)
            torch.save(state, hashing)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        path = folder / f"{name}-{hashing.digest()}.pt"
        temporary.replace(path)
        _sync(folder)
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            error = error.__context__ if isinstance(error.__context__, OSError) else error
        raise cannot_write(folder, error) from None
    for old in checkpoints(folder)[KEPT:]:
        old.unlink(missing_ok=True)
    for leftover in folder.glob(".epoch-*"):
        leftover.unlink(missing_ok=True)  # of a process that was killed while it wrote
    return path


class _Hashing:
    """A file that is written, and the SHA-256 of what was."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def digest(self) -> str:
        return self._hash.hexdigest()[:32]


def _sync(folder: Path) -> None:
    """A new name is on the disk when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a folder, newest first."""
    return sorted((path for path in folder.glob("epoch-*.pt") if _NAME.fullmatch(path.name)), reverse=True)


def load_checkpoint(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """The newest sound state, and a sentence for each damaged one that was passed over.

    None where the folder has no checkpoint. Raises SpecError (E0706) where all of them are damaged.
    """
    found = checkpoints(folder)
    notes: list[str] = []
    for path in found:
        fault = ""
        state: dict[str, Any] = {}
        try:
            content = path.read_bytes()
            match = _NAME.fullmatch(path.name)
            assert match is not None
            if hashlib.sha256(content).hexdigest()[:32] != match["digest"]:
                fault = "its checksum is wrong"
            else:
                # The checksum shows damage, not intent: only tensors and plain values are read.
                state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:
            fault = "it holds more than tensors and plain values"
        except (OSError, RuntimeError, EOFError, ValueError) as error:
            fault = str(error).splitlines()[0]
        if not fault:
            return state, notes
        notes.append(f"the checkpoint {path.name} is damaged ({fault}): going back to the one before")
    if found:
        what = f"every checkpoint in `{folder}` is damaged"
        help = "best.safetensors may still hold the best weights; begin anew with another --out"
        raise SpecError([Problem("E0706", what, file=str(folder), help=help)])
    return None, notes
