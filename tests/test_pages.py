"""The pages of the error codes: each one exists, says what the code means, and its examples are run.

The files and commands under "Example" and then those under "How to fix it" are written and run in one folder, from top
to bottom. If there is no command, the last file is checked. The marks are those of test_docs.py.

`ARCHC_UPDATE=1 pytest tests/test_pages.py` rewrites docs/errors.md.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

import pytest
from test_docs import Block, blocks_of, commands_of

import archc
from archc.cli.main import main
from archc.limits import MAX_FILE_BYTES
from archc.problems import SpecError
from archc.problems.codes import GROUPS, PAGES, codes, name, page, title

ROOT = Path(__file__).parents[1]
INDEX = ROOT / "docs" / "errors.md"
CATALOGUE = ROOT / "tests" / "errors"
NOT_RUN = {"E0503", "E0506", "E0603", "E0708", "E0709", "E0803"}
"""Codes whose wrong example needs a bug, or depends on the machine."""

_CODE = re.compile(r"[EW]\d{4}")


def sections(code: str) -> tuple[list[Block], list[Block]]:
    """The failing examples and the fixed ones."""
    path = PAGES / f"{code}.md"
    headings = [number for number, line in enumerate(page(code).splitlines(), 1) if line.startswith("## ")]
    blocks = blocks_of(path)
    return [b for b in blocks if b.line < headings[1]], [b for b in blocks if b.line > headings[1]]


def marked(block: Block) -> bool:
    return block.mark.startswith("not run: ")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what no page can show: a picture, and a file that is too large."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with (tmp_path / "expanded.yaml").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    return tmp_path


def play(
    blocks: Iterable[Block], folder: Path, capsys: pytest.CaptureFixture[str], report: list[str] | None = None
) -> list[list[str]]:
    """The codes that each command reported; where there is none, the code of each fault of the last file.

    What the last command reported is put to `report`.
    """
    found: list[list[str]] = []
    blocks = [block for block in blocks if not marked(block)]
    for block in blocks:
        if block.language in ("yaml", "python", "ini"):
            (folder / block.file).write_text(block.text, "utf-8")
            continue
        for command, expected in commands_of(block):
            assert not expected, f"{block.place}: a page shows no output"
            capsys.readouterr()
            status = main(shlex.split(command)[1:])
            told = capsys.readouterr().err
            if report is not None:
                report[:] = [told[re.search(r"(error|warning)\[|$", told).start() :]]
            reported = re.findall(r"(?:error|warning)\[([EW]\d{4})\]", told)
            assert status == (1 if reported else 0), f"{block.place}: {command}"
            found.append(sorted(set(reported)))
    if blocks and not found:
        try:
            archc.load(blocks[-1].file)
        except SpecError as error:
            found.append([problem.code for problem in error.problems])
        else:
            found.append([])
    return found


@pytest.mark.usefixtures("kinds_of_this_test")
@pytest.mark.parametrize("code", codes())
def test_the_example_fails_with_this_code_alone_and_the_fix_works(
    code: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong, mended = sections(code)
    assert wrong
    assert mended
    assert any(map(marked, wrong)) == (code in NOT_RUN)
    if code not in NOT_RUN:
        report: list[str] = []
        *before, last = play(wrong, folder, capsys, report)
        assert last == [code]
        assert not any(before)
        if report:
            compare(report[0], CATALOGUE / f"{code}.txt")
    assert not any(play(mended, folder, capsys))
    assert any(map(marked, mended)) <= (code in NOT_RUN)


@pytest.mark.parametrize("code", codes())
def test_a_page_has_its_parts(code: str) -> None:
    """A name and a title, two to six sentences of what and why, an example, and a fix in words and as an example."""
    text = page(code)
    assert re.findall(r"(?m)^#+ .*$", re.sub(r"(?ms)^```.*?^```$", "", text)) == [
        f"# {code} {name(code)}: {title(code)}",
        "## Example",
        "## How to fix it",
    ]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", name(code)), name(code)
    assert re.fullmatch(r"[A-Z`][^\n]{10,90}[^.]", title(code)), title(code)
    fix = text.partition("## How to fix it\n\n")[2].partition("\n\n")[0]
    assert re.match(r"[A-Z]", fix)
    assert fix.endswith(".")
    why = text.partition("\n\n")[2].partition("\n\n## Example")[0]
    assert "\n\n" not in why
    assert 2 <= len(re.findall(r"[.?](?=\s|$)", why)) <= 6
    assert max(map(len, text.splitlines())) <= 150
    assert code[:3] in GROUPS


def test_names_are_used_once() -> None:
    assert len({name(code) for code in codes()}) == len(codes())


def literals(path: Path) -> set[str]:
    """The codes that stand as texts of their own in a Python file."""
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in texts if _CODE.fullmatch(text)}


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    raised = set().union(*map(literals, (ROOT / "archc").rglob("*.py")))
    assert raised == set(codes())


def test_every_code_is_in_the_catalogue() -> None:
    """A wrong spec of errors/ has it, or the report of its page's commands; what cannot be run is named in a test."""
    assert {path.stem[:5] for path in CATALOGUE.glob("*.yaml")} <= set(codes())
    kept = {path.stem[:5] for path in CATALOGUE.glob("*.txt")}
    assert kept | NOT_RUN == set(codes())
    tests = [path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    assert {found for path in tests for found in _CODE.findall(path.read_text("utf-8"))} >= NOT_RUN


def compare(report: str, expected: Path) -> None:
    """A report with the one that is kept, but for what torch words and a training measures."""
    report = re.sub(r"(?<=cannot be built and run here: ).*", "…", report)
    report = re.sub(r"step \d+ \(epoch \d+\), learning rate [\d.e+]+|--lr [\d.e+]+", "…", report)
    if os.environ.get("ARCHC_UPDATE"):
        expected.write_text(report, "utf-8")
    assert report == expected.read_text("utf-8")


def test_the_index_is_complete() -> None:
    """docs/errors.md lists every code with its name and title."""
    text = index()
    if os.environ.get("ARCHC_UPDATE"):
        INDEX.write_text(text, "utf-8")
    assert INDEX.read_text("utf-8") == text


_HEAD = """# Errors

Every error and warning that archc reports has a code and a name. Find yours below, or run `archc explain CODE`: the
page says what went wrong, why it is an error, and how to fix it. For example, `archc explain E0312` and
`archc explain join-size-mismatch` print the same page. Codes and names never change their meaning.

A warning is about something that is legal but probably not what you mean. `archc check` prints it and still exits with
0. With `--strict` it exits with 1. The language server shows warnings, too.
"""


def index() -> str:
    parts = [_HEAD]
    for begin, topic in GROUPS.items():
        rows = [code for code in codes() if code.startswith(begin)]
        parts.append(f"## {topic}\n")
        parts.append(
            "".join(f"- [{code}](../archc/problems/pages/{code}.md) **{name(code)}**: {title(code)}\n" for code in rows)
        )
    return "\n".join(parts)
