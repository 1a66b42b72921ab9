"""Caffe's .prototxt files: published figures, outputs by its definitions and by OpenCV, errors with their lines."""

# ruff: noqa: E501  (rows of layers)
from __future__ import annotations

import struct
from pathlib import Path

import neutral
import pytest
import torch
from torch import Tensor

import archc
from archc.exporting.export import relative_difference
from archc.importing.caffe import read_caffe
from archc.importing.graph import SourceGraph

HEAD = 'name: "Net"\ninput: "data"\ninput_shape { dim: 1 dim: 4 dim: 15 dim: 12 }\n'


def layer(type: str, name: str, bottoms: str, top: str = "", **parameters: str) -> str:
    """A layer of the new format; `top` is the name if it isn't given."""
    lines = [f'name: "{name}" type: "{type}"', *(f'bottom: "{bottom}"' for bottom in bottoms.split())]
    lines += [f'top: "{part}"' for part in (top or name).split()]
    lines += [f"{key} {{ {value} }}" for key, value in parameters.items()]
    return "layer { " + " ".join(lines) + " }\n"


def conv(name: str, bottom: str, channels: int, kernel: int, more: str = "") -> str:
    given = f"num_output: {channels} kernel_size: {kernel} {more}"
    return layer("Convolution", name, bottom, convolution_param=given)


def relu(blob: str) -> str:
    return layer("ReLU", f"relu_{blob}", blob, blob)


def normalized(blob: str, *, in_place: bool = True) -> str:
    top = blob if in_place else f"{blob}_bn"
    return layer("BatchNorm", f"bn_{blob}", blob, top) + layer(
        "Scale", f"scale_{blob}", top, top if in_place else f"{blob}_scaled", scale_param="bias_term: true"
    )


MIXED = (
    HEAD
    + conv("a/3x3", "data", 8, 3, "pad: 1 weight_filler { type: 'xavier' } # comment\n")
    + relu("a/3x3")
    + layer("LRN", "norm", "a/3x3", lrn_param="local_size: 3 alpha: 0.5 beta: 0.75")
    + layer("Pooling", "pool", "norm", pooling_param="pool: MAX kernel_size: 3 stride: 2")
    + layer("Convolution", "wide", "pool", convolution_param="num_output: 8 kernel_h: 1 kernel_w: 3 pad_h: 0 pad_w: 1")
    + normalized("wide", in_place=False)
    + layer("Eltwise", "sum", "wide_scaled pool")
    + layer("ReLU", "leaky", "sum", "sum", relu_param="negative_slope: 0.1")
    + layer("PReLU", "prelu", "sum")
    + layer("Pooling", "mean", "prelu", pooling_param="pool: AVE kernel_size: 3 stride: 2 pad: 1")
    + layer("Pooling", "floor", "prelu", pooling_param="pool: MAX kernel_size: 2 stride: 2 round_mode: FLOOR")
    + layer("Deconvolution", "up", "floor", convolution_param="num_output: 2 kernel_size: 2 stride: 2 bias_term: false")
    + layer("Sigmoid", "sigmoid", "up")
    + layer("Pooling", "all", "sigmoid", pooling_param="pool: MAX global_pooling: true")
    + layer("Slice", "slice", "mean", "one two", slice_param="slice_point: 2")
    + layer("TanH", "tanh", "one")
    + layer("ELU", "elu", "two", elu_param="alpha: 0.5")
    + layer("Concat", "concat", "elu tanh")
    + normalized("concat")
    + conv("depth", "concat", 8, 3, "group: 8 pad: 1 dilation: 1 bias_term: false")
    + layer("Eltwise", "product", "depth concat", eltwise_param="operation: PROD")
    + layer("InnerProduct", "fc", "product", inner_product_param="num_output: 6")
    + layer("Dropout", "drop", "fc", "fc", dropout_param="dropout_ratio: 0.2")
    + layer("InnerProduct", "fc2", "all", inner_product_param="num_output: 6 bias_term: false")
    + layer("Concat", "join", "fc fc2")
    + layer("InnerProduct", "score", "join", inner_product_param="num_output: 3")
    + layer("Softmax", "prob", "score")
    + layer("Accuracy", "accuracy", "score data", include="phase: TEST")
    + layer("SoftmaxWithLoss", "loss", "score data", include="phase: TRAIN")
)


def read(folder: Path, text: str) -> SourceGraph:
    path = folder / "net.prototxt"
    path.write_text(text, "utf-8")
    return read_caffe(path)


def resnet50() -> str:
    """ResNet-50 as its authors published it (https://github.com/KaimingHe/deep-residual-networks)."""
    parts = ['name: "ResNet-50"\ninput: "data"\ninput_dim: 1 input_dim: 3 input_dim: 224 input_dim: 224\n']
    parts += [conv("conv1", "data", 64, 7, "pad: 3 stride: 2"), normalized("conv1"), relu("conv1")]
    parts.append(layer("Pooling", "pool1", "conv1", pooling_param="kernel_size: 3 stride: 2 pool: MAX"))
    x = "pool1"
    for stage, (width, count) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 2):
        for block in "abcdef"[:count]:
            name, stride = f"res{stage}{block}", 2 if block == "a" and stage > 2 else 1
            plain = "bias_term: false"
            skip = x
            if block == "a":
                skip = f"{name}_branch1"
                parts += [conv(skip, x, 4 * width, 1, f"stride: {stride} {plain}"), normalized(skip)]
            inner = x
            for at, (channels, kernel) in enumerate(((width, 1), (width, 3), (4 * width, 1))):
                branch = f"{name}_branch2{'abc'[at]}"
                more = f"stride: {stride if at == 0 else 1} pad: {kernel // 2} {plain}"
                parts += [conv(branch, inner, channels, kernel, more), normalized(branch)]
                parts += [relu(branch)] if at < 2 else []
                inner = branch
            parts += [layer("Eltwise", name, f"{skip} {inner}"), relu(name)]
            x = name
    parts.append(layer("Pooling", "pool5", x, pooling_param="kernel_size: 7 stride: 1 pool: AVE"))
    parts.append(layer("InnerProduct", "fc1000", "pool5", inner_product_param="num_output: 1000"))
    return "".join([*parts, layer("Softmax", "prob", "fc1000")])


def squeezenet() -> str:
    """SqueezeNet v1.1 (https://github.com/forresti/SqueezeNet)."""
    pooling = {"pooling_param": "pool: MAX kernel_size: 3 stride: 2"}
    parts = ['name: "squeezenet"\nlayer { name: "data" type: "Input" top: "data"']
    parts.append("  input_param { shape: { dim: 10 dim: 3 dim: 227 dim: 227 } } }\n")
    parts += [conv("conv1", "data", 64, 3, "stride: 2"), relu("conv1"), layer("Pooling", "pool1", "conv1", **pooling)]
    x = "pool1"
    for number, (squeeze, expand) in enumerate(
        ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)), 2
    ):
        fire = f"fire{number}"
        parts += [conv(f"{fire}/squeeze1x1", x, squeeze, 1), relu(f"{fire}/squeeze1x1")]
        parts += [conv(f"{fire}/expand1x1", f"{fire}/squeeze1x1", expand, 1), relu(f"{fire}/expand1x1")]
        parts += [conv(f"{fire}/expand3x3", f"{fire}/squeeze1x1", expand, 3, "pad: 1"), relu(f"{fire}/expand3x3")]
        x = f"{fire}/concat"
        parts.append(layer("Concat", x, f"{fire}/expand1x1 {fire}/expand3x3"))
        if number in (3, 5):
            parts.append(layer("Pooling", f"pool{number}", x, **pooling))
            x = f"pool{number}"
    parts += [layer("Dropout", "drop9", x, x), conv("conv10", x, 1000, 1), relu("conv10")]
    parts.append(layer("Pooling", "pool10", "conv10", pooling_param="pool: AVE global_pooling: true"))
    return "".join([*parts, layer("Softmax", "prob", "pool10")])


def uses_of(graph: SourceGraph, title: str) -> int:
    return len({scope.path for operation in graph.operations for scope in operation.scopes if scope.title == title})


def test_resnet50_of_its_authors(tmp_path: Path) -> None:
    """25,557,096 parameters: those of torchvision's and a bias of the first convolution; 16 blocks of two sorts."""
    graph = read(tmp_path, resnet50())
    assert neutral.figures(graph)[0] == 25_557_032 + 64
    assert sum(operation.kind == "batch_norm2d" for operation in graph.operations) == 53
    assert (uses_of(graph, "Residual"), uses_of(graph, "Residual2")) == (4, 12)
    assert graph.name == "ResNet_50"


def test_squeezenet_has_its_published_figures(tmp_path: Path) -> None:
    """1,235,496 parameters; the eight Fire modules, each with its squeeze layer, are the uses of one block."""
    graph = read(tmp_path, squeezenet())
    assert neutral.figures(graph)[0] == 1_235_496
    assert uses_of(graph, "Branches") == 8
    fires = {operation.scopes[0].path for operation in graph.operations if len(operation.scopes) == 2}
    assert fires == {f"fire{number}" for number in range(2, 10)}


def test_every_layer_computes_what_caffe_defines(tmp_path: Path) -> None:
    graph = read(tmp_path, MIXED)
    assert not graph.unsupported
    assert graph.run is not None
    modules = neutral.modules_of(graph)
    for seed in range(3):
        state = neutral.state_of(graph, modules, seed)
        x = torch.randn(2, 4, 15, 12, generator=torch.Generator().manual_seed(seed))
        wanted = graph.run(state, [x])
        assert float(wanted[0].std()) > 1e-3
        assert relative_difference(neutral.run(graph, modules, state, x), wanted) < 1e-5
    assert [note.partition(" was")[0] for note in graph.notes] == [
        "The softmax at the end",
        "The layer `accuracy` (Accuracy)",
    ]


def varint(number: int) -> bytes:
    more, rest = number & 127, number >> 7
    return bytes([more | 128 * (rest > 0)]) + (varint(rest) if rest else b"")


def message(field: int, content: bytes) -> bytes:
    """A field of protocol buffers with a length."""
    return varint(field << 3 | 2) + varint(len(content)) + content


def caffemodel(blobs: dict[str, list[Tensor]], types: dict[str, str]) -> bytes:
    """Weights in Caffe's own format: NetParameter.layer (100) with name (1), type (2) and blobs (7)."""
    layers = []
    for name, tensors in blobs.items():
        content = message(1, name.encode()) + message(2, types[name].encode())
        for tensor in tensors:
            data = struct.pack(f"<{tensor.numel()}f", *tensor.flatten().tolist())
            shape = message(1, b"".join(map(varint, tensor.shape)))
            content += message(7, message(5, data) + message(7, shape))
        layers.append(message(100, content))
    return b"".join(layers)


def test_opencv_computes_the_same(tmp_path: Path) -> None:
    """OpenCV's reader of Caffe's files, with random weights in Caffe's own format."""
    cv2 = pytest.importorskip("cv2")
    text = MIXED.partition('layer { name: "prob"')[0].replace("round_mode: FLOOR", "")
    graph = read(tmp_path, text)
    modules = neutral.modules_of(graph)
    state = neutral.state_of(graph, modules)
    blobs: dict[str, list[Tensor]] = {}
    for key in sorted(state):
        blobs.setdefault(key.partition("@")[0], []).append(state[key])
    for name in ("bn_wide", "bn_concat"):
        blobs[name].append(torch.ones(1))
    types = {line.split('"')[1]: line.split('"')[3] for line in text.splitlines() if line.startswith("layer")}
    (tmp_path / "net.caffemodel").write_bytes(caffemodel(blobs, types))
    net = cv2.dnn.readNetFromCaffe(str(tmp_path / "net.prototxt"), str(tmp_path / "net.caffemodel"))
    x = torch.randn(1, 4, 15, 12, generator=torch.Generator().manual_seed(0))
    net.setInput(x.numpy())
    found = torch.from_numpy(net.forward("score"))
    assert relative_difference(neutral.run(graph, modules, state, x), [found]) < 1e-5


def test_the_old_format_is_the_same_network(tmp_path: Path) -> None:
    """`layers` with the types of 2013; layers of the phase TRAIN are left out."""
    new = (
        HEAD
        + conv("a", "data", 4, 3)
        + relu("a")
        + layer("InnerProduct", "fc", "a", inner_product_param="num_output: 2")
    )
    old = new.replace("layer {", "layers {")
    for word, before in (("Convolution", "CONVOLUTION"), ("ReLU", "RELU"), ("InnerProduct", "INNER_PRODUCT")):
        old = old.replace(f'type: "{word}"', f"type: {before}")
    old += 'layers { name: "d" type: DROPOUT bottom: "fc" top: "d" include { phase: TRAIN } }'
    one, other = read(tmp_path, new), read(tmp_path, old)
    assert other.operations == one.operations
    assert other.results == one.results


def test_all_unknown_layers_are_listed(tmp_path: Path) -> None:
    text = (
        HEAD + layer("Power", "p", "data") + conv("a", "p", 4, 3) + layer("MVN", "m", "data") + layer("Power", "q", "m")
    )
    text += layer("LRN", "n", "data", lrn_param="norm_region: WITHIN_CHANNEL")
    text += layer("Pooling", "s", "data", pooling_param="pool: STOCHASTIC kernel_size: 2")
    text += layer("Pooling", "t", "data", pooling_param="kernel_size: 2 stride: 3")
    text += layer("Eltwise", "e", "data data", eltwise_param="operation: MAX") + layer("Scale", "c", "data")
    text += layer("BatchNorm", "b", "data") + layer("Scale", "f", "b")
    graph = read(tmp_path, text)
    assert [unsupported.operation for unsupported in graph.unsupported] == [
        "Power", "MVN", "Power", "LRN", "Pooling STOCHASTIC", "Pooling", "Eltwise", "Scale", "Scale",
    ]  # fmt: skip
    assert graph.unsupported[0].place == "line 4"


def test_several_outputs_have_the_names_of_their_blobs(tmp_path: Path) -> None:
    graph = read(tmp_path, HEAD + conv("a/x", "data", 4, 3) + conv("b", "data", 4, 3))
    assert list(graph.results) == ["a_x", "b"]


WRONG = {
    "empty": ("", 0, "the network has no input"),
    "a character": ("name: ?", 1, "unexpected character '?'"),
    "no name": (HEAD + "{ }", 4, "expected the name of a field, got `{`"),
    "no value": ("name }", 1, "expected a value of `name`"),
    "not closed": (HEAD + "layer {\n", 0, "ends within a message that starts in line 4"),
    "cut": ("name:", 0, "ends before the value of `name`"),
    "too deep": ("a {" * 40, 1, "nested more than 32 deep"),
    "no shape": ('input: "data"', 1, "the input `data` has no shape"),
    "no layers": (HEAD, 0, "the network has no layers"),
    "no type": (HEAD + 'layer { name: "a" }', 4, "a layer must have a `type`"),
    "no bottom": (HEAD + 'layer { type: "ReLU" top: "a" }', 4, "must have a `bottom`"),
    "an unknown blob": (HEAD + relu("nothing"), 4, "no layer before this one has the top `nothing`"),
    "a cycle": (HEAD + layer("ReLU", "a", "b") + layer("ReLU", "b", "a"), 4, "has the top `b`"),
    "no channels": (HEAD + conv("a", "data", 0, 3), 4, "must be at least 1"),
    "no top": (HEAD + 'layer { type: "BatchNorm" bottom: "data" top: "n" }\nlayer { type: "Scale" bottom: "n" scale_param { bias_term: true } }', 5, "has no top"),
    "a word": (HEAD + conv("a", "data", 4, 3, "group: many"), 4, "`group` must be an integer"),
    "an even window": (HEAD + layer("LRN", "n", "data", lrn_param="local_size: 4"), 4, "must be odd"),
    "groups": (HEAD + conv("a", "data", 4, 3, "group: 3"), 4, "(input: 4×15×12)"),
    "pools of a vector": (
        HEAD
        + layer("InnerProduct", "v", "data", inner_product_param="num_output: 4")
        + layer("Pooling", "p", "v", pooling_param="kernel_size: 2 stride: 2"),
        5,
        "expects a feature map",
    ),
    "cuts": (HEAD + layer("Slice", "s", "data", "a b", slice_param="slice_point: 1 slice_point: 2"), 4, "each cut"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_an_error_at_its_line(case: str, tmp_path: Path) -> None:
    text, line, words = WRONG[case]
    with pytest.raises(archc.SpecError) as error:
        read(tmp_path, text)
    (problem,) = error.value.problems
    assert problem.code == "E0804"
    assert words in problem.message
    assert (problem.mark.line if problem.mark else 0) == line


LARGE = {
    "weights": HEAD + conv("a", "data", 2_000_000_000, 3),
    "values": HEAD.replace("15", "2000000000").replace("12", "2000000000") + relu("data"),
    "values of a map": HEAD.replace("15", "40000").replace("12", "40000") + relu("data"),
    "layers": HEAD + 'layer{type:"ReLU" bottom:"data" top:"data"}' * 30_000,
}


@pytest.mark.parametrize("case", LARGE)
def test_claims_are_refused_before_anything_is_computed(case: str, tmp_path: Path) -> None:
    with pytest.raises(archc.SpecError) as error:
        read(tmp_path, LARGE[case])
    assert [problem.code for problem in error.value.problems] == ["E0805"]


FORMS = {
    "split": layer("Split", "s", "data", "a b") + layer("Eltwise", "y", "a b"),
    "flatten": layer("Flatten", "f", "data") + layer("Flatten", "g", "f") + layer("ReLU", "y", "g"),
    "shuffle": layer("ShuffleChannel", "y", "data", shuffle_channel_param="group: 2"),
    "activations": layer("Swish", "a", "data") + layer("ReLU6", "b", "a") + layer("PReLU", "y", "b", prelu_param="channel_shared: true"),
    "depthwise": layer("ConvolutionDepthwise", "y", "data", convolution_param="num_output: 4 kernel_size: 3"),
    "gate": layer("Pooling", "p", "data", pooling_param="pool: AVE global_pooling: true") + layer("Scale", "y", "data p"),
    "softmax within": layer("Softmax", "s", "data") + layer("ReLU", "y", "s"),
    "equal parts": layer("Slice", "s", "data", "a b") + layer("Concat", "y", "b a"),
    "a norm alone": layer("BatchNorm", "n", "data") + layer("ReLU", "y", "n"),
    "a join of one": layer("Concat", "y", "data") + layer("ReLU", "z", "y"),
    "sizes for each axis": conv("y", "data", 2, 3, "kernel_size: 2 stride: 2 stride: 1"),
}  # fmt: skip


@pytest.mark.parametrize("case", FORMS)
def test_every_form_of_a_layer(case: str, tmp_path: Path) -> None:
    graph = read(tmp_path, HEAD + FORMS[case])
    assert not graph.unsupported
    assert graph.run is not None
    modules = neutral.modules_of(graph)
    state = neutral.state_of(graph, modules)
    x = torch.randn(2, 4, 15, 12, generator=torch.Generator().manual_seed(0))
    assert relative_difference(neutral.run(graph, modules, state, x), graph.run(state, [x])) < 1e-5


UNSUPPORTED = {
    "InnerProduct": layer("InnerProduct", "y", "data", inner_product_param="num_output: 2 axis: 2"),
    "Swish": layer("Swish", "y", "data", swish_param="beta: 2.0"),
    "Scale": conv("c", "data", 4, 3) + layer("Scale", "y", "data c"),
    "Concat": layer("Concat", "y", "data data", concat_param="axis: 2"),
    "Slice": layer("Slice", "s", "data", "a b", slice_param="axis: 2"),
    "Softmax": layer("Softmax", "s", "data", softmax_param="axis: 2") + layer("ReLU", "y", "s"),
    "Flatten": layer("Flatten", "y", "data", flatten_param="axis: 2"),
}


@pytest.mark.parametrize("operation", UNSUPPORTED)
def test_forms_without_a_layer_type_are_not_said(operation: str, tmp_path: Path) -> None:
    graph = read(tmp_path, HEAD + UNSUPPORTED[operation])
    assert [unsupported.operation for unsupported in graph.unsupported] == [operation]


FILLERS = {
    "xavier { type: 'xavier' }": ("uniform", 3, "in"),
    "xavier out { type: 'xavier' variance_norm: FAN_OUT }": ("uniform", 3, "out"),
    "xavier average { type: 'xavier' variance_norm: AVERAGE }": ("uniform", 3, "average"),
    "msra { type: 'msra' }": ("normal", 2, "in"),
    "msra out { type: 'msra' variance_norm: 1 }": ("normal", 2, "out"),
    "msra average { type: 'msra' variance_norm: AVERAGE }": ("normal", 2, "average"),
}


@pytest.mark.parametrize("case", FILLERS)
@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution", "InnerProduct"])
def test_weights_are_drawn_as_caffe_draws_them(case: str, kind: str, tmp_path: Path) -> None:
    """The bound of a uniform distribution is √(3/n), the deviation of a normal one √(2/n), for 30,000 weights or more.

    Caffe's fan-in is the size of a blob by its first axis, and the fan-out by its second.
    """
    distribution, factor, fan = FILLERS[case]
    field, size = ("inner_product_param", "") if kind == "InnerProduct" else ("convolution_param", "kernel_size: 3")
    filler = case[case.index("{") :]
    given = f"num_output: 96 {size} bias_term: false weight_filler {filler}"
    head = HEAD.replace("dim: 4 dim: 15 dim: 12", "dim: 40 dim: 3 dim: 3")
    (tmp_path / "net.prototxt").write_text(head + layer(kind, "first", "data", **{field: given}), "utf-8")
    torch.manual_seed(0)
    model = archc.loads(archc.import_(tmp_path / "net.prototxt").text).build()
    (weight,) = (value for key, value in model.state_dict().items() if key.endswith("weight"))
    fans = {"in": weight.numel() / weight.shape[0], "out": weight.numel() / weight.shape[1]}
    n = fans[fan] if fan in fans else sum(fans.values()) / 2
    spread = (factor / n) ** 0.5
    assert weight.numel() >= 30_000
    if distribution == "uniform":
        assert 0.999 * spread < float(weight.abs().max()) <= spread
        assert float(weight.std()) == pytest.approx(spread / 3**0.5, rel=0.02)
    else:
        assert float(weight.std()) == pytest.approx(spread, rel=0.02)
        assert float((weight.abs() < spread).float().mean()) == pytest.approx(0.6827, abs=0.01)
    assert float(weight.mean()) == pytest.approx(0, abs=0.02 * spread)


def filled(folder: Path, *layers: str) -> tuple[dict[str, Tensor], str]:
    """The initial weights of a network, and the rules and comments of its spec."""
    (folder / "net.prototxt").write_text(HEAD + "".join(layers), "utf-8")
    text = archc.import_(folder / "net.prototxt").text
    lines = [line.strip() for line in text.splitlines() if line.startswith(("  - {match", "# The filler"))]
    return archc.loads(text).build().state_dict(), "\n".join(lines)


def test_layers_with_one_filler_have_one_rule(tmp_path: Path) -> None:
    """By their type if all of it have it, and also if some have no bias; else by their paths, even a type's name."""
    xavier = "weight_filler { type: 'xavier' } bias_filler { value: 0.2 }"
    weights, rules = filled(
        tmp_path,
        conv("a", "data", 8, 3, xavier),
        conv("b", "a", 8, 3, f"{xavier} bias_term: false"),
        layer("PReLU", "prelu", "b", "b", prelu_param="filler { value: 0.1 }"),
        layer("InnerProduct", "fc1", "b", inner_product_param=f"num_output: 6 {xavier}"),
        layer("InnerProduct", "linear", "fc1", inner_product_param="num_output: 6 weight_filler { value: 3 }"),
        layer("InnerProduct", "last", "linear", inner_product_param="num_output: 5"),
    )
    assert rules.splitlines() == [
        "- {match: [conv2d, fc1], weight: {kaiming_uniform: {nonlinearity: linear}}, bias: 0.2}",
        "- {match: prelu, weight: 0.1}",
        '- {match: "[l]inear", weight: 3, bias: 0}',
    ]
    assert {float(value) for key in ("a.bias", "fc1.bias") for value in weights[key]} == {weights["a.bias"][0].item()}
    assert float(weights["a.bias"][0]) == pytest.approx(0.2)
    assert weights["linear.weight"].eq(3).all()
    assert weights["linear.bias"].eq(0).all()
    assert not weights["last.weight"].eq(3).any()


def test_other_fillers(tmp_path: Path) -> None:
    """Scale layers have some, too; a filler without an initializer is named."""
    weights, rules = filled(
        tmp_path,
        conv("a", "data", 4, 3, "weight_filler { type: 'gaussian' mean: 1 std: 0.01 }"),
        conv("b", "a", 4, 3, "weight_filler { type: 'uniform' min: -0.5 max: 0.25 }"),
        layer("BatchNorm", "norm", "b", "b"),
        layer("Scale", "scale", "b", "b", scale_param="filler { value: 0.5 } bias_filler { value: 2 } bias_term: true"),
        layer(
            "Deconvolution",
            "up",
            "b",
            convolution_param="num_output: 4 kernel_size: 2 weight_filler { type: 'bilinear' }",
        ),
        layer(
            "InnerProduct", "fc", "up", inner_product_param="num_output: 6 weight_filler { type: 'gaussian' sparse: 3 }"
        ),
    )
    assert rules.splitlines() == [
        "# The filler `bilinear` was dropped, because archc has no such initializer: up.",
        "# The filler `gaussian` was dropped, because archc has no such initializer: fc.",
        "- {match: a, weight: {normal: {mean: 1.0, std: 0.01}}, bias: 0}",
        "- {match: b, weight: {uniform: {a: -0.5, b: 0.25}}, bias: 0}",
        "- {match: batch_norm2d, weight: 0.5, bias: 2}",
        "- {match: [conv_transpose2d, linear], bias: 0}",
    ]
    assert float(weights["a.weight"].mean()) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("filler", ["type: 'uniform' min: 2 max: 1", "type: 'gaussian' std: -1", "value: nan"])
def test_a_filler_with_wrong_numbers_is_an_error(filler: str, tmp_path: Path) -> None:
    with pytest.raises(archc.SpecError) as error:
        filled(tmp_path, conv("a", "data", 8, 3, f"weight_filler {{ {filler} }}"))
    assert [problem.code for problem in error.value.problems] == ["E0804"]
