"""The model in an .onnx file, checked before anything looks at its nodes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

from archc.extras import how_to_install, installed
from archc.importing.flat import read_bounded
from archc.limits import MAX_IMPORTED, MAX_IMPORTED_PARAMETERS, how_to_raise
from archc.problems import Problem, SpecError
from archc.text import first_line


def load_model(path: Path) -> Any:
    """The model in a file, with the tensors that it keeps in files beside it."""
    file = str(path)
    if not installed("onnx"):
        what = "an .onnx file needs the package onnx, which is not installed"
        raise SpecError([Problem("E0804", what, help=how_to_install("onnx"), file=file)])
    import onnx
    from onnx.external_data_helper import load_external_data_for_tensor, uses_external_data

    data = read_bounded(path, 4 * MAX_IMPORTED_PARAMETERS + 2**26, "E0805", "MAX_IMPORTED_PARAMETERS")
    try:
        model = onnx.ModelProto.FromString(data)
    except Exception:  # protobuf's errors differ from version to version
        raise SpecError([Problem("E0804", "it is not an ONNX model", file=file)]) from None
    if not model.graph.node:
        raise SpecError([Problem("E0804", "the model has no nodes", file=file)])
    if not all(isinstance(text, str) for text in _texts(model)):
        raise SpecError([Problem("E0804", "a name in the model is not UTF-8", file=file)])
    if len(model.graph.node) > 2 * MAX_IMPORTED:
        what = f"the model has {len(model.graph.node):,} nodes"
        raise SpecError([Problem("E0805", what, help=how_to_raise("MAX_IMPORTED"), file=file)])
    claimed = 0
    folder = os.path.dirname(os.path.abspath(path))
    for tensor in model.graph.initializer:
        claimed += prod(tensor.dims) if all(size >= 0 for size in tensor.dims) else 2**62
        if claimed > 2 * MAX_IMPORTED_PARAMETERS:
            what = f"the initializers have more than {2 * MAX_IMPORTED_PARAMETERS:,} values"
            raise SpecError([Problem("E0805", what, help=how_to_raise("MAX_IMPORTED_PARAMETERS"), file=file)])
        if uses_external_data(tensor):
            try:
                load_external_data_for_tensor(tensor, folder)
            except Exception as error:  # what lies outside the folder, is a link, or is not there
                what = f"the values of `{tensor.name}` cannot be read from the folder of the model: {first_line(error)}"
                raise SpecError([Problem("E0804", what, file=file)]) from None
    return model


def _texts(model: Any) -> Iterator[Any]:
    """The names in a model; protobuf gives one that is not UTF-8 as bytes."""
    graph = model.graph
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (each.name for each in node.attribute)
        yield from (text for entry in node.metadata_props for text in (entry.key, entry.value))
    yield from (graph.name, *(each.name for each in (*graph.input, *graph.output, *graph.initializer)))
    yield from (each.domain for each in model.opset_import)
