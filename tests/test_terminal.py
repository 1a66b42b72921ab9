"""Foreign text and terminals: no name, key, value or path of anybody's reaches one with its control characters."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shell import Shell

from archc.cli.main import COMMANDS
from archc.problems import Problem, styled_report, text_report
from archc.terminal import colored, hand_over, say, use_color
from archc.text import first_line, in_columns, printable, visible

EVIL = "\x1b]0;PWN\x07\x1b[31m\x9b5m\u202eevil\u2066\r\x08\ufeff\U000e0041"
"""A window's title, colors, an order of reading, the beginning of the line: what a name could do."""
SEEN = re.compile(
    r"[^\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e0fff]*"
)

HEAD = "input: [3, 8, 8]\n"
QUOTED = json.dumps(EVIL).replace(json.dumps(EVIL[-1])[1:-1], r"\U000e0041")
"""It as YAML writes it, which has no halves of characters."""
IN_EXPRESSION = f'"$({QUOTED[1:-1]})"'
SPECS = {
    "kind": f"{HEAD}layers: [{{{QUOTED}: 3}}]",
    "name": f"name: {QUOTED}\n{HEAD}layers: [relu]",
    "entry": f"{HEAD}layers: {{{QUOTED}: relu}}",
    "top key": f"{QUOTED}: 1\n{HEAD}layers: [relu]",
    "argument": f"{HEAD}layers: [{{conv2d: {{{QUOTED}: 3}}}}]",
    "value": f"{HEAD}layers: [{{conv2d: {{out_channels: {QUOTED}, kernel_size: 1}}}}]",
    "reference": f"{HEAD}layers: {{a: relu, b: {{add: [a, {QUOTED}]}}}}",
    "block": f"{HEAD}blocks: {{{QUOTED}: {{layers: [relu]}}}}\nlayers: [relu]",
    "parameter": f"{HEAD}arguments: {{{QUOTED}: 1}}\nlayers: [relu]",
    "import": f"{HEAD}import: {{{QUOTED}: [{QUOTED}]}}\nlayers: [relu]",
    "extends": f"extends: {QUOTED}",
    "expression": f"{HEAD}layers: [{{conv2d: {IN_EXPRESSION}}}]",
    "text": f"arguments: {{word: {QUOTED}}}\n{HEAD}layers: [{{relu: {{inplace: $word}}}}]",
    "comment": f"{HEAD}layers: [rellu]  # \x9b5m\u202e\u2066",
    "twice": f"{HEAD}layers:\n  {QUOTED}: relu\n  {QUOTED}: relu\n",
    "description": f"description: {QUOTED}\npaper: {QUOTED}\n{HEAD}layers: [flatten, {{linear: 2}}]",
}
"""A text that does harm in each place where a spec has one."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def assert_harmless(done: tuple[int, str, str]) -> None:
    for text in done[1:]:
        assert SEEN.fullmatch(text), repr(text)


@pytest.mark.parametrize("place", SPECS)
def test_no_text_of_a_spec_reaches_the_terminal_raw(place: str, sh: Shell, folder: Path) -> None:
    """In the commands that read specs, as text and for programs."""
    path = folder / "spec.yaml"
    path.write_text(SPECS[place], "utf-8")
    commands = [
        ["check", "spec.yaml"],
        ["check", "--format", "json", "spec.yaml"],
        ["check", "--format", "sarif", "spec.yaml"],
        *(["summary", "--format", form, "spec.yaml"] for form in ("text", "json", "csv", "markdown")),
        *(["diff", "--format", form, "spec.yaml", "vgg11"] for form in ("text", "json", "markdown")),
        ["emit", "--out", "out", "spec.yaml"],
        ["draw", "-o", "spec.svg", "spec.yaml"],
        ["build", "spec.yaml"],
        ["train", "spec.yaml"],
        ["fmt", "--check", "spec.yaml"],
        ["fmt", "spec.yaml"],
    ]
    for words in commands:
        if place == "description" and words[0] in ("build", "train"):
            continue  # it is valid: these would run it
        done = sh(*words)
        assert_harmless(done)
        if words[1:2] == ["--format"] and words[2] in ("json", "sarif") and done[1]:
            json.loads(done[1])


ARGUMENTS = [
    [EVIL],
    ["--set", EVIL],
    ["check", EVIL],
    ["check", f"{EVIL}.yaml"],
    ["check", "vgg11", "--set", f"{EVIL}=3"],
    ["check", "vgg11", "--set", f"num_classes={EVIL}"],
    ["check", "vgg11", "--format", EVIL],
    ["summary", EVIL],
    ["summary", "vgg11", "--input", EVIL],
    ["view", EVIL, "--port", EVIL],
    ["diff", EVIL, "vgg11"],
    ["diff", "vgg11", f"{EVIL}.py:Net"],
    ["diff", "vgg11", f"HEAD:{EVIL}.yaml"],
    ["build", EVIL],
    ["build", "small_convnet", "--weights", EVIL],
    ["emit", EVIL],
    ["emit", "vgg11", "--out", EVIL],
    ["emit", "vgg11", "--check", "--out", f"{EVIL}2"],
    ["export", EVIL, "-o", "x.pt2"],
    ["export", "vgg11", "-o", EVIL],
    ["export", "vgg11", "-o", "x.pt2", "--dynamic", EVIL],
    ["import", f"{EVIL}.cfg"],
    ["import", f"{EVIL}.onnx"],
    ["import", f"{EVIL}.prototxt", "--set", "a=1"],
    ["draw", "vgg11", "-o", EVIL],
    ["draw", "vgg11", "-o", f"{EVIL}.svg"],
    ["draw", "vgg11", "-o", "x.svg", "--block", EVIL],
    ["compare", EVIL],
    ["compare", ".", "--output", EVIL],
    ["train", EVIL],
    ["train", "vgg11", "--data", EVIL],
    ["train", "vgg11", "--recipe", EVIL],
    ["train", "--resume", EVIL],
    ["eval", EVIL],
    ["predict", EVIL, EVIL],
    ["fmt", EVIL],
    ["list", EVIL],
    ["new", EVIL],
    ["lsp", EVIL],
    ["schema", EVIL],
    ["explain", EVIL],
    ["completion", EVIL],
]


@pytest.mark.parametrize(
    "words", ARGUMENTS, ids=lambda words: f"{words[0]}-{len(words)}" if words[0] != EVIL else "evil"
)
def test_no_argument_reaches_the_terminal_raw(words: list[str], sh: Shell, folder: Path) -> None:
    assert_harmless(sh(*words))


def test_every_command_is_fed() -> None:
    assert {words[0] for words in ARGUMENTS} >= COMMANDS.keys()


def test_names_of_files_are_printed_harmless(sh: Shell, folder: Path) -> None:
    """Also those whose bytes are not UTF-8."""
    for name in (f"{EVIL}.yaml", os.fsdecode(b"\xff\x1b[31m.yaml")):
        path = folder / name
        path.write_text(f"{HEAD}layers: [relu]", "utf-8")
        assert sh("check", name)[0] == 0
        for words in (["check", name], ["check", "."], ["summary", name], ["fmt", name], ["fmt", "--check", "."]):
            assert_harmless(sh(*words))
        path.write_text(f"{HEAD}layers: [rellu]", "utf-8")
        for words in (["check", name], ["check", "."], ["diff", name, name], ["emit", name]):
            assert_harmless(sh(*words))


def test_edited_files_are_shown_harmless(sh: Shell, folder: Path) -> None:
    """The differences that `--check` prints quote files of anybody's."""
    sh("emit", "small_convnet", "--out", ".")
    (path,) = folder.glob("*.py")
    path.write_text(path.read_text("utf-8") + f"# {EVIL}\n", "utf-8")
    code, out, err = sh("emit", "small_convnet", "--out", ".", "--check")
    assert code == 1
    assert r"\u001b]0;PWN\u0007" in out
    assert_harmless((code, out, err))


def test_formatted_text_is_as_it_is_but_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    for kind, expected in ((io.TextIOWrapper, "a\u202eb\n"), (Terminal, "a\\u202eb\n")):
        written = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", kind(written))
        hand_over("a\u202eb\n")
        assert written.getvalue().decode() == expected


def test_the_process_itself_prints_harmless(tmp_path: Path) -> None:
    """With a command's own streams."""
    (tmp_path / "spec.yaml").write_text(SPECS["kind"], "utf-8")
    done = subprocess.run([sys.executable, "-m", "archc", "check", "spec.yaml"], cwd=tmp_path, capture_output=True)
    assert done.returncode == 1
    assert rb"`\u001b]0;PWN\u0007\u001b[31m\u009b5m\u202eevil" in done.stderr
    assert SEEN.fullmatch(done.stderr.decode())


@given(st.text())
def test_what_is_printed_can_be_seen_and_told_apart(text: str) -> None:
    assert SEEN.fullmatch(visible(text).replace("\t", ""))
    assert "\n" not in printable(text)
    assert json.loads(f'"{visible(json.dumps(text, ensure_ascii=False)[1:-1])}"') == text
    assert len(in_columns(text)) == len(text)
    assert SEEN.fullmatch(in_columns(text))
    if text.isprintable():
        assert visible(text) == text


@given(st.text(), st.text())
def test_a_report_has_the_lines_that_it_makes(message: str, help: str) -> None:
    """No message can be taken for another problem's line."""
    report = text_report([Problem("E0204", message, help=help, where=(message,), note=help, file=message)])
    assert report.count("\n") == bool(message) + 1 + 2 * bool(help)
    assert SEEN.fullmatch(report.replace("\t", ""))


def test_an_error_that_says_nothing_has_its_name() -> None:
    assert first_line(MemoryError()) == "MemoryError"
    assert first_line(OSError(28, "No space left on device")) == "No space left on device"
    assert first_line(RuntimeError("\n  shapes differ: \n  [2]")) == "shapes differ:"


def test_say_prints_to_the_stream_of_the_moment(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x1bb")
    say("c", error=True)
    assert capsys.readouterr() == ("a\\u001bb\n", "c\n")


def test_classes_and_images_of_anybody_are_printed_harmless(sh: Shell, folder: Path) -> None:
    """Folders of images with such names are trained on, evaluated and predicted."""
    image = pytest.importorskip("PIL.Image")
    for split in ("train", "val"):
        for name in ("a", "b"):
            place = folder / "images" / split / f"{name}{EVIL}".replace("\r", "")
            place.mkdir(parents=True)
            for number in range(2):
                image.new("RGB", (8, 8), (number, 0, 0)).save(place / f"{EVIL}{number}.png")
            if name == "b" and split == "train":
                (place / f"{EVIL}.png").write_bytes(b"no image")
    (folder / "net.yaml").write_text(f"{HEAD}layers: [flatten, {{linear: 2}}]", "utf-8")
    run = f"run{EVIL}"
    recipe = ["--epochs", "1", "--batch-size", "2", "--device", "cpu", "--out", run]
    done = sh("train", "net.yaml", "--data", "folder:images", *recipe)
    assert done[0] == 0, done
    assert_harmless(done)
    assert_harmless(sh("eval", run))
    (picture, *_) = folder.glob("images/val/a*/*.png")
    for form in ("text", "json"):
        done = sh("predict", run, str(picture), "--format", form)
        assert done[0] == 0, done
        assert_harmless(done)
    assert_harmless(sh("predict", run, str(folder / "net.yaml")))
    assert_harmless(sh("train", "net.yaml", "--data", f"folder:{EVIL}", *recipe))


def test_colors_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR and FORCE_COLOR as https://no-color.org and https://force-color.org say; --color overrides both."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def found(stream: io.StringIO, when: str = "auto", **environment: str) -> bool:
        for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        use_color(when)
        try:
            return colored(stream)
        finally:
            use_color("auto")

    assert found(Terminal())
    assert not found(io.StringIO())
    assert not found(Terminal(), NO_COLOR="1")
    assert found(Terminal(), NO_COLOR="")
    assert found(io.StringIO(), FORCE_COLOR="1")
    assert not found(io.StringIO(), FORCE_COLOR="1", NO_COLOR="1")
    assert not found(Terminal(), TERM="dumb")
    assert found(io.StringIO(), "always", NO_COLOR="1")
    assert not found(Terminal(), "never", FORCE_COLOR="1")


STYLE = re.compile("\x1b\\[[0-9;]+m")


@pytest.mark.parametrize(
    "command",
    ["check good.yaml", "check bad.yaml", "check good.yaml bad.yaml", "summary good.yaml", "diff vgg11 vgg13"],
)
def test_colors_change_no_character(sh: Shell, folder: Path, command: str) -> None:
    """Without the styles, the text is what a file would get."""
    (folder / "good.yaml").write_text("input: [3, 8, 8]\nlayers: [relu, flatten, {linear: 3}]\n", "utf-8")
    (folder / "bad.yaml").write_text("input: [3, 8, 8]\nlayers: [rellu, {conv2d: 3}]\n", "utf-8")
    plain_one = sh(*command.split(), "--color", "never")
    painted = sh(*command.split(), "--color", "always")
    assert "\x1b" not in plain_one[1] + plain_one[2]
    assert "\x1b[" in painted[1] + painted[2]
    for one, other in zip(plain_one[1:], painted[1:], strict=True):
        assert [line.rstrip() for line in STYLE.sub("", other).splitlines()] == one.splitlines()


@given(st.text(), st.text())
def test_styles_are_the_only_control_characters_in_a_painted_report(message: str, help: str) -> None:
    report = styled_report([Problem("E0204", message, help=help, where=(message,), note=help, file=message)])
    assert SEEN.fullmatch(STYLE.sub("", report.painted()).replace("\t", ""))
    lines = zip(STYLE.sub("", report.painted()).split("\n"), str(report).split("\n"), strict=True)
    assert all(visible(one).rstrip() == visible(other).rstrip() for one, other in lines)
