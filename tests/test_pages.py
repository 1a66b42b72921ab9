"""The pages of the problem codes: each is there, says what the code means, and its examples are run.

In a page, the files and the commands under "Wrong" and then those under "Mended" are written and run in one folder,
from top to bottom. Where there is no command, the last file is checked. The marks are those of test_docs.py.

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
from archc.problems.codes import GROUPS, PAGES, codes, page, rule

ROOT = Path(__file__).parents[1]
INDEX = ROOT / "docs" / "errors.md"
CATALOGUE = ROOT / "tests" / "errors"
NOT_RUN = {"E0503", "E0708", "E0709"}
"""Codes whose wrong example needs a bug, or depends on the machine."""

_CODE = re.compile(r"E\d{4}")


def sections(code: str) -> tuple[list[Block], list[Block]]:
    """The examples under "Wrong" and those under "Mended"."""
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
    with (tmp_path / "unfolded.yaml").open("wb") as file:
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
        if block.language == "yaml":
            (folder / block.file).write_text(block.text, "utf-8")
            continue
        for command, expected in commands_of(block):
            assert not expected, f"{block.place}: a page shows no output"
            capsys.readouterr()
            status = main(shlex.split(command)[1:])
            told = capsys.readouterr().err
            if report is not None:
                report[:] = [told[told.find("error[") :]]
            reported = re.findall(r"error\[(E\d{4})\]", told)
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


@pytest.mark.parametrize("code", codes())
def test_the_wrong_example_has_this_fault_alone_and_the_mended_one_none(
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
    """A rule of one sentence, two to six sentences of why, and two examples; no other heading."""
    text = page(code)
    assert re.findall(r"(?m)^#+ .*$", re.sub(r"(?ms)^```.*?^```$", "", text)) == [
        f"# {code}: {rule(code)}",
        "## Wrong",
        "## Mended",
    ]
    assert re.fullmatch(r"[A-Z`][^\n]{10,110}\.", rule(code)), rule(code)
    why = text.partition("\n\n")[2].partition("\n\n## Wrong")[0]
    assert "\n\n" not in why
    assert 2 <= len(re.findall(r"[.?](?=\s|$)", why)) <= 6
    assert max(map(len, text.splitlines())) <= 150
    assert code[:3] in GROUPS


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
    """docs/errors.md lists every code with its rule."""
    text = index()
    if os.environ.get("ARCHC_UPDATE"):
        INDEX.write_text(text, "utf-8")
    assert INDEX.read_text("utf-8") == text


_HEAD = """# Errors

Every problem that archc reports has a code, and every code a page: the rule, why it is one, and an example, wrong and
mended. `archc explain CODE` prints the page, `archc explain` this list. A code never changes its meaning.
"""


def index() -> str:
    parts = [_HEAD]
    for begin, title in GROUPS.items():
        rows = [code for code in codes() if code.startswith(begin)]
        parts.append(f"## {title}\n")
        parts.append("".join(f"- [{code}](../archc/problems/pages/{code}.md) {rule(code)}\n" for code in rows))
    return "\n".join(parts)
