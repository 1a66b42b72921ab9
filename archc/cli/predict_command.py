"""`archc predict`."""

from __future__ import annotations

import json
import sys
from typing import Any

_BAR = 24


def run(given: Any) -> int:
    """Tell the most probable classes of each image."""
    from archc.training.distributed import world
    from archc.training.trained import load_run

    with world(given.device) as here:
        found = list(load_run(given.run, here).predict(given.images, given.top))
    if given.format == "json":
        facts = [{"image": str(path), "classes": dict(classes)} for path, classes in found]
        json.dump(facts, sys.stdout, indent=2, ensure_ascii=False)
        print()
        return 0
    for path, classes in found:
        print(path)
        for name, probability in classes:
            bar = "█" * round(probability * _BAR)
            print(f"  {probability:7.2%}  {bar:<{_BAR}}  {name}")
    return 0
