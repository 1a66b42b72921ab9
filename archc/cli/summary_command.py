"""`archc summary`."""

from __future__ import annotations

import csv
import json
import sys
from typing import Any

from archc.cli.options import configured
from archc.inference import Summary
from archc.presentation import summary_markdown, summary_text


def run(given: Any) -> int:
    """Print the figures of one spec."""
    summary = configured(given.spec, given).summary()
    match given.format:
        case "json":
            json.dump(summary.to_dict(given.batch), sys.stdout, indent=2)
            print()
        case "csv":
            _csv(summary)
        case "markdown":
            print(summary_markdown(summary, given.depth, given.batch))
        case _:
            print(summary_text(summary, given.depth, given.batch))
    return 0


def _csv(summary: Summary) -> None:
    """Every layer, whatever the depth: for programs."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    keys = ("path", "kind", "input", "output", "parameters", "macs", "receptive_field", "line")
    writer.writerow(keys)
    for layer in summary.to_dict()["layers"]:
        writer.writerow(["x".join(map(str, layer[k])) if isinstance(layer[k], list) else layer[k] for k in keys])
