"""The command line: outputs, exit codes, and clear answers to wrong use."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import torch
from ruamel.yaml import YAML
from shell import Shell

import archc
from archc.cli.main import COMMANDS
from archc.kinds import KINDS
from archc.language.header import meanings_of
from archc.language.keys import EXAMPLES, OWNERS
from archc.library import bundled, families
from archc.problems.codes import codes

ROOT = Path(__file__).parents[1]
ERRORS = sorted((ROOT / "tests" / "errors").glob("*.yaml"))
GOOD = "name: Tiny\ninput: [3, 8, 8]\nlayers:\n  conv: {conv2d: {out_channels: 4, kernel_size: 3}}\n"
BAD = "name: Tiny\ninput: [3, 8, 8]\nlayers:\n  conv: {conv2d: {out_channels: 4, kernel_size: 30}}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in a folder of its own with a valid and an invalid spec."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(BAD)
    return tmp_path


def test_check_says_ok(sh: Shell) -> None:
    code, out, err = sh("check", "good.yaml", "googlenet")
    assert (code, err) == (0, "2 specs: 2 OK\n")
    assert out.splitlines()[0].startswith("good.yaml: OK: 3×8×8 → 4×6×6, 112 parameters")
    assert "6,624,904 parameters (13,004,888 with auxiliary heads), 1.498 G multiply-adds" in out


def test_check_reports_every_file(sh: Shell) -> None:
    code, out, err = sh("check", "bad.yaml", "good.yaml", "missing.yaml")
    assert code == 1
    assert out.startswith("good.yaml: OK")
    assert "bad.yaml:4:49" in err
    assert "error[E0101]" in err


def test_check_sarif_is_one_log_for_all_files(sh: Shell, folder: Path) -> None:
    """What SARIF 2.1.0 asks for: one run, rules that results point to, places that count from 1."""
    shutil.copytree(ROOT / "tests" / "errors", folder / "wrong specs")
    code, out, err = sh(
        "check", "good.yaml", "wrong specs", "nowhere.yaml", str(folder / "bad.yaml"), "--format", "sarif"
    )
    assert (code, err) == (1, "")
    log = json.loads(out)
    assert log["version"] == "2.1.0"
    assert log["$schema"] == "https://json.schemastore.org/sarif-2.1.0.json"
    (run,) = log["runs"]
    assert run["columnKind"] == "unicodeCodePoints"
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["semanticVersion"]) == ("archc", archc.__version__)
    assert [rule["id"] for rule in driver["rules"]] == codes()
    for rule in driver["rules"]:
        assert rule["help"]["markdown"].startswith(
            f"# {rule['id']} {rule['name']}: {rule['shortDescription']['text']}\n"
        )
        assert rule["help"]["text"].startswith(f"{rule['id']} {rule['name']}: ")
    seen, fixed = set(), set()
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] == "error"
        assert result["message"]["text"]
        (location,) = result["locations"]
        physical = location["physicalLocation"]
        uri = physical["artifactLocation"]["uri"]
        assert re.fullmatch(r"[A-Za-z0-9_./:%-]+", uri)
        path = Path(unquote(uri.removeprefix("file://")))
        if path.name == "nowhere.yaml":
            assert "region" not in physical
            continue
        seen.add(path)
        lines = path.read_text("utf-8").splitlines()
        region = physical["region"]
        assert 1 <= region["startLine"] <= region["endLine"] <= len(lines) + 1
        assert region["startColumn"] >= 1
        assert region["endColumn"] >= (region["startColumn"] if region["startLine"] == region["endLine"] else 1)
        for fix in result.get("fixes", ()):
            fixed.add(result["ruleId"])
            (change,) = fix["artifactChanges"]
            assert change["artifactLocation"] == physical["artifactLocation"]
            (replacement,) = change["replacements"]
            deleted, text = replacement["deletedRegion"], replacement["insertedContent"]["text"]
            assert 1 <= deleted["startLine"] <= deleted["endLine"] <= len(lines)
            assert fix["description"]["text"] == (f"write `{text.lstrip(', ')}`" if text else "remove it")
    assert fixed >= {"E0204", "E0205", "E0212", "E0304", "E0312", "E0401"}
    elsewhere = {"E0302_through_extends.yaml": "base.yml", "E0306_imported.yaml": "parts.yml"}
    wrong = {elsewhere.get(path.name, path.name) for path in ERRORS}
    assert seen == {folder / "bad.yaml", *(Path("wrong specs") / name for name in wrong)}
    assert json.loads(sh("check", "bad.yaml", "--format", "sarif")[1])["runs"][0]["results"] == [
        {
            "ruleId": "E0302",
            "ruleIndex": codes().index("E0302"),
            "level": "error",
            "message": {
                "text": "`conv2d`: a window of 30 does not fit in the height 8: the input is 3×8×8\nin: conv\n"
                "help: use a smaller kernel, more padding, or a larger input"
            },
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": "bad.yaml"},
                        "region": {"startLine": 4, "startColumn": 49, "endLine": 4, "endColumn": 51},
                    }
                }
            ],
        }
    ]
    code, out, err = sh("check", "good.yaml", "--format", "sarif")
    assert (code, err) == (0, "")
    assert json.loads(out)["runs"][0]["results"] == []


def test_check_of_a_folder_is_that_of_its_files(sh: Shell, folder: Path) -> None:
    """In their order, files of blocks among them; what cannot be read is told, and the others are checked."""
    (folder / "nets" / "deeper").mkdir(parents=True)
    (folder / "nets" / "b.yml").write_text(GOOD)
    (folder / "nets" / "c.yaml").write_text("blocks: {A: {layers: [relu]}, B: {layers: [A]}}\n")
    (folder / "nets" / "a.yaml").write_text(GOOD)
    (folder / "nets" / "notes.txt").write_text("no spec")
    (folder / "nets" / "deeper" / "d.yaml").write_text(BAD)
    code, out, err = sh("check", "nets")
    assert (code, err) == (0, "3 specs: 3 OK\n")
    assert [line.partition(":")[0] for line in out.splitlines()] == ["nets/a.yaml", "nets/b.yml", "nets/c.yaml"]
    assert out.endswith("nets/c.yaml: OK: blocks to import: A, B\n")
    (folder / "nets" / "aa.yaml").write_bytes(b"\xff\xfe")
    (folder / "nets" / "ab.yaml").mkdir()
    (folder / "nets" / "z.yaml").write_text(BAD.replace("out_channels: 4", "out_channels: no"))
    code, out, err = sh("check", "nets", "nowhere.yaml", "good.yaml", "nets/a.yaml", "x" * 300)
    assert code == 1
    assert len(out.splitlines()) == 4
    reports, count = err.rstrip("\n").rsplit("\n\n", 1)
    places = [line.split("--> ")[1].split(":")[0] for line in reports.splitlines() if "--> " in line]
    assert places == ["nets/aa.yaml", "nets/ab.yaml", "nets/z.yaml", "nowhere.yaml", "x" * 300]
    assert count == "9 specs: 4 OK, 5 with 5 errors"
    facts = json.loads(sh("check", "nets", "nowhere.yaml", "--format", "json")[1])
    assert [fact["file"] for fact in facts] == places[:4]


def test_check_tells_a_shared_fault_once(sh: Shell, folder: Path) -> None:
    """A block that several specs import: its fault is theirs, and it is told once."""
    blocks = "blocks: {A: {layers: [{conv2d: {out_channel: 4, kernel_size: 3}}]}}\n"
    (folder / "blocks.yaml").write_text(blocks)
    for name in ("one", "two"):
        (folder / f"{name}.yaml").write_text("input: [3, 8, 8]\nimport: {blocks.yaml: [A]}\nlayers: [A]\n")
    code, out, err = sh("check", "one.yaml", "two.yaml", "blocks.yaml", "good.yaml")
    assert (code, len(out.splitlines())) == (1, 1)
    assert err.count("error[E0205]") == err.count("error[") == err.count("blocks.yaml:1:") == 1
    assert err.endswith("\n\n4 specs: 1 OK, 3 with 1 error\n")


def test_check_with_settings(sh: Shell, folder: Path) -> None:
    """As summary, build and emit have them, for each of the specs; a library has nothing to set."""
    (folder / "blocks.yaml").write_text("blocks: {A: {layers: [relu]}}\n")
    code, out, err = sh("check", "vgg11", "resnet18", "--set", "num_classes=10", "--input", "3x64x64")
    assert (code, err) == (0, "2 specs: 2 OK\n")
    assert [line.split(",")[0] for line in out.splitlines()] == [
        "vgg11: OK: 3×64×64 → 10",
        "resnet18: OK: 3×64×64 → 10",
    ]
    assert sh("check", "good.yaml", "--input", "3x2x2")[0] == 1
    code, out, err = sh("check", "resnet18", "good.yaml", "blocks.yaml", "--set", "num_classes=10")
    assert (code, len(out.splitlines())) == (1, 2)
    assert "error[E0216]: Tiny has no argument `num_classes`" in err


def test_check_of_a_folder_without_specs(sh: Shell, folder: Path) -> None:
    (folder / "empty").mkdir()
    code, out, err = sh("check", "empty")
    assert (code, out) == (1, "")
    assert err.startswith("error[E0101]: the folder `empty` contains no specs\n")


def test_a_bundled_spec_hides_a_folder_of_its_name(sh: Shell, folder: Path) -> None:
    (folder / "vgg11").mkdir()
    (folder / "vgg11" / "good.yaml").write_text(GOOD)
    assert sh("check", "vgg11")[1].startswith("vgg11: OK: 3×224×224")
    assert sh("check", "./vgg11")[1].startswith("vgg11/good.yaml: OK")


def test_check_json_has_the_contracts_keys(sh: Shell) -> None:
    code, out, err = sh("check", "bad.yaml", "--format", "json")
    assert (code, err) == (1, "")
    (fact,) = json.loads(out)
    assert list(fact) == ["code", "message", "file", "line", "column", "where", "help", "severity"]
    assert (fact["code"], fact["file"], fact["line"], fact["column"]) == ("E0302", "bad.yaml", 4, 49)
    assert fact["where"] == ["conv"]
    assert json.loads(sh("check", "good.yaml", "--format", "json")[1]) == []


class Watcher:
    """A running `archc check --watch`, whose output goes to a file."""

    def __init__(self, folder: Path, *specs: str) -> None:
        self.output = folder / "output.txt"
        with self.output.open("wb") as file:
            # A shell's background jobs ignore SIGINT, and children inherit that.
            self.process = subprocess.Popen(
                [sys.executable, "-m", "archc", "check", "--watch", *specs],
                stdout=file,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        self.seen = 0

    def next(self, last_line: str) -> str:
        """What is printed from here to a line that ends so, soon."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            new = self.output.read_text("utf-8")[self.seen :]
            if re.search(f"{re.escape(last_line)}\n", new):
                self.seen += len(new)
                return new
            assert self.process.poll() is None, new
            time.sleep(0.02)
        raise AssertionError(f"`{last_line}` did not come: {new!r}")

    def interrupt(self) -> str:
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(60) == 130
        return self.output.read_text("utf-8")[self.seen :]


def test_watch_checks_again_what_changed(folder: Path) -> None:
    """The spec, what it extends, what that imports, specs that come to a folder; Ctrl-C ends it quietly."""
    nets = folder / "nets"
    nets.mkdir()
    (nets / "net.yaml").write_text("extends: base.yaml\nname: Net\n")
    (nets / "base.yaml").write_text("input: [3, 8, 8]\nimport: {parts.yaml: [A]}\nlayers: [A]\n")
    (nets / "parts.yaml").write_text("blocks: {A: {layers: [relu]}}\n")
    (folder / "some").mkdir()
    (folder / "some" / "a.yaml").write_text(GOOD)
    watcher = Watcher(folder, "nets/net.yaml", "some")
    try:
        first = watcher.next("2 specs: 2 OK")
        assert re.match(r"── \d\d:\d\d:\d\d ─+\n", first)
        assert "nets/net.yaml: OK: 3×8×8 → 3×8×8" in first
        (nets / "parts.yaml").write_text("blocks: {A: {layers: [rleu]}}\n")
        second = watcher.next("2 specs: 1 OK, 1 with 1 error")
        assert second.count("── ") == 1
        assert "error[E0204]: unknown layer or block `rleu`\n --> nets/parts.yaml:1:23" in second
        (nets / "parts.yaml").write_text("blocks: {A: {layers: [tanh]}}\n")
        watcher.next("2 specs: 2 OK")
        (folder / "some" / "b.yaml").write_text(BAD)
        assert "error[E0302]" in watcher.next("3 specs: 2 OK, 1 with 1 error")
        (folder / "some" / "b.yaml").unlink()
        watcher.next("2 specs: 2 OK")
        (nets / "unrelated.yaml").write_text(BAD)
        time.sleep(1)
        assert watcher.interrupt() == ""
    finally:
        watcher.process.kill()
        watcher.process.wait()


def test_watch_waits_for_a_file_to_come(folder: Path) -> None:
    watcher = Watcher(folder, "later.yaml")
    try:
        assert "error[E0101]" in watcher.next("or the name of a bundled one (`archc list`)")
        (folder / "later.yaml").write_text(GOOD)
        assert "later.yaml: OK: " in watcher.next("multiply-adds")
        assert watcher.interrupt() == ""
    finally:
        watcher.process.kill()
        watcher.process.wait()


def test_summary_json_has_the_contracts_keys(sh: Shell) -> None:
    code, out, _ = sh("summary", "googlenet", "--format", "json")
    summary = json.loads(out)
    assert code == 0
    assert summary["name"] == "GoogLeNet"
    assert summary["input"] == [3, 224, 224]
    assert summary["outputs"] == {"output": [1000]}
    assert (summary["parameters"], summary["training_parameters"]) == (6_624_904, 13_004_888)
    assert (summary["macs"], summary["min_input"]) == (1_498_376_192, [15, 15])
    keys = {"path", "kind", "input", "output", "parameters", "macs", "receptive_field", "line"}
    assert all(keys <= layer.keys() for layer in summary["layers"])
    first = summary["layers"][0]
    assert (first["path"], first["kind"], first["receptive_field"]) == ("conv1.conv", "conv2d", 7)
    runs = [layer for layer in summary["layers"] if not layer["training"]]
    assert sum(layer["parameters"] for layer in runs) == summary["parameters"]
    assert sum(layer["macs"] for layer in runs) == summary["macs"]


def test_summary_formats_tell_the_same(sh: Shell) -> None:
    table = sh("summary", "good.yaml")[1]
    markdown = sh("summary", "good.yaml", "--format", "markdown")[1]
    rows = list(csv.DictReader(io.StringIO(sh("summary", "good.yaml", "--format", "csv")[1])))
    assert rows[0]["path"] == "conv"
    assert (rows[0]["output"], rows[0]["parameters"], rows[0]["macs"]) == ("4x6x6", "112", "3888")
    for text in (table, markdown):
        assert "4×6×6" in text
        assert "112" in text
        assert "3.888 k" in text
        assert "3×3" in text  # the smallest input


def test_summary_for_another_input_and_other_parameters(sh: Shell) -> None:
    code, out, _ = sh("summary", "alexnet", "--input", "3x128x128", "--set", "num_classes=10", "--format", "json")
    summary = json.loads(out)
    assert code == 0
    assert summary["input"] == [3, 128, 128]
    assert summary["outputs"] == {"output": [10]}


def test_build_runs_the_network(sh: Shell) -> None:
    code, out, err = sh("build", "good.yaml")
    assert (code, err) == (0, "")
    assert "forward pass: 1 layers, every shape as inferred" in out


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_build_saves_and_loads_weights(sh: Shell, folder: Path, name: str) -> None:
    assert sh("build", "good.yaml", "--save", name)[0] == 0
    code, out, _ = sh("build", "good.yaml", "--weights", name)
    assert code == 0
    assert f"weights: {name}" in out
    assert sorted(path.name for path in folder.iterdir()) == sorted(["bad.yaml", "good.yaml", name])
    assert (folder / name).stat().st_mode == (folder / "good.yaml").stat().st_mode


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_a_full_disk_leaves_the_weights_that_were_there(sh: Shell, folder: Path, name: str) -> None:
    """A limit on the size of files stands for the disk."""
    (folder / name).write_text("before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        code, _, err = sh("build", "small_convnet", "--save", name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (code, err) == (1, f"error[E0601]: `{name}` cannot be written: file too large\n  --> {name}\n")
    assert (folder / name).read_text() == "before"
    assert sorted(path.name for path in folder.iterdir()) == sorted(["bad.yaml", "good.yaml", name])


@pytest.mark.parametrize(
    "words",
    [
        ["check", "fifo.yaml"], ["fmt", "fifo.yaml"], ["fmt", "--check", "."], ["diff", "fifo.py", "good.yaml"],
        ["build", "good.yaml", "--weights", "fifo.pth"], ["build", "good.yaml", "--weights", "fifo.safetensors"],
        ["build", "good.yaml", "--save", "fifo.pth"], ["draw", "good.yaml", "-o", "fifo.svg"],
        ["train", "good.yaml", "--recipe", "fifo.yaml"], ["emit", "good.yaml", "--out", "out"], ["eval", "run"],
        ["emit", "good.yaml", "--out", "out", "--check"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_fifos_are_refused(sh: Shell, folder: Path, words: list[str]) -> None:
    """Nobody writes to them: whatever opened one would wait forever."""
    (folder / "out").mkdir()
    (folder / "run").mkdir()
    for name in ("fifo.yaml", "fifo.py", "fifo.pth", "fifo.safetensors", "fifo.svg", "out/good.py", "run/run.json"):
        os.mkfifo(folder / name)
    code, _, err = sh(*words)
    assert code == (2 if words[0] == "diff" else 1)
    assert "error[E0" in err
    assert "not a regular file" in err or words == ["eval", "run"]


UNDECODABLE = os.fsdecode(b"no\xff.yaml")
"""A name of a file that is not UTF-8, as Python has it."""


def test_names_that_are_not_utf_8_reach_every_report(sh: Shell) -> None:
    code, out, _ = sh("check", UNDECODABLE, "--format", "sarif")
    (result,) = json.loads(out)["runs"][0]["results"]
    assert (code, result["ruleId"]) == (1, "E0101")
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "no%FF.yaml"
    for name in (UNDECODABLE, f"HEAD:{UNDECODABLE}"):
        done = subprocess.run([sys.executable, "-m", "archc", "diff", name, "good.yaml"], capture_output=True)
        assert (done.returncode, done.stderr[:13]) == (2, b"error[E0101]:"), name


EMPTY = "input: [3, 8, 8]\nlayers: [{repeat: 0, layers: [relu]}]\n"


@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown"])
def test_a_network_without_layers_has_a_summary(sh: Shell, folder: Path, form: str) -> None:
    (folder / "empty.yaml").write_text(EMPTY)
    for depth in ("blocks", "all", "1"):
        assert sh("summary", "empty.yaml", "--format", form, "--depth", depth)[0] == 0


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_a_network_without_layers_is_compared(sh: Shell, folder: Path, form: str) -> None:
    (folder / "empty.yaml").write_text(EMPTY)
    assert sh("diff", "empty.yaml", "empty.yaml", "--format", form)[0] == 0
    assert sh("diff", "empty.yaml", "good.yaml", "--format", form)[0] == 1
    assert sh("diff", "good.yaml", "empty.yaml", "--format", form)[0] == 1


def test_emit_writes_checks_and_notices(sh: Shell, folder: Path) -> None:
    assert sh("emit", "good.yaml", "--out", "out")[:2] == (0, "out/good.py\n")
    assert "class Tiny(nn.Module):" in (folder / "out/good.py").read_text()
    assert sh("emit", "good.yaml", "--out", "out", "--check")[0] == 0
    (folder / "good.yaml").write_text(GOOD.replace("out_channels: 4", "out_channels: 5"))
    code, out, err = sh("emit", "good.yaml", "--out", "out", "--check")
    assert code == 1
    assert "-        self.conv = nn.Conv2d(3, 4, kernel_size=3)" in out
    assert "`out/good.py` is out of date" in err


def test_emit_writes_nothing_if_any_spec_is_wrong(sh: Shell, folder: Path) -> None:
    code, out, err = sh("emit", "good.yaml", "bad.yaml", "--out", "out")
    assert (code, out) == (1, "")
    assert "error[E0302]" in err
    assert not (folder / "out").exists()


def test_emit_without_specs_takes_the_folder(sh: Shell, folder: Path) -> None:
    (folder / "specs").mkdir()
    (folder / "specs/my-net.yaml").write_text(GOOD)
    assert sh("emit")[:2] == (0, "generated/my_net.py\n")


def test_emit_with_settings(sh: Shell, folder: Path) -> None:
    assert sh("emit", "googlenet", "--set", "num_classes=10", "--set", "aux_logits=false", "--out", "out")[0] == 0
    source = (folder / "out/googlenet.py").read_text()
    assert "num_classes: int = 10" in source
    assert "aux_logits: bool = False" in source


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_emit_to_a_folder_without_permission(sh: Shell, folder: Path) -> None:
    (folder / "locked").mkdir(mode=0o500)
    code, _, err = sh("emit", "good.yaml", "--out", "locked")
    assert code == 1
    assert "error[E0601]" in err


@pytest.mark.parametrize("out", ["good.yaml", "good.yaml/below", "\0"])
def test_emit_to_what_is_no_folder(sh: Shell, folder: Path, out: str) -> None:
    before = sorted(folder.iterdir())
    code, _, err = sh("emit", "good.yaml", "--out", out)
    assert code == 1
    assert "error[E0601]" in err
    assert sorted(folder.iterdir()) == before


WRONG: dict[str, tuple[list[str], int, str]] = {
    "unknown parameter": (["build", "googlenet", "--set", "num_clases=10"], 1, "did you mean `num_classes`?"),
    "wrong type of a parameter": (["build", "googlenet", "--set", "num_classes=ten"], 1, "takes a number"),
    "parameter that breaks a shape": (["build", "alexnet", "--set", "num_classes=0"], 1, "must be at least 1"),
    "setting without a value": (["build", "googlenet", "--set", "num_classes"], 2, "NAME=VALUE"),
    "input that is no size": (["summary", "googlenet", "--input", "3x"], 2, "3x224x224"),
    "input of another rank": (["summary", "googlenet", "--input", "224"], 1, "(channels, height, width)"),
    "input of zero": (["summary", "googlenet", "--input", "3x0x224"], 2, "3x224x224"),
    "input below the smallest": (["summary", "alexnet", "--input", "3x20x20"], 1, "E0302"),
    "unknown bundled spec": (["check", "googlnet"], 1, "did you mean `googlenet`?"),
    "folder": (["build", "."], 1, "is a folder"),
    "name that is too long": (["build", "x" * 300], 1, "no file or bundled spec"),
    "path that is too long": (["check", "x" * 300 + ".yaml"], 1, "error[E0101]"),
    "missing file": (["check", "nowhere.yaml"], 1, "cannot be read"),
    "unknown command": (["chekc", "x"], 2, "did you mean `check`?"),
    "no command": ([], 2, "COMMAND"),
    "unknown flag": (["check", "googlenet", "--fromat", "json"], 2, "--fromat"),
    "unknown format": (["check", "googlenet", "--format", "xml"], 2, "xml"),
    "no spec": (["build"], 2, "SPEC"),
    "watch for programs": (
        ["check", "good.yaml", "--watch", "--format", "json"],
        2,
        "cannot be combined with --format",
    ),
    "bad name": (["new", "my net"], 1, "E0208"),
    "unknown code": (["explain", "E9999"], 2, "E9999"),
    "mistyped code": (["explain", "EO312"], 2, "did you mean `E0312`?"),
    "mistyped option": (["check", "--formt", "json", "good.yaml"], 2, "did you mean `--format`?"),
    "missing weights": (["build", "good.yaml", "--weights", "nowhere.pth"], 1, "E0501"),
    "weights that are none": (["build", "good.yaml", "--weights", "bad.yaml"], 1, "E0501"),
    "save over a spec": (["build", "good.yaml", "--save", "good.yaml"], 1, "extension of a weights file"),
    "save to a missing folder": (["build", "good.yaml", "--save", "no/where.pth"], 1, "E0601"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_is_answered(sh: Shell, folder: Path, case: str) -> None:
    """An exit code and one clear message, no traceback, and nothing written."""
    words, expected, message = WRONG[case]
    before = sorted(folder.rglob("*"))
    code, _, err = sh(*words)
    assert code == expected
    assert message in err
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": {f"module.{key}": value for key, value in state.items()}, "optimizer": {"state": {}}},
        lambda state: {f"_orig_mod.module.{key}": value for key, value in state.items()},
    ],
    ids=["checkpoint", "several GPUs", "compiled"],
)
def test_weights_from_a_training_script(sh: Shell, wrap: Callable[[Any], Any]) -> None:
    """A state dict within a checkpoint, and under the names that wrappers give it."""
    model = archc.load("good.yaml").build()
    torch.save(wrap(model.state_dict()), "checkpoint.pth")
    assert sh("build", "good.yaml", "--weights", "checkpoint.pth", "--save", "own.pth")[0] == 0
    loaded = torch.load("own.pth", weights_only=True)
    assert all(torch.equal(value, loaded[key]) for key, value in model.state_dict().items())


def test_weights_that_do_not_fit(sh: Shell) -> None:
    """Another number of input channels or classes: which key, both shapes, and what to do."""
    torch.save({"conv.weight": torch.zeros(4, 1, 3, 3), "conv.bias": torch.zeros(4)}, "grey.pth")
    code, _, err = sh("build", "good.yaml", "--weights", "grey.pth")
    assert code == 1
    assert "error[E0502]: `conv.weight` is 4×1×3×3 in the file, but 4×3×3×3 in the network" in err
    assert "the weights expect 1 input channel, but the network has 3" in err
    torch.save({"conv.weights": torch.zeros(4, 3, 3, 3), "conv.bias": torch.zeros(4)}, "keys.pth")
    code, _, err = sh("build", "good.yaml", "--weights", "keys.pth")
    assert code == 1
    assert "the file is missing `conv.weight`" in err
    assert "did you mean `conv.weights`?" in err
    assert "the network has no `conv.weights`" in err


class Planted:
    """Pickles to a call: what a hostile weights file would do."""

    def __reduce__(self) -> Any:
        return (Path("planted").touch, ())


def test_weights_never_run_code(sh: Shell, folder: Path) -> None:
    torch.save({"conv.weight": Planted()}, "hostile.pth")
    code, _, err = sh("build", "good.yaml", "--weights", "hostile.pth")
    assert code == 1
    assert "error[E0501]" in err
    assert not (folder / "planted").exists()


def test_list_names_every_bundled_spec_and_kind(sh: Shell) -> None:
    lines = sh("list")[1].splitlines()
    listed: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith(" "):
            listed[list(listed)[-1]] += [name.strip(",") for name in line.split()]
        else:
            listed[line.split()[0]] = []
    assert listed == families()
    assert "".join(f"{name} " for name in listed["resnet50"]).startswith(
        "resnet18 resnet34 resnet101 resnet152 resnext50"
    )
    rows = json.loads(sh("list", "--format", "json")[1])
    assert [row["name"] for row in rows] == list(bundled())
    assert {row["family"] for row in rows} == families().keys()
    assert [line.split()[0] for line in sh("list", "--kinds")[1].splitlines()] == list(KINDS)


def test_new_writes_a_starter_that_works(sh: Shell, folder: Path) -> None:
    assert sh("new", "MyNet")[:2] == (0, "my_net.yaml\narchc.schema.json\n")
    assert sh("new", "Other")[:2] == (0, "other.yaml\n")
    assert sh("check", "my_net.yaml")[0] == 0
    assert sh("build", "my_net.yaml")[0] == 0
    assert sh("emit", "my_net.yaml", "--out", "out")[0] == 0
    text = (folder / "my_net.yaml").read_text()
    code, _, err = sh("new", "MyNet")
    assert code == 1
    assert "exists already" in err
    assert (folder / "my_net.yaml").read_text() == text


def test_explain_prints_the_page(sh: Shell) -> None:
    """What went wrong and why, a failing example and a fixed one, without marks; by code and by name."""
    code, out, err = sh("explain", "e0306")
    assert (code, err) == (0, "")
    assert out.startswith(
        "E0306 groups-do-not-divide: Channels are not divisible by the number of groups\n\nA convolution"
    )
    assert "\n\nExample:\n\n    input: [3, 32, 32]\n    layers:\n" in out
    assert "\n\nHow to fix it:\n\nChoose a number of groups" in out
    assert sh("explain", "groups-do-not-divide") == (0, out, "")
    assert "```" not in out
    assert "#" not in out
    assert "<!--" not in sh("explain", "E0503")[1]


@pytest.mark.parametrize("key", sorted({name for keys in OWNERS.values() for name in meanings_of(keys)}))
def test_explain_knows_every_key_of_specs(sh: Shell, key: str) -> None:
    code, out, err = sh("explain", key)
    assert (code, err) == (0, "")
    assert out.startswith(f"`{key}` in ")


@pytest.mark.parametrize("key", EXAMPLES)
def test_the_example_of_a_key_is_valid_and_uses_it(key: str) -> None:
    archc.loads(EXAMPLES[key])
    assert re.search(rf"(?m)(^|[\s{{]){key}:", EXAMPLES[key])


def test_explain_and_list_describe_a_layer_type(sh: Shell) -> None:
    code, out, err = sh("list", "conv2d")
    assert (code, err) == (0, "")
    assert out.startswith("conv2d: nn.Conv2d\n\n2-D convolution")
    assert "  out_channels  required\n" in out
    assert "  stride        default: 1\n" in out
    assert sh("explain", "conv2d") == (0, out, "")
    assert [row["name"] for row in json.loads(sh("list", "conv2d", "--format", "json")[1])] == ["conv2d"]
    assert sh("list", "alexnet")[1].startswith("alexnet: ")
    assert sh("list", "Conv2d") == (2, "", "archc list: unknown layer type or spec `Conv2d`\ndid you mean `conv2d`?\n")


def test_help_is_a_command(sh: Shell) -> None:
    assert sh("help") == sh("--help")
    assert sh("help", "check") == sh("check", "--help")


def test_explain_lists_every_code(sh: Shell) -> None:
    code, out, err = sh("explain")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines() if line.startswith(("  E", "  W"))] == codes()
    assert "\n\nShapes\n  E0301  wrong-rank" in out


def test_a_shape_that_is_not_the_inferred_one_is_told(sh: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    other = archc.loads(GOOD.replace("kernel_size: 3", "kernel_size: 5")).build()
    monkeypatch.setattr(archc.Architecture, "build", lambda _: other)
    code, _, err = sh("build", "good.yaml")
    assert code == 1
    assert "error[E0503]: `conv` was inferred as [(4, 6, 6)], but gives [(4, 4, 4)]" in err


def test_a_device_that_is_not_there(sh: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code, _, err = sh("train", "small_convnet", "--device", "cuda")
    assert code == 1
    assert "error[E0709]" in err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(sh: Shell, command: str) -> None:
    code, out, _ = sh(command, "--help")
    assert code == 0
    assert f"archc {command}" in out


def test_a_closed_pipe_is_no_error() -> None:
    """`archc list | head -1` ends quietly."""
    command = f"{sys.executable} -m archc summary googlenet | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout == "GoogLeNet: Going Deeper with Convolutions\n"
    assert done.stderr == ""


def test_python_api() -> None:
    """load, summary, min_input, build, emit and SpecError, as the design shows them."""
    arch = archc.load(ROOT / "specs/googlenet.yaml")
    assert arch.summary(input=(3, 128, 128)).input == (3, 128, 128)
    assert arch.min_input == (15, 15)
    assert arch.outputs == {"output": (1000,)}
    assert arch.arguments["num_classes"] == 1000
    model = arch.build(num_classes=10)
    assert isinstance(model, torch.nn.Module)
    assert "class GoogLeNet(nn.Module):" in arch.emit()
    assert repr(arch).startswith("Architecture(GoogLeNet, input=(3, 224, 224), num_classes=1000")
    with pytest.raises(archc.SpecError) as caught:
        archc.load("bad.yaml")
    assert caught.value.problems[0].code == "E0302"
    assert "bad.yaml:4:49" in str(caught.value)
    with pytest.raises(archc.SpecError):
        arch.build(nothing=1)
    with pytest.raises(archc.SpecError):
        arch.summary(input=(3, 0, 5))
    with pytest.raises(AttributeError):
        archc.nothing  # noqa: B018


def test_hooks_of_pre_commit_are_commands(sh: Shell, folder: Path) -> None:
    """Each passes for a valid spec, with the files that its pattern picks."""
    hooks = YAML(typ="safe").load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    assert {hook["id"] for hook in hooks} == {"archc-check", "archc-fmt", "archc-emit-check"}
    (folder / "specs").mkdir()
    shutil.copy(folder / "good.yaml", folder / "specs" / "good.yaml")
    assert sh("fmt", "specs/good.yaml")[0] == 0
    assert sh("emit", "specs/good.yaml")[0] == 0
    for hook in hooks:
        program, *words = hook["entry"].split()
        assert program == "archc"
        assert re.search(hook["files"], "specs/good.yaml")
        assert not re.search(hook["files"], "configs/other.yaml")
        assert sh(*words, "specs/good.yaml")[0] == 0


# One name for one thing


def test_a_drawing_is_checked(sh: Shell, folder: Path) -> None:
    """`draw --check` writes nothing, and fails if the file is not what would be written."""
    words = ["draw", "good.yaml", "-o", "good.svg"]
    assert sh(*words, "--check")[0] == 1
    assert not (folder / "good.svg").exists()
    assert sh(*words)[0] == 0
    assert sh(*words, "--check") == (0, "good.svg: up to date\n", "")
    code, out, err = sh(*words, "--depth", "all", "--theme", "dark", "--check")
    assert (code, out) == (1, "")
    assert err.startswith("error[E0602]: `good.svg` is out of date\n")
    assert sh(*words, "--check")[0] == 0
    for path in ("good.pdf", "-"):
        assert sh("draw", "good.yaml", "-o", path, "--format", "pdf" if path != "-" else "svg", "--check")[0] == 2


def test_source_on_stdout(sh: Shell, folder: Path) -> None:
    assert sh("emit", "good.yaml", "-o", "-") == (0, archc.load("good.yaml").emit(), "")
    for more in (["good.yaml", "good.yaml"], ["good.yaml", "--check"], []):
        code, out, err = sh("emit", *more, "-o", "-")
        assert (code, out) == (2, "")
        assert "`-o -` writes the source of one spec" in err
    assert not (folder / "generated").exists()


@pytest.mark.parametrize("option", ["-o", "--out", "--output"])
def test_what_is_written_has_one_option(sh: Shell, folder: Path, option: str) -> None:
    """The longest form is an older one: it is understood, and no help shows it."""
    assert sh("draw", "good.yaml", option, "a.svg")[0] == 0
    assert sh("emit", "good.yaml", option, "out")[0] == 0
    assert (folder / "out" / "good.py").exists()


def test_help_shows_one_form(sh: Shell) -> None:
    for command in ("draw", "emit", "export", "import", "compare", "train", "summary"):
        said = sh(command, "--help")[1]
        assert "--output" not in said
        assert re.search(r"--batch[ ,]", said) is None
        assert "-o " in said or command == "summary"


def test_a_batch_and_levels_mean_the_same_everywhere(sh: Shell, folder: Path) -> None:
    one, other = (sh("summary", "good.yaml", option, "4")[1] for option in ("--batch", "--batch-size"))
    assert one == other
    assert "for a batch of 4" in one
    for depth, same in (("all", ["--all"]), ("blocks", []), ("1", [])):
        assert sh("draw", "good.yaml", "-o", "a.svg", "--depth", depth)[0] == 0
        assert sh("draw", "good.yaml", "-o", "a.svg", *same, "--check")[0] == 0
        assert sh("summary", "good.yaml", "--depth", depth)[0] == 0


SYNONYMS = {
    "Conv2d": "conv2d",
    "nn.Conv2d": "conv2d",
    "cat": "concat",
    "mul": "multiply",
    "BatchNorm2d": "batch_norm2d",
}


@pytest.mark.parametrize("word", SYNONYMS)
def test_words_of_pytorch_lead_to_those_of_specs(sh: Shell, word: str) -> None:
    for command in ("explain", "list"):
        code, out, err = sh(command, word)
        assert (code, out) == (2, "")
        assert err.endswith(f"did you mean `{SYNONYMS[word]}`?\n")


def test_keys_are_explained(sh: Shell) -> None:
    assert sh("explain", "if")[2].endswith("did you mean `when`?\n")
    assert sh("explain", "x")[2].endswith("did you mean `input`?\n")
    assert sh("list", "if")[2].endswith("`when` is a key of specs: run `archc explain when`\n")
    assert sh("new", "my-net")[2].endswith("it names the emitted class: use `MyNet`\n")
