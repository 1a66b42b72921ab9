"""Comparison of several runs: their results, and the differences between their recipes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from archc.problems import Problem, SpecError
from archc.training.chart import COLORS, Line, Panel, draw_chart
from archc.training.recipe import Recipe, load_recipe
from archc.training.run_folder import Row, best_of, read_facts, read_history

RESULTS = ("run", "model", "data", "epochs", "best_epoch", "val_accuracy", "val_loss", "test_accuracy", "seconds")


@dataclass(frozen=True, slots=True)
class Run:
    """The folder of a run, without its weights."""

    folder: Path
    facts: dict[str, Any]
    recipe: Recipe
    history: list[Row]
    test: float | None

    @property
    def name(self) -> str:
        """The name in a table."""
        return str(self.folder)


def read_run(folder: Path) -> Run:
    """Read the folder of a run. Raises SpecError (E0705) if it isn't one, or if no epoch has finished yet."""
    facts, history = read_facts(folder), read_history(folder)
    if not history:
        what = f"no epoch of the run `{folder}` has ended yet"
        raise SpecError([Problem("E0705", what, file=str(folder), help=f"continue it with --resume {folder}")])
    try:
        test = float(json.loads((folder / "test.json").read_text("utf-8"))["accuracy"])
    except (OSError, ValueError, KeyError, TypeError):
        test = None
    return Run(folder, facts, load_recipe(folder / "recipe.yaml"), history, test)


def differing(runs: Sequence[Run]) -> list[str]:
    """The fields of the recipes that differ between the runs.

    Normalization is excluded, because it follows from the data.
    """
    return [
        name
        for name in Recipe.model_fields
        if name not in ("description", "mean", "std")
        and any(getattr(run.recipe, name) != getattr(runs[0].recipe, name) for run in runs)
    ]


def compared(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """One row per run: RESULTS, then the fields of the recipes that differ."""
    fields = [name for name in differing(runs) if name != "epochs"]
    rows = []
    for run in runs:
        best = best_of(run.history, run.recipe.best_by)
        values = (
            run.name,
            run.facts["model"],
            run.facts["data"] or "from Python",
            len(run.history),
            int(best["epoch"]),
            best.get("val_accuracy"),
            best["val_loss"],
            run.test,
            sum(row["seconds"] for row in run.history),
        )
        rows.append(dict(zip(RESULTS, values, strict=True)) | {name: getattr(run.recipe, name) for name in fields})
    return rows


def draw_comparison(runs: Sequence[Run]) -> str:
    """An SVG with the validation loss and accuracy of every run by epoch; a dot marks each run's best epoch."""

    def panel(kind: str) -> Panel:
        lines = []
        for run, color in zip(runs, cycle(COLORS), strict=False):
            best = best_of(run.history, run.recipe.best_by)
            if f"val_{kind}" in best:  # a task that predicts numbers has no accuracy
                epochs, values = ([row[key] for row in run.history] for key in ("epoch", f"val_{kind}"))
                lines.append(Line(run.name, epochs, values, color, marked=run.history.index(best)))
        return Panel("", f"validation {kind}", lines, percent=kind == "accuracy")

    return draw_chart("", [panel("loss"), panel("accuracy")])
