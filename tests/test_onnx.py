"""A second opinion on shapes: ONNX's own shape inference over exported networks."""

from __future__ import annotations

import contextlib
import io
import logging
from typing import Any

import pytest
import torch
from hypothesis import Phase, given, settings

import archc
from archc.testing import Draft, specs

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"),
]


def inferred_by_onnx(architecture: archc.Architecture) -> tuple[list[tuple[int, ...]], set[tuple[int, ...]]] | None:
    """The shapes of the outputs and of every value as ONNX infers them; None where torch cannot export the network."""
    module = architecture.build().eval()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            program = torch.onnx.export(module, (torch.zeros(1, *architecture.input),), dynamo=True, verbose=False)
        except Exception:
            return None
    assert program is not None
    model: Any = program.model_proto
    del model.graph.value_info[:]  # what torch says of the shapes is forgotten
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    made = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    return [_shape(value) for value in made.output], {_shape(value) for value in (*made.value_info, *made.output)}


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(dimension.dim_value for dimension in value.type.tensor_type.shape.dim)[1:]


def test_onnx_infers_the_same_shapes() -> None:
    """For networks that export, ONNX's shape inference gives the outputs and the layers' shapes that archc infers."""
    wanted = settings().max_examples // 10
    exported = 0

    # An export takes a second: what fails here is shrunk by the other properties.
    @settings(max_examples=wanted * 2, phases=[Phase.generate])
    @given(specs(most=8))
    def check(draft: Draft) -> None:
        nonlocal exported
        architecture = draft.load()
        found = inferred_by_onnx(architecture) if exported < wanted and draft.layers else None
        if found is None:
            return
        exported += 1
        outputs, shapes = found
        assert outputs == list(architecture.outputs.values())
        own = {row.output for row in architecture.summary().layers if row.kind in SEEN and not row.training}
        assert own <= shapes | {tuple(architecture.input)}, own - shapes

    check()
    assert exported >= wanted // 2


SEEN = {"conv2d", "conv_transpose2d", "max_pool2d", "avg_pool2d", "concat", "add", "multiply"}
"""Kinds whose output is a value of the exported graph."""
