"""Reads modules: an nn.Module, or a class or function of a Python file or module that makes one."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from archc.build.classes import Found, class_fault, construct, find_class, plain_arguments
from archc.importing.graph import Run, SourceGraph
from archc.importing.opaque import Parts, with_opaque_parts
from archc.importing.record import Constructed, record, title_of
from archc.kinds import Shape
from archc.language.names import as_class_name
from archc.library import IMAGE


def read_class(
    source: str,
    input: Shape | None,
    settings: Mapping[str, Any],
    name: str | None,
    weights: bool,
    *,
    opaque: bool = False,
) -> SourceGraph:
    """The graph of the network that a class or function makes: `file.py:Class` or `module:callable`.

    With `opaque`, parts that archc can't say become layers of the type `module`. Unless its `weights` are
    wanted, the network is made without values where possible. Arguments for pretrained weights are None, so nothing is
    downloaded. Raises SpecError (E0704, E0802).
    """
    found = find_class(source)
    if found is None:
        raise class_fault(source, f"`{source}` is not a class", "write file.py:Class or module:Class")
    constructed = Constructed()
    with constructed.watch():
        model = _without_values(found, settings) if not weights else None
        if model is None:
            model = construct(found, settings)
    title = name or (found.name if found.name[:1].isupper() else type(model).__name__)
    return _graph(model, input, title, constructed, f"Imported from {source}", weights, opaque=opaque)


def read_module(model: nn.Module, input: Shape | None, name: str | None, *, opaque: bool = False) -> SourceGraph:
    """The graph of a module that exists, like `read_class`; it isn't changed. Raises SpecError (E0802)."""
    title = name or title_of(model)
    origin = f"Imported from a module of the class {title_of(model)}"
    return _graph(model, input, title, Constructed(), origin, opaque=opaque)


def _graph(
    model: nn.Module,
    input: Shape | None,
    name: str,
    constructed: Constructed,
    origin: str,
    weights: bool = True,
    *,
    opaque: bool = False,
) -> SourceGraph:
    arguments, title = constructed.of(model), as_class_name(name)

    def recorded(parts: Parts, failed: set[str]) -> SourceGraph:
        return record(model, input or IMAGE, title, arguments, parts=parts, failed=failed)

    graph = with_opaque_parts(model, arguments, recorded) if opaque else recorded({}, set())
    wholes = sorted({each.arguments["target"] for each in graph.operations if each.kind == "module"})
    notes = [f"Parts that archc has no layer type for are classes: {', '.join(wholes)}."] if wholes else []
    state = model.state_dict() if weights else {}
    version = f"PyTorch {torch.__version__.partition('+')[0]}"
    return replace(
        graph,
        state=state,
        run=_runner(model),
        reference=f"the module's own in {version}",
        origin=f"{origin}.",
        notes=(*graph.notes, *notes),
    )


def _runner(model: nn.Module) -> Run:
    def run(state: Mapping[str, Tensor], inputs: Sequence[Tensor]) -> list[Tensor]:
        modes = [(module, module.training) for module in model.modules()]
        # A module with two names has two keys for each tensor. Only the first is given: torch would restore it twice.
        names = {f"{path}." if path else "" for path, _ in model.named_modules()}
        tensors = {key: value for key, value in model.state_dict().items() if _holder(key) in names}
        own = {key: value for key, value in tensors.items() if key not in state and not value.is_meta}
        # PyTorch computes a linear layer in another way if its weight needs no gradient.
        given = {key: value.detach().requires_grad_(value.is_floating_point()) for key, value in state.items()}
        try:
            model.eval()
            result = torch.func.functional_call(model, {**own, **given}, tuple(inputs), tie_weights=False)
        finally:
            for module, training in modes:
                module.training = training
        if isinstance(result, Tensor):
            return [result]
        parts = result.values() if isinstance(result, dict) else result
        return [part for part in parts if isinstance(part, Tensor)]

    return run


def _holder(key: str) -> str:
    """The path of the module that holds a tensor, with a dot after it; empty for the network's own."""
    return key[: key.rfind(".") + 1]


def _without_values(found: Found, settings: Mapping[str, Any]) -> nn.Module | None:
    """The network on torch's meta device, which takes no time or memory; None if it needs real tensors."""
    try:
        with warnings.catch_warnings(), torch.device("meta"):
            warnings.simplefilter("ignore")
            model = found.make(**plain_arguments(found, settings))
    except Exception:  # what reads values in its constructor, or is wrong: the real constructor will say
        return None
    if not isinstance(model, nn.Module):
        return None
    kept = set(model.state_dict())
    hidden = any(name not in kept for name, _ in model.named_buffers()) or any(
        isinstance(value, Tensor) for module in model.modules() for value in vars(module).values()
    )
    return None if hidden else model
