"""What is wrong with a spec: one record a problem, with its place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from archc.problems.fix import Fix
from archc.problems.mark import Mark
from archc.problems.suggest import suggest


@dataclass(slots=True)
class Problem:
    """One thing wrong, told so that its author can mend it.

    `label` stands beside the caret, `where` leads from the network to the place through the blocks, and `calls` are
    the places where these are used; `note` tells what led to it; `help` says what to write instead, `fix` the same to
    an editor. `repeats` counts further places where the same line has the same fault (a block used nine times),
    `waiting` the uses of the block that get nothing to work with because of it.
    """

    code: str
    message: str
    mark: Mark | None = None
    label: str = ""
    where: tuple[str, ...] = ()
    help: str = ""
    note: str = ""
    repeats: int = field(default=0, compare=False)
    waiting: int = field(default=0, compare=False)
    file: str = ""
    fix: Fix | None = None
    calls: tuple[Mark, ...] = ()

    def __post_init__(self) -> None:
        if self.mark is not None:
            self.file = self.mark.source.name

    @property
    def notes(self) -> list[str]:
        """What is told beside it: what led to it, and how often it is met."""
        found = [self.note] if self.note else []
        if self.repeats:
            found.append(f"the same line is wrong in {self.repeats} more place{'s' * (self.repeats > 1)}")
        if self.waiting:
            found.append(f"the block is used {self.waiting} more time{'s' * (self.waiting > 1)} after it")
        return found

    @property
    def told(self) -> str:
        """All that the report says of it, the place apart: for who shows a text beside the place."""
        parts = [f"{self.message}: {self.label}" if self.label else self.message]
        parts += [f"in: {' → '.join(self.where)}"] if self.where else []
        parts += self.notes
        parts += [f"help: {self.help}"] if self.help else []
        return "\n".join(parts)


class SpecError(Exception):
    """A spec, a setting or a file that cannot be used; `problems` holds every fault found."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__(problems)

    def __str__(self) -> str:
        from archc.problems.report import text_report

        return text_report(self.problems)


_SUGGESTIONS = 100
"""Behind so many problems nothing is suggested any more."""


def _key(code: str, file: str, mark: Mark | None, message: str) -> tuple[object, ...]:
    return (code, file, mark[1:] if mark else None, "" if mark else message)


class Problems:
    """The faults found so far, each told once."""

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], Problem] = {}

    def add(self, problem: Problem) -> None:
        """Keep a problem; the same fault at the same place only adds to its count."""
        seen = self._found.setdefault(_key(problem.code, problem.file, problem.mark, problem.message), problem)
        if seen is not problem:
            seen.repeats += 1

    def told(self, code: str, mark: Mark) -> bool:
        """Whether this fault was found at this place."""
        return _key(code, mark.source.name, mark, "") in self._found

    def suggest(self, word: str, known: Iterable[str], mark: Mark | None = None) -> tuple[str, Fix | None]:
        """What `suggest` says; nothing behind many problems: looking for a likely word takes time."""
        return suggest(word, known, mark) if len(self._found) < _SUGGESTIONS else ("", None)

    def __bool__(self) -> bool:
        return bool(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def since(self, count: int) -> list[Problem]:
        """The problems found after the first `count`."""
        return list(islice(self._found.values(), count, None)) if len(self._found) > count else []

    def sorted(self) -> list[Problem]:
        """All problems, in the order of their files."""

        def place(problem: Problem) -> tuple[str, int, int]:
            return (problem.file, *(problem.mark[1:3] if problem.mark else (0, 0)))

        return sorted(self._found.values(), key=place)

    def raise_any(self) -> None:
        """Raise SpecError if anything was found."""
        if self._found:
            raise SpecError(self.sorted())
