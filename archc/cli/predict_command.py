"""`archc predict`."""

from __future__ import annotations

from typing import Any

from archc.terminal import say, say_json
from archc.text import printable

_BAR = 24


def run(given: Any) -> int:
    """Tell the most probable classes of each image."""
    from archc.training.trained import load_run

    found = list(load_run(given.run, device=given.device).predict(given.images, given.top))
    if given.format == "json":
        facts = [{"image": str(path), "classes": dict(classes)} for path, classes in found]
        say_json(facts)
        return 0
    for path, classes in found:
        say(printable(str(path)))
        for name, probability in classes:
            bar = "█" * round(probability * _BAR)
            say(f"  {probability:7.2%}  {bar:<{_BAR}}  {printable(name)}")
    return 0
