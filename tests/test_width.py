"""Tables in terminals of any width: no line is longer, no number is lost, and no word is cut."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archc.text import aligned, fitted, hanging, wrapped

WORDS = st.lists(st.text("abc_", min_size=1, max_size=9), min_size=1, max_size=6).map(" ".join)
NAMES = st.lists(st.text("abc_", min_size=1, max_size=9), min_size=1, max_size=6).map(".".join)
ROWS = st.lists(st.tuples(NAMES, WORDS, st.integers(0, 10**6).map("{:,}".format)), min_size=1, max_size=6)


@given(ROWS, st.integers(48, 120))
def test_a_table_fits(rows: list[tuple[str, str, str]], width: int) -> None:
    """Words of at most 10 letters: each line fits, and read by columns all is there."""
    text = aligned([("name", "what", "size"), *rows], frozenset({2}), ruled=True, width=width)
    head, rule, *lines = text.split("\n")
    assert max(map(len, [head, rule, *lines])) <= width
    ends = [at for at in range(len(rule)) if rule[at : at + 2] in ("─ ", "─")]
    starts = [0, *(end + 3 for end in ends[:-1])]
    columns = [[line[start : end + 1].strip() for line in lines] for start, end in zip(starts, ends, strict=True)]
    assert "".join(columns[0]) == "".join(row[0] for row in rows)
    assert " ".join(filter(None, columns[1])) == " ".join(row[1] for row in rows)
    assert list(filter(None, columns[2])) == [row[2] for row in rows]


@given(ROWS, st.one_of(st.none(), st.integers(30, 200)))
def test_without_need_nothing_changes(rows: list[tuple[str, str, str]], width: int | None) -> None:
    plain = aligned(rows, frozenset({2}))
    if width is None or max(map(len, plain.split("\n"))) <= width:
        assert aligned(rows, frozenset({2}), width=width) == plain


def test_spare_columns_go_first_and_are_named() -> None:
    rows = [("name", "share", "size", "field"), ("a" * 20, "10%", "1,000", "7")]
    assert fitted(rows, frozenset({1, 2, 3}), None, (1, 3)).split("\n")[0].split() == list(rows[0])
    narrow = fitted(rows, frozenset({1, 2, 3}), 36, (1, 3))
    assert narrow.split("\n")[0].split() == ["name", "size", "field"]
    assert narrow.endswith("\n\nhidden at this width: share")
    assert fitted(rows, frozenset({1, 2, 3}), 28, (1, 3)).endswith("hidden at this width: share, field")


def test_where_a_text_is_broken() -> None:
    assert wrapped("features.denseblock1.conv", 16) == ["features.", "denseblock1.conv"]
    assert wrapped("231.211 M → 218.366 M", 12) == ["231.211 M →", "218.366 M"]
    assert wrapped("unbreakable_word", 5) == ["unbreakable_word"]
    assert hanging("a  ", "one two three four", 16) == "a  one two three\n   four"
    assert hanging("a  ", "one two three four", None) == "a  one two three four"


COMMANDS = [
    ["summary", "densenet121", "--depth", "all"],
    ["summary", "googlenet"],
    ["diff", "resnet18", "resnet50"],
    ["list"],
    ["list", "--kinds"],
    ["explain"],
    ["explain", "E0312"],
    ["explain", "when"],
    ["check", "deeplabv3_resnet50", "alexnet"],
]


@pytest.mark.parametrize("columns", [80, 200])
def test_commands_in_a_terminal(columns: int) -> None:
    """What they print in a real one, of the width that it says: nothing wraps, and names are whole or end in a dot."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "FORCE_COLOR")}
    script = f"import sys; from archc.cli.main import main; [main(words) for words in {COMMANDS!r}]"
    started = subprocess.Popen(
        [sys.executable, "-c", script], stdout=theirs, stdin=theirs, env={**environment, "NO_COLOR": "1"}
    )
    os.close(theirs)
    printed = b""
    try:
        while data := os.read(ours, 65536):
            printed += data
    except OSError:
        pass  # the terminal's end on Linux
    os.close(ours)
    assert started.wait(60) == 0
    lines = printed.decode().replace("\r\n", "\n").split("\n")
    assert len(lines) > 600
    assert max(map(len, lines)) <= columns
    assert ("features.denseblock1.denselayer1.norm1" in printed.decode()) == (columns == 200)
    assert "denselayer1.norm1" in printed.decode()
    assert ("deeplabv3_resnet50: OK:" in lines) == (columns == 80)
