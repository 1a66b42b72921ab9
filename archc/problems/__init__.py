"""Errors and warnings in specs: records, codes and reports."""

from archc.problems.fix import Fix, applied
from archc.problems.mark import Mark, Source
from archc.problems.problem import Problem, Problems, Proposal, SpecError
from archc.problems.report import excerpt, json_report, styled_report, text_report
from archc.problems.suggest import did_you_mean, suggest

__all__ = [
    "Fix",
    "Mark",
    "Problem",
    "Problems",
    "Proposal",
    "Source",
    "SpecError",
    "applied",
    "did_you_mean",
    "excerpt",
    "json_report",
    "styled_report",
    "suggest",
    "text_report",
]
