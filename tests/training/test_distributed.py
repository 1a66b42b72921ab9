"""Several processes, on the CPU with gloo: the curve of one process, a worker that dies, weights in parts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import archc
from archc.cli.main import main
from archc.training import resume_run
from archc.training.checkpoint import checkpoints, load_checkpoint, save_checkpoint
from archc.training.loop import Loop

# Without batch norm and dropout, which see other images and draw other numbers in each process.
SPEC = """\
name: Plain
input: [1, 8, 8]
arguments: {num_classes: 10}
layers:
  conv1: {conv2d: {out_channels: 8, kernel_size: 3, padding: same}}
  relu1: relu
  conv2: {conv2d: {out_channels: 16, kernel_size: 3, stride: 2, padding: 1}}
  relu2: relu
  flatten: flatten
  fc: {linear: $num_classes}
"""
WORDS = ["plain.yaml", "--epochs", "2", "--batch-size", "30", "--limit", "200", "--precision", "fp32", "--lr", "0.01"]


@pytest.fixture(autouse=True)
def spec(folder: Path) -> None:
    (folder / "plain.yaml").write_text(SPEC)


def torchrun(*words: str, restarts: int = 0, processes: int = 2) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    command += ["--max-restarts", str(restarts), "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TORCH_CPP_LOG_LEVEL": "ERROR"}
    return subprocess.Popen(
        [*command, "-m", "archc", "train", *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    return out


def losses(folder: str) -> torch.Tensor:
    state, _ = load_checkpoint(Path(folder) / "last")
    assert state is not None
    return torch.cat(state["losses"])


def one_process(**options: Any) -> archc.training.Result:
    settings = {"epochs": 2, "batch_size": 30, "limit": 200, "precision": "fp32", "lr": 0.01, "quiet": True}
    return archc.train("plain.yaml", **{"out": "one", **settings, **options})


@pytest.mark.parametrize(
    "more", [[], ["--accumulate", "3", "--ema", "0.9"], ["--shard"]], ids=["ddp", "parts", "fully_shard"]
)
def test_two_processes_give_the_curve_of_one(more: list[str]) -> None:
    """The same batches of 30, the last of 20: every step's loss to 1e-5, and the same accuracies."""
    one = one_process()
    out = finished(torchrun(*WORDS, "--out", "two", *more))
    assert out.count("epoch ") == 3  # two epochs and the best, told once
    assert losses("two").tolist() == pytest.approx(one.losses, rel=1e-5)
    rows = (Path("two/metrics.csv").read_text().splitlines(), Path("one/metrics.csv").read_text().splitlines())
    accuracies = [[float(row.split(",")[column]) for row in part[1:] for column in (3, 6)] for part in rows]
    if not more:
        assert accuracies[0] == accuracies[1]
    best = load_file("two/best.safetensors")
    assert {key: value.shape for key, value in best.items()} == {k: v.shape for k, v in one.model.state_dict().items()}


SHARED = """\
name: Shared
input: [1, 8, 8]
arguments: {num_classes: 10}
layers:
  conv: {conv2d: {out_channels: 1, kernel_size: 3, padding: same}}
  again: {share: conv}
  relu: relu
  flatten: flatten
  fc: {linear: $num_classes}
"""
UNUSED = """\
name: Unused
input: [1, 8, 8]
arguments: {num_classes: 10}
layers:
  conv: {conv2d: {out_channels: 8, kernel_size: 3, padding: same}}
  dead: {conv2d: {out_channels: 4, kernel_size: 3}, from: conv}
  relu: {relu: {}, from: conv}
  flatten: flatten
  fc: {linear: $num_classes}
"""


@pytest.mark.parametrize("more", [["--accumulate", "3"], ["--shard"]], ids=["ddp", "fully_shard"])
@pytest.mark.parametrize("spec", [SHARED, UNUSED], ids=["shared layers", "weights without effect"])
def test_networks_whose_weights_have_several_gradients_or_none(spec: str, more: list[str]) -> None:
    """The same losses as with one process; weights that nothing depends on stay as they are."""
    Path("plain.yaml").write_text(spec)
    one = one_process()
    finished(torchrun(*WORDS, "--out", "two", *more))
    assert losses("two").tolist() == pytest.approx(one.losses, rel=1e-5)
    best = load_file("two/best.safetensors")
    for name, value in load_file("one/best.safetensors").items():
        assert torch.allclose(best[name], value, rtol=1e-3, atol=1e-5)
        assert torch.equal(best[name], value) or not name.startswith("dead")


def test_a_worker_that_dies_is_restarted_and_ends_with_the_same_weights() -> None:
    """One worker is killed within an epoch; torchrun starts both again, and they go on from the checkpoint."""
    words = [*WORDS, "--checkpoint-steps", "1", "--epochs", "6"]
    finished(torchrun(*words, "--resume", "whole"))
    process = torchrun(*words, "--resume", "cut", restarts=2)
    until = time.monotonic() + 120
    while len(checkpoints(Path("cut/last"))) < 2:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    workers = subprocess.run(
        ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(workers) == 2
    os.kill(int(workers[1]), signal.SIGKILL)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert "resumed after step" in err
    whole, cut = (load_checkpoint(Path(name) / "last")[0] for name in ("whole", "cut"))
    assert whole is not None
    assert cut is not None
    assert whole["step"] == cut["step"] == 42
    assert all(torch.equal(whole["model"][key], cut["model"][key]) for key in whole["model"])
    assert losses("whole").tolist() == losses("cut").tolist()


def test_a_run_of_two_processes_is_continued_by_one() -> None:
    """Wherever in an epoch it ended."""
    words = [*WORDS, "--checkpoint-steps", "1", "--epochs", "40"]
    process = torchrun(*words, "--out", "run")
    until = time.monotonic() + 120
    while len(checkpoints(Path("run/last"))) < 2:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert process.returncode != 0
    state, _ = load_checkpoint(Path("run/last"))
    assert state is not None
    assert state["step"] < 280
    again = resume_run("run")
    assert len(again.history) == 40


def test_the_sums_of_two_processes_are_continued_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends between the last step of an epoch and its validation has all of that epoch's means."""
    options = {"epochs": 1, "checkpoint_steps": 1}
    one = one_process(**options)

    def killed(*_arguments: Any) -> None:
        raise InterruptedError

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_close_epoch", killed)
        with pytest.raises(InterruptedError):
            one_process(**options, out="two")
    state, _ = load_checkpoint(Path("two/last"))
    assert state is not None
    assert (state["epoch"], state["at"]) == (0, len(one.losses))
    half = {name: value / 2 for name, value in state["meter"][0].items()}
    state |= {"meter": [half, half], "generators": state["generators"] * 2}
    save_checkpoint(Path("two/last"), 0, state["step"], state)
    again = resume_run("two")
    assert again.losses == pytest.approx(one.losses, rel=1e-5)
    for name in ("train_loss", "train_accuracy", "val_loss"):
        assert again.history[0][name] == pytest.approx(one.history[0][name], rel=1e-5)


def test_a_network_with_several_inputs_is_refused() -> None:
    layers = "layers:\n  sum: {add: [left, right]}\n  flatten: flatten\n  fc: {linear: 10}\n"
    Path("two.yaml").write_text(f"name: Two\ninputs: {{left: [1, 8, 8], right: [1, 8, 8]}}\n{layers}")
    process = torchrun("two.yaml", "--out", "two")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    said = "error[E0704]: `archc train` takes networks for single images: Two takes 1×8×8 and 1×8×8"
    assert err.count(said) == err.count("error[") == 1
    assert not Path("two").exists()


def test_an_error_of_another_process_than_the_first_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It waits for the first process, which may have the same error, and then reports its own."""
    waited: list[float] = []
    monkeypatch.setattr("archc.cli.train_command.time.sleep", waited.append)
    monkeypatch.setenv("RANK", "1")
    assert main(["train", "missing.yaml"]) == 1
    assert waited == [30]
    assert "error[E0101]: `missing.yaml` cannot be read" in capsys.readouterr().err


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    process = torchrun("plain.yaml", "--batch-size", "31")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert err.count("a batch of 31 images is not divisible by 2 processes") == 1
    assert "--batch-size 32" in err
