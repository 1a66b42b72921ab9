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
_IN_CHECKPOINTS = ("state_dict", "model_state_dict", "model")
"""Where training scripts keep the state dict within what they save."""
_WRAPPERS = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before each name."""
_FORMATS = (".safetensors", ".pth", ".pt", ".bin")


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a state dict (.safetensors, or torch's format) with exactly the model's keys and shapes.

    It may stand within a training script's checkpoint, and its names may begin with a wrapper's `module.`.
    Raises SpecError: E0501 if the file cannot be read, E0502 with the differing keys if it does not fit.
    """
    state = _read(path)
    own = model.state_dict()
    differing = [key for key in {**own, **state} if key not in own or key not in state or _differ(own[key], state[key])]
    if differing:
        problems = [_misfit(path, key, own, state) for key in differing[:_SHOWN]]
        if len(differing) > _SHOWN:
            message = f"{len(differing) - _SHOWN:,} more keys differ"
            problems.append(Problem("E0502", message, file=str(path)))
        raise SpecError(problems)
    model.load_state_dict(state)


def _differ(own: Tensor, theirs: Tensor) -> bool:
    return own.shape != theirs.shape


def _misfit(path: Path, key: str, own: dict[str, Tensor], state: dict[str, Tensor]) -> Problem:
    """Why a key of the network or the file does not fit the other."""
    if key not in state:
        message, help = f"the file lacks `{key}`", did_you_mean(key, state) if len(state) <= 5000 else ""
    elif key not in own:
        message, help = f"the network has no `{key}`", did_you_mean(key, own) if len(own) <= 5000 else ""
    else:
        message = f"`{key}` is {_form(state[key])} in the file, {_form(own[key])} in the network"
        help = _cause(own[key], state[key])
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
    found = None if unreadable else _unwrapped(state)
    if found is None:
        unreadable = unreadable or "it holds no state dict (a mapping from names to tensors)"
        raise SpecError([Problem("E0501", f"`{path}` cannot be used as weights: {unreadable}", file=str(path))])
    return found


def _unwrapped(state: Any) -> dict[str, Tensor] | None:
    """The state dict of a file: itself, or within a checkpoint, and without what wrappers put before every name."""
    if isinstance(state, dict):
        for key in _IN_CHECKPOINTS:
            if isinstance(state.get(key), dict):
                return _unwrapped(state[key])
    if not (isinstance(state, dict) and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items())):
        return None
    for wrapper in _WRAPPERS:
        if state and all(key.startswith(wrapper) for key in state):
            return _unwrapped({key.removeprefix(wrapper): value for key, value in state.items()})
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
