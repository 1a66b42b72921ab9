"""The network to train: a spec, a class of a Python file or module, or a module from Python code."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from archc.architecture import Architecture, load
from archc.build.classes import Found, class_fault, construct, find_class
from archc.kinds import form
from archc.library import named_file
from archc.problems import Fix, Problem, SpecError, applied, did_you_mean
from archc.reading import read_file
from archc.text import first_line
from archc.training.advice import Advice, advice_for_code, advice_for_spec
from archc.training.freezing import rest
from archc.training.loss import Outputs, heads_of
from archc.training.task import CLASSES, Task

Size = tuple[int, int, int]
"""(channels, height, width) of the network's input."""


def no_files(_size: Size, _classes: int) -> dict[str, str]:
    """The files of a network that can't be saved in a run's folder: none."""
    return {}


@dataclass(frozen=True, slots=True)
class Subject:
    """A network before it is fitted to data.

    `make` builds it for an input size and a number of classes. `declared` is its declared input, if known. `files` are
    texts, by file name, that are saved in the run's folder, so that the network can be built from there; `reference`
    says how. `settings` are the arguments that were given. `renames` are patterns for the keys of published weights.
    `advice` is how to change an output of a shape, by its name, to one score per class.
    """

    name: str
    make: Callable[[Size, int], nn.Module]
    declared: Size | None = None
    files: Callable[[Size, int], dict[str, str]] = no_files
    reference: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    renames: Mapping[str, str | None] = field(default_factory=dict)
    advice: Callable[[str, tuple[int, ...], Size, int], Advice] = lambda _output, shape, _size, classes: (
        advice_for_code(shape, classes)
    )


def find_subject(model: Any, settings: dict[str, Any] | None = None) -> Subject:
    """Find the network of a spec (path or bundled name), `file.py`, `file.py:Class`, `module:Class` or an nn.Module.

    `settings` are arguments of the spec or the class. Raises SpecError: E0704 if there is no such network, and the
    errors of a spec.
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
    inputs = architecture.inputs
    if len(inputs) > 1 or len(architecture.input) != 3:
        shapes = " and ".join(map(form, inputs.values()))
        what = f"`archc train` takes networks for single images: {architecture.name} takes {shapes}"
        raise SpecError([Problem("E0704", what, list(architecture.network.spec.input_marks.values())[-1])])
    channels, height, width = architecture.input

    def fitted(size: Size, classes: int) -> Architecture:
        known = architecture.arguments
        wanted = {"num_classes": classes} if "num_classes" in known and "num_classes" not in settings else {}
        return architecture.configure(size, **wanted)

    def files(size: Size, classes: int) -> dict[str, str]:
        return spec_files(fitted(size, classes))

    return Subject(
        architecture.name,
        lambda size, classes: fitted(size, classes).build(),
        (channels, height, width),
        files,
        {"kind": "spec"},
        settings,
        architecture.network.spec.checkpoint_keys,
        lambda output, shape, size, classes: advice_for_spec(fitted(size, classes), output, shape, classes),
    )


def spec_files(architecture: Architecture) -> dict[str, str]:
    """A spec with its settings as files.

    `spec.yaml`, which extends a copy of the original, and the files that this reads.
    """
    path = architecture.path
    if path is None:
        return {"spec.yaml": architecture.network.spec.source.text}
    found = _with_dependencies(path)
    stem = path.stem
    while f"{stem}.yaml" in {"spec.yaml", "recipe.yaml"} | found.keys() - {path.name}:
        stem += "_original"
    clash = {"spec.yaml", "recipe.yaml"} & found.keys() - {path.name}
    if clash:
        what = f"a run saves its own `{min(clash)}` next to the spec's files, and one of them has the same name"
        raise SpecError([Problem("E0601", what, file=str(path), help="rename that file")])
    found[f"{stem}.yaml"] = found.pop(path.name)
    lines = [
        "# The network as it was trained: the spec next to this file, with these settings.",
        f"extends: {stem}.yaml",
        f"name: {architecture.name}",
        f"input: {list(architecture.input)}",
    ]
    if architecture.settings:
        lines.append("arguments:")
        lines += [f"  {name}: {json.dumps(value)}" for name, value in architecture.settings.items()]
    return {"spec.yaml": "\n".join(lines) + "\n", **found}


def _with_dependencies(path: Path) -> dict[str, str]:
    """The texts of a spec and of everything that it extends or imports, by file name; bundled specs become files."""
    names = {path: path.name}
    found: dict[str, str] = {}
    waiting = [path]
    while waiting:
        file = waiting.pop()
        root = read_file(file, names[file])
        places = {root["extends"]: root.values_at["extends"]} if "extends" in root else {}
        places |= root["import"].keys_at if root.get("import") else {}
        text = root.mark.source.text
        for name, mark in sorted(places.items(), key=lambda place: place[1][1:3], reverse=True):
            other = named_file(name, file.parent)
            assert other is not None  # it was loaded before
            if other not in names:
                own = name if name == other.name else f"{name}.yaml"
                names[other] = f"{name}_bundled.yaml" if own in names.values() else own
                waiting.append(other)
            text = text if name == names[other] else applied(text, Fix(mark, names[other]))
        found[names[file]] = text
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

    def advice(_output: str, shape: tuple[int, ...], _size: Size, classes: int) -> Advice:
        if len(shape) != 1 or takes_classes:
            return advice_for_code(shape, classes)
        if "num_classes" in settings:
            return Advice("remove `num_classes`: archc sets it from the data")
        if taken:
            own = f"set the argument for the number of classes (--set NAME={classes})"
            return Advice(f"{own}, or call it `num_classes`, so that archc sets it from the data")
        return Advice(f"give {found.name} an argument `num_classes`, which archc sets from the data")

    subject = Subject(found.name, make, settings=settings, advice=advice)
    if found.text is None:
        return replace(subject, reference={"kind": "import", "name": found.shown})
    source = {"model.py": found.text}
    reference = {"kind": "file", "class": found.name}
    return replace(subject, files=lambda _size, _classes: source, reference=reference)


# Fitting a network to its data


@torch.no_grad()
def output_shapes(model: nn.Module, size: Size) -> tuple[dict[str, tuple[int, ...]], Outputs]:
    """The shapes of the outputs in inference mode for a given input size, without the batch. Raises torch's exceptions.

    Weights, statistics and the random generators don't change.
    """
    training = model.training
    parameter = next(model.parameters(), torch.empty(0))
    try:
        result = model.eval()(torch.zeros(2, *size, device=parameter.device))
    finally:
        model.train(training)
    if isinstance(result, Tensor):
        return {"output": tuple(result.shape[1:])}, Outputs()
    if isinstance(result, dict):
        return {name: tuple(scores.shape[1:]) for name, scores in result.items()}, Outputs(tuple(result))
    return {"output": tuple(result[0].shape[1:])}, Outputs(more=len(result) - 1)


def fit(
    subject: Subject, sizes: list[Size], classes: int, seed: int, task: Task = CLASSES
) -> tuple[nn.Module, Size, Outputs]:
    """Build the network for the first input size that it can take, initialized under a seed; return its outputs, too.

    Raises SpecError (E0703) if it can take none of them, or if its scores don't fit the task.
    """
    problems: list[Problem] = []
    for size in sizes:
        torch.manual_seed(seed)
        try:
            model = subject.make(size, classes)
            with _channels(subject, model, size[0]):
                shapes, outputs = output_shapes(model, size)
        except SpecError as error:
            if not all(problem.code.startswith(("E03", "E0402")) for problem in error.problems):
                raise
            problems = problems or error.problems
            continue
        except (RuntimeError, ValueError) as error:
            what = f"{subject.name} does not run on images of {_form(size)}: {first_line(error)}"
            problems = problems or [Problem("E0703", what, file=subject.name, help="try another size with --resize")]
            continue
        _check_outputs(subject, shapes, size, classes, task.shape(classes, size))
        return model, size, outputs
    raise SpecError(problems)


@torch.no_grad()
def runs_alone(model: nn.Module, size: Size, frozen: list[nn.Module]) -> str:
    """The reason why a network can't take a single image in training mode (such as batch norm on 1×1); empty if it can.

    `frozen` modules are in inference mode, as in training.
    """
    try:
        _trial(model, 1, size, frozen)
    except (RuntimeError, ValueError) as error:
        return first_line(error)
    return ""


def has_unused(model: nn.Module, size: Size, frozen: list[nn.Module], outputs: Outputs) -> bool:
    """Return True if the loss doesn't depend on all of the network's trained weights."""
    scores = [part.sum() for parts in heads_of(_trial(model, 2, size, frozen), outputs) for part in parts]
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    gradients = torch.autograd.grad(torch.stack(scores).sum(), trained, allow_unused=True)
    return any(gradient is None for gradient in gradients)


def _trial(model: nn.Module, count: int, size: Size, frozen: list[nn.Module]) -> Any:
    """The output in training mode for `count` images. Weights, statistics and the random generators don't change."""
    training = model.training
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    device = next(model.parameters(), torch.empty(0)).device
    model.train()
    rest(frozen)
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            return torch.func.functional_call(model, buffers, (torch.zeros(count, *size, device=device),))
    finally:
        model.train(training)


@contextmanager
def _channels(subject: Subject, model: nn.Module, channels: int) -> Iterator[None]:
    """Turn an error within the block into one about channels, if the first convolution needs other channels.

    Only running the network shows which convolution is first, because a module can register its layers in any order.
    """
    ran: list[nn.Conv2d] = []
    hooks = [
        module.register_forward_pre_hook(lambda layer, _given: ran.append(layer))
        for module in model.modules()
        if isinstance(module, nn.Conv2d)
    ]
    try:
        yield
    except (RuntimeError, ValueError):
        if not ran or ran[0].in_channels == channels:
            raise
        own = ran[0].in_channels
        what = f"{subject.name} expects images with {own} channels, but the dataset has {channels}"
        help = f"use --channels {own} to convert the images" if own in (1, 3) else ""
        raise SpecError([Problem("E0703", what, file=subject.name, help=help)]) from None
    finally:
        for hook in hooks:
            hook.remove()


def _check_outputs(
    subject: Subject, shapes: dict[str, tuple[int, ...]], size: Size, classes: int, wanted: tuple[int, ...]
) -> None:
    for name, shape in shapes.items():
        if shape == wanted:
            continue
        if len(wanted) != 1:
            what = f"the output `{name}` of {subject.name} is {_form(shape)}, but masks need {_form(wanted)}"
            advice = Advice("end the network with one score per class and pixel, at the size of the input")
            raise _mismatch(subject, what, advice)
        if len(shape) != 1:
            what = f"the output `{name}` of {subject.name} is {_form(shape)}, not one score per class"
        else:
            what = f"{subject.name} has {shape[0]} outputs, but the dataset has {classes} classes"
        raise _mismatch(subject, what, subject.advice(name, shape, size, classes))


def _mismatch(subject: Subject, what: str, advice: Advice) -> SpecError:
    return SpecError([Problem("E0703", what, advice.mark, file=subject.name, help=advice.help)])


def _form(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "a single number"
