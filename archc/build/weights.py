"""State dicts from and to files: read without running code, checked against the network, written whole."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from archc.problems import Problem, SpecError, did_you_mean

_SHOWN = 5
_FORMATS = (".safetensors", ".pth", ".pt", ".bin")


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a state dict (.safetensors, or torch's format) with exactly the model's keys and shapes.

    Raises SpecError: E0501 if the file cannot be read, E0502 with the differing keys if it does not fit.
    """
    state = _read(path)
    own = model.state_dict()
    problems = []
    for key in own:
        if key not in state:
            help = did_you_mean(key, state) if len(state) <= 5000 else ""
            problems.append(_misfit(path, f"the file lacks `{key}`", help))
        elif state[key].shape != own[key].shape:
            theirs, ours = _form(state[key]), _form(own[key])
            problems.append(
                _misfit(path, f"`{key}` is {theirs} in the file, {ours} in the network", _cause(own[key], state[key]))
            )
    problems += [
        _misfit(path, f"the network has no `{key}`", did_you_mean(key, own)) for key in state if key not in own
    ]
    if len(problems) > _SHOWN:
        more = len(problems) - _SHOWN
        problems = [*problems[:_SHOWN], _misfit(path, f"{more} more keys differ", "")]
    if problems:
        raise SpecError(problems)
    model.load_state_dict(state)


def _misfit(path: Path, message: str, help: str) -> Problem:
    return Problem("E0502", message, help=help, file=str(path))


def _form(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a single number"


def _cause(own: Tensor, theirs: Tensor) -> str:
    if own.ndim == 4 == theirs.ndim and own.shape[1] != theirs.shape[1] and own.shape[2:] == theirs.shape[2:]:
        return f"the weights are for {theirs.shape[1]} input channels, the network has {own.shape[1]} there"
    if own.ndim >= 1 and own.shape[1:] == theirs.shape[1:]:
        return f"if this is the classifier: `--set num_classes={theirs.shape[0]}`"
    return ""


def _read(path: Path) -> dict[str, Tensor]:
    unreadable: str | None = None
    state: Any = None
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        unreadable = (error.strerror or str(error)).lower()
    except pickle.UnpicklingError:
        unreadable = "it is no state dict (archc reads tensors only and never runs code from a file)"
    except Exception as error:  # torch and safetensors raise many kinds on a damaged file
        unreadable = f"it is damaged or of another format ({type(error).__name__})"
    if unreadable is None and isinstance(state, dict) and set(state) == {"state_dict"}:
        state = state["state_dict"]
    if unreadable is None and not (
        isinstance(state, dict) and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items())
    ):
        unreadable = "it holds no state dict (a mapping from names to tensors)"
    if unreadable is not None:
        raise SpecError([Problem("E0501", f"`{path}` cannot be used as weights: {unreadable}", file=str(path))])
    assert isinstance(state, dict)
    return state


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the state dict of a module; as `save_state`."""
    save_state(model.state_dict(), path)


def save_state(state: dict[str, Tensor], path: Path) -> None:
    """Write a state dict, as .safetensors or in torch's format, by its name; never half a file.

    Raises SpecError if the file cannot be written.
    """
    from archc.files import writing

    if path.suffix not in _FORMATS:
        what = f"`{path}` is no name for weights"
        raise SpecError([Problem("E0601", what, file=str(path), help=f"end it with {', '.join(_FORMATS)}")])
    state = {key: value.contiguous() for key, value in state.items()}
    with writing(path) as temporary:
        if path.suffix == ".safetensors":
            from safetensors.torch import save_file

            save_file(state, temporary)
        else:
            torch.save(state, temporary)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
