"""What is trained: a spec, a class of a Python file or module, or a module that Python code hands over."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from archc.architecture import Architecture, load
from archc.build.classes import Found, class_fault, construct, find_class
from archc.problems import Problem, SpecError, did_you_mean
from archc.reading import read_file

Size = tuple[int, int, int]
"""(channels, height, width) of the network's input."""


def no_files(_size: Size, _classes: int) -> dict[str, str]:
    """A network that a run's folder cannot keep."""
    return {}


@dataclass(frozen=True, slots=True)
class Subject:
    """A network before it is fitted to data.

    `make` builds it for an input size and a number of classes. `declared` is the input it was designed for, if that
    is known. `files` are texts, by file name, that the run's folder keeps, so that the network can be built from there
    again; `reference` says how. `settings` are the parameters or arguments that were given.
    """

    name: str
    make: Callable[[Size, int], nn.Module]
    declared: Size | None = None
    files: Callable[[Size, int], dict[str, str]] = no_files
    reference: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


def find_subject(model: Any, settings: dict[str, Any] | None = None) -> Subject:
    """The network behind a spec (path or bundled name), `file.py`, `file.py:Class`, `module:Class` or an nn.Module.

    `settings` are parameters of the spec, or arguments of the class. Raises SpecError: E0704 where there is no such
    network, and a spec's own faults.
    """
    settings = settings or {}
    if isinstance(model, nn.Module):
        return Subject(type(model).__name__, lambda _size, _classes: model, reference={"kind": "module"})
    if isinstance(model, Architecture):
        return _spec(model, settings)
    found = find_class(str(model))
    return _spec(load(model), settings) if found is None else _class(found, settings)


# Specs


def _spec(architecture: Architecture, settings: dict[str, Any]) -> Subject:
    architecture = architecture.configure(**settings)

    def fitted(size: Size, classes: int) -> Architecture:
        known = architecture.parameters
        wanted = {"num_classes": classes} if "num_classes" in known and "num_classes" not in settings else {}
        return architecture.configure(size, **wanted)

    def files(size: Size, classes: int) -> dict[str, str]:
        return spec_files(fitted(size, classes))

    return Subject(
        architecture.name,
        lambda size, classes: fitted(size, classes).build(),
        architecture.input,
        files,
        {"kind": "spec"},
        settings,
    )


def spec_files(architecture: Architecture) -> dict[str, str]:
    """A spec as it was resolved: `spec.yaml`, which extends a copy of the original, and what that one reads."""
    path = architecture.path
    if path is None:
        return {"spec.yaml": architecture.network.spec.source.text}
    found = _with_dependencies(path)
    stem = path.stem
    while f"{stem}.yaml" in {"spec.yaml", "recipe.yaml"} | found.keys() - {path.name}:
        stem += "_original"
    clash = {"spec.yaml", "recipe.yaml"} & found.keys() - {path.name}
    if clash:
        what = f"a run keeps its own `{min(clash)}` beside the spec's files, which have one of that name"
        raise SpecError([Problem("E0601", what, file=str(path), help="rename that file")])
    found[f"{stem}.yaml"] = found.pop(path.name)
    lines = [
        "# The network as it was trained: the spec beside this file, with the settings that follow.",
        f"extends: {stem}.yaml",
        f"name: {architecture.name}",
        f"input: {list(architecture.input)}",
    ]
    if architecture.settings:
        lines.append("parameters:")
        lines += [f"  {name}: {json.dumps(value)}" for name, value in architecture.settings.items()]
    return {"spec.yaml": "\n".join(lines) + "\n", **found}


def _with_dependencies(path: Path) -> dict[str, str]:
    """The texts of a spec and of all that it extends or imports, by file name."""
    found: dict[str, str] = {}
    waiting = [path.name]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        root = read_file(path.parent / name, name)
        found[name] = root.mark.source.text
        waiting += [root["extends"]] if "extends" in root else []
        waiting += list(root.get("import") or {})
    return found


# Classes


def _class(found: Found, settings: dict[str, Any]) -> Subject:
    taken = inspect.signature(found.make).parameters
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values())
    for setting in settings:
        if setting not in taken and not open_ended:
            what = f"`{found.name}` takes no argument `{setting}`"
            raise class_fault(found.shown, what, did_you_mean(setting, taken))
    takes_classes = ("num_classes" in taken or open_ended) and "num_classes" not in settings

    def make(_size: Size, classes: int) -> nn.Module:
        return construct(found, {**settings, "num_classes": classes} if takes_classes else settings)

    if found.text is None:
        return Subject(found.name, make, reference={"kind": "import", "name": found.shown}, settings=settings)
    kept = {"model.py": found.text}
    reference = {"kind": "file", "class": found.name}
    return Subject(found.name, make, files=lambda _size, _classes: kept, reference=reference, settings=settings)


# Fitting a network to its data


@torch.no_grad()
def output_shapes(model: nn.Module, size: Size) -> dict[str, tuple[int, ...]]:
    """The shapes of the outputs in inference for images of a size, without the batch. Raises what torch raises.

    Weights, statistics and the random generators stay as they are.
    """
    training = model.training
    parameter = next(model.parameters(), torch.empty(0))
    try:
        result = model.eval()(torch.zeros(2, *size, device=parameter.device))
    finally:
        model.train(training)
    if isinstance(result, Tensor):
        return {"output": tuple(result.shape[1:])}
    named = result.items() if isinstance(result, dict) else {"output": result[0]}.items()
    return {name: tuple(scores.shape[1:]) for name, scores in named}


def fit(subject: Subject, sizes: list[Size], classes: int, seed: int) -> tuple[nn.Module, Size, tuple[str, ...]]:
    """The network, initialised under a seed, for the first input size that it takes; and its outputs' names.

    Raises SpecError (E0703) where it takes none of them, or gives another number of classes.
    """
    problems: list[Problem] = []
    for size in sizes:
        torch.manual_seed(seed)
        try:
            model = subject.make(size, classes)
            clash = _channels(subject, model, size[0])
            if clash:
                raise clash
            shapes = output_shapes(model, size)
        except SpecError as error:
            if not all(problem.code.startswith(("E03", "E0402")) for problem in error.problems):
                raise
            problems = problems or error.problems
            continue
        except (RuntimeError, ValueError) as error:
            what = f"{subject.name} does not run on images of {_form(size)}: {str(error).splitlines()[0]}"
            problems = problems or [Problem("E0703", what, file=subject.name, help="try another size with --resize")]
            continue
        _check_outputs(subject, shapes, classes)
        return model, size, tuple(shapes)
    raise SpecError(problems)


@torch.no_grad()
def runs_alone(model: nn.Module, size: Size) -> str:
    """Why a network cannot take a single image in training, as batch norm of a 1×1 map; empty if it can.

    Weights, statistics and the random generators stay as they are.
    """
    training = model.training
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    device = next(model.parameters(), torch.empty(0)).device
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.func.functional_call(model.train(), buffers, (torch.zeros(1, *size, device=device),))
    except (RuntimeError, ValueError) as error:
        return str(error).splitlines()[0]
    finally:
        model.train(training)
    return ""


def _channels(subject: Subject, model: nn.Module, channels: int) -> SpecError | None:
    first = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    if first is None or first.in_channels == channels:
        return None
    what = f"{subject.name} takes images of {first.in_channels} channels, the data has {channels}"
    help = f"--channels {first.in_channels} converts the images" if first.in_channels in (1, 3) else ""
    return SpecError([Problem("E0703", what, file=subject.name, help=help)])


def _check_outputs(subject: Subject, shapes: dict[str, tuple[int, ...]], classes: int) -> None:
    for name, shape in shapes.items():
        if shape == (classes,):
            continue
        if len(shape) != 1:
            what = f"the output `{name}` of {subject.name} is {_form(shape)}, not one score a class"
            help = "end the network with a layer such as `linear: $num_classes`"
        else:
            what = f"{subject.name} gives {shape[0]} scores, the data has {classes} classes"
            help = f"set the parameter that says the number of classes: --set NAME={classes}"
            if "num_classes" in subject.settings:
                help = "leave `num_classes` away: it follows the data"
        raise SpecError([Problem("E0703", what, file=subject.name, help=help)])


def _form(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "a single number"
