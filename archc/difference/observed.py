"""A module whose forward pass archc can't say: the tree of its modules, and what is seen while it runs once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from archc.build.classes import class_fault
from archc.build.recognize import kind_of
from archc.difference.compared import Compared, LayerFigures
from archc.difference.tree import HIDDEN, Argument, Body, Part
from archc.kinds import Shape, Stored

Size = tuple[int, ...]


def observed_module(label: str, model: nn.Module, input: Size, reasons: tuple[str, ...]) -> Compared:
    """A module by its tree of modules, run once on an image of a size; `reasons` say why it was not traced.

    Multiply-adds are those of the convolutions and matrix products that ran, however they were called, and parameters
    those that its outputs depend on. Raises SpecError (E0704) if it doesn't run.
    """
    seen = _run(label, model, input)
    layers: dict[str, LayerFigures] = {}
    body = _body(model, "", seen, layers)
    every = sum(parameter.numel() for parameter in model.parameters())
    figures = {"parameters": every if seen.used is None else seen.used, "macs": seen.macs[""], "outputs": seen.outputs}
    state = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    return Compared(label, type(model).__name__, body, figures, layers, state, model=model, untraced=reasons)


def tensors(result: Any) -> dict[str, Tensor]:
    """The outputs of a module by name; of an only one, or of the first, the name is `output`."""
    if isinstance(result, Tensor):
        return {"output": result}
    if isinstance(result, tuple | list):
        result = dict(enumerate(result))
    named = result.items() if isinstance(result, dict) else ()
    return {str(name): value for name, value in named if isinstance(value, Tensor)}


# Running


@dataclass(slots=True)
class _Seen:
    """What a run shows: by their paths, the input and output shapes of the modules that ran, and their multiply-adds.

    `used` is the number of parameters that the outputs depend on; None if no gradient reaches them.
    """

    shapes: dict[str, tuple[Shape, Shape]] = field(default_factory=dict)
    macs: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, Shape] = field(default_factory=dict)
    used: int | None = None


@torch.enable_grad()
def _run(label: str, model: nn.Module, input: Size) -> _Seen:
    """Run a module with gradients and attention step by step: PyTorch doesn't count all of its faster ways."""
    seen = _Seen()

    def keep(path: str) -> Any:
        def hook(_module: nn.Module, inputs: Any, output: Any) -> None:
            x = next((value for value in inputs if isinstance(value, Tensor)), None)
            y = next(iter(tensors(output).values()), None)
            if x is not None and y is not None:
                seen.shapes[path] = tuple(x.shape[1:]), tuple(y.shape[1:])

        return hook

    handles = [module.register_forward_hook(keep(path)) for path, module in model.named_modules() if path]
    modes = [(module, module.training) for module in model.modules()]
    weights = {name: value.detach().requires_grad_() for name, value in model.named_parameters()}
    counter = FlopCounterMode(display=False)
    try:
        model.eval()
        with counter, sdpa_kernel(SDPBackend.MATH):
            outputs = tensors(torch.func.functional_call(model, weights, (torch.zeros(1, *input),)))
    except Exception as error:  # the class is a program of its author's
        size = "×".join(map(str, input))
        what = f"{type(model).__name__} does not run on an image of {size}: {type(error).__name__}: {error}"
        raise class_fault(label, what) from None
    finally:
        for module, training in modes:
            module.training = training
        for handle in handles:
            handle.remove()
    seen.outputs = {name: tuple(y.shape[1:]) for name, y in outputs.items()}
    seen.macs[""] = counter.get_total_flops() // 2
    for name, counts in counter.get_flop_counts().items():
        seen.macs[name.partition(".")[2]] = sum(counts.values()) // 2
    if all(y.grad_fn is not None for y in outputs.values()):
        reached = set(_leaves(outputs.values()))
        seen.used = sum(value.numel() for value in weights.values() if id(value) in reached)
    return seen


def _leaves(outputs: Any) -> Iterator[int]:
    """The ids of the tensors that outputs were computed from."""
    pending = [y.grad_fn for y in outputs]
    known = set(pending)
    while pending:
        step = pending.pop()
        if hasattr(step, "variable"):
            yield id(step.variable)
        for before, _ in step.next_functions:
            if before is not None and before not in known:
                known.add(before)
                pending.append(before)


# Parts


def _body(module: nn.Module, path: str, seen: _Seen, layers: dict[str, LayerFigures]) -> Body:
    parts = [_part(child, name, f"{path}{name}", seen, layers) for name, child in module.named_children()]
    kept = module.state_dict(keep_vars=True)
    for name, value in ((name, value) for name, value in kept.items() if "." not in name):
        trained = isinstance(value, nn.Parameter)
        stored = {"": Stored(tuple(value.shape), trained, not value.is_floating_point())}
        parts.append(Part(name, "parameter" if trained else "buffer", None, None, {}, None, (), (), tensors=stored))
        layers[f"{path}{name}"] = LayerFigures(None, parts[-1].parameters, None, None)
    numbered = all(part.name.isdigit() for part in parts)
    nameless = not path or isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict)
    return Body(tuple(parts), None, numbered=numbered, name="" if nameless else type(module).__name__)


def _part(module: nn.Module, name: str, path: str, seen: _Seen, layers: dict[str, LayerFigures]) -> Part:
    x, y = seen.shapes.get(path, ((), ()))
    kind = kind_of(module)
    made = Part(name, type(module).__name__, None, None, {}, None, x, y)
    if kind is None and list(module.children()):
        return replace(made, body=_body(module, f"{path}.", seen, layers))
    trained = dict(module.named_parameters())
    state = module.state_dict()
    stored = {
        key: Stored(tuple(tensor.shape), key in trained, not tensor.is_floating_point())
        for key, tensor in state.items()
    }
    if kind is None:
        values = {"": module.extra_repr()} if module.extra_repr() else {}
    else:
        made = replace(made, kind=kind.kind, layer=kind)
        values = {key: value for key, value in kind.settled((x,)).items() if key not in HIDDEN}
    arguments = {key: Argument(value, value) for key, value in values.items()}
    made = replace(made, arguments=arguments, tensors=stored)
    layers[path] = LayerFigures(y or None, made.parameters, seen.macs.get(path, 0) if y else None, None)
    return made
