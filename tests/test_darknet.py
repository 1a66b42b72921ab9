"""Darknet's .cfg files: published figures, equal outputs by its definitions and by OpenCV, errors with their lines."""

# ruff: noqa: E501  (rows of layers)
from __future__ import annotations

from pathlib import Path

import neutral
import numpy
import pytest
import torch

import archc
from archc.exporting.export import relative_difference
from archc.importing.darknet import read_darknet
from archc.importing.graph import SourceGraph

MIXED = """
[net]
# a comment
height=14
width=17
channels=3
learning_rate=0.1
policy=poly

[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky

[maxpool]
size=2
stride=1

[convolutional]
filters=8
size=3
pad=1
activation=relu

[shortcut]
from=-3
activation=leaky

[route]
layers=-1,-2

[route]
layers=-1
groups=2
group_id=1

[upsample]
stride=2

[maxpool]
size=3
stride=2

[maxpool]
size=2
stride=2

[convolutional]
batch_normalize=1
filters=4
size=1
activation=logistic

[dropout]
probability=.25

[avgpool]

[convolutional]
filters=5
size=1
activation=linear

[softmax]
[cost]
"""


def read(folder: Path, text: str) -> SourceGraph:
    path = folder / "net.cfg"
    path.write_text(text, "utf-8")
    return read_darknet(path)


def darknet19() -> str:
    """Darknet-19 (https://arxiv.org/abs/1612.08242, table 6), with the size and the classifier of its .cfg."""
    pool = "[maxpool]\nsize=2\nstride=2\n"
    parts = ["[net]\nheight=256\nwidth=256\nchannels=3\n"]

    def conv(filters: int, size: int) -> str:
        return (
            f"[convolutional]\nbatch_normalize=1\nfilters={filters}\nsize={size}\nstride=1\npad=1\nactivation=leaky\n"
        )

    parts += [conv(32, 3), pool, conv(64, 3), pool]
    for filters, times in ((128, 1), (256, 1), (512, 2), (1024, 2)):
        parts.append(conv(filters, 3))
        parts += [conv(filters // 2, 1), conv(filters, 3)] * times
        parts.append(pool if filters < 1024 else "")
    parts.append("[convolutional]\nfilters=1000\nsize=1\nactivation=linear\n[avgpool]\n[softmax]\ngroups=1\n")
    return "".join(parts)


def test_darknet19_has_its_published_figures(tmp_path: Path) -> None:
    """7.29 billion operations (https://pjreddie.com/darknet/imagenet), two for a multiply-add; one block, 18 uses."""
    graph = read(tmp_path, darknet19())
    assert neutral.figures(graph) == (20_842_376, 3_645_374_464)
    parts = {scope.path: scope.title for operation in graph.operations for scope in operation.scopes}
    assert list(parts.values()) == ["ConvBNLeakyReLU"] * 18
    assert graph.operations[-1].shapes == ((1000,),)
    assert not graph.unsupported


def test_every_layer_computes_what_darknet_defines(tmp_path: Path) -> None:
    """Uneven pools, strides, groups of channels, shortcuts: against the definitions, with random weights."""
    graph = read(tmp_path, MIXED)
    assert not graph.unsupported
    assert graph.run is not None
    modules = neutral.modules_of(graph)
    for seed in range(3):
        state = neutral.state_of(graph, modules, seed)
        x = torch.randn(2, 3, 14, 17, generator=torch.Generator().manual_seed(seed))
        wanted = graph.run(state, [x])
        assert float(wanted[0].std()) > 1e-3
        assert relative_difference(neutral.run(graph, modules, state, x), wanted) < 1e-5
    assert graph.notes == (
        "The softmax at the end was removed: the outputs are its inputs, as PyTorch's losses expect them.",
        "[cost] in line 68 was dropped: training's loss.",
        "The output is flattened to a vector.",
    )


def test_opencv_computes_the_same(tmp_path: Path) -> None:
    """OpenCV's reader of Darknet's files, with random weights in Darknet's own format."""
    cv2 = pytest.importorskip("cv2")
    text = MIXED.partition("[softmax]")[0].replace("activation=logistic", "activation=leaky")
    graph = read(tmp_path, text)
    modules = neutral.modules_of(graph)
    state = neutral.state_of(graph, modules)
    stored = [numpy.array([0, 2, 5, 0, 0], numpy.int32).tobytes()]  # the version, and the images seen
    for at in dict.fromkeys(key.partition(".")[0] for key in state):
        names = ("biases", "scales", "rolling_mean", "rolling_variance", "weights")
        stored += [state[f"{at}.{name}"].numpy().tobytes() for name in names if f"{at}.{name}" in state]
    (tmp_path / "net.weights").write_bytes(b"".join(stored))
    net = cv2.dnn.readNetFromDarknet(str(tmp_path / "net.cfg"), str(tmp_path / "net.weights"))
    x = torch.randn(1, 3, 14, 17, generator=torch.Generator().manual_seed(0))
    net.setInput(x.numpy())
    found = torch.from_numpy(net.forward()).flatten(1)
    assert relative_difference(neutral.run(graph, modules, state, x), [found]) < 1e-5


def test_all_unknown_layers_are_listed(tmp_path: Path) -> None:
    text = "[net]\nheight=8\nwidth=8\n[reorg]\nstride=2\n[yolo]\n[reorg]\n[convolutional]\nactivation=stair\n"
    graph = read(tmp_path, text)
    assert [(unsupported.operation, unsupported.place) for unsupported in graph.unsupported] == [
        ("[reorg]", "line 4"),
        ("[yolo]", "line 6"),
        ("[reorg]", "line 7"),
    ]


def test_shortcuts_of_other_shapes_and_unknown_activations_are_not_said(tmp_path: Path) -> None:
    net = "[net]\nheight=8\nwidth=8\n[convolutional]\nfilters=4\nactivation=linear\n"
    graph = read(tmp_path, f"{net}[convolutional]\nfilters=8\nactivation=linear\n[shortcut]\nfrom=-2\n")
    assert [tuple(unsupported) for unsupported in graph.unsupported] == [
        ("[shortcut]", "line 10", "of two different shapes")
    ]
    graph = read(tmp_path, f"{net}[convolutional]\nactivation=stair\n[dropout]\n")
    assert [tuple(unsupported) for unsupported in graph.unsupported] == [("activation=stair", "line 7", "")]


HEAD = "[net]\nheight=8\nwidth=8\n"
WRONG = {
    "empty": ("", 0, "starts with the section [net]"),
    "no section": ("a=1\n", 1, "the first line must be a section"),
    "no brackets": ("[net\n", 1, "a section is a name in brackets"),
    "no net": ("[convolutional]\n", 1, "starts with the section [net]"),
    "no value": ("[net]\nheight\n", 2, "expected `key=value`"),
    "no size": ("[net]\n", 1, "[net] must have height, width and channels"),
    "a word": (f"{HEAD}[convolutional]\nfilters=many\n", 5, "`filters` must be an integer, got `many`"),
    "not a number": (f"{HEAD}[dropout]\nprobability=x\n", 5, "`probability` must be a number"),
    "no filters": (f"{HEAD}[convolutional]\nfilters=0\n", 4, "must be at least 1"),
    "a large kernel": (f"{HEAD}[convolutional]\nsize=9\n", 4, "(input: 3×8×8)"),
    "a later layer": (f"{HEAD}[route]\nlayers=3\n", 5, "there is no layer 3 before this one, which is layer 0"),
    "no layers": (f"{HEAD}[route]\n", 4, "[route] needs `layers`"),
    "no such group": (f"{HEAD}[dropout]\n[route]\nlayers=-1\ngroups=2\ngroup_id=2\n", 5, "no group 2 of 2"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_an_error_at_its_line(case: str, tmp_path: Path) -> None:
    text, line, words = WRONG[case]
    with pytest.raises(archc.SpecError) as error:
        read(tmp_path, text)
    (problem,) = error.value.problems
    assert problem.code == "E0804"
    assert (problem.mark.line if problem.mark else 0) == line
    assert words in problem.message


LARGE = {
    "weights": f"{HEAD}[convolutional]\nfilters=1000000000\nsize=3\npad=1\n",
    "values": "[net]\nheight=2000000000\nwidth=2000000000\n[dropout]\n",
    "a window": f"{HEAD}[maxpool]\nsize=65536\nstride=1\n",
    "layers": HEAD + "[dropout]\n" * 100_000,
    "multiply-adds": "[net]\nheight=30000\nwidth=30000\n" + "[convolutional]\nfilters=100\nsize=9\npad=1\n",
}


@pytest.mark.parametrize("case", LARGE)
def test_claims_are_refused_before_anything_is_computed(case: str, tmp_path: Path) -> None:
    with pytest.raises(archc.SpecError) as error:
        read(tmp_path, LARGE[case])
    assert [problem.code for problem in error.value.problems] == ["E0805"]


def test_files_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "net.cfg"
    for content, code in ((b"\xff\xfe", "E0804"), (b"#" * (4 * 1024 * 1024 + 1), "E0108")):
        path.write_bytes(content)
        with pytest.raises(archc.SpecError) as error:
            read_darknet(path)
        assert [problem.code for problem in error.value.problems] == [code]
    with pytest.raises(archc.SpecError) as error:
        read_darknet(tmp_path)
    assert [problem.code for problem in error.value.problems] == ["E0101"]


FORMS = {
    **{f"activation {name}": f"[convolutional]\nfilters=4\nsize=3\nactivation={name}\n" for name in
       ("linear", "relu", "relu6", "logistic", "tanh", "elu", "selu", "swish", "mish")},
    "fully connected": "[connected]\noutput=6\nbatch_normalize=1\nactivation=relu\n[connected]\noutput=3\nactivation=linear\n",
    "transposed": "[deconvolutional]\nfilters=4\nsize=2\nstride=2\nactivation=leaky\n",
    "norms alone": "[batchnorm]\n[activation]\nactivation=tanh\n[connected]\noutput=3\nactivation=linear\n[batchnorm]\n",
    "pools with steps of 3": "[maxpool]\nsize=4\nstride=3\n[maxpool]\nsize=3\nstride=3\n",
    "steps for each axis": "[convolutional]\nfilters=4\nsize=3\nstride_x=2\nstride_y=1\nactivation=relu\ndilation=2\n",
    "softmax within": "[softmax]\n[convolutional]\nfilters=4\nactivation=linear\n",
    "two shortcuts": "[dropout]\n[activation]\nactivation=relu\n[shortcut]\nfrom=-1,-2\nactivation=linear\n",
    "a crop": "[crop]\ncrop_height=9\ncrop_width=10\n[convolutional]\nfilters=4\nactivation=relu\n",
}  # fmt: skip


@pytest.mark.parametrize("case", FORMS)
def test_every_form_of_a_layer(case: str, tmp_path: Path) -> None:
    graph = read(tmp_path, f"[net]\nheight=11\nwidth=12\n{FORMS[case]}")
    assert not graph.unsupported
    assert graph.run is not None
    modules = neutral.modules_of(graph)
    state = neutral.state_of(graph, modules)
    x = torch.randn(2, *graph.inputs["input"], generator=torch.Generator().manual_seed(0))
    most = 1e-4 if "selu" in case else 1e-5  # Darknet rounds the constants of SELU to five digits
    assert relative_difference(neutral.run(graph, modules, state, x), graph.run(state, [x])) < most


UNSUPPORTED = {
    "[convolutional]": "[convolutional]\nbinary=1\n",
    "[softmax]": "[softmax]\ngroups=2\n[dropout]\n",
    "[upsample]": "[upsample]\nreverse=1\n",
    "activation=stair": "[activation]\nactivation=stair\n[route]\nlayers=-1\n[shortcut]\nfrom=-1\n",
}


@pytest.mark.parametrize("operation", UNSUPPORTED)
def test_forms_without_a_layer_type_are_not_said(operation: str, tmp_path: Path) -> None:
    graph = read(tmp_path, HEAD + UNSUPPORTED[operation])
    assert [unsupported.operation for unsupported in graph.unsupported] == [operation]
