"""The benchmarks that need another machine, or hours, run here at a size that only shows that they work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(*words: str) -> str:
    command = [sys.executable, *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=BENCHMARKS, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_gpu_benchmark_runs_at_a_tiny_size() -> None:
    out = run("train_gpu.py", "--tiny")
    assert out.startswith("CPU, tiny: no measurement")
    assert len([line for line in out.splitlines() if line.startswith("|")]) == 6


@pytest.mark.slow
def test_runs_that_are_killed_lose_nothing() -> None:
    out = run("kill.py", "--kills", "20", "--runs", "1")
    assert "0 checkpoints damaged, 0 runs different" in out


@pytest.mark.slow
def test_commands_that_are_killed_tear_no_file() -> None:
    out = run("kill.py", "--files", "4")
    assert out.count("4 SIGKILLs, 0 files torn, 0 left over") == 7


SLOW = ["specs", "texts", "images", "folders", "sources", "commands"]


@pytest.mark.parametrize("what", ["weights", "runs", *(pytest.param(what, marks=pytest.mark.slow) for what in SLOW)])
def test_a_fuzzer_finds_nothing(what: str, tmp_path: Path) -> None:
    out = run("fuzz.py", "--what", what, "--count", "100", "--out", str(tmp_path))
    assert "found" not in out


@pytest.mark.slow
def test_no_fix_of_a_slip_is_wrong() -> None:
    assert "| E0312 |" in run("fixes.py", "--faults", "20")
