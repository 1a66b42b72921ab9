"""Verification of fixes: each is applied to the text, and the network evaluated again, before it is proposed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from archc.graph.graph import Node
from archc.language.spec import Spec
from archc.problems import Fix, Mark, Problem, Proposal, SpecError, applied

MOST_ENTRIES: Final = 40_000
"""The number of entries that may be evaluated for the fixes of one report; further fixes aren't proposed."""
_ALTERNATIVES: Final = 2

Place = tuple[str, int]
Problems = Callable[[Spec, Callable[[Mark, Node | None, object], None]], list[Problem]]
"""Returns the problems of a spec; the function is called for each entry that could be evaluated."""


class _Tired(Exception):
    """Raised when the budget is used up."""


class Remedies:
    """Tries fixes of a spec; `problems_of` decides whether they work."""

    def __init__(self, spec: Spec, problems_of: Problems) -> None:
        self._spec = spec
        self._problems_of = problems_of
        self._left = MOST_ENTRIES
        self._before: set[Place] | None = None

    def settle(self, problems: Iterable[Problem]) -> None:
        """Give each problem the first of its proposals that works, with its alternatives."""
        for problem in problems:
            chosen: list[Proposal] = []
            for proposal in problem.proposals:
                if chosen and (not proposal.lead or proposal.lead != chosen[0].lead or len(chosen) == _ALTERNATIVES):
                    break
                is_covered = any(other.fix.mark == proposal.fix.mark for other in chosen)
                if not is_covered and self._helps(proposal.fix, problem):
                    chosen.append(proposal)
            problem.proposals = ()
            if chosen:
                _propose(problem, chosen)

    def _helps(self, fix: Fix, problem: Problem) -> bool:
        """Return True if a fix removes the problem, and every entry that could be evaluated before still can be."""
        try:
            if self._before is None:
                self._before, _ = self._made(self._spec)
            texts = {fix.mark.source.name: applied(fix.mark.source.text, fix)}
            made, left = self._made(self._spec.again(texts))
        except (SpecError, _Tired):
            return False
        if any((other.code, other.subject) == (problem.code, problem.subject) for other in left):
            return False
        more = fix.text.count("\n")
        wanted = {
            (file, line + more * (file == fix.mark.source.name and line > fix.mark.line)) for file, line in self._before
        }
        return wanted <= made

    def _made(self, spec: Spec) -> tuple[set[Place], list[Problem]]:
        """The lines of the entries of a spec that can be evaluated, and its problems."""
        places: set[Place] = set()

        def observe(mark: Mark, node: Node | None, _: object) -> None:
            self._left -= 1
            if self._left < 0:
                raise _Tired
            places.add((mark.source.name, mark.line))

        return places, self._problems_of(spec, observe)


def _propose(problem: Problem, chosen: list[Proposal]) -> None:
    first = chosen[0]
    problem.fix = first.fix
    problem.help = first.lead + " or ".join(proposal.text for proposal in chosen)
    if first.mark is not None and first.where is not None:
        problem.mark, problem.where = first.mark, first.where
        problem.file = first.mark.source.name
