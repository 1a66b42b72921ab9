"""Pictures within a page: what archc draws of a spec, and the curves of a training."""

from __future__ import annotations

import csv
import re
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import archc
from archc.drawing.figure import sheet_of
from archc.drawing.pictures import pictures_of
from archc.drawing.sheet import Sheet
from archc.drawing.svg import render

from .page import BLOCK, FILE
from .plot import curves

_DRAWN = re.compile(
    r"(?m)^<!-- drawn from: (?P<specs>[\w. ]+?)(?:, block (?P<block>\w+))?(?:, expand (?P<expand>[\w.]+))?"
    r"(?P<bare>, bare)? -->$"
)
_CURVES = re.compile(r"(?m)^<!-- curves of: (?P<run>\w+) -->$")
ASSETS = Path(__file__).parents[1] / "assets"


def with_pictures(text: str) -> str:
    """A document with its pictures: of bundled specs, and of those that stand in it."""
    if "<!-- curves of: " in text:
        text = _CURVES.sub(lambda found: curves(read_curves(ASSETS / f"{found['run']}.csv")), text)
    if "<!-- drawn from: " not in text:
        return text
    with tempfile.TemporaryDirectory() as folder:
        for block in BLOCK.finditer(text):
            named = FILE.match(block["text"])
            if named:
                (Path(folder) / named["file"]).write_text(block["text"], "utf-8")

        numbers = count(1)

        def drawn(found: re.Match[str]) -> str:
            specs = [Path(folder) / name if name.endswith(".yaml") else name for name in found["specs"].split()]
            architectures = [archc.load(spec) for spec in specs]
            opened = [found["expand"]] if found["expand"] else []
            prefix = f"picture{next(numbers)}"
            return picture(architectures, found["block"], opened, prefix, bare=bool(found["bare"]))

        return _DRAWN.sub(drawn, text)


def picture(
    architectures: Sequence[archc.Architecture],
    block: str | None = None,
    expand: Sequence[str] = (),
    prefix: str = "picture",
    *,
    bare: bool = False,
) -> str:
    """What `archc draw` draws, as a part of a page; `bare` leaves out the title and the legend.

    Its colours follow the page's, not the system's; on a narrow screen it scrolls rather than becoming too small.
    """
    sheet = sheet_of(pictures_of(architectures, block=block, expand=expand))
    svg = render(sheet, prefix)
    svg = re.sub(r"@media \(prefers-color-scheme:dark\)\{(\.archc\{[^}]*\})\}", r"[data-md-color-scheme=slate] \1", svg)
    frame = f'style="min-width: {sheet.width * 3 / 4:.0f}px"'
    if bare:
        top, bottom = _extent(sheet)
        frame += f' viewBox="0 {top:.0f} {sheet.width:.0f} {bottom - top:.0f}" width="{sheet.width:.0f}"'
        svg = re.sub(r' viewBox="[^"]*" width="[^"]*" height="[^"]*"', "", svg, count=1)
    return f'<div class="picture">{svg.strip().replace("<svg ", f"<svg {frame} ", 1)}</div>\n'


def _extent(sheet: Sheet) -> tuple[float, float]:
    """Where the boxes and edges of a sheet begin and end, from above."""
    placed = [one for figure in sheet.figures for one in (*figure.boxes, *figure.frames)]
    corners = [y for figure in sheet.figures for line in figure.lines for _, y in line.points]
    ends = [*corners, *(one.y for one in placed), *(one.y + one.height for one in placed)]
    return min(ends) - 4, max(ends) + 4


def read_curves(path: Path) -> list[tuple[float, float]]:
    """The accuracies in training and validation of each epoch of a run's metrics."""
    with path.open(encoding="utf-8", newline="") as file:
        return [(float(row["train_accuracy"]), float(row["val_accuracy"])) for row in csv.DictReader(file)]
