"""`archc predict`."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from archc.problems import Problem, SpecError
from archc.terminal import hand_over, say, say_json
from archc.text import printable

if TYPE_CHECKING:
    from archc.training.trained import Prediction

_BAR = 24


def run(given: Any) -> int:
    """Print the most probable classes of each image, and then the images that can't be read."""
    from archc.training.trained import load_run

    predictions = load_run(given.run, device=given.device).predict(given.images, given.top)
    if given.format == "text":
        faults = [found for found in map(_say, predictions) if found.fault]
    else:
        every = list(predictions)
        faults = [found for found in every if found.fault]
        if given.format == "json":
            say_json([_facts(found) for found in every])
        else:
            hand_over(_table(every))
    if faults:
        raise SpecError([_problem(found) for found in faults])
    return 0


def _say(found: Prediction) -> Prediction:
    if not found.fault:
        say(printable(str(found.path)))
    for name, probability in found.classes:
        bar = "█" * round(probability * _BAR)
        say(f"  {probability:7.2%}  {bar:<{_BAR}}  {printable(name)}")
    return found


def _facts(found: Prediction) -> dict[str, Any]:
    return {"image": str(found.path)} | ({"error": found.fault} if found.fault else {"classes": dict(found.classes)})


def _table(every: list[Prediction]) -> str:
    """One row per class of each image that can be read."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "class", "probability"])
    writer.writerows([found.path, name, f"{value:.6g}"] for found in every for name, value in found.classes)
    return text.getvalue()


def _problem(found: Prediction) -> Problem:
    return Problem("E0702", f"`{found.path}` cannot be read as an image: {found.fault}", file=str(found.path))
