"""How fast archc is beside torch and torchvision, measured side by side in one run.

    python benchmarks/speed.py [--json] [--repeat N]

Every figure is a ratio of medians, of runs that take turns, against a bound.
Exit status: 0 if every bound holds, 1 otherwise. Run it on a machine that does nothing else: the load is told.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SPEC = ROOT / "specs" / "googlenet.yaml"
GIB = 2**30


@dataclass(frozen=True)
class Result:
    """One line of the table: `value` is `ours / theirs` unless there is nothing to compare with."""

    what: str
    ours: str
    theirs: str
    value: float
    bound: float | None
    """None: told, not judged."""

    @property
    def passed(self) -> bool:
        return self.bound is None or self.value <= self.bound


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def interleaved(
    actions: Sequence[Callable[[], object]],
    repeats: int,
    *,
    warm: int = 1,
    clock: Callable[[], float] = time.perf_counter,
    collect: bool = False,
) -> list[float]:
    """The median seconds of each action; they take turns, forth and back, so that drift hits all alike.

    What runs in one thread is better told by the processor's time (`clock`): other processes count less.
    Unless they `collect`, the garbage collector rests while they run.
    """
    for _ in range(warm):
        for action in actions:
            action()
    times: list[list[float]] = [[] for _ in actions]
    turns = list(range(len(actions)))
    gc.collect()
    if not collect:
        gc.disable()
    try:
        for repeat in range(repeats):
            start_at = repeat // 2 % len(actions)  # nobody always follows the same one
            order = turns[start_at:] + turns[:start_at]
            for turn in order if repeat % 2 == 0 else reversed(order):
                start = clock()
                actions[turn]()
                times[turn].append(clock() - start)
                gc.collect()
    finally:
        gc.enable()
    return [statistics.median(found) for found in times]


# Whole processes


def process(*arguments: str) -> Callable[[], object]:
    """A Python process from start to end."""
    command = [sys.executable, *arguments]
    # As it runs installed: with its bytecode, as torch has its own.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def run() -> None:
        quiet = subprocess.DEVNULL
        subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=quiet, stderr=quiet)

    return run


def whole_processes(repeats: int) -> list[Result]:
    with tempfile.TemporaryDirectory() as out:
        spec = str(SPEC.relative_to(ROOT))
        commands = {
            "check": [spec],
            "summary": [spec],
            "emit": [spec, "--out", out],
            "draw": [spec, "--output", f"{out}/googlenet.svg"],
        }
        bounds = {"draw": 0.25}
        actions = [process("-m", "archc", command, *rest) for command, rest in commands.items()]
        actions += [process("-c", "import torch"), process("-c", "pass")]
        *ours, torch_import, bare = interleaved(actions, repeats)
    theirs = f"import torch: {milliseconds(torch_import)}"
    results = [
        Result(
            f"process: archc {command} googlenet",
            milliseconds(took),
            theirs,
            took / torch_import,
            bounds.get(command, 0.15),
        )
        for command, took in zip(commands, ours, strict=True)
    ]
    return [*results, Result("process: bare Python", milliseconds(bare), theirs, bare / torch_import, None)]


# Within one process


def torchvision_googlenet(**options: Any) -> Any:
    from torchvision.models import googlenet

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return googlenet(weights=None, **options)


def checking(repeats: int) -> list[Result]:
    """What it costs to know every shape: archc from the YAML text on, torch on the meta device."""
    import torch

    import archc

    with torch.device("meta"):
        model = torchvision_googlenet(init_weights=False, aux_logits=False).eval()
        x = torch.empty(1, 3, 224, 224)

    def forward() -> object:
        with torch.no_grad():
            return model(x)

    architecture, classes = archc.load(SPEC), itertools.count(10)
    actions = {
        "load and check googlenet": (lambda: archc.load(SPEC), 0.10),
        "load and summarize googlenet": (lambda: archc.load(SPEC).summary(), 0.20),
        "configure googlenet": (lambda: architecture.configure(num_classes=next(classes)), 0.03),
    }
    made = [forward, *(action for action, _ in actions.values())]
    theirs, *ours = interleaved(made, repeats, warm=3, clock=time.process_time)
    shown = f"meta forward: {milliseconds(theirs)}"
    return [
        Result(what, milliseconds(took), shown, took / theirs, bound)
        for (what, (_, bound)), took in zip(actions.items(), ours, strict=True)
    ]


def sweeping(repeats: int) -> list[Result]:
    """What it costs to know the shapes, parameters and multiply-adds of a cell at many settings."""
    import sweep

    import archc

    architecture = archc.load(sweep.SPEC)
    rows = itertools.cycle(sweep.all_settings())
    some = 100

    def answer() -> None:
        sweep.answers(architecture, itertools.islice(rows, some))

    (took,) = interleaved([answer], repeats, warm=3, clock=time.process_time)
    rate, what = some / took, "sweep over the cells of NAS-Bench-201"
    return [Result(what, f"{rate:,.0f} a second", f"{sweep.LEAST:,} a second", sweep.LEAST / rate, 1.0)]


def emitted(source: str, name: str) -> Any:
    """The class of an emitted source."""
    space: dict[str, Any] = {"__name__": "emitted"}
    exec(compile(source, "emitted.py", "exec"), space)
    return space[name]


def forwards(repeats: int) -> list[Result]:
    """Inference of one image on the CPU, in the built, the emitted and torchvision's module.

    All three hold the same weight tensors: copies, which lie elsewhere in memory, differ by up to 7 %
    among modules of one class.
    """
    import torch

    import archc

    architecture = archc.load(SPEC)
    theirs = torchvision_googlenet(init_weights=False, aux_logits=False).eval()
    built = architecture.build(aux_logits=False).eval()
    source = emitted(architecture.emit(), architecture.name)(aux_logits=False).eval()
    for module in (built, source):
        module.load_state_dict(theirs.state_dict(), assign=True)
    x = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(built(x), theirs(x))
        assert torch.equal(source(x), theirs(x))
        actions = [lambda: built(x), lambda: theirs(x), lambda: source(x)]
        ours, other, written = interleaved(actions, repeats, warm=5)
    shown = f"torchvision: {milliseconds(other)}"
    return [
        Result("forward, built module", milliseconds(ours), shown, ours / other, 1.02),
        Result("forward, emitted module", milliseconds(written), shown, written / other, 1.02),
    ]


def construction(repeats: int) -> list[Result]:
    """Module and initial weights, the auxiliary heads included."""
    import archc

    architecture = archc.load(SPEC)
    made = emitted(architecture.emit(), architecture.name)
    actions: list[Callable[[], object]] = [
        architecture.build,
        lambda: torchvision_googlenet(init_weights=True, aux_logits=True),
        made,
    ]
    ours, theirs, written = interleaved(actions, repeats, warm=2)
    shown = f"torchvision: {milliseconds(theirs)}"
    return [
        Result("construction, built module", milliseconds(ours), shown, ours / theirs, 1.1),
        Result("construction, emitted module", milliseconds(written), shown, written / theirs, None),
    ]


# Growth


def chain(layers: int) -> str:
    """A spec of distinct convolutions, each written out."""
    rows = (f"  conv{i}: {{conv2d: {{out_channels: {8 + i % 7}, kernel_size: 3, padding: 1}}}}" for i in range(layers))
    return "\n".join(["name: Chain", "input: [3, 32, 32]", "layers:", *rows, ""])


def growth(repeats: int) -> list[Result]:
    import archc
    from archc.drawing import draw_svg

    small, large = chain(1_000), chain(10_000)

    def ten() -> None:
        for _ in range(10):
            archc.loads(small)

    # The garbage collector stays on: a spec that keeps it busy should show here.
    least, most = interleaved([ten, lambda: archc.loads(large)], repeats, clock=time.process_time, collect=True)
    memory = peak_memory(large)
    (drawn,) = interleaved([lambda: draw_svg(archc.loads(large), everything=True)], 3, clock=time.process_time)
    return [
        Result(
            "load, a layer of 10,000",
            f"{most * 100:.0f} µs",
            f"a layer of 1,000: {least * 100:.0f} µs",
            most / least,
            1.3,
        ),
        Result("load and draw 10,000 layers, a box each", milliseconds(drawn), "5 s", drawn / 5, 1.0),
        Result("peak memory, archc check, 10,000 layers", f"{memory / 2**20:.0f} MiB", "1 GiB", memory / GIB, 1.0),
    ]


_WATCH = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-m", "archc", "check", sys.argv[1]], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def peak_memory(text: str) -> int:
    """Bytes resident at the most. A bare interpreter starts and watches it: a child begins with its parent's size."""
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "large.yaml"
        spec.write_text(text, "utf-8")
        done = subprocess.run(
            [sys.executable, "-c", _WATCH, str(spec)], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
        )
    unit = 1 if sys.platform == "darwin" else 1024
    return int(done.stdout) * unit


# The table


def table(results: list[Result]) -> str:
    rows = [("", "archc", "beside", "ratio", "bound", "")]
    for result in results:
        bound, verdict = ("", "") if result.bound is None else (f"{result.bound:.2f}", "pass")
        if not result.passed:
            verdict = "FAIL"
        rows.append((result.what, result.ours, result.theirs, f"{result.value:.3f}", bound, verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column in (0, 2, 5) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join([lines[0], "─" * (sum(widths) + 10), *lines[1:]])


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure archc beside torch and torchvision.")
    parser.add_argument("--json", action="store_true", help="print a list of objects instead of the table")
    parser.add_argument("--repeat", type=int, default=60, metavar="N", help="repetitions of a forward pass (60)")
    given = parser.parse_args()
    few, before = max(3, given.repeat // 6), os.getloadavg()[0]
    results = whole_processes(few)
    results += checking(given.repeat // 2)
    results += sweeping(given.repeat // 2)
    results += forwards(given.repeat)
    results += construction(few)
    results += growth(max(3, given.repeat // 12))
    if given.json:
        json.dump([{**asdict(result), "passed": result.passed} for result in results], sys.stdout, indent=2)
        print()
    else:
        print(table(results))
        after = os.getloadavg()[0]
        print(f"\nload of the machine: {before:.1f} at the start, {after:.1f} at the end, on {os.cpu_count()} CPUs")
    return 0 if all(result.passed for result in results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
