"""Faults of a spec: records, codes and reports."""

from archc.problems.fix import Fix
from archc.problems.mark import Mark, Source
from archc.problems.problem import Problem, Problems, SpecError
from archc.problems.report import excerpt, json_report, text_report
from archc.problems.suggest import did_you_mean, suggest

__all__ = [
    "Fix",
    "Mark",
    "Problem",
    "Problems",
    "Source",
    "SpecError",
    "did_you_mean",
    "excerpt",
    "json_report",
    "suggest",
    "text_report",
]
