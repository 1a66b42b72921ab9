"""Inspection of a module class of another package: it is created and run once, if possible without memory."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, Final

import torch
from torch import Tensor, nn

from archc.build.targets import module_class
from archc.kinds import Fault, Inputs, Stored, form
from archc.kinds.module import Inspection, Module
from archc.known import key_of, remember
from archc.text import first_line

_MADE: Final[dict[Any, nn.Module | Fault]] = {}
"""Modules by their class and arguments."""
_FOUND: Final[dict[Any, Inspection | Fault]] = {}
"""The same with their input."""


def inspect(layer: Module, inputs: Inputs) -> Inspection | Fault:
    """Create the module of an entry and run it; return the reason if that fails. Random generators don't change."""
    key = (layer.target, *(name for name, _ in layer.arguments), key_of(*(value for _, value in layer.arguments)))
    if key not in _MADE:
        remember(_MADE, key, _made(layer))
    made = _MADE[key]
    if isinstance(made, Fault):
        return made
    if (key, inputs) not in _FOUND:
        remember(_FOUND, (key, inputs), _run(layer, made, inputs))
    return _FOUND[key, inputs]


def _made(layer: Module) -> nn.Module | Fault:
    """The module, on the meta device if its constructor allows that."""
    try:
        with _foreign():
            made: Any = module_class(layer.target)
    except Exception as error:
        help = "install its package, or add its folder to PYTHONPATH"
        return Fault("E0507", f"`{layer.target}` cannot be imported: {_said(error)}", "target", help=help)
    if not (isinstance(made, type) and issubclass(made, nn.Module)):
        help = "name a class, with its module"
        return Fault("E0507", f"`{layer.target}` is not a class of nn.Module", "target", help=help)
    arguments = dict(layer.arguments)
    try:
        with _foreign(), torch.device("meta"):
            return made(**arguments).eval()
    except Exception:  # it may compute with values
        try:
            with _foreign():
                return made(**arguments).eval()
        except Exception as error:
            message = f"`{layer.name}` cannot be created with these arguments: {_said(error)}"
            return Fault("E0507", message, help="write the arguments of its constructor under `arguments`")


def _run(layer: Module, module: nn.Module, inputs: Inputs) -> Inspection | Fault:
    """Run the module on two images, and collect the facts about it."""
    from torch.utils.flop_counter import FlopCounterMode  # it takes 0.1 s to import

    (shape,) = inputs
    counter = FlopCounterMode(display=False)
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    device = next((tensor.device for tensor in tensors.values()), torch.device("meta"))
    try:
        with _foreign(), torch.no_grad(), counter:
            result = module(torch.zeros(2, *shape, device=device))
    except Exception as error:
        message = f"`{layer.name}` does not accept {form(shape)}: {_said(error)}"
        return Fault("E0318", message, help="change its arguments or its input")
    if not isinstance(result, Tensor) or result.ndim < 2 or len(result) != 2:
        got = f"a tensor of {tuple(result.shape)}" if isinstance(result, Tensor) else f"`{type(result).__name__}`"
        message = f"`{layer.name}` returns {got} for two images"
        return Fault("E0318", message, help="a layer returns one tensor, with the batch as its first axis")
    trained = dict(module.named_parameters(remove_duplicate=False))
    stored = {
        key: Stored(tuple(tensor.shape), key in trained, not tensor.is_floating_point())
        for key, tensor in module.state_dict().items()
        if isinstance(tensor, Tensor)
    }
    parameters = sum(tensor.numel() for tensor in module.parameters())
    return Inspection(tuple(result.shape[1:]), stored, parameters, counter.get_total_flops() // 4)


@contextmanager
def _foreign() -> Iterator[None]:
    """Run foreign code: what it prints goes to stderr, and it doesn't change the random generators."""
    with redirect_stdout(sys.stderr), warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        try:
            yield
        except SystemExit as error:
            raise RuntimeError(f"it ends the program with {error.code}") from None


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {first_line(error)}"
