"""State dicts in files from elsewhere: the only module that opens them, and every reason why a file can't be used.

Nothing in a file is executed, its content is limited by the size of the file, and every exception that torch or
safetensors raise on a damaged file becomes a reason.
"""

from __future__ import annotations

import pickle
import re
import stat
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

_IN_CHECKPOINTS = ("state_dict", "model_state_dict", "model", "net", "network", "weights")
"""The keys under which training scripts store the state dict."""

_EXPANSION = 4
"""The maximum ratio of content to file size; torch doesn't compress, but other programs may."""
_SMALL = 2**24
"""Bytes that are read from an archive regardless of its file size."""

_SHOWN = 5


class Unusable(Exception):
    """A file that can't be used as weights. Its message is the reason without the path, and `help` says what to do."""

    def __init__(self, reason: str, help: str = "") -> None:
        super().__init__(reason)
        self.help = help


def read_state(path: Path) -> dict[str, Tensor]:
    """Read the state dict of a file: dense real tensors by name, all in memory.

    It can be part of a checkpoint. Raises Unusable if the file can't be read or has other content, or if a value is
    NaN.
    """
    content = _safetensors(path) if path.suffix == ".safetensors" else load_pickled(path)
    state = _unwrapped(content)
    for name, tensor in state.items():
        fault = _fault(tensor)
        if fault:
            raise Unusable(f"`{name}` {fault[0]}", fault[1])
    return state


def load_pickled(file: Path) -> Any:
    """Load the tensors and plain values of a file that torch saved. Raises Unusable."""
    try:
        _require_file(file)
        _refuse_expansion(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's warnings about types of tensors, which are checked here
            return torch.load(file, map_location="cpu", weights_only=True)
    except Unusable:
        raise
    except pickle.UnpicklingError as error:
        raise _more_than_tensors(file, error) from None
    except Exception as error:  # torch raises anything on a damaged file
        raise Unusable(_reason(error)) from None


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load, load_file

    try:
        _require_file(path)
        # The library opens only paths in UTF-8. It maps them into memory, so reading the bytes takes twice the memory.
        state: dict[str, Tensor] = load_file(path) if _is_utf8(path) else load(path.read_bytes())
        return state
    except Unusable:
        raise
    except Exception as error:  # safetensors raises anything on a damaged file
        raise Unusable(_reason(error)) from None


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _require_file(path: Path) -> None:
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise Unusable("it is a folder" if stat.S_ISDIR(mode) else "it is not a regular file")


def _refuse_expansion(file: Path) -> None:
    """Reject an archive whose content is many times larger than its file."""
    if not zipfile.is_zipfile(file):
        return
    size = file.stat().st_size
    with zipfile.ZipFile(file) as archive:
        content = sum(entry.file_size for entry in archive.infolist())
    if content > max(_EXPANSION * size, _SMALL):
        raise Unusable(f"it expands from {size:,} to {content:,} bytes, which is not plausible for saved weights")


def _more_than_tensors(file: Path, error: Exception) -> Unusable:
    """The reason and the help for a pickle that contains objects of classes."""
    names: set[str] = set()
    try:
        names.update(torch.serialization.get_unsafe_globals_in_checkpoint(file))
    except Exception:  # a file in torch's older format
        names.update(re.findall(r"GLOBAL (\S+)", str(error)))
    if not names:
        return Unusable("it is damaged or not a file that torch saved")
    shown = sorted(names)[:_SHOWN]
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    reason = f"it holds objects of {', '.join(f'`{name}`' for name in shown)}{more}"
    return Unusable(f"{reason}, and archc runs no code from a file", _how_to_save(names))


def _how_to_save(names: set[str]) -> str:
    """The help for objects in a checkpoint: how to save it without them."""
    alone = "torch.save(model.state_dict(), path)"
    if any(name.startswith(("numpy.", "_codecs.")) for name in names):
        return f"save numbers as float(x) instead of numpy's, or the weights alone: {alone}"
    if "argparse.Namespace" in names:
        return f"save vars(args) instead of the Namespace, or the weights alone: {alone}"
    return f"save the weights alone: {alone}"


def _reason(error: Exception) -> str:
    """A short reason why a file can't be read."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, MemoryError):
        return "it needs more memory than is available"
    lines = str(error).splitlines()
    said = f": {lines[0][:200]}" if lines else ""
    return f"it is damaged or in another format ({type(error).__name__}{said})"


def _unwrapped(content: Any) -> dict[str, Tensor]:
    """The state dict itself, or the one within a checkpoint."""
    seen: set[int] = set()
    while isinstance(content, dict):
        if id(content) in seen:
            raise Unusable("it does not contain a state dict: its entries refer to each other in a circle")
        seen.add(id(content))
        inner: dict[int, str] = {}  # by identity: one state dict may be there under two names
        for key in _IN_CHECKPOINTS:
            if isinstance(content.get(key), dict):
                inner.setdefault(id(content[key]), key)
        names = list(inner.values())
        if not names:
            break
        if len(full := [name for name in names if _has_tensors(content[name])]) > 1:
            others = " and ".join(f"`{name}`" for name in full)
            raise Unusable(f"it contains {len(full)} state dicts, {others}", "save the one that you mean")
        content = content[(full or names)[0]]
    if not isinstance(content, dict):
        raise Unusable(f"it does not contain a state dict (a mapping from names to tensors) but {_kind(content)}")
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            entry = f"`{key[:80]}`" if isinstance(key, str) else f"a key that is {_kind(key)}"
            what = f": {entry} is {_kind(value)}" if isinstance(key, str) else f": it has {entry}"
            help = f"archc looks for the state dict at the top and under {', '.join(_IN_CHECKPOINTS)}"
            raise Unusable(f"it does not contain a state dict (a mapping from names to tensors){what}", help)
    return content


def _has_tensors(content: dict[Any, Any]) -> bool:
    """Return True if a mapping, or one within it, has tensors."""
    inside = [value for value in content.values() if isinstance(value, dict)]
    return any(isinstance(value, Tensor) for part in (content, *inside) for value in part.values())


def _kind(value: Any) -> str:
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _fault(tensor: Tensor) -> tuple[str, str] | None:
    """The reason why a tensor can't be a weight, and the help; None if it can."""
    if type(tensor) not in (Tensor, nn.Parameter) or tensor.is_nested:
        return "is not a plain tensor", "save plain tensors"
    if tensor.is_quantized:
        return "is quantized", "save it with `.dequantize()`"
    if tensor.layout != torch.strided:
        return f"is sparse ({tensor.layout})", "save it with `.to_dense()`"
    if tensor.is_meta:
        return (
            "has a shape but no values: it was saved on the meta device",
            "save the model after its weights are loaded",
        )
    if tensor.is_complex():
        return "has complex values", "save its real part, if that is what you want"
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        return "repeats the values of a smaller tensor", "save it with `.contiguous()`"
    if tensor.is_floating_point():
        wrong = int(tensor.to(torch.float32).isnan().sum()) if tensor.element_size() < 4 else int(tensor.isnan().sum())
        if wrong:
            return f"has {wrong:,} values of {tensor.numel():,} that are NaN", "the training run that saved it diverged"
    return None
