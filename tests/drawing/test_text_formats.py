"""Drawings as Mermaid and DOT: the same boxes and edges, and every text stays a text."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sheets import LEVELS

import archc
from archc.drawing.dot import render_dot
from archc.drawing.mermaid import render_mermaid
from archc.drawing.model import BEGIN, END, Body, Box, Edge, Group, Picture, Terminal
from archc.drawing.pictures import pictures_of
from archc.drawing.wiring import Wiring
from archc.testing import Draft, specs

NETWORKS = Path(__file__).parents[1] / "networks"

SMALL = """\
name: Small
input: [3, 8, 8]
blocks:
  Pair:
    arguments: {c: }
    branches:
      left: {conv2d: {out_channels: $c, kernel_size: 1}}
      right: {max_pool2d: {kernel_size: 3, stride: 1, padding: 1}}
    join: concat
layers:
  pair: {Pair: 5}
  head: {layers: [flatten, linear: 2], auxiliary: true}
  relu: relu
"""


def small(**options: Any) -> list[Picture]:
    return pictures_of([archc.loads(SMALL)], **options)


def test_mermaid() -> None:
    assert (
        render_mermaid(small(expand=["pair"]))
        == """\
flowchart TD
    n1(["input 3×8×8"]):::terminal
    subgraph c2["pair · Pair"]
        n2["<b>left</b><br/>1×1 conv, 5<br/>5×8×8"]:::conv
        n3["<b>right</b><br/>3×3 max pool<br/>3×8×8"]:::pool
        n4["<b>join</b><br/>concat<br/>8×8×8"]:::join
    end
    class c2 frame
    n5["<b>head</b><br/>auxiliary head, 2<br/>2"]:::head
    n6["<b>relu</b><br/>ReLU<br/>8×8×8"]:::activation
    n7(["output 8×8×8"]):::terminal
    n1 --> n2
    n1 --> n3
    n2 --> n4
    n3 --> n4
    n4 -.-> n5
    n4 --> n6
    n6 --> n7
    classDef conv fill:#e8f0fe,stroke:#3b6fd4,color:#1b2330
    classDef pool fill:#fdf0e3,stroke:#c8711c,color:#1b2330
    classDef activation fill:#fdeaf1,stroke:#c23f72,color:#1b2330
    classDef join fill:#e4f4f6,stroke:#21868f,color:#1b2330
    classDef head fill:#f7f3ec,stroke:#9a7b4f,color:#1b2330,stroke-dasharray:4 3
    classDef terminal fill:#f7f8fa,stroke:#d3d9e2,color:#1b2330
    classDef frame fill:#f7f8fa,stroke:#d3d9e2,color:#1b2330
"""
    )


def test_dot() -> None:
    text = render_dot(small())
    assert text.startswith('digraph "Small" {\n')
    assert '    n2 [label="pair\\nPair, 8\\n8×8×8", fillcolor="#eceafc", color="#5a4fcf"]\n' in text
    assert "    n2 -> n3 [style=dashed]\n" in text
    assert "    {rank=same; n2; n3}\n" in text
    assert '    subgraph cluster_c2 {\n        label="pair · Pair"\n' in render_dot(small(expand=["pair"]))


@pytest.mark.parametrize("render", [render_mermaid, render_dot])
def test_several_architectures_are_clusters_of_one_graph(render: Any) -> None:
    text = render(pictures_of([archc.load("alexnet"), archc.load("resnet18")]))
    assert re.search(r'subgraph c\w*1.*"?AlexNet', text) or 'label="AlexNet"' in text
    assert '"ResNet18"' in text
    assert len(re.findall(r"\binput 3×224×224", text)) == 2


def test_an_opened_bodys_inputs_and_outputs_stay_apart() -> None:
    """Of two outputs, each reader gets its own; a body that reads two values around it gets each where it reads it."""
    (one,) = pictures_of([archc.load(NETWORKS / "multi_output.yaml")], depth=2)
    wiring = Wiring([one])
    names = {node.id: node.lines[0] for node in _nodes(wiring.clusters[0])}
    arrows = {(names[arrow.source], names[arrow.target]) for arrow in wiring.arrows}
    assert {("conv", "mixed.a"), ("pool", "next")} <= arrows
    assert not {("pool", "mixed.a"), ("conv", "next")} & arrows


def _nodes(cluster: Any) -> list[Any]:
    return [node for item in cluster.content for node in (_nodes(item) if hasattr(item, "content") else [item])]


@given(draft=specs(40), level=st.sampled_from(LEVELS))
def test_both_formats_have_every_node_and_arrow(draft: Draft, level: dict[str, Any]) -> None:
    pictures = pictures_of([draft.load()], **level)
    wiring = Wiring(pictures)
    ids = {node.id for node in _nodes(wiring.clusters[0])}
    mermaid, dot = render_mermaid(pictures), render_dot(pictures)
    assert set(re.findall(r"^\s+(n\d+)[\[(]", mermaid, re.MULTILINE)) == ids
    assert set(re.findall(r"^\s+(n\d+) \[label", dot, re.MULTILINE)) == ids
    arrows = {(arrow.source, arrow.target) for arrow in wiring.arrows}
    assert set(re.findall(r'^    (n\d+) -\.?->?(?:\|"[^"\n]*"\|)? (n\d+)$', mermaid, re.MULTILINE)) == arrows
    assert set(re.findall(r"^    (n\d+) -> (n\d+)", dot, re.MULTILINE)) == arrows


@given(text=st.text(st.characters(), max_size=40))
def test_hostile_texts_stay_within_their_quotes(text: str) -> None:
    box = Box((text,), text, text, "block", (1, 1, 1), (1, 1, 1), (text,), 1, text)
    frame = Group((text,), text, text, Body([box], [Edge(BEGIN, 0, (1,)), Edge(0, END, (1,))]), (1, 1, 1))
    edges = [Edge(BEGIN, 0, (1,)), Edge(0, 1, (1,), text), Edge(1, 2, (1,), text), Edge(2, END, (1,))]
    picture = Picture(text, text, text, text, Body([Terminal(text, (1,)), frame, box], edges))
    mermaid, dot = render_mermaid([picture]), render_dot([picture])
    plain = [Picture("t", "", "", "", Body([Terminal("t", (1,)), frame, box], edges))]
    assert len(mermaid.splitlines()) == len(render_mermaid(plain).splitlines())
    for line in mermaid.splitlines():
        assert line.count('"') in (0, 2)
    # A DOT string ends at the first quote that no backslash stands before.
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", dot)
    assert '"' not in bare
    assert re.fullmatch(r"[\w\s\[\]{}=,>\-]*", bare)


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize("name", ["googlenet", "resnet50"])
def test_graphviz_reads_it(name: str) -> None:
    text = render_dot(pictures_of([archc.load(name)], depth=2))
    done = subprocess.run(["dot", "-Tsvg"], input=text, text=True, capture_output=True, check=True, timeout=120)
    assert "<svg" in done.stdout
    assert done.stderr == ""
