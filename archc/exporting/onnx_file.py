"""An .onnx file by PyTorch's exporter, with one node per layer, and weights under the module's keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

_MOST_BYTES = 2**31 - 1
"""The maximum size of a protocol buffer file."""


class OnnxFile:
    """The content of the file; `run` executes it with onnxruntime.

    `inputs` are the names of the dynamic axes of each input by position, `titles` the names of blocks by path.
    """

    def __init__(
        self,
        program: torch.export.ExportedProgram,
        inputs: Mapping[str, Mapping[int, str]],
        names: Sequence[str | None],
        titles: Mapping[str, str],
    ) -> None:
        import onnxruntime

        outputs = [name or "output" for name in names]
        self._model = _noted(_named(_converted(program, list(inputs), outputs), inputs.values()), titles)
        self._inputs = list(inputs)
        if self._model.ByteSize() > _MOST_BYTES:
            raise ValueError("an .onnx file can hold 2 GiB at most; export to .pt2")
        self.content: bytes = self._model.SerializeToString()
        self.reference = f"onnxruntime {onnxruntime.__version__}"
        self._weights: Mapping[str, Tensor] | None = None
        self._session = _session(self.content)

    def run(self, state: Mapping[str, Tensor] | None, *inputs: Tensor) -> list[Tensor]:
        """The outputs for a batch, optionally with other weights."""
        if state is not self._weights:
            self._weights, self._session = state, _session(self._with(state))
        given = {name: x.numpy() for name, x in zip(self._inputs, inputs, strict=True)}
        return [torch.from_numpy(found) for found in self._session.run(None, given)]

    def _with(self, state: Mapping[str, Tensor] | None) -> bytes:
        if state is None:
            return self.content
        from onnx.numpy_helper import from_array

        model = type(self._model)()
        model.CopyFrom(self._model)
        for tensor in model.graph.initializer:
            if tensor.name in state:
                tensor.CopyFrom(from_array(state[tensor.name].numpy(), tensor.name))
        return model.SerializeToString()  # type: ignore[no-any-return]


def _session(content: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised anyway
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _converted(program: torch.export.ExportedProgram, inputs: list[str], outputs: list[str]) -> Any:
    """Convert the model with PyTorch, but without its optimizer, which merges batch norms into convolutions.

    Only shape computations and constants are folded: every layer stays a node, and every weight keeps its key.
    """
    from onnxscript.optimizer import fold_constants, remove_unused_nodes

    made = torch.onnx.export(
        program, input_names=inputs, output_names=outputs, dynamo=True, verbose=False, optimize=False
    )
    assert made is not None
    model: Any = made.model
    weights = set(program.state_dict)

    def only_shapes(node: Any) -> bool | None:
        reads_weight = any(value is not None and value.name in weights for value in node.inputs)
        return False if reads_weight and node.op_type != "Shape" else None

    fold_constants(model, should_fold=only_shapes)
    remove_unused_nodes(model)
    return made.model_proto


def _named(model: Any, axes: Iterable[Mapping[int, str]]) -> Any:
    """Rename the symbolic dimensions of the model to archc's names of the axes."""
    symbols = {
        value.type.tensor_type.shape.dim[position].dim_param: name
        for value, positions in zip(model.graph.input, axes, strict=True)
        for position, name in positions.items()
    }
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param:
                dimension.dim_param = re.sub(r"\w+", lambda found: symbols.get(found[0], found[0]), dimension.dim_param)
    return model


def _noted(model: Any, titles: Mapping[str, str]) -> Any:
    """Put the names of blocks into the metadata of nodes, and remove paths of this machine.

    PyTorch's exporter records the classes of the modules around each node, but every block has the same class.
    """
    model.graph.name = titles[""]
    for node in model.graph.node:
        noted = {each.key: each.value for each in node.metadata_props}
        paths = re.findall(r"'([^']*)'", noted.get(_SCOPES, ""))
        classes = re.findall(r"'([^']*)'", noted.get(_CLASSES, ""))
        del node.metadata_props[:]
        if paths and len(paths) == len(classes):
            kinds = [
                f"archc.{titles[path]}" if path in titles else kind for path, kind in zip(paths, classes, strict=True)
            ]
            node.metadata_props.add(key=_SCOPES, value=str(paths))
            node.metadata_props.add(key=_CLASSES, value=str(kinds))
    return model


_SCOPES, _CLASSES = "pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy"
