"""Reading and writing of state dicts: without running code, checked against the network, written completely."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn
from torch.utils.serialization import config

from archc.build.foreign import Unusable, read_state
from archc.build.matching import matched
from archc.files import cannot_write, writing
from archc.problems import Problem, SpecError, did_you_mean
from archc.text import counted

_SHOWN = 5
_FORMATS = (".safetensors", ".pth", ".pt", ".bin")


def load_weights(
    model: nn.Module, path: Path, ignore: tuple[str, ...] = (), renames: Mapping[str, str | None] | None = None
) -> None:
    """Load a state dict (.safetensors, or torch's format) with exactly the model's keys and shapes.

    The state dict can be part of a checkpoint. Its keys may differ from the model's as `matched` describes, with the
    patterns of `renames`. Keys that start with one of `ignore` are left out.
    Raises SpecError: E0501 if the file cannot be read, E0502 with the differing keys if it does not match.
    """
    own = model.state_dict()
    state = {
        key: value for key, value in matched(read_weights(path), own, renames).items() if not key.startswith(ignore)
    }
    differing = [key for key in {**own, **state} if key not in own or key not in state or _differ(own[key], state[key])]
    if differing:
        problems = [misfit(path, key, own, state) for key in differing[:_SHOWN]]
        if len(differing) > _SHOWN:
            message = f"{len(differing) - _SHOWN:,} more keys differ"
            problems.append(Problem("E0502", message, file=str(path)))
        raise SpecError(problems)
    model.load_state_dict(state)


def _differ(own: Tensor, theirs: Tensor) -> bool:
    return own.shape != theirs.shape


def misfit(path: Path, key: str, own: dict[str, Tensor], state: dict[str, Tensor]) -> Problem:
    """The problem of a key that only the network or only the file has, or whose shapes differ."""
    if key not in state:
        message, help = f"the file is missing `{key}`", did_you_mean(key, state) if len(state) <= 5000 else ""
    elif key not in own:
        message, help = f"the network has no `{key}`", did_you_mean(key, own) if len(own) <= 5000 else ""
    else:
        message = f"`{key}` is {_form(state[key])} in the file, but {_form(own[key])} in the network"
        help = _cause(own[key], state[key])
    return Problem("E0502", message, help=help, file=str(path))


def _form(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a single number"


def _cause(own: Tensor, theirs: Tensor) -> str:
    if own.ndim == 4 == theirs.ndim and own.shape[1] != theirs.shape[1] and own.shape[2:] == theirs.shape[2:]:
        return f"the weights expect {counted(theirs.shape[1], 'input channel')}, but the network has {own.shape[1]}"
    if own.ndim >= 1 and own.shape[1:] == theirs.shape[1:]:
        same = f"the weights expect {theirs.shape[0]} outputs here: use a network with {theirs.shape[0]} outputs"
        return f"{same}, or fine-tune them with `archc train --weights`, which replaces the last layer"
    return ""


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state dict of a file, like `read_state`. Raises SpecError (E0501) if there is no usable one."""
    try:
        return read_state(path)
    except Unusable as fault:
        what = f"`{path}` cannot be used as weights: {fault}"
        raise SpecError([Problem("E0501", what, file=str(path), help=fault.help)]) from None


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the state dict of a module, like `save_state`."""
    save_state(model.state_dict(), path)


def save_state(state: dict[str, Tensor], path: Path) -> None:
    """Save a state dict as .safetensors or in torch's format, depending on the extension; never leaves half a file.

    Raises SpecError if the file cannot be written.
    """
    if path.suffix not in _FORMATS:
        what = f"`{path}` does not have the extension of a weights file"
        raise SpecError([Problem("E0601", what, file=str(path), help=f"use {' or '.join(_FORMATS)}")])
    state = {key: value.contiguous() for key, value in state.items()}
    if path.suffix == ".safetensors":
        from safetensors.torch import save

        _written(path, lambda file: file.write(save(state)))
    else:
        save_archive(state, path)


def save_archive(content: Any, path: Path) -> None:
    """Save tensors and plain values in torch's format, with a checksum for each of them; never leaves half a file.

    Raises SpecError if the file cannot be written.
    """

    def archive(file: BinaryIO) -> None:
        with config.patch("save.compute_crc32", True):  # type: ignore[attr-defined]  # it may be switched off
            torch.save(content, file)

    _written(path, archive)


def _written(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Write a new file by a library's function. Raises SpecError if it fails."""
    with writing(path) as file:
        try:
            write(file)
        except Exception as error:  # torch raises its own exception after the file's
            cause = error.__context__ if isinstance(error.__context__, OSError) else error
            raise cannot_write(path, cause) from None
