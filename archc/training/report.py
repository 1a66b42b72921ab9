"""The folder that `archc eval --report` writes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from archc.files import make_folder, write_bytes, write_text
from archc.training.confusion import draw_confusion
from archc.training.data import Data, FolderImages
from archc.training.evaluation import Evaluation
from archc.training.mistakes import mistakes_page
from archc.training.trained import Part, Trained

_MISTAKES = 60
"""The number of mistakes on the page."""


def write_report(folder: Path, trained: Trained, data: Data, part: Part, evaluation: Evaluation) -> list[Path]:
    """Write classes.csv, confusion.csv, confusion.png and mistakes.html; return their paths.

    Raises SpecError (E0601).
    """
    make_folder(folder)
    rows = [row._asdict() for row in evaluation.by_class]
    _write_csv(folder / "classes.csv", [[*rows[0]], *([*row.values()] for row in rows)])
    counts = zip(evaluation.classes, evaluation.confusion.tolist(), strict=True)
    _write_csv(folder / "confusion.csv", [["class", *evaluation.classes], *([name, *row] for name, row in counts)])
    write_bytes(folder / "confusion.png", draw_confusion(evaluation))
    images = data.part(part)
    mistakes = evaluation.mistakes(_MISTAKES)
    pixels = trained.pixels(data, part, [mistake.row for mistake in mistakes])
    files = [images.paths[mistake.row] if isinstance(images, FolderImages) else None for mistake in mistakes]
    page = mistakes_page(evaluation, list(zip(mistakes, pixels, files, strict=True)), trained.facts["model"])
    write_bytes(folder / "mistakes.html", page.encode("utf-8", "backslashreplace"))
    return [folder / name for name in ("classes.csv", "confusion.csv", "confusion.png", "mistakes.html")]


def _write_csv(path: Path, rows: Iterable[list[Any]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_text(path, text.getvalue())
