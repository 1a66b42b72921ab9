"""Reads .pt2 files of torch.export.

A program is recorded as a module is: its layers become PyTorch's own modules again, and the rest of it runs as it is.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from archc.build import modules
from archc.importing.flat import read_bounded
from archc.importing.graph import Operation, SourceGraph
from archc.importing.record import IMAGES, record
from archc.kinds import Shape
from archc.language.names import as_class_name
from archc.limits import MAX_IMPORTED_PARAMETERS
from archc.problems import Problem, SpecError
from archc.text import first_line, form

_MOST_BYTES = 4 * MAX_IMPORTED_PARAMETERS + 2**26

_CONV = ("weight", "bias", "stride", "padding", "dilation", "groups")
_LAYERS: Mapping[str, tuple[str, ...]] = {
    "conv1d": _CONV,
    "conv2d": _CONV,
    "conv3d": _CONV,
    "conv_transpose1d": ("weight", "bias", "stride", "padding", "output_padding", "groups", "dilation"),
    "conv_transpose2d": ("weight", "bias", "stride", "padding", "output_padding", "groups", "dilation"),
    "conv_transpose3d": ("weight", "bias", "stride", "padding", "output_padding", "groups", "dilation"),
    "linear": ("weight", "bias"),
    "batch_norm": ("weight", "bias", "running_mean", "running_var", "training", "momentum", "eps"),
    "instance_norm": ("weight", "bias", "running_mean", "running_var", "use_input_stats", "momentum", "eps"),
    "layer_norm": ("normalized_shape", "weight", "bias", "eps"),
    "group_norm": ("num_groups", "weight", "bias", "eps"),
    "prelu": ("weight",),
}
"""Operators of layers with weights, with their arguments after the input."""

_TENSORS = ("weight", "bias", "running_mean", "running_var", "training", "use_input_stats")
"""Arguments of operators that are not arguments of a layer's constructor."""


def read_pt2(path: Path, name: str | None = None, input: Shape | None = None) -> SourceGraph:
    """The graph of a program that torch.export saved. Raises SpecError (E0101, E0802, E0804, E0805).

    torch.export.load reads the file. archc executes nothing else that is in it.
    """
    program = _load(path)
    shape, batch = _input(program, path, input)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about its own tensors
        model = torch.export.unflatten(program)
        _restore(model)
        title = as_class_name(name or _class_of(model) or path.stem)
        graph = record(model, shape, title, {}, batch or IMAGES)
    version = f"PyTorch {torch.__version__.partition('+')[0]}"
    return replace(
        graph,
        operations=_named(graph.operations),
        state=dict(program.state_dict),
        run=partial(_run, program, batch),
        reference=f"the program in the file, in {version}",
        tolerance=1e-5,  # the program may take another batch, and sums are then taken in another order
        origin=f"Imported from {path.name}.",
    )


def _load(path: Path) -> ExportedProgram:
    data = read_bounded(path, _MOST_BYTES, "E0805", "MAX_IMPORTED_PARAMETERS")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > _MOST_BYTES:
            raise ValueError(f"it expands to {size:,} bytes")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.export.load(io.BytesIO(data))
    except Exception as error:  # torch raises anything on a damaged file
        what = f"it is not a program that torch.export saved: {first_line(error)}"
        raise SpecError([Problem("E0804", what, file=str(path))]) from None


def _input(program: ExportedProgram, path: Path, given: Shape | None) -> tuple[Shape, int | None]:
    """The shape of the only input without the batch, and the batch; None if it can be any."""
    names = program.graph_signature.user_inputs
    found = [node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder" and node.name in names]
    if len(found) != 1 or not isinstance(found[0], Tensor) or found[0].dim() < 2:
        what = f"the program has {len(found)} inputs; archc imports programs with one, which is a batch"
        raise SpecError([Problem("E0804", what, file=str(path))])
    batch, *sizes = found[0].shape
    fixed = [size if isinstance(size, int) else None for size in sizes]
    shape = given or tuple(int(size) for size in sizes)
    if len(shape) != len(fixed) or any(
        size is not None and size != own for size, own in zip(fixed, shape, strict=True)
    ):
        shown = "×".join("?" if size is None else str(size) for size in fixed)
        what = f"the program takes inputs of {shown}, not {form(shape)}"
        raise SpecError([Problem("E0804", what, file=str(path))])
    return shape, batch if isinstance(batch, int) else None


def _class_of(module: nn.Module) -> str:
    """The name of the class that a part of a program was."""
    name = getattr(module, "type_name", None)
    found = name() if callable(name) else None
    return str(found or "").rpartition(".")[2]


# Layers


def _restore(model: nn.Module) -> None:
    """Make the layers with weights modules again, and give the other parts the names of their classes."""
    for path, part in list(model.named_modules()):
        if not path:
            continue
        layer = _layer(part)
        if layer is not None:
            parent, _, name = path.rpartition(".")
            setattr(model.get_submodule(parent), name, layer)
        elif title := _class_of(part):
            part._get_name = lambda title=title: title


def _layer(part: nn.Module) -> nn.Module | None:
    """The layer with weights that a part is: one call of an operator with the part's own tensors."""
    graph = getattr(part, "graph", None)
    calls = [] if graph is None else [node for node in graph.nodes if node.op == "call_function"]
    made = getattr(nn, _class_of(part), None)
    if len(calls) != 1 or list(part.children()) or made is None:
        return None
    operator = calls[0].target._schema.name.partition("::")[2]
    given = dict(zip(_LAYERS.get(operator, ()), calls[0].args[1:], strict=False))
    if "weight" not in _LAYERS.get(operator, ()):
        return None
    state = part.state_dict(keep_vars=True)
    layer = _made(made, {name: value for name, value in given.items() if name not in state}, state)
    if layer is None or not set(layer.state_dict()) <= {*state, "num_batches_tracked"}:
        return None
    for name, tensor in state.items():
        owner = layer._parameters if isinstance(tensor, nn.Parameter) else layer._buffers
        owner[name] = tensor
    return layer.eval()


def _made(made: Any, given: Mapping[str, Any], state: Mapping[str, Tensor]) -> nn.Module | None:
    """A layer of a class, without values: its sizes are those of its tensors."""
    arguments: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in given.items()
    }
    settings = {name: value for name, value in arguments.items() if name not in _TENSORS}
    shape: tuple[int, ...] = tuple(next(iter(state.values())).shape) if state else ()
    weight: tuple[int, ...] = tuple(state["weight"].shape) if "weight" in state else ()
    sizes: tuple[int, ...]
    if issubclass(made, nn.modules.batchnorm._NormBase) and shape:
        sizes = shape
        settings = {name: settings[name] for name in ("momentum", "eps") if name in settings}
        settings |= {"affine": bool(weight), "track_running_stats": "running_mean" in state}
        settings |= {"bias": False} if weight and "bias" not in state else {}
    elif not weight:
        return None
    elif issubclass(made, nn.modules.conv._ConvNd):
        rest = weight[1] * int(settings.get("groups", 1))
        sizes = (weight[0], rest) if issubclass(made, nn.modules.conv._ConvTransposeNd) else (rest, weight[0])
        settings |= {"kernel_size": weight[2:], "bias": "bias" in state}
    elif made is nn.Linear:
        sizes, settings = weight[::-1], {"bias": "bias" in state}
    elif made is nn.PReLU:
        sizes = weight
    elif made is nn.GroupNorm:
        sizes = (int(settings.pop("num_groups")), weight[0])
        settings |= {"bias": False} if "bias" not in state else {}
    elif made is nn.LayerNorm:
        sizes, settings = (), {**settings, "bias": "bias" in state}
    else:
        return None
    with torch.device("meta"):
        layer: nn.Module = made(*sizes, **settings)
    return layer


def _is_layer(title: str) -> bool:
    """Return True for the name of a layer's class, of PyTorch's or of archc's own."""
    return (hasattr(nn, title) or hasattr(modules, title)) and title not in ("Sequential", "ModuleList", "ModuleDict")


def _named(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """Operations with the names of the layers that they were, if a layer is one operation; places are their paths."""
    alone = Counter(operation.scopes[-1] for operation in operations if operation.scopes)
    found = []
    for operation in operations:
        scopes = operation.scopes
        path = ".".join(filter(None, (scopes[-1].path if scopes else "", operation.name)))
        if not operation.name and scopes and alone[scopes[-1]] == 1 and _is_layer(scopes[-1].title):
            outer = f"{scopes[-2].path}." if len(scopes) > 1 else ""
            name = scopes[-1].path.removeprefix(outer) if scopes[-1].path.startswith(outer) else ""
            operation = replace(operation, name=name, scopes=scopes[:-1])
        found.append(replace(operation, place=path))
    return tuple(found)


def _run(
    program: ExportedProgram, batch: int | None, state: Mapping[str, Tensor], inputs: Sequence[Tensor]
) -> list[Tensor]:
    """The outputs of the program, in pieces of the batch that it takes."""
    model: Callable[..., Any] = program.module()
    own = {key: value for key, value in program.state_dict.items() if key not in state}
    (x,) = inputs
    count = batch or len(x)
    pieces = []
    for start in range(0, len(x), count):
        piece = x[start : start + count]
        full = piece if len(piece) == count else torch.cat([piece, piece[:1].expand(count - len(piece), *x.shape[1:])])
        result = torch.func.functional_call(model, {**own, **state}, (full,))  # type: ignore[arg-type]
        made = [result] if isinstance(result, Tensor) else list(result.values() if isinstance(result, dict) else result)
        pieces.append([part[: len(piece)] for part in made if isinstance(part, Tensor)])
    return [torch.cat(parts) for parts in zip(*pieces, strict=True)]
