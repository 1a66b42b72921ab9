"""Built and emitted modules of one architecture, side by side."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from archc import Architecture
from archc.testing.agreement import assert_same_outputs, assert_same_state, run


def emitted_class(architecture: Architecture, **settings: Any) -> type[nn.Module]:
    """The network's class from the emitted source, imported from a file as a user would."""
    return class_of(architecture.emit(**settings), architecture.name)


def class_of(source: str, name: str) -> type[nn.Module]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "emitted.py"
        path.write_text(source, "utf-8")
        spec = importlib.util.spec_from_file_location(f"emitted_{abs(hash(source))}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    made = getattr(module, name)
    assert issubclass(made, nn.Module)
    return made


def seeded(make: Any, seed: int = 0) -> nn.Module:
    """A module made under a seed."""
    torch.manual_seed(seed)
    module = make()
    assert isinstance(module, nn.Module)
    return module


def assert_equal_modules(one: nn.Module, other: nn.Module, x: Tensor) -> None:
    """Same keys in the same order, same weights bit for bit, bit-equal finite outputs in eval and training mode."""
    assert_same_state(one, other)
    for training in (False, True):
        outputs = run(one, x, training=training)
        assert all(value.isfinite().all() for value in outputs.values())
        assert_same_outputs(outputs, run(other, x, training=training))
