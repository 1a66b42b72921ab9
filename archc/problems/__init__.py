"""Faults of a spec: records, codes and reports."""

from archc.problems.problem import Mark, Problem, Problems, Source, SpecError
from archc.problems.report import json_report, text_report
from archc.problems.suggest import did_you_mean

__all__ = [
    "Mark",
    "Problem",
    "Problems",
    "Source",
    "SpecError",
    "did_you_mean",
    "json_report",
    "text_report",
]
