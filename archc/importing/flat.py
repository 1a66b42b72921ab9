"""What the readers of files share: operations are collected one by one, and each is checked as a spec's layer would be.

A file is untrusted input. It is read up to a size, and what it claims is checked before anything is computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import Tensor

from archc.files import read_bytes
from archc.importing.graph import Operation, Run, Scope, SourceGraph, Start, Unsupported, Value
from archc.kinds import KINDS, Kind, Shape, form
from archc.limits import (
    MAX_IMPORTED,
    MAX_IMPORTED_MACS,
    MAX_IMPORTED_PARAMETERS,
    MAX_IMPORTED_TEXT,
    MAX_IMPORTED_VALUES,
    how_to_raise,
)
from archc.problems import Mark, Problem, Source, SpecError

SOFTMAX = "The softmax at the end was removed: the outputs are its inputs, as PyTorch's losses expect them."
"""The note of every reader that meets one."""

LOWEST = -3.4028234663852886e38
"""The smallest float32: a maximum never takes it."""


def read_bounded(path: Path, most: int, code: str, bound: str) -> bytes:
    """The bytes of a network's file. Raises SpecError: E0101 if it can't be read, `code` if it has more than `most`.

    `bound` is the limit that can be raised.
    """
    name = str(path)
    try:
        data = read_bytes(path, most + 1) if path.stat().st_size <= most else None
    except (OSError, ValueError) as error:
        reason = str(getattr(error, "strerror", None) or error).lower()
        raise SpecError([Problem("E0101", f"`{name}` cannot be read: {reason}", file=name)]) from None
    if data is None or len(data) > most:
        what = f"the file is larger than {most:,} bytes"
        raise SpecError([Problem(code, what, help=how_to_raise(bound), file=name)])
    return data


def read_source_text(path: Path) -> Source:
    """The text of a network's file. Raises SpecError: E0101 if it can't be read, E0108 if it is too large."""
    name = str(path)
    data = read_bounded(path, MAX_IMPORTED_TEXT, "E0108", "MAX_IMPORTED_TEXT")
    try:
        return Source(name, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise invalid(Source(name, ""), 0, f"it is not text: byte {error.start:,} is not UTF-8") from None


def invalid(source: Source, line: int, what: str, help: str = "") -> SpecError:
    """The error (E0804) for a file that is wrong in a line; 0 is the whole file."""
    text = source.line(line) if line else None
    if text is None:
        return SpecError([Problem("E0804", what, help=help, file=source.name)])
    start = len(text) - len(text.lstrip()) + 1
    return SpecError([Problem("E0804", what, Mark(source, line, start, line, len(text.rstrip()) + 1), help=help)])


def too_large(source: Source, what: str, bound: str) -> SpecError:
    """The error (E0805) for a file that asks for more than archc imports; `bound` is the limit that can be raised."""
    return SpecError([Problem("E0805", what, help=how_to_raise(bound) if bound else "", file=source.name)])


class Flat:
    """The operations of a network without hierarchy, in order, with their shapes.

    `add` and the other methods raise SpecError: E0804 with the line if the file asks for what can't be, and E0805 if it
    asks for more than archc imports.
    """

    def __init__(self, source: Source, inputs: Mapping[str, Shape]) -> None:
        self.source = source
        self.inputs = dict(inputs)
        self.operations: list[Operation] = []
        self.unsupported: list[Unsupported] = []
        self.notes: dict[str, None] = {}
        self._parameters = 0
        self._macs = 0
        self._values = 0
        for name, shape in inputs.items():
            self.believe(shape, f"the input `{name}`")

    def shape(self, value: Value) -> Shape:
        """The shape of a value, without the batch."""
        if value.operation < 0:
            return list(self.inputs.values())[-1 - value.operation]
        return self.operations[value.operation].shapes[value.part or 0]

    def add(
        self,
        kind: str,
        inputs: Sequence[Value],
        arguments: Mapping[str, Any] | None = None,
        *,
        name: str = "",
        tensors: Mapping[str, str] | None = None,
        initial: Mapping[str, Start] | None = None,
        line: int = 0,
        place: str = "",
    ) -> Value:
        """Add a layer, and return its output; of several, the first."""
        place = place or (f"line {line}" if line else "")
        shapes = tuple(map(self.shape, inputs))
        made = self._made(kind, arguments or {}, shapes, line, place)
        output = made.output(shapes)
        outputs = tuple(output.values()) if isinstance(output, dict) else (output,)
        for shape in outputs:
            self.believe(shape, f"the output of `{kind}` at {place}")
        self._parameters += made.parameters(shapes)
        self._macs += made.macs(shapes, outputs[0])
        self._bounded()
        self.operations.append(
            Operation(
                kind, dict(arguments or {}), tuple(inputs), outputs, name, (), dict(tensors or {}), initial or {}, place
            )
        )
        return Value(len(self.operations) - 1, 0 if len(outputs) > 1 else None)

    def vector(self, value: Value) -> Value:
        """A result without the axes of length 1 after its channels, as classifiers in PyTorch give it."""
        shape = self.shape(value)
        if len(shape) == 1 or any(length != 1 for length in shape[1:]):
            return value
        self.notes["The output is flattened to a vector."] = None
        return self.add("flatten", [value])

    def graph(
        self,
        name: str,
        results: Mapping[str | None, Value],
        *,
        format: str,
        run: Run | None,
        reference: str,
        tolerance: float,
        state: Mapping[str, Tensor] | None = None,
    ) -> SourceGraph:
        """What was read from a file of this format, as one graph."""
        return SourceGraph(
            name=name,
            inputs=self.inputs,
            operations=tuple(self.operations),
            results=results,
            state=state or {},
            unsupported=tuple(self.unsupported),
            run=run,
            reference=reference,
            tolerance=tolerance,
            origin=f"Imported from {Path(self.source.name).name} ({format}).",
            notes=tuple(self.notes),
        )

    def scope(self, start: int, scope: Scope) -> None:
        """Put the operations from number `start` on into a part."""
        for at in range(start, len(self.operations)):
            self.operations[at] = replace(self.operations[at], scopes=(scope, *self.operations[at].scopes))

    def refuse(self, operation: str, line: int = 0, reason: str = "", place: str = "") -> None:
        """Note an operation that archc has no word for."""
        self.unsupported.append(Unsupported(operation, place or f"line {line}", reason))

    def _made(self, kind: str, arguments: Mapping[str, Any], shapes: tuple[Shape, ...], line: int, place: str) -> Kind:
        try:
            made = KINDS[kind](**arguments)
        except ValidationError as error:
            fault = error.errors()[0]
            what = f"`{kind}` cannot have the argument {'.'.join(map(str, fault['loc']))}: {fault['msg']}"
            raise self._wrong(what, line, place) from None
        for problem in made.requirements(shapes):
            given = " and ".join(map(form, shapes))
            raise self._wrong(f"{problem.message} (input: {given})", line, place)
        return made

    def _wrong(self, what: str, line: int, place: str) -> SpecError:
        return invalid(self.source, line, what if line else f"{what}, at {place}")

    def believe(self, shape: Shape, what: str) -> None:
        """Count the values of a tensor that running the network makes. Raises SpecError (E0805) for too many."""
        self._values += prod(shape)
        if min(shape, default=1) < 1:
            raise too_large(self.source, f"{what} is {form(shape)}", "")
        if self._values > MAX_IMPORTED_VALUES:
            what = f"with {what}, which is {form(shape)}, the network has more than {MAX_IMPORTED_VALUES:,} values"
            raise too_large(self.source, what, "MAX_IMPORTED_VALUES")

    def _bounded(self) -> None:
        if len(self.operations) >= MAX_IMPORTED:
            raise too_large(self.source, f"the network has more than {MAX_IMPORTED:,} operations", "MAX_IMPORTED")
        if self._parameters > MAX_IMPORTED_PARAMETERS:
            what = f"the network has more than {MAX_IMPORTED_PARAMETERS:,} parameters"
            raise too_large(self.source, what, "MAX_IMPORTED_PARAMETERS")
        if self._macs > MAX_IMPORTED_MACS:
            what = f"the network has more than {MAX_IMPORTED_MACS:,} multiply-adds"
            raise too_large(self.source, what, "MAX_IMPORTED_MACS")
