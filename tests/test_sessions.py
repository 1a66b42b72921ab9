"""Sessions outlive every input: the explorer, watching, and the language server say what `check` says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_hostile import WRONG

import archc
from archc.architecture import load_and_claims
from archc.cli.watch import watch
from archc.explorer.state import Live
from archc.server.analysis import analyse
from archc.server.diagnostics import diagnostics
from archc.server.text import Text

HOSTILE = {
    **{name: content for name, (content, code) in WRONG.items() if code},
    "a figure of thousands of digits": f"input: [3, 8, 8]\nlayers: [relu]\nexpect: {{macs: 0x{'f' * 6000}}}\n",
    "no layer": "input: [3, 8, 8]\nlayers: [{repeat: 0, layers: [relu]}]\n",
    "control characters": 'input: [3, 8, 8]\nlayers: [{"\\e]0;PWN\\a\\e[31m": 3}]\n',
    "a key twice": "input: [3, 8, 8]\nlayers:\n  a: rellu\n  a: relu\n",
    "lines that YAML ends": 'input: [3, 8, 8]\ndescription: "a\u2028b\x85c"\nlayers: [rellu]\n',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_session_says_what_check_says(name: str, tmp_path: Path) -> None:
    content, path = HOSTILE[name], tmp_path / "wrong.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        archc.load(path)
        codes: list[str] = []
    except archc.SpecError as error:
        codes = [problem.code for problem in error.problems]
    live = Live(lambda: load_and_claims(path), str(path))
    live.look()
    assert [problem["code"] for problem in json.loads(live.json())["problems"]] == codes
    if isinstance(content, str):
        analysis = analyse(path.as_uri(), path, Text(content), ours=True)
        assert [problem.code for problem in analysis.problems] == codes
        assert [found.code for found in diagnostics(analysis)] == codes


def test_watching_goes_on_after_a_fault_of_our_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, calls = tmp_path / "net.yaml", []
    monkeypatch.setattr("archc.cli.watch.INTERVAL", 0.001)

    def action() -> None:
        calls.append(1)
        path.write_text("x" * len(calls), "utf-8")  # it changes at once
        if len(calls) == 1:
            raise KeyError("a bug")
        raise KeyboardInterrupt

    def files() -> Iterator[Path]:
        yield path

    with pytest.raises(KeyboardInterrupt):
        watch(files, action)
    assert len(calls) == 2
    assert "internal error" in capsys.readouterr().err


def test_watching_ends_with_its_output() -> None:
    def action() -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        watch(list, action)
