"""Import torchvision's classification networks, and compare the specs with the bundled ones, for docs/import.md.

    python benchmarks/imports.py            # all networks; prints the table in markdown
    python benchmarks/imports.py resnet18   # some

Every network is made by torchvision, imported and verified with random weights; "keys" says whether the spec's module
has the module's keys. Lines are those that are neither blank nor comments; a bundled spec that extends another one is
counted with its base.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import torchvision

import archc
from archc.importing import import_
from archc.library import bundled
from archc.problems import SpecError

_INPUTS = {"inception_v3": (3, 299, 299)}


def lines_of(text: str) -> int:
    """The lines that say something."""
    return sum(bool(line.strip()) and not line.lstrip().startswith("#") for line in text.splitlines())


def bundled_lines(name: str) -> int | None:
    """The lines of a bundled spec, with those of the specs that it extends."""
    count = 0
    path = bundled().get(name)
    while path is not None:
        text = path.read_text("utf-8")
        count += lines_of(text)
        base = next((line.split()[1] for line in text.splitlines() if line.startswith("extends:")), None)
        path = None if base is None else bundled()[base.removesuffix(".yaml")]
    return count or None


def row(name: str) -> tuple[str, ...]:
    """One network: its name, the lines, those of the bundled spec, the keys, the difference and the seconds."""
    start = time.perf_counter()
    try:
        found = import_(f"torchvision.models:{name}", _INPUTS.get(name), weights=False)
    except SpecError as error:
        missing = {
            problem.message.split("`")[1] if "`" in problem.message else problem.code for problem in error.problems
        }
        return (
            name,
            "",
            "",
            "",
            "",
            f"no layer type: {', '.join(sorted(missing))}",
            f"{time.perf_counter() - start:.1f}",
        )
    seconds = time.perf_counter() - start
    count, own = lines_of(found.text), bundled_lines(name)
    same = all(key == source for key, source in found.keys.items())
    difference = found.report.removeprefix("verified: largest difference ").split()[0]
    blocks = len(archc.loads(found.text).network.spec.blocks)
    compared = f"{own} ({count / own:.2f} times)" if own else ""
    return name, str(count), compared, str(blocks), "equal" if same else "renamed", difference, f"{seconds:.1f}"


def table(names: list[str]) -> Iterator[str]:
    """The table, row by row."""
    yield "| network | lines | bundled | blocks | keys | difference | seconds |"
    yield "| --- | --: | --: | --: | --- | --- | --: |"
    for name in names:
        yield f"| {' | '.join(row(name))} |"


if __name__ == "__main__":
    for line in table(sys.argv[1:] or torchvision.models.list_models(module=torchvision.models)):
        print(line, flush=True)
