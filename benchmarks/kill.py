"""Runs that are killed at random moments (SIGKILL) until they end: nothing saved is lost, the weights are the same.

    python benchmarks/kill.py [--kills N] [--runs N] [--seed N]

Every run writes a checkpoint in each step, so that many kills fall into the writing of one. After every kill the
checkpoints are read; at the end weights and losses are held against those of a run that was left alone.
Exit status: 0 if no checkpoint was lost and all are equal bit for bit, 1 otherwise.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import archc
from archc.training.checkpoint import checkpoints, load_checkpoint

SPEC = Path(__file__).parent.parent / "specs" / "small_convnet.yaml"


def child(folder: Path, seed: int) -> int:
    """A process that begins the run, or goes on with it; forked, so that it need not import torch again."""
    pid = os.fork()
    if pid:
        return pid
    try:
        recipe: dict[str, Any] = {"epochs": 4, "batch_size": 32, "checkpoint_steps": 1, "seed": seed}
        archc.train(SPEC, "digits", out=folder, resume=True, limit=320, quiet=True, device="cpu", **recipe)
        os._exit(0)
    finally:
        os._exit(1)


def state_of(folder: Path) -> tuple[dict[str, Any] | None, int]:
    """The newest state, and how many checkpoints were passed over as damaged."""
    state, notes = load_checkpoint(folder / "last")
    return state, len(notes)


def killed_until_done(folder: Path, seed: int, moments: random.Random) -> tuple[int, int, int]:
    """Kills, damaged checkpoints, and kills that fell into the writing of one."""
    kills, damaged, writing, step = 0, 0, 0, -1
    while True:
        pid = child(folder, seed)
        until = time.monotonic() + 60
        # Let it get on by some steps, then kill it anywhere.
        wanted = step + moments.randrange(1, 3)
        while time.monotonic() < until and not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            newest = checkpoints(folder / "last")
            if newest and int(newest[0].name.split("-")[3]) >= wanted:
                break
            time.sleep(0.001)
        time.sleep(moments.random() * 0.03)
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSIGNALED(status):
            assert os.WEXITSTATUS(status) == 0, "the run failed"
            return kills, damaged, writing
        kills += 1
        writing += any((folder / "last").glob(".epoch-*"))
        state, lost = state_of(folder)
        damaged += lost
        before, step = step, -1 if state is None else state["step"]
        assert step >= before, f"a checkpoint was lost: step {step} after step {before}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="at least so many, over all runs")
    parser.add_argument("--runs", type=int, default=3, help="at least so many")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)  # a forked process cannot use its parent's threads
    moments = random.Random(given.seed)
    kills = runs = different = damaged = writing = 0
    with tempfile.TemporaryDirectory() as place:
        while kills < given.kills or runs < given.runs:
            whole, cut = Path(place, f"whole{runs}"), Path(place, f"cut{runs}")
            _, status = os.waitpid(child(whole, runs), 0)
            assert status == 0
            counts = killed_until_done(cut, runs, moments)
            one, other = state_of(whole)[0], state_of(cut)[0]
            assert one is not None
            assert other is not None
            equal = all(torch.equal(one["model"][key], other["model"][key]) for key in one["model"])
            equal = equal and torch.equal(torch.cat(one["losses"]), torch.cat(other["losses"]))
            print(f"run {runs + 1}: {counts[0]} kills, {'equal bit for bit' if equal else 'DIFFERENT'}", flush=True)
            kills, damaged, writing = kills + counts[0], damaged + counts[1], writing + counts[2]
            different += not equal
            runs += 1
    print(f"{kills} SIGKILLs in {runs} runs, {writing} while a checkpoint was written:", end=" ")
    print(f"{damaged} checkpoints damaged, {different} runs different")
    return 1 if damaged or different else 0


if __name__ == "__main__":
    sys.exit(main())
