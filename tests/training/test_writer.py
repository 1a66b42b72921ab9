"""Checkpoints are written beside the steps, and the time of a run is accounted for."""

from __future__ import annotations

import csv
import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

import archc
from archc.problems import SpecError
from archc.training import Interrupted, loop, resume_run, run_folder
from archc.training.checkpoint import checkpoints, load_checkpoint
from archc.training.loop import Loop
from archc.training.run_folder import RunFolder
from archc.training.writer import Request, Writer, snapshot

FAST: dict[str, Any] = {"epochs": 4, "limit": 64, "batch_size": 32, "quiet": True, "lr": 0.01, "out": "run"}


class Tied(nn.Module):
    """Two layers with one weight, as in language models."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(64, 64), nn.Linear(64, 64)
        self.second.weight = self.first.weight
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.second(self.first(x.flatten(1)).relu()).relu())


def test_tied_weights_are_saved() -> None:
    """The last epoch is the best one, so its weights come from the model itself."""
    result = archc.train(Tied(), **FAST | {"epochs": 1, "device": "cpu"})
    saved = safetensors.torch.load_file("run/best.safetensors")
    assert torch.equal(saved["first.weight"], saved["second.weight"])
    assert result.model.second.weight is result.model.first.weight


def test_a_callback_cannot_change_the_best_weights() -> None:
    def callback(row: dict[str, float], model: nn.Module) -> None:
        with torch.no_grad():
            for weight in model.parameters():
                weight.zero_()

    archc.train(Tied(), callback=callback, **FAST | {"epochs": 1, "device": "cpu"})
    assert all(bool(weight.any()) for weight in safetensors.torch.load_file("run/best.safetensors").values())


class SlowDisk:
    """Notes what is written, when it may."""

    def __init__(self) -> None:
        self.free, self.begun, self.written = threading.Event(), threading.Event(), list[Request]()

    def __call__(self, request: Request) -> None:
        self.begun.set()
        assert self.free.wait(10)
        self.written.append(request)


def test_a_slow_disk_makes_checkpoints_rarer_but_no_step_slower() -> None:
    """What waits gives way to what is newer, and hands on its best weights."""
    disk = SlowDisk()
    writer = Writer(disk)
    writer.submit(Request(1, 10, {}, {"weights": 1}))
    assert disk.begun.wait(10)
    writer.submit(Request(2, 20, {}, {"weights": 2}))
    writer.submit(Request(3, 30, {}, None))
    assert not disk.written
    disk.free.set()
    writer.finish()
    assert [(request.step, request.best) for request in disk.written] == [(10, {"weights": 1}), (30, {"weights": 2})]


def test_what_goes_wrong_is_raised_at_the_next_request_and_at_the_end() -> None:
    def full(_request: Request) -> None:
        raise OSError("full")

    writer = Writer(full)
    writer.submit(Request(1, 1, {}, None))
    with pytest.raises(OSError, match="full"):
        writer.finish()
    writer.submit(Request(1, 1, {}, None))
    writer.wait()
    with pytest.raises(OSError, match="full"):
        writer.submit(Request(2, 2, {}, None))
    writer.finish()


def test_no_step_changes_a_snapshot() -> None:
    state = {"weights": torch.ones(2), "rows": [{"loss": 1.0}], "parts": [torch.zeros(1)]}
    kept = snapshot(state)
    state["weights"].mul_(2)  # type: ignore[attr-defined]
    state["parts"][0].add_(1)  # type: ignore[index]
    state["rows"].append({})  # type: ignore[attr-defined]
    assert torch.equal(kept["weights"], torch.ones(2))
    assert (kept["parts"][0].item(), kept["rows"]) == (0.0, [{"loss": 1.0}])


def test_steps_go_on_while_a_checkpoint_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first checkpoint is let go in the last epoch; the run ends as one with a fast disk."""
    whole = archc.train("small.yaml", **FAST | {"out": "whole"})
    late, write, train = threading.Event(), run_folder.save_checkpoint, Loop._train
    seen: list[bool] = []

    def slow(*arguments: Any) -> Path:
        seen.append(late.wait(20))
        return write(*arguments)

    def noted(self: Loop) -> None:
        if self.epoch == 3:
            late.set()
        train(self)

    monkeypatch.setattr(run_folder, "save_checkpoint", slow)
    monkeypatch.setattr(Loop, "_train", noted)
    result = archc.train("small.yaml", **FAST)
    assert seen[0]
    assert len(seen) < 4
    assert result.losses == whole.losses
    state, _ = load_checkpoint(Path("run/last"))
    assert state is not None
    assert state["epoch"] == 4
    assert Path("run/best.safetensors").read_bytes() == Path("whole/best.safetensors").read_bytes()


def test_a_disk_that_fails_while_steps_go_on_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(folder: Path, *_arguments: Any) -> Path:
        raise run_folder.cannot_write(folder, OSError(28, "No space left on device"))

    monkeypatch.setattr(run_folder, "save_checkpoint", full)
    with pytest.raises(SpecError, match="no space left on device"):
        archc.train("small.yaml", **FAST)


@pytest.mark.parametrize(("epochs", "kept"), [(4, ["3", "4"]), (5, ["3", "5"])])
def test_checkpoints_of_every_third_epoch_and_of_the_last(
    epochs: int, kept: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Loop, "save", saved_at_once)
    archc.train("small.yaml", **FAST | {"epochs": epochs, "checkpoint_epochs": 3})
    found = sorted(path.name.split("-")[1].lstrip("0") for path in checkpoints(Path("run/last")))
    assert found == kept


@pytest.mark.parametrize(("seconds", "kept"), [(0.0, ["4", "3"]), (1e9, ["4", "1"])])
def test_checkpoints_are_as_rare_as_the_time_that_they_take(
    seconds: float, kept: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last epoch always has one. The first one is free here, and shows what others cost."""
    monkeypatch.setattr("archc.training.loop._FIRST", (0.0, 0.0))
    monkeypatch.setattr(
        RunFolder, "saving_seconds", property(lambda folder: seconds if checkpoints(folder.last) else 0.0)
    )
    monkeypatch.setattr(Loop, "save", saved_at_once)
    archc.train("small.yaml", **FAST)
    assert [path.name.split("-")[1].lstrip("0") for path in checkpoints(Path("run/last"))] == kept


def test_a_large_network_waits_for_its_first_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archc.training.loop._FIRST", (0.0, 1.0))
    archc.train("small.yaml", **FAST)
    assert len(checkpoints(Path("run/last"))) == 1


def saved_at_once(self: Loop, save: Callable[[Loop], None] = Loop.save) -> None:
    save(self)
    self.folder.settle()
    self.copying = 0.0


@pytest.mark.parametrize(("seconds", "written"), [(0.0, [1, 2, 3, 4]), (1e9, [1, 4])])
def test_reports_are_as_rare_as_the_time_that_they_take(
    seconds: float, written: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = Loop._report
    found = []

    def noted(self: Loop) -> None:
        report(self)
        self.reporting = seconds
        found.append(self.epoch)

    monkeypatch.setattr(Loop, "_report", noted)
    archc.train("small.yaml", **FAST)
    assert found == written
    assert len(Path("run/metrics.csv").read_text().splitlines()) == 5


def rising(scores: Tensor, labels: Tensor) -> Tensor:
    """A metric that is larger in each epoch, because it counts its calls."""
    return torch.full((len(labels),), float(next(COUNT)))


COUNT = itertools.count()


@pytest.mark.parametrize(("best_by", "best"), [("rising", 4), ("-rising", 1)])
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_the_result_has_the_weights_of_the_file(best_by: str, best: int, ema: float) -> None:
    """Also if the last epoch was the best one, whose weights need not be read."""
    result = archc.train("small.yaml", metrics={"rising": rising}, **FAST | {"best_by": best_by, "ema": ema})
    assert result.best["epoch"] == best
    stored = safetensors.torch.load_file("run/best.safetensors")
    assert stored.keys() == result.model.state_dict().keys()
    assert all(torch.equal(stored[name], value) for name, value in result.model.state_dict().items())


def test_a_run_with_rare_checkpoints_is_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal at the end of an epoch without a checkpoint saves it; a process that dies there loses that epoch."""
    options = FAST | {"checkpoint_epochs": 3}
    whole = archc.train("small.yaml", **options | {"out": "whole"})
    is_due = Loop._checkpoint_is_due

    def signalled(self: Loop) -> bool:
        if self.epoch == 2:
            self.events._signal = type(self.events._signal).TERMINATE
        return is_due(self)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_checkpoint_is_due", signalled)
        with pytest.raises(Interrupted):
            archc.train("small.yaml", **options)
    state, _ = load_checkpoint(Path("run/last"))
    assert state is not None
    assert state["epoch"] == 2
    resume_run("run")
    for path in ("best.safetensors", "losses.csv"):
        assert Path("run", path).read_bytes() == Path("whole", path).read_bytes()
    assert whole.history[-1]["epoch"] == 4


def test_the_rows_add_up_to_the_time_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for what follows the last row. Checkpoints and validation have columns of their own."""
    run, close = Loop.run, Loop._close_epoch
    taken: list[float] = []

    def timed(self: Loop) -> None:
        start = time.perf_counter()
        run(self)
        taken.append(time.perf_counter() - start)

    def closed(self: Loop, *arguments: Any) -> None:
        time.sleep(0.05)  # a validation that takes long
        close(self, *arguments)

    def copied(state: Any, into: Any = None) -> Any:
        if isinstance(state, dict) and "generators" in state:
            time.sleep(0.1)  # a checkpoint that takes long
        return snapshot(state, into)

    monkeypatch.setattr(Loop, "run", timed)
    monkeypatch.setattr(Loop, "_close_epoch", closed)
    monkeypatch.setattr(Loop, "_report", lambda _self: None)
    monkeypatch.setattr(loop, "snapshot", copied)
    history = archc.train("small.yaml", **FAST | {"checkpoint_epochs": 1}).history
    total = sum(row["seconds"] for row in history)
    assert total == pytest.approx(taken[-1], abs=0.1)
    assert all(row["val_seconds"] >= 0.05 for row in history)
    assert history[0]["checkpoint_seconds"] < 0.1 <= min(row["checkpoint_seconds"] for row in history[1:])
    assert all(row["val_seconds"] + row["checkpoint_seconds"] < row["seconds"] for row in history)


def test_metrics_hold_the_seconds() -> None:
    archc.train("small.yaml", **FAST | {"epochs": 1})
    (row,) = csv.DictReader(Path("run/metrics.csv").read_text().splitlines())
    assert float(row["val_seconds"]) > 0
    assert float(row["checkpoint_seconds"]) >= 0
