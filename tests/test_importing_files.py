"""`archc import` of files: the specs that it writes for networks of other programs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import test_caffe
import test_darknet
from shell import Shell

import archc
from archc.importing import import_

SPEC = """\
# Imported from squeezenet.prototxt (Caffe).
# The softmax at the end was removed: the outputs are its inputs, as PyTorch's losses expect them.
# The output is flattened to a vector.
name: squeezenet
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_caffe_file_becomes_a_spec_with_blocks(sh: Shell, folder: Path) -> None:
    """SqueezeNet v1.1 with its eight Fire modules as uses of one block, and the published number of parameters."""
    Path("squeezenet.prototxt").write_text(test_caffe.squeezenet(), "utf-8")
    code, out, _ = sh("import", "squeezenet.prototxt", "--input", "3x67x67", "-o", "net.yaml")
    assert code == 0
    assert "verified: largest difference" in out
    text = Path("net.yaml").read_text("utf-8")
    assert text.startswith(SPEC)
    assert text.count("{Branches: ") == 8
    assert len([line for line in text.splitlines() if line.strip()]) < 45
    architecture = archc.load("net.yaml")
    assert architecture.cost.parameters == 1_235_496
    assert architecture.outputs == {"output": (1000,)}
    assert sh("fmt", "--check", "net.yaml")[0] == 0


@pytest.mark.parametrize(("suffix", "text"), [("cfg", test_darknet.MIXED), ("prototxt", test_caffe.MIXED)])
def test_every_layer_of_a_file_can_be_imported(suffix: str, text: str) -> None:
    path = Path(f"net.{suffix}")
    path.write_text(text, "utf-8")
    imported = import_(path, name="Mixed")
    assert imported.network.spec.name == "Mixed"
    assert "softmax" in imported.notes[0]
    assert imported.report.startswith("verified: largest difference")


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems refuse such names")
@pytest.mark.parametrize("name", [b"net\xff", b"a\nb: c", b"a\x1b[31m", "a\u2028b".encode(), "照片".encode()])
def test_a_file_of_any_name_is_imported(name: bytes) -> None:
    """The comment that names the file stays one line of text."""
    path = Path(os.fsdecode(name + b".prototxt"))
    path.write_text(test_caffe.squeezenet(), "utf-8")
    text = import_(path, input=(3, 67, 67)).text
    assert text.encode().splitlines()[1].startswith(b"# The softmax at the end")


def test_what_the_outputs_do_not_depend_on_is_left_out() -> None:
    """A blob that another layer writes over before anything reads it: its layer has no weights in the spec."""
    lost = test_caffe.layer("InnerProduct", "lost", "a", "b", inner_product_param="num_output: 3")
    text = test_caffe.conv("a", "data", 2, 1) + lost + test_caffe.conv("b", "a", 2, 3)
    Path("net.prototxt").write_text(test_caffe.HEAD + text, "utf-8")
    imported = import_("net.prototxt")
    assert "lost" not in imported.text
    assert imported.report.startswith("verified")


@pytest.mark.parametrize("option", ["-o", "--weights"])
def test_no_file_is_replaced(option: str, sh: Shell) -> None:
    """`--weights` loads a file in other commands: whoever expects that here must not lose it."""
    Path("net.cfg").write_text(test_darknet.MIXED, "utf-8")
    Path("mine.pth").write_bytes(b"mine")
    code, _, err = sh("import", "net.cfg", option, "mine.pth")
    assert code == 1
    assert "error[E0601]" in err
    assert "`mine.pth` exists already" in err
    assert Path("mine.pth").read_bytes() == b"mine"


def test_what_cannot_be_said_is_one_report(sh: Shell) -> None:
    Path("net.cfg").write_text("[net]\nheight=8\nwidth=8\n[yolo]\n[region]\n[yolo]\n", "utf-8")
    code, _, err = sh("import", "net.cfg")
    assert code == 1
    assert "archc has no layer type for `[yolo]` (2 times)" in err
    assert "archc has no layer type for `[region]`" in err


def test_a_file_has_no_constructor(sh: Shell) -> None:
    code, _, err = sh("import", "net.cfg", "--set", "depth=3")
    assert code == 1
    assert "error[E0804]: `net.cfg` is a file, so it has no constructor with the argument depth" in err
