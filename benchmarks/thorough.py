"""The long run of the property tests: many networks, classes and single-layer cases, in rounds of fresh seeds.

    python benchmarks/thorough.py networks 100000 --first-seed 0 --log networks.jsonl
    python benchmarks/thorough.py contract 20000 --first-seed 0 --log contract.jsonl
    python benchmarks/thorough.py layers 1000000 --first-seed 0 --log layers.jsonl
    python benchmarks/thorough.py imports 10000 --first-seed 0 --log imports.jsonl
    python benchmarks/thorough.py report networks.jsonl contract.jsonl layers.jsonl

`contract` compares every class of the emitted file of each spec with what archc builds, for the arguments in the file
and for three further sets: of the network, and of each use of a block.

Each round appends a line to the log, so a run that was interrupted goes on at the next seed, and several runs
with other first seeds can be added up. What fails is not shrunk here: its spec is printed and the run goes on;
`HYPOTHESIS_PROFILE=thorough pytest --hypothesis-seed=…` shrinks.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import UnsatisfiedAssumption

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import test_layers
from kind_cases import CASES
from test_importing_properties import reimported

from archc.testing import Coverage, Draft, Folder, assert_agreement, folders, specs
from archc.testing.agreement import modules
from archc.testing.contract import Tally, assert_contract

ROUND = settings(
    max_examples=300, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)

SETS = 3
"""Further sets of arguments for each class."""

Round = tuple[Coverage, Counter[str], Counter[str], int]
"""What a round covered, its single-layer cases by kind, its comparisons of classes, and how many failed."""


def networks(number: int) -> Round:
    """One round of built == emitted."""
    covered, failed = Coverage(), 0

    @seed(number)
    @settings(ROUND)
    @given(folders(specs(most_inputs=3, shares=True)))
    def check(folder: Folder) -> None:
        nonlocal failed
        covered.add(folder)
        try:
            assert_agreement(folder.load(), gradients=covered.networks % 8 == 0)
        except Exception as error:
            failed += 1
            print(f"seed {number}: {type(error).__name__}: {str(error)[:500]}\n{folder}", flush=True)

    check()
    return covered, Counter(), Counter(), failed


def contract(number: int) -> Round:
    """One round of every class == what archc builds, for arguments that the file holds and for others."""
    covered, tally, failed = Coverage(), Tally(), 0

    @seed(number)
    @settings(ROUND)
    @given(specs(most=40, shares=True), st.data())
    def check(draft: Draft, data: st.DataObject) -> None:
        nonlocal failed
        covered.add(Folder(draft, {"network.yaml": draft.data}))
        try:
            assert_contract(draft.load(), data.draw, SETS, tally)
        except UnsatisfiedAssumption:
            raise
        except Exception as error:
            failed += 1
            print(f"seed {number}: {type(error).__name__}: {str(error)[:500]}\n{draft}", flush=True)

    check()
    unrefused = {f"unrefused: {reason}": count for reason, count in tally.unrefused.items()}
    return covered, Counter(), tally.counts + Counter(unrefused), failed


def layers(number: int) -> Round:
    """One round of single layers, every kind in turn."""
    cases: Counter[str] = Counter()
    failed = sum(_layers_of(case, number, cases) for case in CASES.values())
    return Coverage(), cases, Counter(), failed


def _layers_of(case: Any, number: int, cases: Counter[str]) -> int:
    failed = 0

    @seed(number)
    @settings(ROUND, max_examples=100)
    @given(test_layers.arguments_and_inputs(case))
    def check(drawn: Any) -> None:
        nonlocal failed
        cases[case.name] += len(drawn[1])
        try:
            test_layers.assert_judged(case, *drawn)
        except Exception as error:
            failed += 1
            print(f"seed {number}: {case.name}: {type(error).__name__}: {str(error)[:500]}\n{drawn}", flush=True)

    check()
    return failed


def imports(number: int) -> Round:
    """One round of import(build(spec)) and import(emit(spec)): how often the spec comes back, and why not."""
    covered, ends, failed = Coverage(), Counter[str](), 0

    @seed(number)
    @settings(ROUND)
    @given(specs(most=40, shares=True))
    def check(draft: Draft) -> None:
        nonlocal failed
        covered.add(Folder(draft, {"network.yaml": draft.data}))
        architecture = draft.load()
        for sort, model in zip(("built", "emitted"), modules(architecture), strict=True):
            try:
                reason = reimported(architecture, model)
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"
            ends[f"{sort}: {reason[:100] or 'the same keys, outputs and meaning'}"] += 1
            if reason:
                failed += 1
                print(f"seed {number}: {sort}: {reason[:500]}\n{draft}", flush=True)

    check()
    return covered, Counter(), ends, failed


ROUNDS = {"networks": networks, "contract": contract, "layers": layers, "imports": imports}


def run(what: str, wanted: int, first: int, log: Path) -> int:
    """Rounds until as many networks or cases are done as are wanted; what the log holds counts."""
    done = seen = 0
    for line in log.read_text("utf-8").splitlines() if log.is_file() else ():
        record = json.loads(line)
        done += record["networks"] + sum(record["cases"].values())
        seen = max(seen, record["seed"] + 1)
    number = max(first, seen)
    while done < wanted:
        start = time.perf_counter()
        covered, cases, classes, failed = ROUNDS[what](number)
        record = {
            **covered.to_dict(),
            "cases": dict(cases),
            "classes": dict(classes),
            "failed": failed,
            "seed": number,
            "seconds": round(time.perf_counter() - start, 2),
        }
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        done += covered.networks + cases.total()
        number += 1
    return 0


def report(logs: list[Path]) -> int:
    """Add up the logs: figures and the table of coverage, as Markdown."""
    covered, cases, classes, failed, seconds = Coverage(), Counter[str](), Counter[str](), 0, 0.0
    for log in logs:
        for line in log.read_text("utf-8").splitlines():
            record = json.loads(line)
            covered.merge(Coverage.from_dict(record))
            cases.update(record["cases"])
            classes.update(record["classes"])
            failed += record["failed"]
            seconds += record["seconds"]
    print(f"{covered.networks:,} networks of {covered.layers:,} layers (up to {covered.largest}), ", end="")
    print(f"{cases.total():,} single-layer cases; {failed:,} disagreements; {seconds / 60:.0f} minutes of one core\n")
    for what, count in classes.most_common():
        print(f"{count:,} {what}")
    print(covered.table(cases))
    return 1 if covered.missing() else 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=[*ROUNDS, "report"])
    parser.add_argument("arguments", nargs="+")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--log", type=Path, default=Path("thorough.jsonl"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    if options.what == "report":
        return report([Path(name) for name in options.arguments])
    return run(options.what, int(options.arguments[0]), options.first_seed, options.log)


if __name__ == "__main__":
    raise SystemExit(main())
