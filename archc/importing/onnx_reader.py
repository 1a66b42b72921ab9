"""Reads .onnx files (https://onnx.ai/onnx/operators/), of opset 7 to today's, with the `onnx` package.

Nothing in a file is executed. Weights may be initializers or nodes that make constants.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy

from archc.importing.flat import SOFTMAX
from archc.importing.graph import Operation, SourceGraph, Value
from archc.importing.hierarchy import used
from archc.importing.onnx_file import load_model
from archc.importing.onnx_forms import Forms
from archc.importing.onnx_layers import Layers
from archc.importing.onnx_nodes import as_word, place_of
from archc.importing.onnx_run import runner
from archc.importing.segments import bound, grouped
from archc.kinds import Shape
from archc.problems import SpecError

_SIMPLE = {
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Selu": "selu",
    "HardSwish": "hardswish",
    "Mish": "mish",
    "Swish": "silu",
}


def read_onnx(path: Path, name: str | None = None, input: Shape | None = None) -> SourceGraph:
    """The graph of an .onnx file, for its own input or another one. Raises SpecError (E0101, E0804, E0805)."""
    return _Reader(load_model(path), path, name, input).graph()


class _Reader(Layers, Forms):
    """Turns the nodes of a model into operations, one after the other."""

    def graph(self) -> SourceGraph:
        """The network's graph."""
        for node in self.nodes:
            if id(node) not in self.skipped:
                self.read(node)
        results: dict[str | None, Value] = {}
        ends: list[str] = []
        for name in self.ends:
            last = next((node for node in self.nodes if name in node.output), None)
            if last is not None and last.op_type == "Softmax" and not self.readers[name]:
                self.flat.notes[SOFTMAX] = None
                name = last.input[0]
            value = self.values.get(name)
            if value is None and not self.flat.unsupported:
                raise self.fail(f"no node makes the output `{name}` from the input")
            if value is not None:
                ends.append(name)
                results[as_word(name)] = self.flat.vector(value)
        if len(results) == 1:
            results = {None: next(iter(results.values()))}
        run, program = runner(
            self.model, str(self.path), next(iter(self.inputs)), ends, self.batch, self.transposed, self.fixed
        )
        graph = self.flat.graph(
            self.name,
            results,
            state={key: value() for key, value in self.state.items()} if not self.flat.unsupported else {},
            run=run,
            reference=program,
            tolerance=1e-5,
            format=f"ONNX, opset {self.opset}",
        )
        return _structured(used(graph), self.noted)

    def read(self, node: Any) -> None:
        """Add the operations of a node, or compute its constants."""
        for given in node.input:
            if given and given not in self.values and given not in self.constants:
                raise self.fail(f"{place_of(node)} reads `{given}`, which no node before it makes")
        if all(not given or given in self.constants for given in node.input):
            if self.constants.compute(node):
                return
        elif node.op_type == "Shape" and self.values.get(node.input[0]) is not None:
            shape = (self.batch, *self.flat.shape(self.value(node, 0)))
            start, end = self.attribute(node, "start", 0), self.attribute(node, "end", len(shape))
            self.constants.add(node.output[0], numpy.array(shape[start:end], numpy.int64))
            return
        given = [self.values.get(name) for name in node.input if name in self.values]
        self.require_valid(node)
        function = getattr(self, f"read_{node.op_type.lower()}", None)
        if node.domain not in ("", "ai.onnx"):
            self.refuse(node, f"of the domain {node.domain}", f"{node.domain}.{node.op_type}")
            made = None
        elif function is None and node.op_type not in _SIMPLE:
            self.refuse(node)
            made = None
        elif any(value is None for value in given):
            made = None
        else:
            made = function(node) if function else self.add(node, _SIMPLE[node.op_type], [self.value(node, 0)])
        for number, output in enumerate(node.output):
            if output and output not in self.values:
                parts = made if isinstance(made, list) else [made]
                self.values[output] = parts[number] if number < len(parts) else None


def _structured(graph: SourceGraph, noted: bool) -> SourceGraph:
    """The graph with the hierarchy that its nodes note, if they do, or else with the blocks that are found in it."""
    from archc.importing.convert import to_spec

    if noted and not graph.unsupported:
        names = Counter((operation.scopes, operation.name) for operation in graph.operations if operation.name)
        unique = tuple(
            replace(each, name=each.name if names[each.scopes, each.name] == 1 else "") for each in graph.operations
        )
        scoped = replace(graph, operations=unique)
        try:
            to_spec(scoped)
        except SpecError:
            pass  # the notes are not reliable after other programs have changed the file
        else:
            return scoped
    plain = tuple(replace(operation, scopes=()) for operation in graph.operations)
    return grouped(bound(replace(graph, operations=_distinct(plain))))


def _distinct(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    counts = Counter(operation.name for operation in operations)
    return tuple(replace(each, name=each.name if counts[each.name] == 1 else "") for each in operations)
