"""One page per error code: its packaged page, with the report for its failing example."""

from __future__ import annotations

import contextlib
import re
import tempfile
from pathlib import Path

import archc
from archc.problems import SpecError, text_report
from archc.problems.codes import GROUPS, codes, page

from .page import BLOCK, FILE, WIDE, Page, fence


def error_pages() -> list[Page]:
    """A page for each code, in their order."""
    return [Page(f"errors/{code}.md", code, _text(code)) for code in codes()]


def error_groups() -> dict[str, list[str]]:
    """The codes by what they are about."""
    return {title: [code for code in codes() if code.startswith(begin)] for begin, title in GROUPS.items()}


def _text(code: str) -> str:
    head, example, rest = re.split(r"(?m)^(?=## (?:Example|How to fix it)$)", page(code))
    report = report_of(example)
    shown = f"archc reports:\n\n{fence(report, 'text')}\n" if f"error[{code}]" in report else ""
    return f"{WIDE}{head}{example}{shown}{rest}\nIn a terminal, `archc explain {code}` prints this page.\n"


def report_of(text: str) -> str:
    """The report that the last spec of some markdown gets; empty where commands or other files are needed."""
    blocks = list(BLOCK.finditer(text))
    if any(block["language"] != "yaml" for block in blocks):
        return ""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        name = ""
        for block in blocks:
            named = FILE.match(block["text"])
            name = named["file"] if named else "spec.yaml"
            Path(name).write_text(block["text"], "utf-8")
        try:
            archc.load(name)
        except SpecError as error:
            return text_report(error.problems)
    return ""
