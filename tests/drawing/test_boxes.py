"""The boxes of a drawing: each layer in one, each edge from the graph, equal neighbours as one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sheets import DRAWN, LEVELS, groups

import archc
from archc import Architecture
from archc.drawing import draw_svg
from archc.drawing.model import BEGIN, END, Body, Box, Group, Picture, Terminal
from archc.drawing.pictures import UnknownName, pictures_of
from archc.drawing.wiring import Cluster, Node, Wiring
from archc.graph import flow, walk
from archc.testing import Draft, specs

NETWORKS = Path(__file__).parents[1] / "networks"


def picture(name: str | Path, **options: Any) -> Picture:
    return pictures_of([archc.load(name)], **options)[0]


def boxes(body: Body) -> list[Box]:
    """All boxes, those in frames included."""
    found: list[Box] = []
    for item in body.items:
        if isinstance(item, Group):
            found += boxes(item.body)
        elif isinstance(item, Box):
            found.append(item)
    return found


def frames(body: Body) -> list[Group]:
    """All frames, from the outside in."""
    found: list[Group] = []
    for item in body.items:
        if isinstance(item, Group):
            found += [item, *frames(item.body)]
    return found


def said(body: Body) -> list[str]:
    """Name and action of each item: `conv1: 7×7 conv, 64, /2`."""
    return [
        f"{item.name}: {item.what}{f' ×{item.times}' if item.times > 1 else ''}"
        for item in body.items
        if not isinstance(item, Terminal)
    ]


def producers(architecture: Architecture) -> dict[str, frozenset[str]]:
    """The layers that each layer reads, by path; the network's input is called "input"."""
    read: dict[str, frozenset[str]] = {}

    def layer(node: Any, kind: Any, given: tuple[frozenset[str], ...], path: str) -> dict[str | None, frozenset[str]]:
        read[path] = frozenset().union(*given)
        return {output: frozenset([path]) for output in node.shapes}

    graph = architecture.network.graph
    flow(graph, (frozenset(["input"]),), layer)
    return read


def nodes(cluster: Cluster) -> list[Node]:
    return [node for item in cluster.content for node in (nodes(item) if isinstance(item, Cluster) else [item])]


def box_of(path: str, owners: dict[str, int]) -> int:
    """The one box that shows a layer."""
    steps = path.split(".")
    found = [prefix for length in range(1, len(steps) + 1) if (prefix := ".".join(steps[:length])) in owners]
    assert len(found) == 1, f"{path} is in {found or 'no box'}"
    return owners[found[0]]


@given(draft=specs(40), level=st.sampled_from(LEVELS))
def test_each_layer_is_in_exactly_one_box(draft: Draft, level: dict[str, Any]) -> None:
    architecture = draft.load()
    owners: dict[str, int] = {}
    for number, box in enumerate(groups(draw_svg(architecture, **level), "box")):
        paths = box.get("data-paths", "").split(" ")
        assert box.get("data-path") == paths[0]
        for path in paths:
            assert owners.setdefault(path, number) == number, f"{path} is in two boxes"
    for layer in walk(architecture.network.graph):
        box_of(layer.path, owners)


@given(draft=specs(40), level=st.sampled_from(LEVELS))
def test_arrows_are_the_graphs_edges(draft: Draft, level: dict[str, Any]) -> None:
    """Both ways, but for the edges within a box and between the turns of what is folded."""
    architecture = draft.load()
    (one,) = pictures_of([architecture], **level)
    wiring = Wiring([one])
    drawn = nodes(wiring.clusters[0])
    places = {node.id: number for number, node in enumerate(drawn)}
    owners = {path: number for number, node in enumerate(drawn) for path in node.paths}
    folded = {
        path: number for number, frame in enumerate(frames(one.body)) if frame.times > 1 for path in all_paths(frame)
    }
    arrows = {(places[arrow.source], places[arrow.target]) for arrow in wiring.arrows}
    begin = 0
    expected = set()
    for path, sources in producers(architecture).items():
        target = box_of(path, owners)
        places_read = {begin if source == "input" else box_of(source, owners) for source in sources}
        expected |= {(source, target) for source in places_read if source != target}
    inside = {
        (source, target)
        for source, target in expected
        if source != begin and {folded.get(path) for path in drawn[source].paths + drawn[target].paths} - {None}
    }
    # A closed block may hand a value on: then no layer of it is between.
    closed = {number for number, node in enumerate(drawn) if node.role in ("block", "head")}
    handed = set(arrows)
    for number in sorted(closed):
        into = {source for source, target in handed if target == number}
        out = {target for source, target in handed if source == number}
        handed |= {(source, target) for source in into for target in out}
    ends = {number for number, node in enumerate(drawn) if node.role == "terminal"} - {begin}
    assert expected - inside <= handed
    assert {arrow for arrow in arrows if not closed & {*arrow} and arrow[1] not in ends} <= expected


def all_paths(group: Group) -> list[str]:
    return [path for box in boxes(group.body) for path in box.paths]


def test_a_network_is_drawn_at_the_level_of_its_blocks() -> None:
    assert said(picture("googlenet").body) == [
        "conv1: 7×7 conv, 64, /2",
        "maxpool1: 3×3 max pool, /2",
        "conv2: 1×1 conv, 64",
        "conv3: 3×3 conv, 192",
        "maxpool2: 3×3 max pool, /2",
        "inception3a: Inception, 256",
        "inception3b: Inception, 480",
        "maxpool3: 3×3 max pool, /2",
        "inception4a: Inception, 512",
        "inception4b: Inception, 512",
        "inception4c: Inception, 512",
        "inception4d: Inception, 528",
        "inception4e: Inception, 832",
        "maxpool4: 2×2 max pool, /2",
        "inception5a: Inception, 832",
        "inception5b: Inception, 1024",
        "aux1: InceptionAux, 1000",
        "aux2: InceptionAux, 1000",
        "avgpool: global avg pool",
        "flatten: to a vector",
        "dropout: dropout 0.2",
        "fc: linear, 1000",
    ]


def test_norm_and_activation_stand_in_their_convolutions_box() -> None:
    body = picture("resnet50").body
    conv1 = body.items[1]
    assert isinstance(conv1, Box)
    assert (conv1.paths, conv1.tags) == (("conv1", "bn1", "relu"), ("BN", "ReLU"))
    linear = next(box for box in boxes(picture("alexnet").body) if box.name == "classifier.1")
    assert linear.tags == ("ReLU", "drop 0.5")


def test_equal_neighbours_fold() -> None:
    """The paper's figure of ResNet-50: 3, 4, 6 and 3 blocks, the first of each stage another one."""
    stages = [text for text in said(picture("resnet50").body) if text.startswith("layer")]
    assert stages == [
        "layer1.0: Bottleneck, 256",
        "layer1.1–2: Bottleneck, 256 ×2",
        "layer2.0: Bottleneck, 512, /2",
        "layer2.1–3: Bottleneck, 512 ×3",
        "layer3.0: Bottleneck, 1024, /2",
        "layer3.1–5: Bottleneck, 1024 ×5",
        "layer4.0: Bottleneck, 2048, /2",
        "layer4.1–2: Bottleneck, 2048 ×2",
    ]


def test_longer_repeats_fold_into_a_frame() -> None:
    rows = "".join(
        f"  depthwise{i}: {{conv2d: {{out_channels: 8, kernel_size: 3, padding: same, groups: 8}}}}\n"
        f"  pointwise{i}: {{conv2d: {{out_channels: 8, kernel_size: 1}}}}\n"
        for i in range(8, 13)
    )
    (one,) = pictures_of([archc.loads(f"input: [8, 4, 4]\nlayers:\n{rows}")])
    (frame,) = frames(one.body)
    assert (frame.name, frame.times) == ("depthwise8–pointwise12", 5)
    assert said(frame.body) == ["depthwise8: 3×3 depthwise conv, 8", "pointwise8: 1×1 conv, 8"]
    assert boxes(frame.body)[0].paths == tuple(f"depthwise{i}" for i in range(8, 13))
    assert [edge[:2] for edge in frame.body.edges] == [(BEGIN, 0), (0, 1), (1, END)]


def test_what_an_outsider_reads_does_not_fold() -> None:
    """`b` is equal to its neighbours, but the sum reads it: within a folded box nobody could see that."""
    text = "input: [8, 4, 4]\nlayers:\n" + "".join(
        f"  {name}: {{conv2d: {{out_channels: 8, kernel_size: 1}}}}\n" for name in "abcd"
    )
    assert said(pictures_of([archc.loads(text)])[0].body) == ["a–d: 1×1 conv, 8 ×4"]
    read = pictures_of([archc.loads(f"{text}  sum: {{add: [b, d]}}\n")])[0].body
    assert said(read) == ["a–b: 1×1 conv, 8 ×2", "c–d: 1×1 conv, 8 ×2", "sum: add"]


def test_blocks_open_by_depth_by_name_and_by_path() -> None:
    def opened(**options: Any) -> list[str]:
        return [frame.name for frame in frames(picture("googlenet", **options).body)]

    instances = [f"inception{row}" for row in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")]
    assert opened() == []
    assert opened(expand=["Inception"]) == instances
    assert opened(expand=["inception4c"]) == ["inception4c"]
    assert opened(expand=["inception4c.branch2"]) == ["inception4c"]
    assert opened(depth=2) == [*instances, "aux1", "aux2"]
    assert opened(expand=["inception4c.branch1"]) == ["inception4c", "branch1"]
    layers = [box.what for box in boxes(picture("googlenet", expand=["conv1"]).body)][:3]
    assert layers == ["7×7 conv, 64, /2", "batch norm", "ReLU"]


def test_opening_one_of_equal_neighbours_parts_it_from_them() -> None:
    stage = [text for text in said(picture("resnet50", expand=["layer3.2"]).body) if text.startswith("layer3")]
    assert stage == [
        "layer3.0: Bottleneck, 1024, /2",
        "layer3.1: Bottleneck, 1024",
        "layer3.2: Bottleneck",
        "layer3.3–5: Bottleneck, 1024 ×3",
    ]


def test_everything_is_a_box_a_layer() -> None:
    architecture = archc.load("googlenet")
    drawn = boxes(pictures_of([architecture], everything=True)[0].body)
    assert [path for box in drawn for path in box.paths] == [layer.path for layer in walk(architecture.network.graph)]


def test_depth_0_closes_bodies_without_names() -> None:
    assert said(picture("alexnet", depth=0).body) == [
        "features: layers, 256, /37",
        "avgpool: avg pool to 6×6",
        "flatten: to a vector",
        "classifier: layers, 1000",
    ]
    assert "features.0: 11×11 conv, 64, /4" in said(picture("alexnet", depth=0, expand=["features"]).body)


def test_a_block_is_drawn_in_its_parameters() -> None:
    """The nine instances have one figure, as in the paper."""
    one = picture("googlenet", block="Inception")
    assert one.title == "Inception"
    assert one.figures.startswith("as inception3a, the first of 9: c1 = 64, c3_reduce = 96, c3 = 128")
    assert said(one.body) == [
        "branch1: 1×1 conv, c1",
        "branch2.0: 1×1 conv, c3_reduce",
        "branch2.1: 3×3 conv, c3",
        "branch3.0: 1×1 conv, c5_reduce",
        "branch3.1: 3×3 conv, c5",
        "branch4.0: 3×3 max pool",
        "branch4.1: 1×1 conv, pool",
        "join: concat",
    ]
    assert boxes(one.body)[0].paths == ("inception3a.branch1",)
    assert said(picture("resnet50", block="Bottleneck").body) == [
        "conv1: 1×1 conv, width",
        "conv2: 3×3 conv, width, /stride",
        "conv3: 1×1 conv, out_channels",
        "downsample: 1×1 conv, out_channels, /stride",
        "sum: add",
    ]


def test_an_instance_is_drawn_with_its_numbers() -> None:
    one = picture("googlenet", block="inception4e")
    assert one.title == "inception4e · Inception"
    assert said(one.body)[0] == "branch1: 1×1 conv, 256"
    assert picture("alexnet", block="classifier").title == "classifier"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block": "Incepton"}, "there is no block or path `Incepton` in GoogLeNet: did you mean `Inception`?"),
        ({"expand": ["inception3c"]}, "there is no block or path `inception3c` in GoogLeNet: did you mean"),
        ({"expand": ["maxpool1"]}, "`maxpool1` is a single layer, so there is nothing to open"),
        ({"block": "?"}, "there is no block or path `?` in GoogLeNet"),
    ],
)
def test_an_unknown_name_is_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownName) as told:
        picture("googlenet", **options)
    assert str(told.value).startswith(message)


def test_several_outputs_and_heads() -> None:
    one = picture(NETWORKS / "multi_output.yaml")
    ends = [item for item in one.body.items if isinstance(item, Terminal)]
    assert [(end.name, end.shape) for end in ends] == [
        ("input", (3, 32, 32)),
        ("classes", (5,)),
        ("boxes", (4, 16, 16)),
    ]
    (head,) = [box for box in boxes(one.body) if box.aside]
    assert (head.name, head.what, head.role) == ("aux", "auxiliary head, 5", "head")
    labels = {edge.label for edge in one.body.edges if edge.named}
    assert labels == {"down · 8×16×16", "skip · 8×32×32"}


def test_a_network_too_long_to_look_at_shows_its_ends() -> None:
    """4,000 layers of which no two neighbours are equal."""
    rows = "".join(f"  conv{i}: {{conv2d: {{out_channels: {1 + i * 7 % 61}, kernel_size: 1}}}}\n" for i in range(4_000))
    architecture = archc.loads(f"input: [3, 8, 8]\nlayers:\n{rows}")
    (one,) = pictures_of([architecture])
    assert len(one.body.items) < 200
    (hidden,) = [box for box in boxes(one.body) if len(box.paths) > 1]
    assert hidden.what == f"{len(hidden.paths):,} more"
    shown = [path for box in boxes(one.body) for path in box.paths]
    assert shown == [f"conv{i}" for i in range(4_000)]


@pytest.mark.parametrize("name", DRAWN)
def test_edges_tell_outputs_with_names_and_their_shapes(name: str) -> None:
    spec, options = DRAWN[name]
    body = picture(spec, **options).body
    for edge in body.edges:
        source = body.items[edge.source] if edge.source >= 0 else None
        if isinstance(source, Box) and edge.target >= 0 and not isinstance(body.items[edge.target], Terminal):
            named = [output for output, _ in edge.uses if output]
            assert bool(edge.label) == bool(named)
            assert all(f"{output} · " in edge.label for output in named)
            assert not named or "×".join(map(str, edge.shape)) in edge.label
