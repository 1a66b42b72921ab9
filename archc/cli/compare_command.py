"""`archc compare`."""

from __future__ import annotations

import csv
import io
from typing import Any

from archc.terminal import hand_over, say, say_json, width
from archc.text import aligned, printable


def run(given: Any) -> int:
    """Print one row per run, and draw their curves into one picture if requested."""
    from archc.files import write_text
    from archc.training.compare import RESULTS, compared, draw_comparison, read_run

    if given.output and given.output.suffix.lower() != ".svg":
        say(f"archc compare: `{given.output}` has an unsupported file extension (.svg)", error=True)
        return 2
    runs = [read_run(folder) for folder in given.runs]
    rows = compared(runs)
    match given.format:
        case "json":
            say_json(rows)
        case "csv":
            table = io.StringIO()
            writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            hand_over(table.getvalue())
        case _:
            shown = [name for name in rows[0] if any(row[name] is not None for row in rows)]
            heads = [name.replace("_", " ") if name in RESULTS else name for name in shown]
            right = frozenset(i for i, name in enumerate(shown) if isinstance(rows[0][name], (int, float)))
            say(aligned([heads, *([_cell(name, row[name]) for name in shown] for row in rows)], right, width=width()))
    if given.output:
        write_text(given.output, draw_comparison(runs))
    return 0


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name in ("val_accuracy", "test_accuracy"):
        return f"{value:.2%}"
    if name == "val_loss":
        return f"{value:.4f}"
    if name == "seconds":
        return f"{value:,.1f}"
    return printable(str(value))
