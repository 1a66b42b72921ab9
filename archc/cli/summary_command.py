"""`archc summary`."""

from __future__ import annotations

import csv
import io
from itertools import pairwise
from typing import Any

from archc.cli.options import configured
from archc.presentation import Summary, summary_markdown, summary_text
from archc.styled import Styled, by_line
from archc.terminal import say, say_json, width


def run(given: Any) -> int:
    """Print the summary of one spec."""
    summary = configured(given.spec, given).summary()
    match given.format:
        case "json":
            say_json(summary.to_dict(given.batch))
        case "csv":
            say(_csv(summary))
        case "markdown":
            say(summary_markdown(summary, given.depth, given.batch))
        case _:
            say(_styled(summary_text(summary, given.depth, given.batch, width())))
    return 0


def _styled(text: str) -> Styled:
    """The table with a bold header and dim rules."""
    lines = text.split("\n")
    heads = {head for head, rule in pairwise(lines) if rule.startswith("──")}
    return by_line(text, lambda line: "strong" if line in heads else "quiet" if line.startswith("──") else "")


def _csv(summary: Summary) -> str:
    """Every layer as CSV, regardless of the depth."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    keys = ("path", "kind", "input", "output", "parameters", "macs", "receptive_field", "line")
    writer.writerow(keys)
    for layer in summary.to_dict()["layers"]:
        writer.writerow(["x".join(map(str, layer[k])) if isinstance(layer[k], list) else layer[k] for k in keys])
    return table.getvalue().removesuffix("\n")
