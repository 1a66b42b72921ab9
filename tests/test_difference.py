"""`archc diff`: pairs with the report that stands beside them, and what holds for every pair.

A folder of tests/diffs/ holds two specs and their report; the bundled specs' reports are files there.
`ARCHC_UPDATE=1 pytest tests/test_difference.py` rewrites the reports, for a person to read in the diff.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import archc

FOLDER = Path(__file__).parent / "diffs"
PAIRS = sorted(path for path in FOLDER.iterdir() if path.is_dir())
BUNDLED = [
    ("conv_7x7", "stack_3x3"),
    ("googlenet", "googlenet_paper"),
    ("googlenet", "inception_v3"),
    ("resnet18", "resnet50"),
    ("vgg11", "vgg13"),
    ("vgg16", "vgg16_bn"),
    ("alexnet", "alexnet_paper"),
    ("alexnet", "vgg11"),
]


def expect(path: Path, report: str) -> None:
    """A report that stands in the repository."""
    if os.environ.get("ARCHC_UPDATE"):
        path.write_text(report, "utf-8")
    assert report == path.read_text("utf-8")


@pytest.mark.parametrize("pair", PAIRS, ids=lambda path: path.name)
def test_a_pair_has_its_report(pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pair)
    expect(pair / "report.txt", f"{archc.diff('before.yaml', 'after.yaml')}\n")


@pytest.mark.parametrize("pair", BUNDLED, ids="-".join)
def test_bundled_specs_have_their_report(pair: tuple[str, str]) -> None:
    expect(FOLDER / f"{'-'.join(pair)}.txt", f"{archc.diff(*pair)}\n")
