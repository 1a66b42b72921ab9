"""Processes that are killed at random moments (SIGKILL): nothing saved is lost, and no file is torn.

    python benchmarks/kill.py [--kills N] [--runs N] [--seed N] [--files N] [--groups N]

`--files N` kills emit, fmt, draw, build --save, import and export N times, each while it writes files again and again.
After every kill each file must be whole, old or new, and nothing else may lie in the folder.

`--groups N` starts or resumes a training whose images other processes read, and sends SIGTERM to all of them at a
random moment, as `timeout`, Slurm and systemd do, N times. Each time the run must be saved and end with 143.

Without them, trainings are killed until they end. Every run writes a checkpoint in each step, so that many kills fall
into the writing of one. After every kill the checkpoints are read; at the end weights and losses are held against those
of a run that was left alone.

Exit status: 0 if nothing was lost, torn or left over and all weights are equal bit for bit.
"""

from __future__ import annotations

import argparse
import io
import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from PIL import Image

import archc
from archc.cli.main import main as main_of_archc
from archc.training import Images
from archc.training.checkpoint import checkpoints, load_checkpoint
from archc.training.data import load_data

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


def is_writing(pid: int, folder: Path) -> bool:
    """Return True if a process writes a checkpoint, which is a file without a name until it is complete."""
    for opened in Path(f"/proc/{pid}/fd").glob("*"):
        with suppress(OSError):  # it ended, or closed the file
            if os.readlink(opened).startswith(f"{folder}/#"):
                return True
    return False


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
            if newest and int(newest[0].stem.split("-")[3]) >= wanted:
                break
            time.sleep(0.001)
        time.sleep(moments.random() * 0.03)
        caught = is_writing(pid, folder / "last")
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSIGNALED(status):
            assert os.WEXITSTATUS(status) == 0, "the run failed"
            return kills, damaged, writing
        kills += 1
        writing += caught
        state, lost = state_of(folder)
        damaged += lost
        before, step = step, -1 if state is None else state["step"]
        assert step >= before, f"a checkpoint was lost: step {step} after step {before}"


COMMANDS = {
    "emit": ["emit", "net.yaml", "--out", ".", "--set"],
    "fmt": ["fmt", "net.yaml"],
    "draw": ["draw", "net.yaml", "-o", "net.svg", "--set"],
    "build": ["build", "net.yaml", "--save", "net.safetensors", "--set"],
    "build as .pth": ["build", "net.yaml", "--save", "net.pth", "--set"],
    "import": ["import", "net.onnx", "-o", "imported.yaml", "--weights", "imported.safetensors"],
    "export": ["export", "net.yaml", "-o", "exported.pt2", "--set"],
}
"""What writes files; those that end with `--set` get one of two settings in turn, so that the files change."""

SETTINGS = ("num_classes=10", "num_classes=11")
STATES = 2


def repeat(command: list[str], folder: Path) -> int:
    """A process that runs a command again and again; forked, so that it need not import torch again."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.chdir(folder)
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - until the process is killed
        for turn in itertools.count():
            once(command, folder, turn)
    finally:
        os._exit(1)


def once(command: list[str], folder: Path, turn: int) -> None:
    """Run a command in one of the states that it leaves in turn."""
    words = [*command, SETTINGS[turn % STATES]] if command[-1] == "--set" else command
    if command[0] == "import":  # it replaces no file
        for path in folder.glob("imported.*"):
            path.unlink()
    if command[0] == "fmt":
        wild = SPEC.read_bytes().replace(b": ", b":   ")
        (folder / "wild").write_bytes(wild if turn % STATES else wild + b"\n# wild\n")
        (folder / "wild").replace(folder / "net.yaml")
    assert main_of_archc(words) == 0


def killed_while_writing(name: str, kills: int, moments: random.Random) -> tuple[int, int]:
    """Torn files, and files left over, after so many kills of a command."""
    torn = left = 0
    command = COMMANDS[name]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "net.yaml").write_bytes(SPEC.read_bytes())
        if command[0] == "import":
            archc.export(archc.load(SPEC), folder / "net.onnx")
        states: set[tuple[str, bytes]] = set()
        os.chdir(folder)
        started = time.monotonic()
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            for turn in range(STATES):
                # fmt reads what is put in its place, so a file is whole before it and after it.
                once(command, folder, turn)
                states |= {(path.name, path.read_bytes()) for path in folder.iterdir()}
        if command[0] == "fmt":
            wild = SPEC.read_bytes().replace(b": ", b":   ")
            states |= {("net.yaml", wild), ("net.yaml", wild + b"\n# wild\n")}
        names = {name for name, _ in states}
        longest = max(0.3, time.monotonic() - started)
        for _ in range(kills):
            pid = repeat(command, folder)
            time.sleep(0.02 + moments.random() * longest)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            (folder / "wild").unlink(missing_ok=True)  # the benchmark's own
            found = {path.name: path.read_bytes() for path in folder.iterdir()}
            left += len(found.keys() - names)
            torn += sum(not is_whole(path, content, states) for path, content in found.items() if path in names)
            for stray in found.keys() - names:
                (folder / stray).unlink()
    return torn, left


def is_whole(name: str, content: bytes, states: set[tuple[str, bytes]]) -> bool:
    """Whether a file is as a command leaves it: weights are drawn anew each time, so they are loaded."""
    try:
        if name.endswith(".safetensors"):
            return len(safetensors.torch.load(content)) > 0
        if name.endswith(".pt2"):
            return len(torch.export.load(io.BytesIO(content)).state_dict) > 0
        if name.endswith(".pth"):
            return len(torch.load(io.BytesIO(content), weights_only=True)) > 0
    except Exception:
        return False
    return (name, content) in states


def kill_writers(kills: int, moments: random.Random) -> int:
    """Kill every command that writes files."""
    faults = 0
    before = Path.cwd()
    for name in COMMANDS:
        torn, left = killed_while_writing(name, kills, moments)
        os.chdir(before)
        print(f"{name}: {kills} SIGKILLs, {torn} files torn, {left} left over", flush=True)
        faults += torn + left
    return 1 if faults else 0


def terminated(folder: Path, moments: random.Random) -> str:
    """Send SIGTERM to the processes of a training; return what is wrong then."""
    before = state_of(folder / "run")[0] if (folder / "run").exists() else None
    words = ["--data", f"folder:{folder / 'images'}", "--channels", "1", "--resize", "8", "--batch-size", "4"]
    words += ["--workers", "2", "--epochs", "1000000", "--resume", str(folder / "run")]
    command = [sys.executable, "-m", "archc", "train", str(SPEC), *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()  # the first epoch
        time.sleep(moments.random())
        os.killpg(process.pid, signal.SIGTERM)
        _, err = process.communicate(timeout=120)
    state, damaged = state_of(folder / "run")
    if process.returncode != 128 + signal.SIGTERM or "Traceback" in err or "the run is saved" not in err:
        return f"exit status {process.returncode}: {err[-200:]}"
    if state is None or damaged or state["step"] <= (before["step"] if before else 0):
        return "no step was saved"
    with suppress(ProcessLookupError):
        os.killpg(process.pid, 0)
        return "a process is left"
    return ""


def terminate_groups(count: int, moments: random.Random) -> int:
    """Interrupt a training so many times."""
    digits = load_data("digits", limit=40).train
    assert isinstance(digits, Images)
    with tempfile.TemporaryDirectory() as place:
        for number, (pixels, label) in enumerate(zip(digits.pixels, digits.labels.tolist(), strict=True)):
            path = Path(place, "images", str(label), f"{number}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels[0].numpy()).save(path)
        faults = [fault for _ in range(count) if (fault := terminated(Path(place), moments))]
    print("\n".join([*faults, f"{count - len(faults)} of {count} trainings were saved after SIGTERM to their group"]))
    return 1 if faults else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="at least so many, over all runs")
    parser.add_argument("--runs", type=int, default=3, help="at least so many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--files", type=int, default=0, help="kill the commands that write files so often each")
    parser.add_argument("--groups", type=int, default=0, help="interrupt a training and its processes so often")
    given = parser.parse_args()
    torch.set_num_threads(1)  # a forked process cannot use its parent's threads
    moments = random.Random(given.seed)
    if given.files:
        return kill_writers(given.files, moments)
    if given.groups:
        return terminate_groups(given.groups, moments)
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
