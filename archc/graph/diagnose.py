"""The problems of an evaluation, each with its path, cause and fix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from archc.graph.causes import Cause
from archc.graph.frame import Frame
from archc.graph.graph import Ref
from archc.graph.parting import Parted
from archc.graph.vanishing import LOOKED_INTO, large_enough, shrinking, way
from archc.kinds import Fault, Kind, Shape
from archc.language.spec import BlockCall, LayerCall, Reference, Spec
from archc.problems import Fix, Mark, Problem, Problems, Proposal

Path = tuple[str, ...]


class Diagnosis:
    """Reports problems of the current body, `frame`; `reported` counts them."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.problems = Problems()
        for problem in spec.problems:
            self.problems.add(problem)
        extended = spec.body.mark.source is not spec.source
        self.origin = (f"{spec.source.name} (which extends it)",) if extended else ()
        self.frame = Frame(spec.body, tuple(spec.inputs.values()))
        self.reported = 0
        self.doubtful = bool(spec.problems)
        """Whether anything was reported, so that some values may be unknown."""
        self._vanished = 0

    def report(self, code: str, message: str, mark: Mark, at: Path = (), **details: Any) -> None:
        """Add a problem with the further `details` of a Problem; `at` leads from the current body to its place."""
        self.add(Problem(code, message, mark, **details), at)

    def add(self, problem: Problem, at: Path = ()) -> None:
        """Add a problem, like `report`."""
        self.reported += 1
        self.doubtful = True
        self.problems.add(self.placed(problem, at))

    def placed(self, problem: Problem, at: Path = ()) -> Problem:
        """The problem with its path; names within one body are joined: `branch3.1`."""
        frames = self.frame.chain()
        if self.frame.calling is not None:
            at = (_place_of_call(self.frame, self.frame.calling), *at)
        steps = list(self.origin)
        for place in (*(place for frame in frames for place in _places(frame)), *at):
            if steps and " " not in steps[-1] and " " not in place:
                steps[-1] += f".{place}"
            else:
                steps.append(place)
        problem.where = tuple(steps)
        problem.calls = tuple(frame.call.mark for frame in frames if frame.call is not None)
        return problem

    def lost(self, reference: Reference, names: Iterable[str], *, below: bool = False) -> None:
        """Report a reference to an unknown name."""
        name, mark = reference.name, reference.mark
        help, fix = self.problems.suggest(name, names, mark)
        if below:
            help, fix = f"`{name}` is defined below: an entry can only refer to entries above it", None
        elif self.frame.in_block and fix is None:
            help += f"; for a value from outside the block, declare `inputs: [x, {name}]` and pass it in `from`"
        self.report("E0210", f"`{name}` is not an entry above this line", mark, help=help, fix=fix)

    def layer_fault(self, fault: Fault, call: LayerCall, kind: Kind) -> None:
        """Report that a layer can't take its input."""
        mark = call.marks.get(fault.argument or "", call.mark)
        fix = Fix(mark, fault.value) if fault.value and fault.argument in call.marks else None
        note, help = self._vanishing(kind) if fault.code == "E0302" else ("", "")
        details = {"label": fault.label, "note": note, "help": help or fault.help, "fix": fix}
        self.report(fault.code, fault.message, mark, (self.frame.name,), **details)

    def _vanishing(self, kind: Kind) -> tuple[str, str]:
        """Where the size was lost before a window that doesn't fit, and the input that is large enough."""
        self._vanished += 1
        frames = self.frame.chain()
        leaves = way(frames) if self._vanished <= LOOKED_INTO else None
        if not leaves:
            return "", ""
        note = shrinking(leaves, tuple(frame.name for frame in frames))
        size = large_enough(
            leaves, lambda *plane: not any(f.code == "E0302" for f in kind.requirements(((1, *plane),)))
        )
        if not note or size is None:
            return note, ""
        name = next(iter(self.spec.inputs))
        own = f"[{leaves[0].node.in_shapes[leaves[0].operand][0]}, {size[0]}, {size[1]}]"
        return note, f"`{name}: {own}` is large enough; or use a smaller kernel, or more padding"

    def join_fault(self, fault: Fault, name: str, mark: Mark, odd: Ref, right: Ref) -> None:
        """Report an input of a join that doesn't match another one, `right`.

        If a layer on its path causes its size, the problem is reported there.
        """
        problem = Problem(fault.code, fault.message, mark, label=fault.label, help=fault.help)
        at: Path = (name,)
        shape, wanted = self.frame.shape(odd), self.frame.shape(right)
        if fault.code == "E0312" and shape and wanted and odd.node >= 0:
            parted = Parted(self.frame.nodes, odd, right)
            causes = parted.causes(shape[1:])
            problem.proposals = tuple(self._proposals(parted, causes, shape, wanted))
            found = next((cause for cause in causes if cause.size == shape[1:]), None)
            if found is None:
                problem.note = parted.description()
            else:
                problem.mark, problem.file, at = found.mark, found.mark.source.name, found.path
                problem.help = found.rule if found.argument == "padding" else f"{found.rule}: give the others the same"
            floor, _ = parted.floored(wanted[1:])
            if floor:
                problem.help = f"{floor}; no output padding and no similar input size makes them equal"
        problem.subject = (*self.placed(Problem(fault.code, "", mark), (name,)).where, str(odd))
        self.add(problem, at)

    def _proposals(self, parted: Parted, causes: Iterable[Cause], shape: Shape, wanted: Shape) -> Iterator[Proposal]:
        """Fixes that may make the sizes of a join equal."""
        for cause in causes:
            if cause.fix is None:
                continue
            if cause.size == shape[1:]:
                help = cause.help if cause.argument == "padding" else f"{cause.help}, or give the others the same"
                where = self.placed(Problem("", "", cause.mark), cause.path).where
                yield Proposal(help, cause.fix, cause.mark, where)
            else:
                yield Proposal(f"in `{'.'.join(cause.path)}` (line {cause.mark.line}), {cause.help}", cause.fix)
        floor, paddings = parted.floored(wanted[1:])
        if floor:
            lead = f"{floor}: write "
            yield from (Proposal(text, fix, lead=lead) for text, fix in paddings)
            name = next(iter(self.spec.inputs))
            yield from (Proposal(f"`{name}: {fix.text}`", fix, lead=lead) for fix in self._inputs(shape, wanted))

    def _inputs(self, shape: Shape, wanted: Shape) -> Iterator[Fix]:
        """Sizes near the spec's first input that are divisible by more strides, on the axes where two shapes differ."""
        name, given = next(iter(self.spec.inputs.items()))
        tried = {given}
        for divisor in (2, 4, 8, 16, 32, 64):
            sizes = zip(given, shape, wanted, strict=True)
            size = tuple(
                -(-length // divisor) * divisor if a != b and at else length for at, (length, a, b) in enumerate(sizes)
            )
            if size not in tried:
                tried.add(size)
                yield Fix(self.spec.input_marks[name], f"[{', '.join(map(str, size))}]")


def _places(frame: Frame) -> Path:
    """The steps from the enclosing frame into a frame."""
    if frame.around is None:
        return ()
    if frame.call is None:
        return (frame.around.name,)
    return _place_of_call(frame.around, frame.call), f"block {frame.call.block.name}"


def _place_of_call(frame: Frame, call: BlockCall) -> str:
    """The current entry of a frame, which calls a block: `conv1 (line 12)`."""
    assert frame.entry is not None
    mark = frame.entry.mark
    line = f"line {mark.line}" if call.block.mark.source is mark.source else f"{mark.source.name}:{mark.line}"
    return f"{frame.name} ({line})"
