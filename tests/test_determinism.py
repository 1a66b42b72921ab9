"""Emission is a function of the spec's meaning: the same bytes on every run, and `--check` sees every other byte."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import archc
from archc.cli.main import main
from archc.library import bundled, is_row

ROOT = Path(__file__).parent.parent
SPECS = ROOT / "specs"
NAMES = ("googlenet", "inception_v3", "resnet50")


def emit(cwd: Path, out: Path, seed: int) -> dict[str, bytes]:
    """The files that a fresh interpreter emits under a hash seed."""
    specs = [str(SPECS / f"{name}.yaml") for name in NAMES]
    subprocess.run(
        [sys.executable, "-m", "archc", "emit", *specs, "--out", str(out)],
        cwd=cwd,
        env={**os.environ, "PYTHONHASHSEED": str(seed)},
        check=True,
        capture_output=True,
        timeout=120,
    )
    return {path.name: path.read_bytes() for path in out.iterdir()}


def test_the_same_bytes_under_every_hash_seed(tmp_path: Path) -> None:
    """Ten hash seeds, from two working directories: always the files of generated/."""
    expected = {f"{name}.py": (ROOT / "generated" / f"{name}.py").read_bytes() for name in NAMES}
    for seed in range(10):
        cwd = ROOT if seed % 2 else tmp_path
        assert emit(cwd, tmp_path / f"made{seed}", seed) == expected, f"PYTHONHASHSEED={seed} in {cwd}"


def test_the_same_text_twice_in_one_process() -> None:
    """Nothing is kept from one emission that changes the next."""
    for name in NAMES:
        architecture = archc.load(name)
        first = architecture.emit()
        architecture.summary()
        assert architecture.emit() == first
        assert archc.load(SPECS / f"{name}.yaml").emit() == first


@pytest.mark.parametrize("name", NAMES)
def test_comments_and_blank_lines_change_nothing(name: str, tmp_path: Path) -> None:
    """What the spec says is what counts, not how it is laid out."""
    folder = tmp_path / "specs"
    shutil.copytree(SPECS, folder)
    path = folder / f"{name}.yaml"
    text = path.read_text("utf-8")
    path.write_text(f"# at the top\n\n{text}\n# at the end\n", "utf-8")
    assert archc.load(path).emit() == archc.load(name).emit()
    path.write_bytes(text.replace("\n", "\r\n").encode())
    assert archc.load(path).emit() == archc.load(name).emit()


@pytest.mark.parametrize(
    ("repeated", "written"),
    [
        ("- {Bottleneck: 64, repeat: 3}", ["- Bottleneck: 64"] * 3),
        ("- {Bottleneck: 64, repeat: 3}", ["- {repeat: 3, layers: [Bottleneck: 64]}"]),
        ("- {Bottleneck: 64, repeat: 3}", ["- {for: w, in: [64, 64, 64], Bottleneck: $w}"]),
        ("- {Bottleneck: 256, repeat: 5}", ["- Bottleneck: 256"] * 5),
    ],
)
def test_repeat_is_the_same_as_writing_it_out(repeated: str, written: list[str], tmp_path: Path) -> None:
    """Equal architectures give equal sources."""
    original = ROOT / "tests/diffs/another_block/after.yaml"
    text = original.read_text("utf-8")
    assert text.count(repeated) == 1
    path = tmp_path / original.name
    path.write_text(text.replace(repeated, "\n    ".join(written)), "utf-8")
    assert archc.load(path).emit() == archc.load(original).emit()


# Checking what was emitted


def check(*arguments: str) -> int:
    return main(["emit", "--check", *arguments])


def test_the_repository_is_up_to_date(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Every file of generated/ is what its spec emits, and every family of specs has its file."""
    monkeypatch.chdir(ROOT)
    assert check() == 0, capsys.readouterr()
    written = sorted(path.stem for path in (ROOT / "generated").glob("*.py"))
    assert written == [name for name, path in bundled().items() if not is_row(path)]
    assert capsys.readouterr().out == f"{len(written)} files up to date in generated\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder of its own with three specs and what they emit, found up to date."""
    (tmp_path / "specs").mkdir()
    for name in ("inception_module", "stack_3x3", "conv_7x7"):
        shutil.copy(SPECS / f"{name}.yaml", tmp_path / "specs")
    monkeypatch.chdir(tmp_path)
    assert main(["emit"]) == 0
    assert check() == 0
    capsys.readouterr()
    return tmp_path


def test_check_notices_a_hand_edit(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An edited body: named as such, with the difference shown and nothing written."""
    path = project / "generated" / "inception_module.py"
    edited = path.read_text("utf-8").replace("import torch\n", "import torch  # mine\n")
    path.write_text(edited, "utf-8")
    assert check() == 1
    out, error = capsys.readouterr()
    assert "error[E0602]: `generated/inception_module.py` was edited by hand" in error
    assert "-import torch  # mine\n+import torch\n" in out
    assert "= help: move the edit into the spec: `archc emit --force` discards it" in error
    assert path.read_text("utf-8") == edited


def test_emit_keeps_what_it_did_not_write(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A hand edit, a file of somebody else's and no text at all: nothing is written, until --force."""
    generated = project / "generated"
    before = {
        "inception_module.py": (generated / "inception_module.py").read_bytes().replace(b"torch", b"torch  # mine", 1),
        "stack_3x3.py": b"print('mine')\n",
        "conv_7x7.py": b"\xff not text",
    }
    for name, content in before.items():
        (generated / name).write_bytes(content)
    (project / "specs/alexnet.yaml").write_bytes((SPECS / "alexnet.yaml").read_bytes())
    assert main(["emit"]) == 1
    out, error = capsys.readouterr()
    assert out == ""
    assert "`generated/inception_module.py` cannot be written: it was edited by hand" in error
    assert "`generated/stack_3x3.py` cannot be written: it was not written by archc" in error
    assert error.count("error[E0601]") == 3
    assert {path.name: path.read_bytes() for path in generated.iterdir()} == before
    assert main(["emit", "--force"]) == 0
    assert check() == 0


def test_emit_replaces_what_it_wrote(project: Path) -> None:
    """What is out of date, also with git's line endings, and with the mode and through the link that it has."""
    generated = project / "generated"
    (generated / "stack_3x3.py").chmod(0o640)
    (generated / "conv_7x7.py").rename(project / "elsewhere.py")
    (generated / "conv_7x7.py").symlink_to("../elsewhere.py")
    for spec in (project / "specs").iterdir():
        spec.write_bytes(spec.read_bytes().replace(b"description: ", b"description: My own "))
    for path in generated.iterdir():
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert check() == 1
    assert main(["emit"]) == 0
    assert check() == 0
    assert (generated / "stack_3x3.py").stat().st_mode & 0o777 == 0o640
    assert (generated / "conv_7x7.py").is_symlink()
    assert b"My own" in (project / "elsewhere.py").read_bytes()


def test_emit_refuses_a_read_only_file(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec, path = project / "specs/stack_3x3.yaml", project / "generated/stack_3x3.py"
    spec.write_bytes(spec.read_bytes().replace(b"description: ", b"description: My own "))
    path.chmod(0o444)
    assert main(["emit"]) == 1
    assert "`generated/stack_3x3.py` cannot be written: the file is read-only" in capsys.readouterr().err


def test_check_names_windows_line_ends(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What git's core.autocrlf has done is not an edit."""
    path = project / "generated/stack_3x3.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert check() == 1
    out, error = capsys.readouterr()
    assert out == ""
    assert "`generated/stack_3x3.py` differs in its line endings only: they are CRLF instead of LF" in error
    assert ".gitattributes" in error


@pytest.mark.parametrize(
    ("said", "now"),
    [
        ("    - relu\n  branch2:", "    - gelu\n  branch2:"),
        ("Four views of one input", "Views of one input"),
        ("abs/1409.4842", "abs/1409.4842v1"),
    ],
    ids=["layer", "description", "paper"],
)
def test_check_notices_a_stale_file(project: Path, capsys: pytest.CaptureFixture[str], said: str, now: str) -> None:
    """A spec that has changed since, in its layers or only in its words."""
    spec = project / "specs" / "inception_module.yaml"
    text = spec.read_text("utf-8")
    assert text.count(said) == 1
    spec.write_text(text.replace(said, now), "utf-8")
    assert check() == 1
    out, error = capsys.readouterr()
    assert "error[E0602]: `generated/inception_module.py` is out of date" in error
    assert error.count("error[") == 1
    assert out.startswith("--- generated/inception_module.py\n+++ ")


def test_check_notices_a_missing_file(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A spec whose file was never written, or was removed."""
    (project / "generated" / "stack_3x3.py").unlink()
    assert check() == 1
    assert "error[E0602]: `generated/stack_3x3.py` is missing" in capsys.readouterr().err
    assert not (project / "generated" / "stack_3x3.py").exists()


def test_check_notices_a_file_whose_spec_is_gone(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What archc wrote and nothing stands for any more; files that archc did not write are none of its business."""
    (project / "specs" / "conv_7x7.yaml").unlink()
    (project / "generated" / "__init__.py").write_text('"""Mine."""\n', "utf-8")
    assert check() == 1
    error = capsys.readouterr().err
    assert "error[E0602]: `generated/conv_7x7.py` no longer has a spec" in error
    assert error.count("error[") == 1


def test_check_of_one_spec_looks_at_its_file_alone(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With specs named, other files of the folder are not looked at."""
    (project / "generated" / "stack_3x3.py").unlink()
    assert check("specs/inception_module.yaml") == 0
    assert capsys.readouterr().out == "1 file up to date in generated\n"


def test_a_row_of_a_family_has_a_file_once_it_is_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its classes are those of the spec that it extends; a file that was made of it is kept up to date."""
    row = project / "specs/wide.yaml"
    row.write_text("extends: stack_3x3.yaml\nname: Wide\narguments: {channels: 96}\n", "utf-8")
    assert main(["emit"]) == 0
    assert check() == 0
    assert not (project / "generated/wide.py").exists()
    assert main(["emit", "specs/wide.yaml"]) == 0
    assert check() == 0
    assert "class Wide(" in (project / "generated/wide.py").read_text("utf-8")
    row.write_text(row.read_text("utf-8").replace("96", "48"), "utf-8")
    capsys.readouterr()
    assert check() == 1
    assert "error[E0602]: `generated/wide.py` is out of date" in capsys.readouterr().err
    assert main(["emit"]) == 0
    assert check() == 0


def test_several_faults_are_told_at_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Missing, edited and orphaned in one report."""
    generated = project / "generated"
    (generated / "stack_3x3.py").unlink()
    (generated / "inception_module.py").write_bytes(b"\xff not text")
    (project / "specs" / "conv_7x7.yaml").unlink()
    assert check() == 1
    assert capsys.readouterr().err.count("error[E0602]") == 3
