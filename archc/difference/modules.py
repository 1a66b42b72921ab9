"""An nn.Module as a tree of parts, and the comparison of two networks by running them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from archc.build.classes import class_fault
from archc.build.recognize import kind_of
from archc.difference.compared import Compared, LayerFigures
from archc.difference.tree import Argument, Body, Part
from archc.kinds import Shape, Stored

Size = tuple[int, ...]

_TOLERANCE = 1e-5
"""Outputs are equal if they differ by at most this fraction of the largest one, because sums may be in another
order."""


@dataclass(frozen=True, slots=True)
class Run:
    """The largest difference of two networks with the same weights on one image, relative to the largest output."""

    difference: float

    @property
    def same(self) -> bool:
        """Return True if both compute the same, except for rounding."""
        return self.difference <= _TOLERANCE


def compared_module(label: str, model: nn.Module, input: Size | None) -> Compared:
    """Run a module once on an image of the given size to get its shapes.

    Raises SpecError (E0704) if it doesn't run.
    """
    seen = _Seen() if input is None else _run(label, model, input)
    layers: dict[str, LayerFigures] = {}
    body = _body(model, "", seen, layers)
    trained = {name: parameter.numel() for name, parameter in model.named_parameters()}
    figures: dict[str, Any] = {"parameters": sum(trained.values()), "training_parameters": sum(trained.values())}
    if input is not None:
        leaves = {path for path, module in model.named_modules() if not list(module.children())}
        idle = leaves - seen.shapes.keys()  # heads that only exist in training
        figures["parameters"] = sum(size for name, size in trained.items() if name.rpartition(".")[0] not in idle)
        figures["macs"] = sum(layer.macs or 0 for layer in layers.values())
        figures["outputs"] = seen.outputs
    return Compared(label, type(model).__name__, body, figures, layers, model=model)


# Shapes


@dataclass(slots=True)
class _Seen:
    """Input and output shapes of the modules that ran, by path, and the shapes of the outputs."""

    shapes: dict[str, tuple[Shape, Shape]] = field(default_factory=dict)
    outputs: dict[str, Shape] = field(default_factory=dict)


@torch.no_grad()
def _run(label: str, model: nn.Module, input: Size) -> _Seen:
    seen = _Seen()

    def keep(path: str) -> Any:
        def hook(_module: nn.Module, inputs: Any, output: Any) -> None:
            x = next((value for value in inputs if isinstance(value, Tensor)), None)
            y = next(iter(_tensors(output).values()), None)
            if x is not None and y is not None:
                seen.shapes[path] = tuple(x.shape[1:]), tuple(y.shape[1:])

        return hook

    handles = [module.register_forward_hook(keep(path)) for path, module in model.named_modules() if path]
    training = model.training
    try:
        seen.outputs = {name: tuple(y.shape[1:]) for name, y in _tensors(model.eval()(torch.zeros(1, *input))).items()}
    except Exception as error:  # the class is the user's code
        size = "×".join(map(str, input))
        what = f"{type(model).__name__} does not run on an image of {size}: {type(error).__name__}: {error}"
        raise class_fault(label, what) from None
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    return seen


def _tensors(result: Any) -> dict[str, Tensor]:
    """The outputs of a module by name; an only or first output is called `output`."""
    if isinstance(result, Tensor):
        return {"output": result}
    if isinstance(result, tuple | list):
        result = dict(enumerate(result))
    named = result.items() if isinstance(result, dict) else ()
    return {str(name): value for name, value in named if isinstance(value, Tensor)}


# Parts


def _body(module: nn.Module, path: str, seen: _Seen, layers: dict[str, LayerFigures]) -> Body:
    parts = [_part(child, name, f"{path}{name}", seen, layers) for name, child in module.named_children()]
    for name, value in module.named_parameters(recurse=False):
        parts.append(Part(name, "parameter", None, None, {}, None, (), (), tensors={"": Stored(tuple(value.shape))}))
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
    tensors = {
        key: Stored(tuple(tensor.shape), key in trained, not tensor.is_floating_point())
        for key, tensor in state.items()
    }
    if kind is None:
        values = {"": module.extra_repr()} if module.extra_repr() else {}
    else:
        made = replace(made, kind=kind.kind, layer=kind)
        values = kind.settled((x,))
    arguments = {key: Argument(value, value) for key, value in values.items()}
    made = replace(made, arguments=arguments, tensors=tensors)
    macs = kind.macs((x,), y) if kind is not None and x and y else None
    layers[path] = LayerFigures(y or None, made.parameters, macs, None)
    return made


# Running


@torch.no_grad()
def run_both(copy: nn.Module, model: nn.Module, input: Size) -> Run | None:
    """Compare the outputs of both on one image; `copy` takes over the weights of the model.

    None if their outputs have different names or shapes.
    """
    copy.load_state_dict(model.state_dict())
    image = torch.rand(1, *input, generator=torch.Generator().manual_seed(0))
    training = model.training
    one, other = (_tensors(each.eval()(image)) for each in (copy, model))
    model.train(training)
    if {name: y.shape for name, y in one.items()} != {name: y.shape for name, y in other.items()}:
        return None
    largest = max((float(y.abs().max()) for y in other.values()), default=0.0)
    apart = max((float((one[name] - y).abs().max()) for name, y in other.items()), default=0.0)
    return Run(apart / largest if largest else apart)
