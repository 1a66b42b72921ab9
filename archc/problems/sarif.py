"""Problems in SARIF 2.1.0, for code hosts: https://docs.oasis-open.org/sarif/sarif/v2.1.0/."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from archc.problems.codes import codes, name, page, plain_page, severity, title
from archc.problems.fix import Fix
from archc.problems.mark import Mark
from archc.problems.problem import Problem


def sarif_report(problems: Iterable[Problem], version: str) -> dict[str, Any]:
    """The log of one run of archc; its rules are all codes, described by their pages."""
    known = codes()
    index = {code: at for at, code in enumerate(known)}
    driver = {"name": "archc", "semanticVersion": version, "rules": [_rule(code) for code in known]}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": [_result(problem, index[problem.code]) for problem in problems],
            }
        ],
    }


def _rule(code: str) -> dict[str, Any]:
    return {
        "id": code,
        "name": name(code),
        "shortDescription": {"text": title(code)},
        "help": {"text": plain_page(code), "markdown": page(code)},
        "defaultConfiguration": {"level": severity(code)},
    }


def _result(problem: Problem, index: int) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(problem.file)}}
    if problem.mark is not None:
        physical["region"] = _region(problem.mark)
    result = {
        "ruleId": problem.code,
        "ruleIndex": index,
        "level": problem.severity,
        "message": {"text": problem.text},  # an annotation shows only this text
        "locations": [{"physicalLocation": physical}],
    }
    return result | ({"fixes": [_fix(problem.fix)]} if problem.fix else {})


def _fix(fix: Fix) -> dict[str, Any]:
    replacement = {"deletedRegion": _region(fix.mark), "insertedContent": {"text": fix.text}}
    change = {"artifactLocation": {"uri": _uri(fix.mark.source.name)}, "replacements": [replacement]}
    return {"description": {"text": fix.title}, "artifactChanges": [change]}


def _uri(file: str) -> str:
    path = Path(file)
    return path.as_uri() if path.is_absolute() else quote(os.fsencode(path.as_posix()))


def _region(mark: Mark) -> dict[str, int]:
    return {
        "startLine": mark.line,
        "startColumn": mark.column,
        "endLine": mark.end_line,
        "endColumn": mark.end_column,
    }
