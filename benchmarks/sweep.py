"""Shapes, parameters and multiply-adds of all 15,625 cells of NAS-Bench-201, as a search asks for them.

    python benchmarks/sweep.py [--json] [--settings N]

The cells come in a random order, the same on every run. One whose last node nothing reaches is refused, and counts as
an answer too. Exit status: 0 if at least 1,500 are answered in a second of one core, 1 otherwise.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SPEC = Path(__file__).parent / "nas_cell.yaml"
EDGES = ("edge01", "edge02", "edge12", "edge03", "edge13", "edge23")
OPERATIONS = ("none", "skip", "conv1", "conv3", "pool")
LEAST = 1500


def all_settings() -> list[dict[str, str]]:
    """Every cell, shuffled."""
    rows = [dict(zip(EDGES, row, strict=True)) for row in itertools.product(OPERATIONS, repeat=len(EDGES))]
    random.Random(0).shuffle(rows)
    return rows


def answers(architecture: Any, rows: Iterable[dict[str, str]]) -> list[tuple[Any, ...] | None]:
    """(outputs, parameters, multiply-adds) of each setting; None of those that are refused."""
    from archc import SpecError

    found: list[tuple[Any, ...] | None] = []
    for row in rows:
        try:
            one = architecture.configure(**row)
            found.append((one.outputs, one.cost.parameters, one.cost.macs))
        except SpecError:
            found.append(None)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure a sweep over the settings of one spec.")
    parser.add_argument("--json", action="store_true", help="print an object instead of lines")
    parser.add_argument(
        "--settings", type=int, default=len(OPERATIONS) ** len(EDGES), metavar="N", help="so many (all)"
    )
    given = parser.parse_args()
    import archc

    architecture, rows = archc.load(SPEC), all_settings()[: given.settings]
    start = time.process_time()
    found = answers(architecture, rows)
    took = time.process_time() - start
    known = [answer for answer in found if answer is not None]
    figures = {
        "settings": len(rows),
        "a_second": round(len(rows) / took),
        "refused": len(rows) - len(known),
        "parameters": [min(answer[1] for answer in known), max(answer[1] for answer in known)],
        "macs": [min(answer[2] for answer in known), max(answer[2] for answer in known)],
    }
    if given.json:
        json.dump(figures, sys.stdout, indent=2)
        print()
    else:
        print(f"{len(rows):,} settings, {figures['a_second']:,} a second, {figures['refused']:,} refused")
        for name in ("parameters", "macs"):
            least, most = figures[name]
            print(f"{name}: {least:,} to {most:,}")
    return 0 if figures["a_second"] >= LEAST else 1


if __name__ == "__main__":
    raise SystemExit(main())
