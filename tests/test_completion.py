"""`archc completion`: what the Tab key offers, asked of the shells themselves."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from shell import Shell

from archc.cli.main import COMMANDS
from archc.library import bundled

ASK = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _archc; printf "%s\\n" "${COMPREPLY[@]}"'


@pytest.fixture
def script(sh: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "archc.bash"
    code, out, err = sh("completion", "bash")
    assert (code, err) == (0, "")
    path.write_text(out, "utf-8")
    monkeypatch.chdir(tmp_path)
    return path


def offered(script: Path, *words: str) -> set[str]:
    """What bash offers for the last of the words."""
    done = subprocess.run(["bash", "-c", ASK, "bash", script, *words], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_commands(script: Path) -> None:
    assert offered(script, "archc", "") == set(COMMANDS)
    assert offered(script, "archc", "su") == {"summary"}


def test_bundled_specs_and_files(script: Path) -> None:
    (script.parent / "resnet_mine.yaml").touch()
    resnets = {name for name in bundled() if name.startswith("resnet")}
    assert offered(script, "archc", "summary", "resnet") == {*resnets, "resnet_mine.yaml"}
    assert offered(script, "archc", "diff", "resnet18", "resnet5") == {"resnet50"}
    assert offered(script, "archc", "fmt", "res") == {"resnet_mine.yaml"}


def test_layer_types_and_codes(script: Path) -> None:
    assert offered(script, "archc", "explain", "E031") >= {"E0310", "E0312"}
    assert "conv_transpose2d" in offered(script, "archc", "list", "conv_")


def test_options_and_their_values(script: Path) -> None:
    assert offered(script, "archc", "emit", "--f") == {"--force"}
    assert offered(script, "archc", "summary", "--format", "") == {"table", "json", "csv", "markdown"}
    assert offered(script, "archc", "check", "--color", "a") == {"auto", "always"}
    assert offered(script, "archc", "build", "--weights", "archc") == {"archc.bash"}


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_accept_their_script(shell: str, sh: Shell, tmp_path: Path) -> None:
    """Each names every command; the shell itself reads it where it is installed."""
    code, out, err = sh("completion", shell)
    assert (code, err) == (0, "")
    assert all(name in out for name in [*COMMANDS, "googlenet", "E0312", "conv2d"])
    if shutil.which(shell) is not None:
        path = tmp_path / "script"
        path.write_text(out, "utf-8")
        done = subprocess.run([shell, "-n", path], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_an_unknown_shell_is_wrong_usage(sh: Shell) -> None:
    code, _, err = sh("completion", "tcsh")
    assert code == 2
    assert "invalid choice: 'tcsh'" in err
