"""Errors in a spec: one record per error, with its location."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from archc.problems.codes import severity
from archc.problems.fix import Fix
from archc.problems.lookalike import lookalike
from archc.problems.mark import Mark
from archc.problems.suggest import nearest, suggest


class Proposal(NamedTuple):
    """A fix that is only shown if it works: its help, and the location of the problem then.

    Fixes with a `lead` are alternatives, and the help joins the lead with the texts of all of them.
    """

    text: str
    fix: Fix
    mark: Mark | None = None
    where: tuple[str, ...] | None = None
    lead: str = ""


@dataclass(slots=True)
class Problem:
    """An error, with everything its author needs to fix it.

    `label` is next to the caret. `where` is the path from the network through the blocks to the place, and `calls` are
    the places where these blocks are used. `note` is the cause, `help` says what to write instead, and `fix` does the
    same in an editor. `repeats` counts further places where the same line has the same error (a block used nine times),
    and `waiting` the uses of the block that can't be checked because of it. `proposals` are fixes to try, the likeliest
    first; if all fail, `help` says why. `subject` is the path in the network.
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
    proposals: tuple[Proposal, ...] = field(default=(), compare=False)
    subject: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if self.mark is not None:
            self.file = self.mark.source.name

    @property
    def severity(self) -> str:
        """`error` or `warning`."""
        return severity(self.code)

    @property
    def notes(self) -> list[str]:
        """The notes of the report: the cause, and how often the error occurs."""
        found = [self.note] if self.note else []
        if self.repeats:
            found.append(f"the same line is wrong in {self.repeats} more place{'s' * (self.repeats > 1)}")
        if self.waiting:
            found.append(f"the block is used {self.waiting} more time{'s' * (self.waiting > 1)} below it")
        return found

    @property
    def text(self) -> str:
        """The report without the location, for tools that show it next to the line."""
        parts = [f"{self.message}: {self.label}" if self.label else self.message]
        parts += [f"in: {' → '.join(self.where)}"] if self.where else []
        parts += self.notes
        parts += [f"help: {self.help}"] if self.help else []
        return "\n".join(parts)


class SpecError(Exception):
    """Raised if a spec, a setting or a file is invalid; `problems` lists every error found."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__(problems)

    def __str__(self) -> str:
        from archc.problems.report import text_report

        return text_report(self.problems)


_SUGGESTIONS = 50
"""After this many errors, no more suggestions are made."""


def _key(code: str, file: str, mark: Mark | None, message: str) -> tuple[object, ...]:
    return (code, file, mark[1:] if mark else None, "" if mark else message)


class Problems:
    """The errors found so far, without duplicates."""

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], Problem] = {}

    def add(self, problem: Problem) -> None:
        """Add an error; the same error at the same place only increases its count."""
        seen = self._found.setdefault(_key(problem.code, problem.file, problem.mark, problem.message), problem)
        if seen is not problem:
            seen.repeats += 1
        elif problem.mark is not None and problem.code.startswith("E02"):
            # a lookalike character has one help, not a suggestion for the whole word
            problem.help = lookalike(problem.mark.text) or problem.help

    def has(self, problem: Problem) -> bool:
        """Return True if this error was already found at its place."""
        return _key(problem.code, problem.file, problem.mark, problem.message) in self._found

    def has_code(self, code: str, mark: Mark) -> bool:
        """Return True if an error with this code was found at this place."""
        return _key(code, mark.source.name, mark, "") in self._found

    def suggest(self, word: str, known: Iterable[str], mark: Mark | None = None) -> tuple[str, Fix | None]:
        """Like `suggest`, but without a result after many errors, because searching takes time."""
        return suggest(word, known, mark) if len(self._found) < _SUGGESTIONS else ("", None)

    def nearest(self, word: str, known: list[str]) -> str:
        """Like `nearest`, but empty after many errors."""
        return nearest(word, known) if len(self._found) < _SUGGESTIONS else ""

    def __bool__(self) -> bool:
        return bool(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def since(self, count: int) -> list[Problem]:
        """The errors found after the first `count`."""
        return list(islice(self._found.values(), count, None)) if len(self._found) > count else []

    def sorted(self) -> list[Problem]:
        """All errors, in the order of their files and lines."""

        def place(problem: Problem) -> tuple[str, int, int]:
            return (problem.file, *(problem.mark[1:3] if problem.mark else (0, 0)))

        return sorted(self._found.values(), key=place)

    def raise_any(self) -> None:
        """Raise SpecError if anything was found."""
        if self._found:
            raise SpecError(self.sorted())
