"""Runs an .onnx file with other weights: by onnxruntime, or by onnx's reference implementation if there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from archc.extras import installed
from archc.importing.graph import Run
from archc.problems import Problem, SpecError
from archc.text import first_line, form


def runner(
    model: Any,
    file: str,
    input: str,
    outputs: Sequence[str],
    batch: int,
    transposed: set[str],
    fixed: Mapping[str, float],
) -> tuple[Run, str]:
    """A function that computes the outputs, and the name of the program that does.

    Weights in `transposed` are stored as inputs × outputs in the file. Those in `fixed` have no key in a spec, and get
    this value. A file for one batch size runs once for each part of that size. The function raises SpecError (E0803) if
    the program can't run the file.
    """
    fast = installed("onnxruntime")
    package = import_module("onnxruntime" if fast else "onnx")
    program = f"{package.__name__} {package.__version__}"

    def run(state: Mapping[str, Tensor], inputs: Sequence[Tensor]) -> list[Tensor]:
        weights = {key: value.T if key in transposed else value for key, value in state.items()}
        changed = _with(model, weights, fixed, outputs)
        (x,) = inputs
        parts = torch.split(x, batch) if batch <= len(x) else [x]
        try:
            compute = _onnxruntime(changed) if fast else _reference(changed)
            made = [compute({input: part.numpy()}) for part in parts]
        except Exception as error:  # each program raises classes of its own
            size = form(tuple(x.shape[1:]))
            what = f"{program} cannot run the model for an input of {size}: {first_line(error)}"
            raise SpecError([Problem("E0803", what, file=file, note="nothing was written")]) from None
        found = [torch.cat([torch.from_numpy(part[at]) for part in made]) for at in range(len(outputs))]
        return [y.flatten(1) if y.dim() > 2 and all(size == 1 for size in y.shape[2:]) else y for y in found]

    return run, program


def _with(model: Any, weights: Mapping[str, Tensor], fixed: Mapping[str, float], outputs: Sequence[str]) -> Any:
    """The model with other weights, as initializers, and with outputs before a softmax."""
    import numpy
    from onnx import TensorProto
    from onnx.helper import make_tensor_value_info
    from onnx.numpy_helper import from_array

    changed = type(model)()
    changed.CopyFrom(model)
    changed.ir_version = max(model.ir_version, 8)  # before 4, every initializer had to be an input
    graph = changed.graph
    sizes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    values = {
        name: numpy.ascontiguousarray(value.numpy()).reshape(sizes.get(name, tuple(value.shape)))
        for name, value in weights.items()
    }
    for name, value in fixed.items():
        shape = sizes.get(name) or _shape_of(model, name)
        values[name] = numpy.full(shape, value, numpy.float32)
    kept = [node for node in graph.node if not set(node.output) & values.keys()]
    del graph.node[:]
    graph.node.extend(kept)
    tensors = [tensor for tensor in graph.initializer if tensor.name not in values]
    del graph.initializer[:]
    graph.initializer.extend([*tensors, *(from_array(value, name) for name, value in values.items())])
    inputs = [each for each in graph.input if each.name not in values and each.name not in sizes]
    for each in inputs:
        for size in each.type.tensor_type.shape.dim:
            size.Clear()  # the input may be given another size
    del graph.input[:], graph.output[:], graph.value_info[:]
    graph.input.extend(inputs)
    graph.output.extend(make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs)
    return changed


def _shape_of(model: Any, name: str) -> tuple[int, ...]:
    """The shape of a constant that a ConstantOfShape makes."""
    from onnx.numpy_helper import to_array

    node = next(node for node in model.graph.node if name in node.output)
    shape = next(tensor for tensor in model.graph.initializer if tensor.name == node.input[0])
    return tuple(int(size) for size in to_array(shape))


def _onnxruntime(model: Any) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda given: session.run(None, given)


def _reference(model: Any) -> Any:
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(model)
    return lambda given: evaluator.run(None, given)
