"""`archc eval`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from archc.terminal import say, say_json, width
from archc.text import aligned, hanging, printable

if TYPE_CHECKING:
    from archc.training.evaluation import Evaluation

_ROWS = 20
"""The maximum number of classes in the table, which shows those with the lowest accuracy."""


def run(given: Any) -> int:
    """Evaluate the best weights of a run on a part of its data or on another dataset."""
    from archc.training.trained import load_run

    trained = load_run(given.run, device=given.device)
    data = trained.data(given.data, given.data_dir, given.limit)
    for note in data.notes:
        say(note, error=True)
    found = trained.evaluate(data, given.part)
    for path, fault in list(found.unreadable.items())[:10]:
        say(f"{path} cannot be read and is omitted: {fault}", error=True)
    if given.format == "json":
        say_json(_facts(given.data or trained.facts["data"], given.part, found))
    else:
        say(_text(trained.facts["model"], found))
    if given.report:
        from archc.training.report import write_report

        paths = write_report(given.report, trained, data, given.part, found)
        say(f"report: {', '.join(map(str, paths))}", error=given.format == "json")
    return 0


def _facts(data: str, part: str, found: Evaluation) -> dict[str, Any]:
    classes = [
        {name: None if value != value else value for name, value in row._asdict().items()} for row in found.by_class
    ]
    return {
        "data": data,
        "part": part,
        **found.score.facts(),
        "balanced_accuracy": found.balanced_accuracy,
        "classes": classes,
        "confusion": found.confusion.tolist(),
    }


def _text(model: str, found: Evaluation) -> str:
    score = found.score
    five = f"top-5 {score.figures['top5']:.2%}"
    accuracy = f"accuracy {score.accuracy:.2%}, balanced {found.balanced_accuracy:.2%}, {five}"
    head = f"{model} on {found.data}: {score.images:,} images, loss {score.loss:.4f}, {accuracy}"
    confusion = found.confusion
    confusion.fill_diagonal_(0)
    rows = []
    for number, row in enumerate(found.by_class):
        most, other = int(confusion[number].max()), int(confusion[number].argmax())
        taken = f"{printable(found.classes[other])} ({most})" if most else ""
        rows.append((row, [printable(row.name), f"{row.images:,}", _share(row.accuracy), _share(row.precision), taken]))
    if len(rows) > _ROWS:
        rows = sorted(rows, key=lambda pair: pair[0].accuracy if pair[0].images else math.inf)[:_ROWS]
    table = [["class", "images", "accuracy", "precision", "most often taken for"], *(cells for _, cells in rows)]
    text = f"{hanging('', head, width())}\n\n{aligned(table, frozenset({1, 2, 3}), width=width())}"
    left = len(found.classes) - len(rows)
    return (
        f"{text}\n{left:,} classes with a higher accuracy are not shown: see --report and --format json"
        if left
        else text
    )


def _share(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.1%}"
