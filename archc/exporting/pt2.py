"""A .pt2 file of torch.export."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from archc.exporting.export import outputs_of


class Pt2:
    """The content of the file; `run` executes the program that torch.export loads from it."""

    def __init__(
        self, program: torch.export.ExportedProgram, names: Sequence[str | None], titles: Mapping[str, str]
    ) -> None:
        _note(program, titles)
        file = io.BytesIO()
        torch.export.save(program, file)
        self.content = file.getvalue()
        self.reference = f"torch.export {torch.__version__.partition('+')[0]}"
        self._module = torch.export.load(io.BytesIO(self.content)).module()
        self._own = {key: value.clone() for key, value in self._module.state_dict().items()}
        self._names = tuple(names)

    def run(self, state: Mapping[str, Tensor] | None, *inputs: Tensor) -> list[Tensor]:
        """The outputs for a batch, optionally with other weights."""
        self._module.load_state_dict(self._own if state is None else state)
        return outputs_of(self._module, self._names, *inputs)


def _note(program: torch.export.ExportedProgram, titles: Mapping[str, str]) -> None:
    """Write the names of the blocks into the nodes' metadata, where PyTorch has the same class for every block."""
    for node in program.graph.nodes:
        stack = node.meta.get("nn_module_stack", {})
        for key, (path, kind) in stack.items():
            stack[key] = path, f"archc.{titles[path]}" if path in titles else kind
