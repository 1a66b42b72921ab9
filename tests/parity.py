"""Built and emitted modules of one architecture, side by side."""

from __future__ import annotations

import importlib.util
import linecache
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from archc import Architecture
from archc.testing.agreement import assert_same_outputs, assert_same_state, run, same_bits


def emitted_class(architecture: Architecture, **settings: Any) -> type[nn.Module]:
    """The network's class from the emitted source, imported from a file as a user would."""
    return class_of(architecture.emit(**settings), architecture.name)


def class_of(source: str, name: str) -> type[nn.Module]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "emitted.py"
        path.write_text(source, "utf-8")
        # TorchScript reads the source when it compiles, and the file is gone by then.
        linecache.cache[str(path)] = (len(source), None, source.splitlines(keepends=True), str(path))
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


def images(count: int, *shape: int) -> Tensor:
    """A batch of noise, always the same."""
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(5))


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Copies of a model's weights."""
    return {key: value.clone() for key, value in model.state_dict().items()}


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor], ordered: bool = True) -> None:
    """Equal names, in the same order if they are `ordered`, and equal bits."""
    assert list(found) == list(expected) if ordered else found.keys() == expected.keys()
    assert [name for name, value in found.items() if not same_bits(value, expected[name])] == []


def assert_is_its_reference(
    architecture: Architecture,
    reference: Callable[[], nn.Module],
    batch: Tensor,
    *others: Tensor,
    outputs: Callable[[nn.Module, Tensor, bool], dict[str, Tensor]] = lambda model, x, training: run(
        model, x, training=training
    ),
    ordered: bool = True,
) -> None:
    """Built and emitted have the reference's initial weights and training outputs under one seed, and its outputs.

    Everything is equal bit for bit: keys and initial weights, the outputs in training for the first batch and the
    statistics after it, and the outputs in evaluation mode of all batches for weights that are loaded strictly.
    Unless `ordered`, the keys may be in another order.
    """
    theirs = seeded(reference)
    makers = [architecture.build, emitted_class(architecture)]
    models = [seeded(make) for make in makers]
    for model in models:
        assert_same(model.state_dict(), weights_of(theirs), ordered)
    expected = outputs(theirs, batch, True)
    trained = weights_of(theirs)
    for model in models:
        assert_same(run(model, batch, training=True), expected)
        assert_same(model.state_dict(), trained, ordered)
    del models
    for make in makers:
        with torch.device("meta"):
            model = make()
        model.load_state_dict(trained, strict=True, assign=True)
        for x in (batch, *others):
            found, expected = run(model, x), outputs(theirs, x, False)
            assert_same(found, expected)
            assert all((found[name] - value).abs().max().item() == 0.0 for name, value in expected.items())
