"""What can go wrong in a run, provoked: each fault is answered by one clear message, and nothing saved is lost."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import archc
from archc.problems import SpecError
from archc.training import Result, resume_run
from archc.training.checkpoint import checkpoints, load_checkpoint
from archc.training.loop import Loop

FAST: dict[str, Any] = {
    "epochs": 2,
    "checkpoint_epochs": 1,
    "limit": 200,
    "batch_size": 32,
    "quiet": True,
    "out": "run",
}


def refused(code: str, action: Callable[[], Any]) -> str:
    """The report of the only problem that an action raises."""
    with pytest.raises(SpecError) as caught:
        action()
    assert [problem.code for problem in caught.value.problems] == [code]
    return str(caught.value)


@pytest.mark.parametrize("look", [0, 1000], ids=["looked at each step", "at the epoch's end"])
@pytest.mark.parametrize("spoilt_at", [9, 13], ids=["within the epoch", "its last step"])
def test_a_loss_that_is_no_number_stops_the_run(spoilt_at: int, look: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step, the learning rate and what to try are told; the spoilt weights are not saved."""
    monkeypatch.setattr("archc.training.loop._LOOK", look)
    step = Loop._step

    def spoilt(self: Loop, *arguments: Any) -> None:
        if self.step == spoilt_at:  # the second epoch of 7 steps is steps 8 to 14, counted from 1
            with torch.no_grad():
                next(self.model.parameters()).fill_(torch.nan)
        step(self, *arguments)

    monkeypatch.setattr(Loop, "_step", spoilt)
    recipe = {"schedule": "constant", "warmup_epochs": 0, "clip_norm": 0, "lr": 0.02}
    said = refused("E0707", lambda: archc.train("small.yaml", **FAST | recipe))
    assert f"at step {spoilt_at + 1} (epoch 2), learning rate 0.02" in said
    assert "try --lr 0.002, or --warmup-epochs 1, or --clip-norm 1" in said
    state, _ = load_checkpoint(Path("run/last"))
    assert state is not None
    assert state["step"] == 7
    assert all(value.isfinite().all() for value in state["model"].values())


def test_a_learning_rate_that_is_too_high_stops_the_run() -> None:
    """The same without a hand in it."""
    recipe = {"optimizer": "sgd", "lr": 1e30, "clip_norm": 0, "warmup_epochs": 0}
    said = refused("E0707", lambda: archc.train("small.yaml", **FAST | recipe))
    assert "the loss became NaN or infinite" in said


class Greedy(nn.Module):
    """Runs out of memory with more than 20 images."""

    def __init__(self, error: type[Exception]) -> None:
        super().__init__()
        self.fc = nn.Linear(64, 10)
        self.error = error

    def forward(self, x: Tensor) -> Tensor:
        if self.training and len(x) > 20:
            if self.error is MemoryError:
                torch.empty(2**60)
            raise self.error("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.fc(x.flatten(1))


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError])
def test_out_of_memory_names_a_batch_size(error: type[Exception]) -> None:
    """On a GPU, and (really) on the CPU; what is proposed works."""
    said = refused("E0708", lambda: archc.train(Greedy(error), **FAST))
    assert "in a step of 32 images of 1×8×8" in said
    assert "try --batch-size 16, or keep the batch size and split it into parts: --accumulate 2" in said
    archc.train(Greedy(error), **FAST | {"batch_size": 16, "out": "smaller"})
    archc.train(Greedy(error), **FAST | {"accumulate": 2, "out": "parts"})


def test_another_error_is_not_taken_for_memory() -> None:
    class Wrong(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(64, 10)

        def forward(self, x: Tensor) -> Tensor:
            if self.training:
                raise RuntimeError("something else")
            return self.fc(x.flatten(1))  # type: ignore[no-any-return]

    with pytest.raises(RuntimeError, match="something else"):
        archc.train(Wrong(), **FAST)


FULL = """
import resource, signal, sys
from archc.cli.main import main
import archc.training.checkpoint as checkpoint, archc.training.run_folder as run_folder

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
save, count = checkpoint.save_checkpoint, 0
begin = run_folder.RunFolder.save

def one_by_one(self, *arguments):  # or one that waits takes the place of another
    begin(self, *arguments)
    self.settle()

def until_full(*arguments):
    global count
    count += 1
    if count == 4:  # from here on no file can be larger than this: as on a disk that is full
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    return save(*arguments)

run_folder.save_checkpoint = until_full
run_folder.RunFolder.save = one_by_one
sys.exit(main(sys.argv[1:]))
"""


def test_a_full_disk_loses_nothing_saved() -> None:
    """The write fails with an error of the system; the checkpoints before it stand, and the run goes on from there."""
    words = ["train", "small.yaml", "--limit", "200", "--batch-size", "32", "--epochs", "2"]
    whole = archc.train("small.yaml", **FAST | {"out": "whole"})
    command = [sys.executable, "-c", FULL, *words, "--out", "run", "--checkpoint-steps", "1"]
    done = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "error[E0601]" in done.stderr
    assert "cannot be written: file too large" in done.stderr
    state, notes = load_checkpoint(Path("run/last"))
    assert state is not None
    assert (state["step"], notes) == (3, [])
    assert sorted(path.name for path in Path("run/last").iterdir()) == sorted(
        p.name for p in checkpoints(Path("run/last"))
    )
    assert_same_weights(whole, resume_run("run"))


def assert_same_weights(one: Result, other: Result) -> None:
    first, second = one.model.state_dict(), other.model.state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.fixture
def images(folder: Path) -> Path:
    """A folder of 40 images in two classes, two of which are damaged."""
    generator = torch.Generator().manual_seed(0)
    for name, level in (("dark", 60), ("light", 190)):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(20):
            size = (int(torch.randint(12, 40, (), generator=generator)), 16)
            Image.new("RGB", size, (level, level + number, level)).save(folder / "photos" / name / f"{number:02}.png")
    (folder / "photos/dark/03.png").write_bytes(b"no image at all")
    whole = (folder / "photos/light/05.png").read_bytes()
    (folder / "photos/light/05.png").write_bytes(whole[: len(whole) // 2])
    return folder / "photos"


def test_damaged_images_are_told_and_left_out(images: Path, capfd: pytest.CaptureFixture[str]) -> None:
    options = {**FAST, "resize": 16, "channels": 3, "quiet": False, "limit": 0, "workers": 1, "epochs": 4, "lr": 0.01}
    result = archc.train("small.yaml", f"folder:{images}", **options)
    err = capfd.readouterr().err
    assert "2 images cannot be read and are skipped" in err
    assert "03.png" in err
    assert "05.png" in err
    assert err.count("photos/dark/03.png: ") == 1  # told once, not every epoch
    assert result.best["val_accuracy"] == 1.0  # dark and light are told apart


def test_damaged_images_stop_the_run_if_asked(images: Path) -> None:
    options = {**FAST, "resize": 16, "limit": 0, "strict_images": True}
    said = refused("E0702", lambda: archc.train("small.yaml", f"folder:{images}", workers=1, **options))
    assert "png` cannot be read: " in said
    assert "without --strict-images, archc skips it" in said


def test_a_run_that_was_stopped_hard_leaves_no_worker_behind(images: Path) -> None:
    """Workers end with the run, and SIGTERM saves it while they read."""
    words = ["train", "small.yaml", "--data", f"folder:{images}", "--resize", "16", "--workers", "1", "--out", "run"]
    command = [sys.executable, "-m", "archc", *words, "--epochs", "500", "--batch-size", "4"]
    process = subprocess.Popen(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()  # the first epoch is done
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert "Traceback" not in err
    assert checkpoints(Path("run/last"))


@contextmanager
def started(words: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A training in a group of processes of its own, whose first epoch is done."""
    command = [sys.executable, "-m", "archc", "train", *words]
    with subprocess.Popen(
        command,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("epoch ")
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


READ = ["--resize", "16", "--workers", "2", "--out", "run", "--epochs", "500", "--batch-size", "4"]


def test_a_signal_for_the_whole_group_saves_the_run(images: Path) -> None:
    """What timeout, Slurm and systemd send reaches the workers, too: they go on until the step is saved."""
    with started(["small.yaml", "--data", f"folder:{images}", *READ]) as process:
        os.killpg(process.pid, signal.SIGTERM)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 143, err
        assert err.splitlines()[-1] == "SIGTERM: the run is saved"
        assert checkpoints(Path("run/last"))
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)  # no worker is left behind


def test_a_worker_that_is_killed_is_named(images: Path) -> None:
    """As by a system that runs out of memory: one error with the process, and what to do."""
    with started(["small.yaml", "--data", f"folder:{images}", *READ]) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        found: list[str] = []
        while not found:
            assert process.poll() is None
            found = children.read_text().split()
        os.kill(int(found[0]), signal.SIGKILL)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "Traceback" not in err
    # torch knows the signal if the worker had time to make itself known.
    reason = "(is killed by signal: Killed|exited unexpectedly)"
    assert re.search(rf"error\[E0708\]: the process {found[0]}, which loaded images, died: it {reason}", err), err
    assert "--workers 0" in err


def test_a_validation_loss_that_is_not_finite_fails_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the last step, too, whose own loss was finite: the weights are not saved."""
    step = Loop._step

    def spoilt(self: Loop, *arguments: Any) -> None:
        step(self, *arguments)
        if self.step == 13:  # the last of two epochs of 7 steps
            with torch.no_grad():
                next(self.model.parameters()).fill_(torch.nan)

    monkeypatch.setattr(Loop, "_step", spoilt)
    said = refused("E0707", lambda: archc.train("small.yaml", **FAST))
    assert "the validation loss became NaN or infinite after epoch 2" in said
    state, _ = load_checkpoint(Path("run/last"))
    assert state is not None
    assert state["step"] == 7


@pytest.mark.parametrize(("part", "name"), [("train", "training"), ("val", "validation")])
def test_images_of_which_none_can_be_read_fail_the_run(part: str, name: str, images: Path) -> None:
    for own in ("train", "val"):
        for label in ("dark", "light"):
            place = images.parent / "parts" / own / label
            place.mkdir(parents=True)
            for number in range(4):
                if own == part:
                    (place / f"{number}.png").write_bytes(b"no image")
                else:
                    Image.new("RGB", (16, 16), (100, 60 * number, 0)).save(place / f"{number}.png")
    options = {**FAST, "resize": 16, "limit": 0, "workers": 0}
    said = refused("E0702", lambda: archc.train("small.yaml", f"folder:{images.parent / 'parts'}", **options))
    assert f"none of the {name} images can be read; the first is `" in said


def test_reports_of_a_run_that_was_killed_before_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after the last checkpoint: the next process writes the metrics, curves and losses."""

    class Killed(BaseException):
        pass

    def killed(self: Loop) -> None:
        if len(self.rows) == 2:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_report", killed)
        with pytest.raises(Killed):
            archc.train("small.yaml", **FAST)
    assert not Path("run/metrics.csv").exists()
    resume_run("run")
    assert len(Path("run/metrics.csv").read_text().splitlines()) == 3
    assert len(Path("run/losses.csv").read_text().splitlines()) == 15
    assert Path("run/curves.svg").is_file()


def test_processes_that_read_images_stay_until_the_end(images: Path) -> None:
    """The same ones in all epochs, for training and for validation; none after the run, however it ends."""
    found: list[set[int | None]] = []
    options: dict[str, Any] = {**FAST, "resize": 16, "limit": 0, "workers": 2, "epochs": 3}

    def noted(_row: Any, _model: Any) -> None:
        found.append({process.pid for process in active_children()})
        if len(found) == 5:
            raise OverflowError

    archc.train("small.yaml", f"folder:{images}", callback=noted, **options)
    assert not active_children()
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 4
    with pytest.raises(OverflowError) as caught:
        archc.train("small.yaml", f"folder:{images}", callback=noted, **{**options, "out": "another"})
    assert caught.traceback  # it references the frames of the run
    assert not active_children()


def test_a_run_is_not_continued_with_other_images(images: Path) -> None:
    """Another number of images, and as many of another size."""
    options = {**FAST, "resize": 16, "limit": 0, "workers": 0, "epochs": 1}
    archc.train("small.yaml", f"folder:{images}", **options)
    Image.new("RGB", (50, 50), (1, 2, 3)).save(images / "dark" / "00.png")
    said = refused("E0706", lambda: resume_run("run"))
    assert "images are not the same" in said
    (images / "dark" / "00.png").unlink()
    with pytest.raises(SpecError, match="images, now"):
        resume_run("run")


def test_another_spec_is_refused_with_the_line_that_differs() -> None:
    archc.train("small.yaml", **FAST | {"epochs": 1})
    spec = Path("small.yaml").read_text()
    Path("small.yaml").write_text(spec.replace("kernel_size: 3, padding: same", "kernel_size: 5, padding: same"))
    said = refused("E0706", lambda: archc.train("small.yaml", **FAST | {"epochs": 1}, resume=True))
    assert (
        "`small.yaml` has `conv1: {conv2d: {out_channels: $width, kernel_size: 3, padding: same}}` in line 5, now"
        in said
    )


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pth"])
def test_weights_on_a_full_disk_are_an_error(name: str, folder: Path) -> None:
    """As on a full disk, no file can be larger than 10 kB: no half file is left, and no traceback."""
    import resource

    from archc.build import save_state

    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        said = refused("E0601", lambda: save_state({"weight": torch.zeros(100_000)}, folder / name))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert "cannot be written" in said
    assert [path.name for path in folder.iterdir()] == ["small.yaml"]


class Features(nn.Module):
    """Returns its scores and its features, in training and in inference."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(64, 12)
        self.fc = nn.Linear(12, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(x.flatten(1)).relu()
        return self.fc(features), features


def test_features_that_are_returned_are_no_auxiliary_head() -> None:
    """Twelve features are no scores of ten classes; the loss is that of the scores alone."""

    class Scores(Features):
        def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
            return super().forward(x)[0]

    losses = []
    for model in (Features(), Scores()):
        torch.manual_seed(0)
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.1)
        losses.append(archc.train(model, **FAST | {"out": type(model).__name__}).losses)
    assert losses[0] == losses[1]


def test_the_first_convolution_that_runs_decides_the_channels() -> None:
    """A module may register its layers in another order than they run in."""

    class Backwards(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.late = nn.Conv2d(4, 10, 3)
            self.early = nn.Conv2d(channels, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.late(self.early(x)).mean((2, 3))

    archc.train(Backwards(1), **FAST)
    said = refused("E0703", lambda: archc.train(Backwards(3), **FAST | {"out": "other"}))
    assert "Backwards expects images with 3 channels, but the dataset has 1" in said
