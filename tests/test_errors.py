"""The catalogue of wrong specs: each file holds one fault and stands beside the report it gets.

A file is named after its code; `.yml` files are what others extend and import. What no spec alone brings about stands
in the codes' pages, whose reports are kept here, too (test_pages.py). `ARCHC_UPDATE=1 pytest tests/test_errors.py`
rewrites the reports, for a person to read in the diff.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import archc
from archc.problems import SpecError, json_report, text_report

FOLDER = Path(__file__).parent / "errors"
CASES = sorted(FOLDER.glob("*.yaml"))


def problems_of(path: Path) -> list[archc.Problem]:
    with pytest.raises(SpecError) as caught:
        archc.load(path.name)
    return caught.value.problems


@pytest.fixture(autouse=True)
def in_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_one_fault_gets_one_report(path: Path) -> None:
    """Exactly the fault that the file's name says, with the report that stands beside it."""
    problems = problems_of(path)
    assert [problem.code for problem in problems] == [path.stem[:5]]
    report = text_report(problems) + "\n"
    expected = path.with_suffix(".txt")
    if os.environ.get("ARCHC_UPDATE"):
        expected.write_text(report, "utf-8")
    assert report == expected.read_text("utf-8")


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_places_lie_in_the_file(path: Path) -> None:
    """Line and column of every problem point into the file, at a character that is there."""
    for problem, fact in zip(problems_of(path), json_report(problems_of(path)), strict=True):
        named = Path(fact["file"])
        assert named.name == path.name or named.suffix == ".yml"
        lines = named.read_text("utf-8").splitlines()
        assert 1 <= fact["line"] <= len(lines)
        assert fact["column"] >= 1
        assert problem.mark is not None
        if problem.code not in ("E0103", "E0104"):
            assert lines[fact["line"] - 1][fact["column"] - 1 :].strip()


def test_all_faults_of_a_file_are_reported_in_its_order() -> None:
    """Faults of reading, of names and of shapes come in one report, in the order of the lines."""
    text = """
input: [3, 32, 32]
layers:
  a: {conv2d: {out_channel: 8, kernel_size: 3}}
  b: {conv2d: {out_channels: 8, kernel_size: 4, padding: same}, from: input}
  c: {conv2d: {out_channels: 8, kernel_size: 3, groups: 2}, from: input}
  train: relu
  d: {linear: $nobody}
"""
    with pytest.raises(SpecError) as caught:
        archc.loads(text)
    assert [(p.code, p.mark and p.mark.line) for p in caught.value.problems] == [
        ("E0205", 4),
        ("E0303", 5),
        ("E0306", 6),
        ("E0208", 7),
        ("E0212", 8),
    ]


def test_a_fault_in_a_shared_block_is_told_once_with_its_count() -> None:
    """Four uses of a faulty block: one problem, and how many more places have it."""
    text = """
input: [3, 32, 32]
blocks:
  Bad: {layers: [{conv2d: {out_channels: 8, kernel_size: 3, groups: 2}}]}
layers:
  a: {Bad: , from: input}
  b: {Bad: , from: input}
  c: {Bad: , from: input}
  d: {Bad: , from: input}
"""
    with pytest.raises(SpecError) as caught:
        archc.loads(text)
    (problem,) = caught.value.problems
    assert problem.repeats == 3
    assert "3 more places" in text_report([problem])


@pytest.mark.parametrize(
    ("uses", "note"), [(2, "line 5"), (3, "lines 5, 6"), (12, "lines 5, 6, 7, 8, 9, 10, 11, 12 and 3 more")]
)
def test_an_unknown_name_is_told_once_with_its_lines(uses: int, note: str) -> None:
    """A block that was renamed where it is defined: every use is a problem to programs, people read of one mistake."""
    text = "input: [3, 32, 32]\nblocks: {Unit: {layers: [relu]}}\nlayers:\n" + "  - Unity\n" * uses
    with pytest.raises(SpecError) as caught:
        archc.loads(text)
    assert [problem.mark and problem.mark.line for problem in caught.value.problems] == list(range(4, 4 + uses))
    report = text_report(caught.value.problems)
    assert report.count("error[E0204]") == 1
    assert f"= note: also in {note}\n" in report
    assert "help: did you mean `Unit`?" in report


def test_one_fault_causes_no_follow_up_messages() -> None:
    """What comes after a faulty layer is unknown, and nothing is said of it."""
    text = """
input: [3, 32, 32]
layers:
  a: {conv2d: {out_channels: 8, kernel_size: 40}}
  b: {conv2d: {out_channels: 8, kernel_size: 3, groups: 8}}
  c: {add: [a, b]}
  d: {linear: 10}
  e: {chunk: 2}
  f: {concat: [e.0, e.1]}
"""
    with pytest.raises(SpecError) as caught:
        archc.loads(text)
    assert [p.code for p in caught.value.problems] == ["E0302"]
