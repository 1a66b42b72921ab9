"""Reports of problems, for people and programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from archc.problems.problem import Problem
from archc.styled import Part, Styled, joined
from archc.text import in_columns, printable

_NAMES = ("E0204", "E0212")
"""An unknown name is one mistake, no matter how often it is used."""

_LINES_SHOWN = 8


def text_report(problems: Iterable[Problem]) -> str:
    """The report as plain text: message, place, the line with a caret, the path, the fix."""
    return str(styled_report(problems))


def styled_report(problems: Iterable[Problem]) -> Styled:
    """The report of `text_report` with colors."""
    shown: dict[object, list[Problem]] = {}
    for problem in problems:
        once = problem.code in _NAMES and problem.mark is not None
        shown.setdefault((problem.code, problem.file, problem.message) if once else id(problem), []).append(problem)
    return joined(_report(first, again) for first, *again in shown.values())


def _report(problem: Problem, again: list[Problem]) -> Styled:
    head = Part(f"{problem.severity}[{problem.code}]", problem.severity)
    lines = [[head, Part(f": {printable(problem.message)}", "strong")]]
    mark = problem.mark
    number = str(mark.line) if mark else " "
    margin = " " * len(number)
    rule = [Part(f"{margin} |", "margin")]

    def add(sign: str, style: str, text: str) -> None:
        lines.append([Part(f"{margin} = ", "margin"), Part(f"{sign}: ", style), Part(printable(text))])

    if mark is not None:
        place = f"{printable(mark.source.name)}:{mark.line}:{mark.column}"
        lines.append([Part(f"{margin}--> ", "margin"), Part(place)])
        parts = excerpt(problem)
        if parts is not None:
            before, wrong, after = parts
            caret = f"{'^' * max(1, len(wrong))} {printable(problem.label)}"
            lines += [
                rule,
                [Part(f"{number} | ", "margin"), Part(f"{before}{wrong}{after}")],
                [Part(f"{margin} | ", "margin"), Part(" " * len(before)), Part(caret, problem.severity)],
                rule,
            ]
    elif problem.file:
        lines.append([Part("  --> ", "margin"), Part(printable(problem.file))])
    if problem.where:
        way = problem.where if len(problem.where) <= 8 else (*problem.where[:4], "…", *problem.where[-3:])
        add("in", "help", " → ".join(way))
    for note in problem.notes:
        add("note", "help", note)
    others = list(dict.fromkeys(other.mark.line for other in again if other.mark is not None))
    if others:
        more = f" and {len(others) - _LINES_SHOWN} more" if len(others) > _LINES_SHOWN else ""
        listed = ", ".join(map(str, others[:_LINES_SHOWN]))
        add("note", "help", f"also in line{'s' if others[1:] else ''} {listed}{more}")
    if problem.help:
        add("help", "help", problem.help)
    if lines[-1] is rule:
        lines.pop()
    return Styled(lines)


def excerpt(problem: Problem) -> tuple[str, str, str] | None:
    """The line of a problem, split into the text before, at and after the place; None if there is no line."""
    mark = problem.mark
    source = mark.source.line(mark.line) if mark else None
    if mark is None or source is None or not source.strip():
        return None
    # A minified spec can be one line of a megabyte: show the part around the place.
    cut = max(0, mark.column - 60)
    shown = in_columns(source[cut : cut + 140])
    start = mark.column - 1 - cut
    end = (mark.end_column if mark.end_line == mark.line else len(source.rstrip()) + 1) - 1 - cut
    return f"{'…' if cut else ''}{shown[:start]}", shown[start : max(end, start + 1)], shown[max(end, start + 1) :]


def json_report(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """The report for programs: one object per problem."""
    return [
        {
            "code": problem.code,
            "message": problem.message,
            "file": problem.file,
            "line": problem.mark.line if problem.mark else None,
            "column": problem.mark.column if problem.mark else None,
            "where": list(problem.where),
            "help": problem.help,
            "severity": problem.severity,
        }
        for problem in problems
    ]
