"""Export to .onnx or .pt2: build, export with PyTorch, compare with the module, then write."""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from math import isnan
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from archc.architecture import Architecture, Inputs, load
from archc.build import build, load_weights
from archc.build.body import Body
from archc.build.inputs import noise, zeros
from archc.build.random_weights import random_weights
from archc.exporting.axes import Axes, dynamic_axes
from archc.exporting.exported import Comparison, Exported
from archc.extras import how_to_install, installed
from archc.files import writing
from archc.graph import Network, integer_bounds
from archc.problems import Problem, SpecError, did_you_mean
from archc.text import first_line, form

TOLERANCE = 1e-5
"""Maximum difference from PyTorch's outputs, relative to the largest output, unless rounding errors are larger."""

_SUFFIXES = (".onnx", ".pt2")


class Format(Protocol):
    """A file format: `content` is the file; `run` computes outputs from it, with its own weights or others."""

    content: bytes
    reference: str

    def run(self, state: Mapping[str, Tensor] | None, *inputs: Tensor) -> list[Tensor]:
        """The outputs for a batch, in the network's order."""


def export(
    spec: str | Path | Architecture,
    output: str | Path,
    *,
    weights: str | Path | None = None,
    input: Inputs | None = None,
    dynamic: Sequence[str] = (),
    **parameters: Any,
) -> Exported:
    """Write a network as .onnx or .pt2 (torch.export), in inference mode and without auxiliary heads.

    `dynamic` names the axes of the input that may have any length: `batch`, and `height`, `width` and so on. The file's
    outputs are compared with PyTorch's before it is written, with the weights that it gets and with random ones.
    Without `weights`, it gets the initial weights of the spec. An .onnx file needs the extra `archc-nn[onnx]`.

    Raises SpecError: E0505 if the network can't be exported so, E0506 if the outputs differ, E0601 if the file can't be
    written, and those of `load` and `load_weights`.
    """
    path = Path(output)
    if path.suffix.lower() not in _SUFFIXES:
        hint = did_you_mean(path.suffix, _SUFFIXES) or f"use {' or '.join(_SUFFIXES)}"
        what = f"`{path}` does not have the extension of a format that archc exports"
        raise SpecError([Problem("E0601", what, file=str(path), help=hint)])
    architecture = spec if isinstance(spec, Architecture) else load(spec)
    network = architecture.configure(input, **parameters).network
    if path.suffix.lower() == ".onnx":
        require_onnx(path)
    axes = dynamic_axes(network, dynamic)
    with writing(path) as file:  # opened first, because exporting takes a while
        try:
            model = _inference_module(network, None if weights is None else Path(weights))
            made = _exported(network, model, axes, path)
            comparisons = _compared(network, model, made, axes, path)
        except (MemoryError, RuntimeError) as error:
            what = f"the network cannot be built and run here: {first_line(error)}"
            raise SpecError([Problem("E0504", what, file=str(path))]) from None
        file.write(made.content)
    return Exported(path, made.reference, comparisons, tuple(dynamic))


def require_onnx(path: Path) -> None:
    """Raise SpecError (E0505) unless the libraries for ONNX are installed."""
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if not installed(name)]
    if missing:
        what = f"an .onnx file needs packages that are not installed: {', '.join(missing)}"
        raise SpecError([Problem("E0505", what, file=str(path), help=how_to_install("onnx"))])


def _inference_module(network: Network, weights: Path | None) -> nn.Module:
    """The module in eval mode without auxiliary heads, for which a file of weights may or may not have tensors."""
    model = build(network).eval()
    heads = [node.name for node in network.graph.nodes if node.auxiliary]
    for name in heads:
        del model._modules[name]
    if weights is not None:
        ignored = tuple(f"{name}." for name in heads)
        load_weights(model, weights, ignored, network.spec.checkpoint_keys)
    return model


def _exported(network: Network, model: nn.Module, axes: Axes, path: Path) -> Format:
    marks: Any = tuple(dict.fromkeys(positions, torch.export.Dim.DYNAMIC) for positions in axes.positions)
    names = tuple(network.graph.results)
    try:
        with _quiet():
            shapes = (marks,) if _takes_any_number(model) else marks
            sample = tuple(zeros(integer_bounds(network.graph), axes.sample))
            program = torch.export.export(model, sample, dynamic_shapes=shapes, strict=False)
            blocks = (Body, nn.Sequential)
            titles = {at: each._get_name() for at, each in model.named_modules() if isinstance(each, blocks)}
            if path.suffix.lower() == ".pt2":
                from archc.exporting.pt2 import Pt2

                return Pt2(program, names, titles)
            from archc.exporting.onnx_file import OnnxFile

            return OnnxFile(program, dict(zip(network.inputs, axes.positions, strict=True)), names, titles)
    except MemoryError:
        raise
    except Exception as error:  # PyTorch's exporters raise classes of many modules
        raise _refused(f"PyTorch cannot export {network.spec.name}", axes, path, error) from None


def _takes_any_number(model: nn.Module) -> bool:
    kinds = {parameter.kind for parameter in inspect.signature(model.forward).parameters.values()}
    return inspect.Parameter.VAR_POSITIONAL in kinds


def _refused(what: str, axes: Axes, path: Path, error: Exception) -> SpecError:
    help = f"remove {' and '.join(axes.lengths)} from the dynamic axes" if axes.lengths else ""
    return SpecError([Problem("E0505", f"{what}: {first_line(error)}", help=help, file=str(path))])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep PyTorch's exporters from printing and warning; relevant messages become errors."""
    loggers = [logging.getLogger(name) for name in ("torch", "torch.onnx", "torch.fx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _compared(network: Network, model: nn.Module, made: Format, axes: Axes, path: Path) -> tuple[Comparison, ...]:
    """Compare the file's outputs with the module's for every shape in `axes.checks`. Raises SpecError (E0506)."""
    own = {key: value.clone() for key, value in model.state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    found = []
    for weights, state in (("random weights", random_weights(own)), ("the weights in the file", None)):
        model.load_state_dict(own if state is None else state)
        differences = []
        for shapes in axes.checks:
            inputs = noise(integer_bounds(network.graph), shapes, generator)
            wanted = outputs_of(model, tuple(network.graph.results), *inputs)
            try:
                ran = made.run(state, *inputs)
            except Exception as error:  # a guard of torch.export, or what onnxruntime raises
                what = f"{made.reference} cannot run the exported network for a batch of {', '.join(map(form, shapes))}"
                raise _refused(what, axes, path, error) from None
            difference = relative_difference(ran, wanted)
            if not difference <= TOLERANCE and not difference <= 8 * _rounding(network, model, inputs, wanted):
                what = f"{made.reference} computes other outputs than PyTorch: they differ by {difference:.1e}"
                raise SpecError([Problem("E0506", f"{what}, with {weights}", file=str(path))])
            differences.append(difference)
        found.append(Comparison(weights, axes.checks, max(differences)))
    return tuple(found)


def outputs_of(model: nn.Module, names: Sequence[str | None], *inputs: Tensor) -> list[Tensor]:
    """The outputs of a built module, in the order of the spec."""
    with torch.inference_mode():
        found = model(*inputs)
    return [found[name] for name in names] if isinstance(found, dict) else [found]


def relative_difference(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> float:
    """The largest difference relative to the largest output; infinite if shapes or infinities differ."""
    if [tensor.shape for tensor in found] != [tensor.shape for tensor in wanted]:
        return float("inf")
    largest = 0.0
    for ours, theirs in zip(found, wanted, strict=True):
        if ours.equal(theirs) or not theirs.numel():
            continue
        scale = float(theirs.abs().max())
        distance = float((ours.double() - theirs.double()).abs().max()) / scale if scale else float("inf")
        largest = max(largest, float("inf") if isnan(distance) else distance)
    return largest


def _rounding(network: Network, model: nn.Module, inputs: Sequence[Tensor], single: Sequence[Tensor]) -> float:
    """The difference between PyTorch's outputs and the same in double precision, an estimate of rounding errors."""
    given = [x.double() if x.is_floating_point() else x for x in inputs]
    double = outputs_of(deepcopy(model).double(), tuple(network.graph.results), *given)
    return relative_difference(single, double)
