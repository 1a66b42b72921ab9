"""Lookup of references in a body and in the enclosing ones."""

from __future__ import annotations

from itertools import chain

from archc.graph.diagnose import Diagnosis
from archc.graph.frame import Frame
from archc.graph.graph import Outputs, Ref
from archc.language.spec import Reference, Spec
from archc.problems import Mark

NAME_THEM = "to name the entries, write a mapping instead of the list"


class Lookup(Diagnosis):
    """Looks up values of the frame; `heads` are the names of auxiliary heads."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.heads: set[str] = set()

    def find(self, reference: Reference) -> Ref | None:
        """The value of a name, here or in an enclosing body of the same block; None after an error."""
        name, output, mark = reference.name, reference.output, reference.mark
        frame: Frame | None = self.frame
        crossed: list[Frame] = []
        while frame is not None and (name not in frame.names or (crossed and name == "input")):
            crossed.append(frame)
            frame = frame.around if frame.call is None else None
        if frame is None and not all(within.whole for within in crossed):
            return None
        if frame is None:
            known = chain.from_iterable([within.names for within in crossed])
            self.lost(reference, known, below=any(name in within.written for within in crossed))
            return None
        if frame.around is None and name in self.heads:
            help = "it exists only in training, so layers that always run cannot depend on it"
            self.report("E0219", f"`{name}` is an auxiliary head", mark, help=help)
            return None
        ref = self._output(frame, name, output, mark)
        if ref is None or not crossed:
            return ref
        shape = frame.shape(ref)
        for between in reversed(crossed):  # each body in between takes the value as a further input
            if between.body.form == "list":
                self.report("E0218", "an entry of a list takes only one tensor", mark, help=NAME_THEM)
                return None
            ref = between.capture(name, output, ref, shape)
        return ref

    def _output(self, frame: Frame, name: str, output: str | None, mark: Mark) -> Ref | None:
        ref = frame.names[name]
        if output is None:
            return self.single(frame, ref, name, mark)
        shapes = frame.outputs(ref)
        if output in shapes:
            return Ref(ref.node, output)
        if not shapes:
            return ref  # unknown
        outputs = [f"{name}.{other}" for other in shapes if other is not None]
        if outputs:
            help, _ = self.problems.suggest(output, outputs)
            self.report("E0221", f"`{name}` has no output `{output}`", mark, help=help)
        else:
            self.report("E0221", f"`{name}` has only one output", mark, help=f"write `{name}`")
        return None

    def visible(self, name: str) -> Outputs:
        """The shapes of a name's value as seen from a body nested in the frame; empty if the name is unknown there."""
        frame: Frame | None = self.frame
        while frame is not None:
            if name in frame.names:
                return frame.outputs(frame.names[name])
            frame = frame.around if frame.call is None else None
        return {}

    def single(self, frame: Frame, ref: Ref, name: str, mark: Mark) -> Ref | None:
        """The only output of the value of `name`; None after an error."""
        shapes = frame.outputs(ref)
        if None in shapes or not shapes:
            return ref
        outputs = ", ".join(f"`{name}.{output}`" for output in shapes)
        self.report(
            "E0221", f"`{name}` has {len(shapes)} outputs: name the one you mean", mark, help=f"use one of {outputs}"
        )
        return None
