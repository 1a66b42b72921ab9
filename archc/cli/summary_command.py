"""`archc summary`."""

from __future__ import annotations

import csv
import json
import sys
from typing import Any

from archc.cli.options import configured
from archc.cli.text import engineering, form
from archc.inference import Row, Summary

_HEADER = ("layer", "kind", "output", "parameters", "multiply-adds", "receptive field")


def run(given: Any) -> int:
    """Print the figures of one spec."""
    summary = configured(given.spec, given).summary()
    match given.format:
        case "json":
            json.dump(summary.to_dict(), sys.stdout, indent=2)
            print()
        case "csv":
            _csv(summary)
        case "markdown":
            _markdown(summary)
        case _:
            _table(summary)
    return 0


def _cells(row: Row) -> tuple[str, ...]:
    height, width = row.receptive_field
    field = str(height) if height == width else f"{height}×{width}"
    mark = " (training)" if row.training else ""
    count = f"{row.parameters:,}" if row.parameters else "-"
    return (row.path + mark, row.kind, form(row.output), count, f"{row.macs:,}" if row.macs else "-", field)


def _totals(summary: Summary) -> list[str]:
    outputs = ", ".join(f"{name} {form(shape)}" for name, shape in summary.outputs.items())
    lines = [
        f"input           {form(summary.input)}",
        f"outputs         {outputs}",
        f"parameters      {summary.parameters:,}",
    ]
    if summary.training_parameters != summary.parameters:
        lines.append(f"  in training   {summary.training_parameters:,}")
    lines += [
        f"multiply-adds   {summary.macs:,} ({engineering(summary.macs)})",
        f"smallest input  {form(summary.min_input)}",
    ]
    return lines


def _table(summary: Summary) -> None:
    rows = [_HEADER, *map(_cells, summary.layers)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADER))]

    def line(row: tuple[str, ...]) -> str:
        cells = [cell.ljust(w) if i < 3 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))]
        return "  ".join(cells).rstrip()

    print(summary.name)
    print()
    print(line(rows[0]))
    print("  ".join("─" * width for width in widths))
    for row in rows[1:]:
        print(line(row))
    print()
    print("\n".join(_totals(summary)))


def _markdown(summary: Summary) -> None:
    print(f"## {summary.name}\n")
    print(f"| {' | '.join(_HEADER)} |")
    print("| --- | --- | --- | ---: | ---: | ---: |")
    for row in summary.layers:
        print(f"| {' | '.join(_cells(row))} |")
    print()
    for line in _totals(summary):
        name, value = line[:16].strip(), line[16:]
        print(f"- {name}: {value}")


def _csv(summary: Summary) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    keys = ("path", "kind", "input", "output", "parameters", "macs", "receptive_field", "line")
    writer.writerow(keys)
    for layer in summary.to_dict()["layers"]:
        writer.writerow(["x".join(map(str, layer[k])) if isinstance(layer[k], list) else layer[k] for k in keys])
