"""A run that was interrupted ends as one that was not: the same weights, bit for bit, the same figures."""

from __future__ import annotations

import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import archc
from archc.problems import SpecError
from archc.training import Result, resume_run
from archc.training.checkpoint import checkpoints, load_checkpoint, save_checkpoint
from archc.training.events import Interrupted
from archc.training.loop import Loop

FAST: dict[str, Any] = {"epochs": 3, "limit": 400, "batch_size": 32, "quiet": True, "lr": 0.01}
RECIPES: dict[str, dict[str, Any]] = {
    "default": {},
    "sgd with averaged weights": {"optimizer": "sgd", "ema": 0.9, "schedule": "step", "step_epochs": 1},
    "parts, cutout and mirrors": {"accumulate": 2, "cutout": 3, "flip": True, "pad": 2, "precision": "bf16"},
    "random parts": {"random_resized_crop": True, "resize": 12, "center_crop": 0.9},
}


def run(out: str, **options: Any) -> Result:
    return archc.train("small.yaml", "digits", out=out, **FAST | options)


def stop_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Send this process a signal in the step with this number, as a cluster does."""
    step = Loop._step

    def interrupted(self: Loop, *arguments: Any) -> None:
        step(self, *arguments)
        if self.step == steps - 1:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Loop, "_step", interrupted)


def assert_equal_runs(one: Result, other: Result) -> None:
    """Weights, losses and metrics (but for the times) are equal bit for bit."""
    first, second = one.model.state_dict(), other.model.state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert one.losses == other.losses
    timeless = [[{k: v for k, v in row.items() if "second" not in k} for row in r.history] for r in (one, other)]
    assert timeless[0] == timeless[1]
    best = [load_file(r.folder / "best.safetensors") for r in (one, other)]
    assert all(torch.equal(best[0][key], best[1][key]) for key in best[0])


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("steps", [1, 6, 13, 17], ids="after step {}".format)
def test_a_resumed_run_is_the_uninterrupted_one(name: str, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped after the first step, within an epoch, and at its end (13 steps of 32 of 400 images)."""
    whole = run("whole", **RECIPES[name])
    with monkeypatch.context() as patch:
        stop_after(patch, steps)
        with pytest.raises(Interrupted):
            run("cut", **RECIPES[name])
    state, _ = load_checkpoint(Path("cut/last"))
    assert state is not None
    assert state["step"] == steps
    assert_equal_runs(whole, resume_run("cut"))


def test_tensorboard_has_every_step_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a run that was stopped within an epoch and resumed: the losses of losses.csv, the figures of metrics.csv."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with monkeypatch.context() as patch:
        stop_after(patch, 20)
        with pytest.raises(Interrupted):
            run("run", tensorboard=True)
    done = resume_run("run")
    events = EventAccumulator("run/tensorboard").Reload()
    steps = events.Scalars("loss/step")
    assert [event.step for event in steps] == list(range(1, 40))
    assert [event.value for event in steps] == done.losses
    found = [event.value for event in events.Scalars("accuracy/validation")]
    assert found == pytest.approx([row["val_accuracy"] for row in done.history])


def test_tensorboard_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archc.training.tensorboard.installed", lambda _name: False)
    with pytest.raises(SpecError, match="archc-nn\\[tensorboard\\]"):
        run("run", tensorboard=True)
    assert not Path("run").exists()


def test_a_folder_is_resumed_in_another_order_of_seeds_never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seeds give two runs: what is compared above is not constant."""
    assert run("a", seed=1).losses != run("b", seed=2).losses


def test_resuming_a_finished_run_changes_nothing() -> None:
    done = run("run")
    before = {path: path.read_bytes() for path in Path("run").rglob("*.*") if path.is_file()}
    again = resume_run("run")
    assert_equal_runs(done, again)
    assert {path: path.read_bytes() for path in Path("run").rglob("*.*") if path.is_file()} == before


def test_the_same_command_begins_and_resumes(monkeypatch: pytest.MonkeyPatch) -> None:
    """With `resume` a run is begun where there is none, gone on with where there is: for clusters that ask again."""
    whole = run("whole")
    with monkeypatch.context() as patch:
        stop_after(patch, 20)
        with pytest.raises(Interrupted):
            run("cut", resume=True)
    assert_equal_runs(whole, run("cut", resume=True))


def test_a_module_from_python_is_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    def model() -> nn.Module:
        torch.manual_seed(5)
        return nn.Sequential(nn.Conv2d(1, 8, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Dropout(), nn.Linear(72, 10))

    whole = archc.train(model(), "digits", out="whole", **FAST)
    with monkeypatch.context() as patch:
        stop_after(patch, 5)
        with pytest.raises(Interrupted):
            archc.train(model(), "digits", out="cut", **FAST)
    assert_equal_runs(whole, archc.train(model(), "digits", out="cut", resume=True, **FAST))
    with pytest.raises(SpecError) as caught:
        resume_run("cut")
    assert caught.value.problems[0].code == "E0706"


DIFFERENT: dict[str, tuple[dict[str, Any], str]] = {
    "recipe": ({"lr": 0.02}, "its recipe has `lr: 0.01`, now `lr: 0.02`"),
    "network": ({"settings": {"width": 4}}, "settings: {}, now {'width': 4}"),
    "images": ({"limit": 300}, "limit: 400, now 300"),
}


def test_another_module_is_not_taken_for_this_one() -> None:
    archc.train(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), out="run", **FAST | {"epochs": 1})
    with pytest.raises(SpecError) as caught:
        archc.train(
            nn.Sequential(nn.Flatten(), nn.Linear(64, 10, bias=False)), out="run", resume=True, **FAST | {"epochs": 1}
        )
    assert caught.value.problems[0].code == "E0706"


@pytest.mark.parametrize("what", DIFFERENT)
def test_another_run_is_not_taken_for_this_one(what: str) -> None:
    run("run", epochs=1)
    options, said = DIFFERENT[what]
    with pytest.raises(SpecError) as caught:
        run("run", resume=True, **{"epochs": 1} | options)
    assert {problem.code for problem in caught.value.problems} == {"E0706"}
    assert said in str(caught.value)


def test_a_damaged_checkpoint_falls_back_to_the_one_before(capsys: pytest.CaptureFixture[str]) -> None:
    whole = run("run", checkpoint_epochs=1)
    newest, _ = checkpoints(Path("run/last"))
    with zipfile.ZipFile(newest) as archive:
        largest = max(archive.infolist(), key=lambda entry: entry.file_size)
    content = bytearray(newest.read_bytes())
    content[largest.header_offset + 500] ^= 1
    newest.write_bytes(content)
    again = resume_run("run")
    assert f"{newest.name} is damaged (its checksum is wrong)" in capsys.readouterr().err
    assert_equal_runs(whole, again)
    for path in checkpoints(Path("run/last")):
        path.write_bytes(b"")
    with pytest.raises(SpecError) as caught:
        resume_run("run")
    assert caught.value.problems[0].code == "E0706"


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    """A checksum shows damage, not intent: what a checkpoint holds is never executed."""

    class Planted:
        def __reduce__(self) -> Any:
            return (Path("planted").touch, ())

    save_checkpoint(tmp_path, 0, 1, {"model": Planted()})
    with pytest.raises(SpecError):
        load_checkpoint(tmp_path)
    assert not Path("planted").exists()


def test_no_damage_is_overlooked(tmp_path: Path) -> None:
    """A checkpoint with one wrong bit, or without its end, is refused or has the same content."""
    draws = random.Random(0)
    state = run_state(draws)
    path = save_checkpoint(tmp_path, 0, 3, state)
    whole = path.read_bytes()
    refused = 0
    for turn in range(400):
        content = bytearray(whole)
        if turn % 8:
            content[draws.randrange(len(whole))] ^= 1 << draws.randrange(8)
        else:
            del content[draws.randrange(len(whole)) :]
        path.write_bytes(content)
        try:
            found, _ = load_checkpoint(tmp_path)
        except SpecError:
            refused += 1
        else:
            assert found is not None
            assert turn % 8
            assert found.keys() == state.keys()
            assert torch.equal(found["model"]["weight"], state["model"]["weight"])
            assert {**found, "model": 0, "losses": 0} == {**state, "model": 0, "losses": 0}
    assert refused > 200


def run_state(draws: random.Random) -> dict[str, Any]:
    plain = {"epoch": 0, "step": 3, "at": 3, "seconds": draws.random(), "optimizer": {}, "schedule": {"last_epoch": 3}}
    lists = {"generators": [{"cpu": 1}], "meter": [{}], "rows": [], "losses": []}
    weight = torch.tensor([draws.random() for _ in range(2000)])
    return plain | lists | {"model": {"weight": weight}, "scaler": {}, "ema": {}}


def test_two_checkpoints_are_kept(tmp_path: Path) -> None:
    last = tmp_path / "last"
    last.mkdir()
    for epoch, step in ((0, 9), (0, 10), (9, 99), (10, 99)):  # an epoch ends some time after its last step
        save_checkpoint(last, epoch, step, {"epoch": epoch, "step": step})
    names = ["epoch-000010-step-000000099.pt", "epoch-000009-step-000000099.pt"]
    assert [path.name for path in checkpoints(last)] == names
    assert len(list(last.iterdir())) == 2
    assert torch.load(checkpoints(last)[0], weights_only=True) == {"epoch": 10, "step": 99}


COMMAND = [sys.executable, "-m", "archc", "train", "small.yaml", "--resume", "run", "--limit", "400"]
COMMAND += ["--batch-size", "8", "--checkpoint-steps", "1"]
ENDLESS = [*COMMAND, "--epochs", "10000"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A process with its output in pipes, killed at the end if it still runs."""
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_checkpoint(process: subprocess.Popen[str], folder: Path, count: int = 1) -> None:
    until = time.monotonic() + 60
    while len(checkpoints(folder / "last")) < count:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_save_and_exit(number: int, code: int) -> None:
    """SIGINT and SIGTERM: exit 130 and 143, one line, and a checkpoint to go on from."""
    with started(ENDLESS) as process:
        wait_for_checkpoint(process, Path("run"))
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        assert process.returncode == code
    assert err.splitlines()[-1] == f"{signal.Signals(number).name}: the run is saved"
    state, notes = load_checkpoint(Path("run/last"))
    assert state is not None
    assert notes == []


def test_a_run_folder_in_use_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with started(ENDLESS) as process:
        wait_for_checkpoint(process, Path("run"))
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(SpecError) as caught:
            resume_run("run")
        assert caught.value.problems[0].code == "E0705"
        assert "another process is training in `run`" in str(caught.value)
    state, _ = load_checkpoint(Path("run/last"))
    assert state is not None
    stop_after(monkeypatch, state["step"] + 2)
    with pytest.raises(Interrupted):
        resume_run("run")  # a killed process leaves no lock behind


def test_killed_at_random_moments() -> None:
    """A few SIGKILLs while a checkpoint is written in every step; benchmarks/kill.py does it a hundred times."""
    command = [*COMMAND, "--epochs", "2"]
    subprocess.run(["whole" if word == "run" else word for word in command], env=ENVIRONMENT, check=True)
    moments = random.Random(0)
    kills = 0
    while kills < 4:  # a process that a busy machine lets run to its end is compared, too, and the run starts over
        shutil.rmtree("run", ignore_errors=True)
        ended = False
        while not ended:
            with started(command) as process:
                wait_for_checkpoint(process, Path("run"))
                newest = checkpoints(Path("run/last"))[0]
                while process.poll() is None and checkpoints(Path("run/last"))[0] == newest:
                    time.sleep(0.002)
                time.sleep(moments.random() * 0.1)
                if kills < 4 and process.poll() is None:
                    process.kill()
                _, err = process.communicate(timeout=120)
                assert "damaged" not in err
                ended = process.returncode == 0
                assert ended or process.returncode == -signal.SIGKILL, err
                kills += not ended
        assert_one_training("whole", "run")


def assert_one_training(first: str, second: str) -> None:
    """Both runs end with the same weights and the same metrics, except for times."""
    states = [load_checkpoint(Path(name) / "last")[0] for name in (first, second)]
    assert states[0] is not None
    assert states[1] is not None
    assert all(torch.equal(value, states[1]["model"][key]) for key, value in states[0]["model"].items())
    columns = [
        [[value for name, value in row.items() if "second" not in name] for row in csv.DictReader(text.splitlines())]
        for text in (Path(name, "metrics.csv").read_text() for name in (first, second))
    ]
    assert columns[0] == columns[1]
