"""Problems as people and programs read them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from archc.problems.problem import Problem

_CONTROL = {i: "�" for i in range(32) if i != 9} | {127: "�"}


_NAMES = ("E0204", "E0212")
"""What is unknown under its name is one mistake, however often the name is used."""

_LINES_SHOWN = 8


def text_report(problems: Iterable[Problem]) -> str:
    """The report for people: message, place, the line with a caret, the way there, the mend."""
    told: dict[object, list[Problem]] = {}
    for problem in problems:
        once = problem.code in _NAMES and problem.mark is not None
        told.setdefault((problem.code, problem.file, problem.message) if once else id(problem), []).append(problem)
    return "\n\n".join(_text(first, again) for first, *again in told.values())


def _text(problem: Problem, again: list[Problem]) -> str:
    lines = [f"error[{problem.code}]: {problem.message}"]
    mark = problem.mark
    margin = " "
    if mark is None:
        if problem.file:
            lines.append(f"  --> {problem.file}")
    else:
        number = str(mark.line)
        margin = " " * len(number)
        lines.append(f"{margin}--> {mark.source.name}:{mark.line}:{mark.column}")
        parts = excerpt(problem)
        if parts is not None:
            before, wrong, after = parts
            caret = f"{' ' * len(before)}{'^' * max(1, len(wrong))} {problem.label}"
            lines += [f"{margin} |", f"{number} | {before}{wrong}{after}", f"{margin} | {caret}", f"{margin} |"]
    if problem.where:
        way = problem.where if len(problem.where) <= 8 else (*problem.where[:4], "…", *problem.where[-3:])
        lines.append(f"{margin} = in: {' → '.join(way)}")
    lines += [f"{margin} = note: {note}" for note in problem.notes]
    others = list(dict.fromkeys(other.mark.line for other in again if other.mark is not None))
    if others:
        more = f" and {len(others) - _LINES_SHOWN} more" if len(others) > _LINES_SHOWN else ""
        shown = ", ".join(map(str, others[:_LINES_SHOWN]))
        lines.append(f"{margin} = note: also in line{'s' if others[1:] else ''} {shown}{more}")
    if problem.help:
        lines.append(f"{margin} = help: {problem.help}")
    if lines[-1] == f"{margin} |":
        lines.pop()
    return "\n".join(line.rstrip() for line in lines)


def excerpt(problem: Problem) -> tuple[str, str, str] | None:
    """The problem's line: what stands before the fault, the fault, what stands behind; None where there is no line."""
    mark = problem.mark
    source = mark.source.line(mark.line) if mark else None
    if mark is None or source is None or not source.strip():
        return None
    # A minified spec can be one line of a megabyte: show the part around the place.
    cut = max(0, mark.column - 60)
    shown = source[cut : cut + 140].translate(_CONTROL).replace("\t", " ")
    start = mark.column - 1 - cut
    end = (mark.end_column if mark.end_line == mark.line else len(source.rstrip()) + 1) - 1 - cut
    return f"{'…' if cut else ''}{shown[:start]}", shown[start : max(end, start + 1)], shown[max(end, start + 1) :]


def json_report(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """The report for programs: one object a problem."""
    return [
        {
            "code": problem.code,
            "message": problem.message,
            "file": problem.file,
            "line": problem.mark.line if problem.mark else None,
            "column": problem.mark.column if problem.mark else None,
            "where": list(problem.where),
            "help": problem.help,
        }
        for problem in problems
    ]
