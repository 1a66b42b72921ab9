"""Run folders that somebody changed, and what the system does to a training: one clear error each."""

from __future__ import annotations

import copy
import json
import os
import random
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from shell import Shell

import archc
from archc.problems import SpecError
from archc.training import resume_run
from archc.training.checkpoint import checkpoints, load_checkpoint, save_checkpoint
from archc.training.loop import Loop
from archc.training.run_folder import RunFolder
from archc.training.trained import load_run

FAST: dict[str, Any] = {"epochs": 2, "limit": 64, "batch_size": 32, "quiet": True, "out": "run", "checkpoint_epochs": 1}


def codes(action: Callable[[], Any]) -> tuple[list[str], str]:
    with pytest.raises(SpecError) as caught:
        action()
    return [problem.code for problem in caught.value.problems], str(caught.value)


def forge(path: Path, state: Any) -> Path:
    """A checkpoint with another content and the checksums that belong to it."""
    torch.save(state, path)
    return path


def replaced(state: Any, key: str, value: Any) -> Any:
    return {**state, key: value}


WRONG: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a list": lambda state: [state],
    "nothing": lambda state: {},
    "a word as epoch": lambda state: replaced(state, "epoch", "one"),
    "another step": lambda state: replaced(state, "step", state["step"] + 1),
    "rows of words": lambda state: replaced(state, "rows", ["row"] * state["epoch"]),
    "rows without numbers": lambda state: replaced(state, "rows", [{"epoch": "1"}] * state["epoch"]),
    "no losses": lambda state: replaced(state, "losses", []),
    "a loss for each epoch": lambda state: replaced(state, "losses", [0.5] * state["epoch"]),
    "no generators": lambda state: replaced(state, "generators", []),
    "no schedule": lambda state: replaced(state, "schedule", {}),
    "a model that is a number": lambda state: replaced(state, "model", 3),
}


def test_a_checkpoint_with_a_valid_checksum_and_another_content(capsys: pytest.CaptureFixture[str]) -> None:
    """It is passed over for the one before, as a damaged one is."""
    archc.train("small.yaml", **FAST)
    newest, before = checkpoints(Path("run/last"))
    state = torch.load(newest, weights_only=True)
    for name, change in WRONG.items():
        newest = forge(newest, change(copy.deepcopy(state)))
        found, notes = load_checkpoint(Path("run/last"))
        assert found is not None, name
        assert found["epoch"] == 1, name
        assert len(notes) == 1, name
        assert "using the previous one" in notes[0], name
    before.unlink()
    assert codes(lambda: resume_run("run"))[0] == ["E0706"]


NESTED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "weights with a different shape": lambda state: replaced(
        state, "model", {**state["model"], "fc.bias": torch.zeros(3)}
    ),
    "weights that are numbers": lambda state: replaced(state, "model", dict.fromkeys(state["model"], 1)),
    "an optimizer of something else": lambda state: replaced(state, "optimizer", {"state": {}, "param_groups": 3}),
    "averages with a different shape": lambda state: replaced(
        state,
        "optimizer",
        {**state["optimizer"], "state": {0: dict.fromkeys(("step", "exp_avg", "exp_avg_sq"), torch.zeros(5))}},
    ),
    "a generator of something else": lambda state: replaced(state, "generators", [{"cpu": torch.zeros(3)}]),
    "a meter of something else": lambda state: replaced(state, "meter", [{"sums": "none"}]),
}


def test_a_checkpoint_of_another_network_is_reported() -> None:
    archc.train("small.yaml", **FAST)
    newest, before = checkpoints(Path("run/last"))
    state = torch.load(newest, weights_only=True)
    before.unlink()
    for name, change in NESTED.items():
        newest = forge(newest, change(copy.deepcopy(state)))
        found, said = codes(lambda: resume_run("run"))
        assert found == ["E0706"], name
        assert "is for another network: " in said, name


VALUES = [
    None, True, -1, 0, 3, 2**40, 10**30, 0.5, "", "x", "folder:x", "\0", "\udce9", [], [1], ["a", "a"], [1, 8, 8.5],
    {}, {"kind": "file"}, {"a": 1}, {"count": "32"},
]  # fmt: skip


def places(content: Any) -> Iterator[tuple[str | int, ...]]:
    """The path of every value in JSON, at every depth."""
    if isinstance(content, dict | list):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            yield (key,)
            yield from ((key, *inner) for inner in places(value))


def test_run_json_with_anything_in_it(sh: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every entry at every depth gets every value, or none: the run is used, or refused with one of archc's errors."""
    archc.train("small.yaml", **FAST)
    monkeypatch.setattr(Loop, "run", lambda _self: None)  # a run that may continue has no step left
    path = Path("run/run.json")
    facts = json.loads(path.read_text())
    Image.new("L", (8, 8)).save("0.png")
    refused = 0
    for place in places(facts):
        for value in [*VALUES, ...]:
            changed = copy.deepcopy(facts)
            inner = changed
            for key in place[:-1]:
                inner = inner[key]
            if value is ...:
                del inner[place[-1]]
            else:
                inner[place[-1]] = value
            path.write_text(json.dumps(changed))
            try:
                run = load_run(Path("run"), device="cpu")
                list(run.predict(["0.png"]))
                run.evaluate()
            except SpecError as error:
                refused += error.problems[0].code == "E0705"
            with suppress(SpecError):
                resume_run("run", device="cpu")
    assert refused > 60
    for text in ("[" * 100_000, "\udce9".encode("utf-8", "surrogatepass"), b"{}", b"\x00", b"9" * 10_000):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        code, _, err = sh("eval", "run")
        assert code == 1
        assert "error[E0705]: `run` is not a run folder: " in err
    path.write_text(json.dumps(facts))
    recipe = Path("run/recipe.yaml").read_text()
    Path("run/recipe.yaml").write_text(recipe.replace("mean: [", "mean: [0.1, "))
    code, _, err = sh("predict", "run", "small.yaml")
    assert code == 1
    assert "does not have `mean` and `std` for 1 channels" in err


@pytest.fixture
def photos(folder: Path) -> Path:
    for name, level in (("dark", 40), ("light", 200)):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(20):
            Image.new("L", (64, 64), level + number).save(folder / "photos" / name / f"{number}.png")
    return folder / "photos"


def test_a_reading_process_that_is_killed_is_one_error(photos: Path) -> None:
    """As the system does when memory runs out."""
    parent = os.getpid()
    done = threading.Event()

    def kill() -> None:
        while not done.is_set():
            for status in Path("/proc").glob("[0-9]*/stat"):
                try:
                    fields = status.read_bytes().rpartition(b")")[2].split()
                    started = (status.parent / "cmdline").read_bytes()
                except OSError:
                    continue
                if int(fields[1]) == parent and b"resource_tracker" not in started:
                    os.kill(int(status.parent.name), signal.SIGKILL)
                    return
            time.sleep(0.01)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        options = FAST | {"epochs": 200, "limit": 0, "workers": 1, "channels": 1, "resize": 8, "batch_size": 4}
        found, said = codes(lambda: archc.train("small.yaml", f"folder:{photos}", **options))
    finally:
        done.set()
        thread.join()
    assert found == ["E0708"]
    assert ", which loaded images, died: it is killed by signal: Killed" in said
    assert "--workers 0" in said


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file can become larger than 10 kB, which fails as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_at_the_end_of_an_epoch_is_one_error() -> None:
    """The best weights are the first file that does not fit."""
    found, said = codes(lambda: archc.train("small.yaml", **FAST, settings={"width": 64}))
    assert found == ["E0601"]
    assert "cannot be written: file too large" in said


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_checkpoint_that_cannot_be_written_leaves_everything_as_it_was(
    share: float, named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever in the file the disk is full, and also if an unnamed file is not supported."""
    archc.train("small.yaml", **FAST)
    if named:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    monkeypatch.setattr("archc.files._PART", 4096)
    before = {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()}
    state, _ = load_checkpoint(Path("run/last"))
    assert state is not None
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = checkpoints(Path("run/last"))[0].stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(share * size), limits[1]))
    try:
        found, said = codes(lambda: save_checkpoint(Path("run/last"), 3, 99, state))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert found == ["E0601"]
    assert "cannot be written: file too large" in said
    assert {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()} == before


def test_a_damaged_checkpoint_takes_no_place_of_an_intact_one() -> None:
    """The new checkpoint and the one from which the run continued are kept."""
    archc.train("small.yaml", **FAST)
    newest, before = checkpoints(Path("run/last"))
    newest.write_bytes(newest.read_bytes()[:-100])
    state, _ = load_checkpoint(Path("run/last"))
    assert state is not None
    for _ in range(2):
        state["step"] += 1
        written = save_checkpoint(Path("run/last"), state["epoch"], state["step"], state)
        assert written < newest
        assert checkpoints(Path("run/last")) == [written, before]
        before = written


def test_a_full_disk_under_tensorboard_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own thread writes, and would print a traceback, which pytest makes an error of the test."""
    pytest.importorskip("tensorboard")
    write = RunFolder.write_board

    def full(self: RunFolder, rows: Any, losses: Any) -> None:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
        try:
            write(self, rows, losses)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    monkeypatch.setattr(RunFolder, "write_board", full)
    found, said = codes(lambda: archc.train("small.yaml", tensorboard=True, **FAST))
    assert found == ["E0601"]
    assert "`run/tensorboard` cannot be written: file too large" in said


def test_an_idx_file_is_read_up_to_the_size_that_it_declares(tmp_path: Path) -> None:
    """A gigabyte of zeros in a file of a megabyte, and sizes that no file has."""
    import gzip
    import struct

    from archc.training.data.idx import read_idx

    with gzip.open(tmp_path / "bomb.gz", "wb", compresslevel=1) as file:
        file.write(struct.pack(">HBBI", 0, 8, 1, 10))
        for _ in range(64):
            file.write(bytes(2**20))
    found, said = codes(lambda: read_idx(tmp_path / "bomb.gz"))
    assert found == ["E0702"]
    assert "it declares 10 bytes and has more" in said
    rng = random.Random(0)
    for _ in range(200):
        head = struct.pack(">HBB", 0, 8, rng.randrange(8)) + rng.randbytes(rng.randrange(40))
        (tmp_path / "x").write_bytes(head)
        assert codes(lambda: read_idx(tmp_path / "x"))[0] == ["E0702"]
