"""The formatter: one form for every spec, with its comments and its meaning."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scrawl import NOTES, Scrawl

import archc
from archc.cli.main import main
from archc.emit.source import template_text
from archc.formatting import format_text
from archc.formatting.printer import WIDTH
from archc.graph import walk
from archc.library import bundled
from archc.problems import SpecError
from archc.reading import read_text

ROOT = Path(__file__).parents[1]
READABLE = []
for _path in sorted([*(ROOT / "specs").glob("*.yaml"), *(ROOT / "tests").glob("*/*.yaml")]):
    try:
        read_text(_path.read_bytes().decode("utf-8-sig"), _path.name)
        READABLE.append(_path)
    except (SpecError, UnicodeDecodeError):
        pass


@pytest.mark.parametrize("name", bundled())
def test_bundled_specs_are_formatted(name: str) -> None:
    text = bundled()[name].read_text("utf-8")
    assert format_text(text, name) == text


@pytest.mark.parametrize("path", READABLE, ids=lambda path: path.stem)
def test_the_form_is_final_and_says_the_same(path: Path) -> None:
    """Twice is once; keys, values and their order stay, and so do the comments."""
    text = path.read_bytes().decode("utf-8-sig")
    once = format_text(text, path.name)
    assert format_text(once, path.name) == once
    assert json.dumps(read_text(once, path.name)) == json.dumps(read_text(text, path.name))
    assert once.count("#") == text.count("#")


@pytest.mark.parametrize("path", sorted((ROOT / "tests/networks").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_graph_stays(path: Path) -> None:
    before = archc.load(path).network.graph
    after = archc.loads(format_text(path.read_text("utf-8"), path.name), path.stem).network.graph
    rows = [[(layer.path, layer.kind, layer.node.shapes) for layer in walk(graph)] for graph in (before, after)]
    assert rows[0] == rows[1]


# Whatever the author's hand


WORDS = st.sampled_from(
    ["a", "conv1", "relu", "64", "0.5", "true", "~", "", '"a # b"', "'it''s'", "$(width * 2)", "x-y"]
)
KEYS = st.sampled_from(["a", "b", "conv1", "kernel_size", '"quoted: key"', "out", "z9"])


class Tree:
    """A collection to be written: in brackets or not, with comments above its entries and behind them."""

    def __init__(self, mapping: bool, flow: bool, entries: list[tuple[str, Any]], notes: list[tuple[str, str, bool]]):
        self.mapping, self.flow, self.entries, self.notes = mapping, flow, entries, notes


@st.composite
def trees(draw: st.DrawFn, depth: int = 0, flow: bool = False) -> Tree:
    flow = flow or (depth > 0 and draw(st.booleans()))
    mapping = depth == 0 or draw(st.booleans())
    keys = draw(st.lists(KEYS, min_size=0 if flow else 1, max_size=4, unique=True))
    entries, notes = [], []
    for number, key in enumerate(keys):
        nested = depth < 3 and draw(st.booleans())
        entries.append(
            (key, draw(trees(depth + 1, flow)) if nested else draw(WORDS.filter(bool) if not mapping else WORDS))
        )
        name = f"{depth}.{number}"
        notes.append(
            (f"# above {name}", f"# behind {name}", draw(st.booleans()))
            if not flow and draw(st.integers(0, 3)) == 0
            else ("", "", draw(st.booleans()) and not flow)
        )
    return Tree(mapping, flow, entries, notes)


class Hand:
    """An author: how many spaces, which indentation, where brackets break."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def write(self, tree: Tree) -> str:
        return "\n".join(self.block(tree, 0)) + self.random.choice(["", "\n", "\n\n"])

    def space(self, least: int) -> str:
        return " " * self.random.randint(least, 3)

    def block(self, tree: Tree, indent: int) -> list[str]:
        lines: list[str] = []
        for position, ((key, value), (above, behind, blank)) in enumerate(zip(tree.entries, tree.notes, strict=True)):
            pad = " " * indent
            if position and blank:
                lines += [self.space(0)] * self.random.randint(1, 3)
            if above:
                lines.append(pad + above)
            head = f"{pad}{key}:" if tree.mapping else f"{pad}-"
            note = f"{self.space(1)}{behind}" if behind else ""
            if isinstance(value, Tree) and not value.flow:
                step = self.random.randint(1, 4)
                inner = self.block(value, indent + step)
                if tree.mapping:
                    lines += [head + note, *inner]
                elif value.notes[0][0] or self.random.random() < 0.3:
                    lines += [head, *inner]
                else:
                    lines += [head + " " * (step - 1) + inner[0].lstrip() if step > 1 else head, *inner[step > 1 :]]
            else:
                text = self.flow(value, indent + 1) if isinstance(value, Tree) else value
                lines += f"{head}{self.space(1) if text else ''}{text}{note}".split("\n")
        return lines

    def flow(self, tree: Tree, indent: int) -> str:
        parts = []
        for key, value in tree.entries:
            text = self.flow(value, indent) if isinstance(value, Tree) else value
            parts.append(f"{key}:{self.space(1)}{text}" if tree.mapping else text)
        gap = [self.space(0), f"\n{' ' * indent}{self.space(0)}"]
        inner = "".join(
            f"{self.random.choice(gap)}{part}{self.space(0)}{',' if at + 1 < len(parts) else ''}"
            for at, part in enumerate(parts)
        )
        return f"{{{inner}{self.space(0)}}}" if tree.mapping else f"[{inner}{self.space(0)}]"


@given(trees(), st.integers(0, 2**32), st.integers(0, 2**32))
def test_the_hand_makes_no_difference(tree: Tree, one: int, other: int) -> None:
    """Two authors who write the same with other spaces, indentation and line breaks get the same file."""
    first, second = Hand(one).write(tree), Hand(other).write(tree)
    formatted = format_text(first, "one.yaml")
    assert formatted == format_text(second, "other.yaml")
    assert format_text(formatted, "one.yaml") == formatted
    assert json.dumps(read_text(formatted, "one.yaml")) == json.dumps(read_text(first, "one.yaml"))
    assert [line for line in first.split() if line == "#"] == [line for line in formatted.split() if line == "#"]


@settings(max_examples=5 * settings.default.max_examples)
@given(st.integers(0, 2**32))
def test_whatever_yaml_allows_keeps_its_meaning_and_settles(seed: int) -> None:
    """Every line break, quote, block scalar and comment: 10,000 texts in the thorough profile."""
    text = Scrawl(random.Random(seed)).text()
    try:
        before = read_text(text.removeprefix("\ufeff"), "x.yaml")
    except SpecError:
        return
    once = format_text(text, "x.yaml")
    assert json.dumps(read_text(once, "x.yaml")) == json.dumps(before)
    assert [once.count(note) for note in NOTES] == [text.count(note) for note in NOTES]
    assert format_text(once, "x.yaml") == once


def test_most_scrawls_can_be_read() -> None:
    """The property above says something: a good part of its texts are specs, with all that they are to have."""
    read = []
    for seed in range(100):
        text = Scrawl(random.Random(seed)).text()
        try:
            read_text(text.removeprefix("\ufeff"), "x.yaml")
            read.append(text)
        except SpecError:
            pass
    assert len(read) >= 30
    for piece in ["\r", "\x85", "\u2028", "\u2029", "# behind", "|", ">", "? ", "'", '"', "\t", "\ufeff", "---"]:
        assert any(piece in text for text in read), piece


# By example


def test_long_brackets_are_filled_below_their_first_entry() -> None:
    numbers = ", ".join(map(str, range(100, 160)))
    lines = format_text(f"a: {{b: [{numbers}], c: 1}}", "x").splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert [line[:8] for line in lines] == ["a: {b: [", *["        "] * (len(lines) - 1)]
    assert all(len(line) + len(" 100,") > WIDTH for line in lines[:-1])
    assert lines[-1].endswith("159], c: 1}")


EXAMPLES = {
    "comments": (
        "# top\n\n\na:   1 # one\nbb: 2   # two\nc:\n    # of c\n    d: {x: 1,   y: }\n    # last\n# of e\ne: [1,2]\n",
        "# top\n\na: 1   # one\nbb: 2  # two\nc:\n  # of c\n  d: {x: 1, y: }\n  # last\n# of e\ne: [1, 2]\n",
    ),
    "rows with comments": (
        "rows: [[64, 96],  # 3a\n   # the second\n [128], {a: 1,\n b: 2}] # end\n",
        "rows: [\n  [64, 96],  # 3a\n  # the second\n  [128],\n  {a: 1, b: 2}\n]  # end\n",
    ),
    "lists": ("a:\n- b\n-   c: 1\n    d: 2\n- - e\n", "a:\n  - b\n  - c: 1\n    d: 2\n  - - e\n"),
    "texts": (
        "a: |\n      two\n        lines\nb: plain text\n      goes on\nc: 'it''s'\n",
        "a: |\n  two\n    lines\nb: plain text\n  goes on\nc: 'it''s'\n",
    ),
    "line breaks of YAML 1.1": (
        "a: \"x\u2028y\"\u2029b:\x85  - 'one\x85two'\nc: |\n  one\u2028  two\n",
        'a: "x\\u2028y"\nb:\n  - "one two"\nc: "one\\u2028two\\n"\n',
    ),
    "block scalars as keys": ("a:\n  ? |-\n    b\n  : relu\n", 'a:\n  "b": relu\n'),
    "blank lines that are kept": ("a: |+\n  text\n\n\nb: 1\n# c\n", "a: |+\n  text\n\n\nb: 1\n# c\n"),
    "lines of spaces": ("a: |\n    b\n      \n    c\n", "a: |\n  b\n    \n  c\n"),
    "a text that begins with spaces": ("a: |3-\n     b\n\n   c\n", "a: |2-\n    b\n\n  c\n"),
    "a text that ends with the file": ("a: |\n  b", "a: |-\n  b\n"),
    "a comment behind a header": ("a: >   # c++\n  b\n\n", "a: >  # c++\n  b\n"),
    "tabs before line breaks": ('a: "b\t\n  c\\\t\n  d"\n', 'a: "b\n  c\\\t\n  d"\n'),
    "no-break spaces": ("a: b\u00a0\n  c\u00a0\n", "a: b\u00a0\n  c\u00a0\n"),
    "a comment without a space": ("a: [1]#c\n", "a: [1]  #c\n"),
    "comments in brackets": ("a: [b: 1 # c\n, d: ]", "a: [\n  {\n    b: 1  # c\n  },\n  d:\n]\n"),
    "keys that are left out": ("a: {? , b: 1}\n", 'a: {"": , b: 1}\n'),
    "line endings": ("\ufeffa: 1\r\nb: 2", "a: 1\nb: 2\n"),
    "one key in a list": ("a: [ b: 1,c ]", "a: [b: 1, c]\n"),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples(name: str) -> None:
    text, expected = EXAMPLES[name]
    assert format_text(text, name) == expected


# The command


def test_fmt_writes_in_place_and_check_only_shows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wild, fine = tmp_path / "wild.yaml", tmp_path / "fine.yml"
    wild.write_text("a:   1\n", "utf-8")
    fine.write_text("a: 1\n", "utf-8")
    assert main(["fmt", str(tmp_path), "--check"]) == 1
    shown = capsys.readouterr()
    assert "-a:   1\n+a: 1\n" in shown.out
    assert shown.err == "1 of 2 files would change\n"
    assert wild.read_text("utf-8") == "a:   1\n"
    assert main(["fmt", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{wild}\n"
    assert wild.read_text("utf-8") == "a: 1\n"
    assert main(["fmt", str(wild), "--check"]) == 0


def test_fmt_leaves_what_it_cannot_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A broken file is told and stays; the others are formatted."""
    broken, wild = tmp_path / "broken.yaml", tmp_path / "wild.yaml"
    broken.write_text("a: [1\n", "utf-8")
    wild.write_text("a:   1\n", "utf-8")
    assert main(["fmt", str(broken), str(wild), str(tmp_path / "none.yaml")]) == 1
    assert "E0104" in (told := capsys.readouterr().err)
    assert "E0101" in told
    assert broken.read_text("utf-8") == "a: [1\n"
    assert wild.read_text("utf-8") == "a: 1\n"


def unlike(text: str, name: str) -> Any:
    """A reader that takes what was formatted for something else."""
    return read_text(text if "   " in text else "other: 1", name)


def test_a_changed_meaning_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("archc.formatting.printer.read_text", unlike)
    path = tmp_path / "x.yaml"
    path.write_text("a:   1\n", "utf-8")
    assert main(["fmt", str(path)]) == 1
    assert "error[E0603]" in capsys.readouterr().err
    assert path.read_text("utf-8") == "a:   1\n"


def test_fmt_keeps_the_mode_and_follows_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real/x.yaml", tmp_path / "link.yaml"
    real.write_text("a:   1\n", "utf-8")
    real.chmod(0o640)
    link.symlink_to("real/x.yaml")
    assert main(["fmt", str(link)]) == 0
    assert link.is_symlink()
    assert real.read_text("utf-8") == "a: 1\n"
    assert real.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["link.yaml", "real", "x.yaml"]


def test_fmt_refuses_a_read_only_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a:   1\n", "utf-8")
    path.chmod(0o444)
    assert main(["fmt", str(path)]) == 1
    assert "cannot be written: the file is read-only" in capsys.readouterr().err
    assert path.read_text("utf-8") == "a:   1\n"


def test_fmt_reads_stdin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("a:   é".encode())))
    assert main(["fmt", "-"]) == 0
    assert capsys.readouterr().out == "a: é\n"


def test_fmt_checks_stdin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a: [1,2]\n")))
    assert main(["fmt", "--check", "-"]) == 1
    assert "-a: [1,2]\n+a: [1, 2]\n" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a: [1, 2]\n")))
    assert main(["fmt", "--check", "-"]) == 0
    assert capsys.readouterr().out == ""


def test_fmt_refuses_bytes_on_stdin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a: 1\nb: \xff\n")))
    assert main(["fmt", "-"]) == 1
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[:2]) == ("", ["error[E0102]: byte 0xff is not UTF-8 text", " --> <stdin>:2:4"])


def test_fmt_check_names_windows_line_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What git's core.autocrlf has done is not shown as a difference of every line."""
    path = tmp_path / "x.yaml"
    path.write_bytes(b"a: 1\r\nb:   2\r\n")
    assert main(["fmt", "--check", str(path)]) == 1
    out = capsys.readouterr().out
    assert out.startswith(f"{path}: the lines end in CRLF instead of LF (if git converts them")
    assert "-b:   2\n+b: 2\n" in out
    assert "-a: 1" not in out


def test_the_starter_is_formatted() -> None:
    text = template_text("starter.yaml.jinja", name="Mine")
    assert format_text(text, "mine.yaml") == text
