"""`archc eval`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def run(given: Any) -> int:
    """Tell loss and accuracy of a run's best weights over the validation images of a data set."""
    from archc.training.data import load_data
    from archc.training.distributed import world
    from archc.training.trained import load_run

    with world(given.device) as here:
        trained = load_run(given.run, here)
        name = given.data or trained.facts["data"]
        data = load_data(name, Path(given.data_dir or trained.facts["data_dir"]), limit=given.limit)
        score = trained.evaluate(data)
    if given.format == "json":
        json.dump({"data": name, **score._asdict()}, sys.stdout, indent=2)
        print()
        return 0
    accuracy = f"accuracy {score.top1:.2%}, in the best five {score.top5:.2%}"
    print(f"{trained.facts['model']} on {data.name}: {score.images:,} images, loss {score.loss:.4f}, {accuracy}")
    return 0
