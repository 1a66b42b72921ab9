"""What `archc summary` tells people: lines that fold, the largest marked, totals; and how notebooks show it."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from shell import Shell

import archc
from archc.inference import Line
from archc.testing import Draft, specs

HOSTILE = """
name: Net
description: "<script>alert(1)</script> | *a* \\e[31m"
input: [3, 8, 8]
layers: {conv: {conv2d: {out_channels: 4, kernel_size: 3}}}
"""


def lines(name: str, depth: Any = "blocks") -> list[Line]:
    return archc.load(name).summary().outline(depth)


def test_a_block_is_a_line() -> None:
    """GoogLeNet as its paper's table has it: stem, nine modules with the poolings between them, classifier."""
    found = lines("googlenet")
    assert [line.path for line in found if line.kind == "Inception"] == [
        f"inception{name}" for name in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
    ]
    assert len(found) == 22
    module = next(line for line in found if line.path == "inception3a")
    assert (module.layers, module.output, module.receptive_field) == (20, (256, 28, 28), (43, 43))
    # 1×1, 1×1 and 3×3, 1×1 and 3×3, 1×1; with two numbers a channel for the batch norms.
    assert module.parameters == 192 * (64 + 96 + 16 + 32) + 9 * (96 * 128 + 16 * 32) + 2 * (256 + 96 + 16)
    assert [line.path for line in found if line.training] == ["aux1", "aux2"]


def test_a_line_of_several_outputs_tells_of_the_first() -> None:
    """Shape and receptive field are those of one output, also where another layer runs last."""
    text = """
input: [3, 32, 32]
blocks:
  Backbone:
    layers:
      low: {conv2d: {out_channels: 8, kernel_size: 3, stride: 2, padding: 1}}
      high: {conv2d: {out_channels: 16, kernel_size: 3, stride: 2, padding: 1}}
    outputs: {fine: low, coarse: high}
layers:
  body: Backbone
  up: {upsample: {scale_factor: 2}, from: body.coarse}
  both: {concat: [body.fine, up]}
"""
    body = archc.loads(text).summary().outline()[0]
    assert (body.path, body.output, body.receptive_field) == ("body", (8, 16, 16), (3, 3))


def test_depth_counts_levels_of_names() -> None:
    assert [line.path for line in lines("vgg16", 1)] == ["features", "avgpool", "flatten", "classifier"]
    assert lines("vgg16", 2) == lines("vgg16", "all") == lines("vgg16")
    assert [(line.path, line.kind) for line in lines("googlenet", 3)[:3]] == [
        ("conv1.conv", "conv2d"),
        ("conv1.bn", "batch_norm2d"),
        ("conv1.relu", "relu"),
    ]
    assert lines("inception_module", 1)[1].kind == "Sequential"


def test_equal_neighbours_are_one_line() -> None:
    """layer3 of ResNet-50 is a block of stride 2 and five equal ones."""
    first, others = (line for line in lines("resnet50") if line.path.startswith("layer3"))
    assert (first.path, first.count) == ("layer3.0", 1)
    assert (others.path, others.last, others.count, others.layers) == ("layer3.1", "layer3.5", 5, 50)
    assert others.parameters == 5 * (1024 * 256 + 9 * 256 * 256 + 256 * 1024 + 2 * (256 + 256 + 1024))


def test_a_network_of_one_block_shows_its_inside() -> None:
    text = """
input: [3, 8, 8]
blocks:
  A: {layers: {x: {B: }}}
  B: {layers: {y: relu, z: tanh}}
layers: [A]
"""
    summary = archc.loads(text).summary()
    assert [line.path for line in summary.outline()] == ["0.x.y", "0.x.z"]
    assert [line.kind for line in summary.outline(1)] == ["A"]


def test_the_largest_lines_are_marked_with_their_share() -> None:
    """VGG-16's first linear layer has 74 % of the parameters; equal convolutions are marked alike."""
    found = lines("vgg16")
    marked = {line.path: round(line.parameter_share, 2) for line in found if line.parameter_share}
    assert marked == {"classifier.0": 0.74, "classifier.3": 0.12}
    work = [line for line in found if line.mac_share]
    assert {line.macs for line in work} == {max(line.macs for line in found)}
    assert all(line.parameter_share is None for line in lines("googlenet") if line.training)


@given(specs(shares=True))
def test_lines_add_up_at_every_depth(draft: Draft) -> None:
    """However far it is opened, an outline has every layer once, and the network's parameters and multiply-adds."""
    summary = draft.load().summary()
    for depth in (1, 2, "blocks", "all"):
        found = summary.outline(depth)  # type: ignore[arg-type]
        assert sum(line.layers for line in found) == len(summary.layers)
        runs = [line for line in found if not line.training]
        assert sum(line.parameters for line in runs) == summary.parameters
        assert sum(line.macs for line in runs) == summary.macs
    for line, row in zip(_single(summary.outline("all")), _rows(summary, summary.outline("all")), strict=True):
        assert (line.path, line.kind, line.output, line.line) == (row.path, row.kind, row.output, row.line)


def _single(found: list[Line]) -> list[Line]:
    return [line for line in found if line.count == 1]


def _rows(summary: archc.inference.Summary, found: list[Line]) -> list[Any]:
    paths = {line.path for line in _single(found)}
    return [row for row in summary.layers if row.path in paths]


def test_the_table_is_aligned(sh: Shell) -> None:
    code, out, err = sh("summary", "googlenet", "--batch", "32")
    assert (code, err) == (0, "")
    title, table, totals = out.split("\n\n")
    assert title == "GoogLeNet: Going Deeper with Convolutions"
    head, rule, *rows = table.splitlines()
    starts = [i for i, mark in enumerate(rule) if mark == "─" and (not i or rule[i - 1] == " ")]
    assert len(starts) == 8
    assert all(row[start - 1] == " " for row in (head, *rows) for start in starts[1:] if start <= len(row))
    assert len({len(row) for row in (head, *rows)}) == 1
    assert "memory          for a batch of 32, in float32" in totals


def test_memory_and_rows_stand_in_the_json(sh: Shell) -> None:
    import json

    document = json.loads(sh("summary", "googlenet", "--format", "json", "--batch", "4")[1])
    memory = archc.load("googlenet").summary().memory(4)
    assert document["memory"] == {
        "images": 4,
        "weights": memory.weights,
        "gradients": memory.gradients,
        "kept": memory.kept,
        "peak": memory.peak,
        "peak_at": "conv1.bn",
        "training": memory.training,
        "inference": memory.inference,
    }
    assert len(document["layers"]) == 215


@pytest.mark.parametrize("words", [("--depth", "0"), ("--depth", "some"), ("--batch", "0")])
def test_wrong_depths_and_batches_are_usage_errors(sh: Shell, words: tuple[str, str]) -> None:
    code, out, err = sh("summary", "conv_7x7", *words)
    assert (code, out) == (2, "")
    assert f"got '{words[1]}'" in err


class Tags(HTMLParser):
    """The elements of a document, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_a_notebook_shows_picture_and_table() -> None:
    """An architecture its picture and the table, a summary the table: well formed, a row a line."""
    architecture = archc.load("googlenet")
    page = Tags(architecture.summary()._repr_html_())
    assert set(page.seen) == {"div", "p", "strong", "table", "thead", "tbody", "tr", "th", "td"}
    assert "inception5b" in page.words
    assert page.seen.count("th") == 8
    assert page.seen.count("td") == 22 * 8 + 10 * 2
    whole = architecture._repr_html_()
    assert Tags(whole).seen[:2] == ["div", "svg"]
    assert architecture._repr_svg_() in whole
    assert architecture.summary()._repr_html_() in whole


def test_pictures_of_one_notebook_share_no_id() -> None:
    one, other = archc.load("conv_7x7")._repr_svg_(), archc.load("stack_3x3")._repr_svg_()
    ids = [set(re.findall(r' id="([^"]+)"', picture)) for picture in (one, other)]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_what_a_spec_says_is_text(sh: Shell, tmp_path: Any) -> None:
    """Neither HTML nor markdown nor a terminal takes it for something else."""
    (tmp_path / "net.yaml").write_text(HOSTILE)
    page = Tags(archc.loads(HOSTILE).summary()._repr_html_())
    assert "script" not in page.seen
    assert any("<script>alert(1)</script>" in text for text in page.words)
    markdown = sh("summary", str(tmp_path / "net.yaml"), "--format", "markdown")[1]
    assert markdown.startswith(r"## Net: &lt;script&gt;alert(1)&lt;/script&gt; \| \*a\* " + r"\\u001b\[31m" + "\n")
    assert "\x1b" not in sh("summary", str(tmp_path / "net.yaml"))[1]


def test_to_pandas_has_a_row_a_layer() -> None:
    architecture = archc.load("googlenet")
    frame = architecture.to_pandas()
    assert list(frame.index) == [row.path for row in architecture.summary().layers]
    assert frame[~frame.training].parameters.sum() == 6_624_904
    assert frame.loc["inception3a.join", "output"] == (256, 28, 28)
    assert architecture.to_pandas(input=(3, 64, 64)).loc["conv1.conv", "output"] == (64, 32, 32)


def test_without_pandas_the_command_to_install_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"to_pandas needs pandas: pip install 'archc-nn\[pandas\]'"):
        archc.load("conv_7x7").to_pandas()
