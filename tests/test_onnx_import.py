"""`archc import` of .onnx files: each operator means the same, blocks are found, and hostile files are refused."""

# ruff: noqa: E501  (rows of operators)
from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from shell import Shell

import archc
from archc.build.random_weights import random_weights
from archc.graph import Graph, Instance, walk
from archc.importing import import_

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def constant(name: str, values: Any) -> Any:
    return numpy_helper.from_array(numpy.asarray(values), name)


def weights(name: str, *shape: int) -> Any:
    return constant(name, numpy.full(shape, 0.02, numpy.float32))


def save(
    nodes: Sequence[Any],
    tensors: Sequence[Any] = (),
    opset: int = 21,
    input: Sequence[Any] = ("batch", 4, 9, 12),
    outputs: Sequence[str] = ("y",),
) -> str:
    """Write net.onnx, a model whose input is `x`."""
    made = helper.make_graph(
        nodes,
        "Net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, input)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        tensors,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    Path("net.onnx").write_bytes(model.SerializeToString())
    return "net.onnx"


def imported(nodes: Sequence[Any], tensors: Sequence[Any] = (), opset: int = 21, **more: Any) -> list[str]:
    """The layer types of an imported model, which is verified against onnxruntime."""
    found = import_(save(nodes, tensors, opset, **more))
    assert "by onnxruntime" in found.report
    return [layer.kind.kind for layer in walk(found.network.graph)]


def node(op: str, inputs: str, output: str = "y", **attributes: Any) -> Any:
    return helper.make_node(op, inputs.split(), output.split(), **attributes)


CONV = node("Conv", "x w", "c", pads=[1, 1, 1, 1])
W = weights("w", 4, 4, 3, 3)


def after_conv(*nodes: Any) -> list[Any]:
    return [CONV, *nodes]


# fmt: off
MODELS: dict[str, tuple[list[Any], list[Any], int, list[str]]] = {
    "conv": (
        [node("Conv", "x w b", strides=[2, 1], pads=[1, 2, 1, 2], dilations=[1, 2], group=2)],
        [weights("w", 6, 2, 3, 3), weights("b", 6)],
        21,
        ["conv2d"],
    ),
    "uneven padding": ([node("Conv", "x w", pads=[0, 1, 1, 2])], [W], 21, ["pad", "conv2d"]),
    "same padding": ([node("Conv", "x w", auto_pad="SAME_UPPER", strides=[2, 2])], [W], 21, ["pad", "conv2d"]),
    "transposed": (
        [node("ConvTranspose", "x w", strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1])],
        [weights("w", 4, 2, 3, 3)],
        21,
        ["conv_transpose2d"],
    ),
    "batch norm, scale, shift": (
        [
            node("BatchNormalization", "x s b m v", "n", epsilon=0.001),
            node("Unsqueeze", "k", "k2", axes=[1, 2]),
            node("Mul", "n k2", "p"),
            node("Unsqueeze", "d", "d2", axes=[1, 2]),
            node("Add", "p d2"),
        ],
        [weights(name, 4) for name in "sbmvkd"],
        9,
        ["batch_norm2d"],
    ),
    "max pool": (
        after_conv(node("MaxPool", "c", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1])),
        [W],
        9,
        ["conv2d", "max_pool2d"],
    ),
    "average pool": (
        after_conv(node("AveragePool", "c", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])),
        [W],
        7,
        ["conv2d", "avg_pool2d"],
    ),
    "counted padding": (
        after_conv(node("AveragePool", "c", kernel_shape=[3, 2], pads=[1, 0, 1, 0], count_include_pad=1)),
        [W],
        11,
        ["conv2d", "avg_pool2d"],
    ),
    "gemm": (
        after_conv(node("GlobalMaxPool", "c", "p"), node("Flatten", "p", "f"), node("Gemm", "f v b", transB=1)),
        [W, weights("v", 5, 4), weights("b", 5)],
        13,
        ["conv2d", "adaptive_max_pool2d", "flatten", "linear"],
    ),
    "matmul and add": (
        after_conv(
            node("ReduceMean", "c", "p", axes=[2, 3], keepdims=0), node("MatMul", "p v", "m"), node("Add", "m b")
        ),
        [W, weights("v", 4, 5), weights("b", 5)],
        13,
        ["conv2d", "mean", "linear"],
    ),
    "weights as nodes": (
        [
            node("ConstantOfShape", "s", "w", value=constant("", numpy.array([0.02], numpy.float32))),
            CONV,
            node("Relu", "c"),
        ],
        [constant("s", numpy.array([4, 4, 3, 3]))],
        9,
        ["conv2d", "relu"],
    ),
    "shapes": (
        after_conv(
            node("Shape", "c", "s"),
            node("Gather", "s zero", "n"),
            node("Unsqueeze", "n axes", "n1"),
            node("Concat", "n1 rest", "t", axis=0),
            node("Reshape", "c t"),
        ),
        [W, constant("zero", numpy.array(0)), constant("axes", numpy.array([0])), constant("rest", numpy.array([-1]))],
        13,
        ["conv2d", "flatten"],
    ),
    "means and maxima of axes": (
        after_conv(
            node("ReduceMean", "c", "m", axes=[2], keepdims=0),
            node("Softmax", "m", "s"),
            node("ReduceMax", "s", axes=[1, 2]),
        ),
        [W],
        13,
        ["conv2d", "mean", "softmax", "amax", "flatten"],
    ),
    "channel shuffle": (
        after_conv(
            node("Reshape", "c five", "a"), node("Transpose", "a", "b", perm=[0, 2, 1, 3, 4]), node("Reshape", "b four")
        ),
        [W, constant("five", numpy.array([0, 2, 2, 9, 12])), constant("four", numpy.array([0, -1, 9, 12]))],
        9,
        ["conv2d", "channel_shuffle"],
    ),
    "split": (
        after_conv(node("Split", "c n", "a b", axis=1), node("Relu", "a", "r"), node("Concat", "b r", axis=1)),
        [W, constant("n", numpy.array([1, 3]))],
        13,
        ["conv2d", "split", "relu", "concat"],
    ),
    "slice": (
        after_conv(node("Slice", "c one three axis", "a"), node("Tanh", "a")),
        [W, *(constant(name, numpy.array([at])) for name, at in (("one", 1), ("three", 3), ("axis", 1)))],
        13,
        ["conv2d", "split", "tanh"],
    ),
    "joins": (
        after_conv(node("Sum", "c x c", "s"), node("Sigmoid", "s", "g"), node("Mul", "x g", "p"), node("Add", "p c")),
        [W],
        13,
        ["conv2d", "add", "sigmoid", "multiply", "add"],
    ),
    "activations": (
        after_conv(
            node("Clip", "c low high", "a"),
            node("Sigmoid", "a", "s"),
            node("Mul", "a s", "b"),
            node("HardSigmoid", "b", "h", alpha=1 / 6),
            node("Mul", "b h", "d"),
            node("LeakyRelu", "d", "e", alpha=0.2),
            node("Elu", "e", "f", alpha=0.5),
            node("PRelu", "f p", "g"),
            node("LRN", "g", size=3, alpha=0.5, beta=0.75, bias=2.0),
        ),
        [W, constant("low", numpy.float32(0)), constant("high", numpy.float32(6)), weights("p", 4, 1, 1)],
        13,
        ["conv2d", "relu6", "silu", "hardswish", "leaky_relu", "elu", "prelu", "local_response_norm"],
    ),
    "pad and resize": (
        after_conv(
            node("Pad", "c pads", "p", mode="reflect"),
            node(
                "Resize",
                "p  scales",
                "u",
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            ),
            node("Dropout", "u", "d"),
            node("Identity", "d"),
        ),
        [
            W,
            constant("pads", numpy.array([0, 0, 1, 0, 0, 0, 1, 2])),
            constant("scales", numpy.array([1, 1, 2, 2], numpy.float32)),
        ],
        13,
        ["conv2d", "pad", "upsample", "dropout"],
    ),
    "upsample": (
        after_conv(node("Upsample", "c", mode="nearest", scales=[1.0, 1.0, 2.0, 2.0])),
        [W],
        7,
        ["conv2d", "upsample"],
    ),
    "axes of rows": (
        after_conv(node("Concat", "c x", "j", axis=2), node("Transpose", "j", "t", perm=[0, 2, 3, 1]), node("Reshape", "t s")),
        [W, constant("s", numpy.array([0, 2, -1]))],
        13,
        ["conv2d", "concat", "permute", "flatten", "unflatten"],
    ),
    "axes of length 1": (
        after_conv(node("Unsqueeze", "c two", "u"), node("Relu", "u", "r"), node("Squeeze", "r two", "s"), node("Unsqueeze", "s two")),
        [W, constant("two", numpy.array([2]))],
        13,
        ["conv2d", "unflatten", "relu"],
    ),
    "a pool of points": (
        [
            node("Unsqueeze", "x two", "u"), node("ReduceMax", "u last", "m", keepdims=1), node("Squeeze", "m two", "s"),
            node("Flatten", "s", "f"), node("Gemm", "f v"),
        ],
        [constant("two", numpy.array([-2])), constant("last", numpy.array([-3, -2, -1])), weights("v", 4, 3)],
        18,
        ["adaptive_max_pool2d", "flatten", "linear"],
    ),
    "padded channels": (
        after_conv(node("Pad", "c p", "r"), node("Pad", "r q z a")),
        [W, constant("p", numpy.array([0, 2, 0, 0, 0, 2, 0, 0])), constant("q", numpy.array([1, -1])), constant("a", numpy.array([3])), constant("z", numpy.float32(2))],
        18,
        ["conv2d", "pad", "pad"],
    ),
    "pixel shuffle": (
        after_conv(node("DepthToSpace", "c", blocksize=2, mode="CRD")),
        [W],
        13,
        ["conv2d", "pixel_shuffle"],
    ),
    "instance norm": (
        after_conv(node("InstanceNormalization", "c s b")),
        [W, weights("s", 4), weights("b", 4)],
        13,
        ["conv2d", "instance_norm2d"],
    ),
    "softmax at the end": (
        after_conv(node("GlobalAveragePool", "c", "p"), node("Softmax", "p", axis=1)),
        [W],
        13,
        ["conv2d", "adaptive_avg_pool2d", "flatten"],
    ),
}
MODELS |= {  # more forms of the same operators
    "lower same padding": ([node("Conv", "x w", auto_pad="SAME_LOWER", strides=[2, 2])], [W], 21, ["pad", "conv2d"]),
    "no padding": ([node("Conv", "x w", auto_pad="VALID")], [W], 21, ["conv2d"]),
    "a pool that pads": (after_conv(node("MaxPool", "c", kernel_shape=[2, 2], pads=[0, 0, 1, 1])), [W], 12, ["conv2d", "pad", "max_pool2d"]),
    "a pool that rounds up": (after_conv(node("AveragePool", "c", kernel_shape=[2, 3], strides=[2, 3], ceil_mode=1)), [W], 19, ["conv2d", "avg_pool2d"]),
    "one window": (after_conv(node("AveragePool", "c", kernel_shape=[9, 12])), [W], 19, ["conv2d", "adaptive_avg_pool2d", "flatten"]),
    "mean with axes": (after_conv(node("ReduceMean", "c a", keepdims=1)), [W, constant("a", numpy.array([-1, -2]))], 18, ["conv2d", "adaptive_avg_pool2d", "flatten"]),
    "squeeze": (after_conv(node("GlobalAveragePool", "c", "p"), node("Squeeze", "p a")), [W, constant("a", numpy.array([2, 3]))], 13, ["conv2d", "adaptive_avg_pool2d", "flatten"]),
    "gemm as stored": (
        after_conv(node("Flatten", "c", "f"), node("Gemm", "f v", "g"), node("Softmax", "g", "s", axis=1), node("Relu", "s")),
        [W, weights("v", 432, 5)], 13, ["conv2d", "flatten", "linear", "softmax", "relu"],
    ),
    "gates": (
        after_conv(node("HardSigmoid", "c", "h", alpha=1 / 6), node("Gelu", "h", "g"), node("Selu", "g", "s"), node("Mish", "s", "m"), node("HardSwish", "m")),
        [W], 20, ["conv2d", "hardsigmoid", "gelu", "selu", "mish", "hardswish"],
    ),
    "relu as a clip": (after_conv(node("Clip", "c low")), [W, constant("low", numpy.float32(0))], 13, ["conv2d", "relu"]),
    "parts": (after_conv(node("Split", "c", "a b", axis=1, num_outputs=2), node("Mul", "a b")), [W], 18, ["conv2d", "chunk", "multiply"]),
    "bilinear": (
        after_conv(helper.make_node("Resize", ["c", "", "f"], ["y"], mode="linear", coordinate_transformation_mode="half_pixel")),
        [W, constant("f", numpy.array([1, 1, 2, 2], numpy.float32))], 13, ["conv2d", "upsample"],
    ),
    "nothing": (
        after_conv(node("Transpose", "c", "t", perm=[0, 1, 2, 3]), node("Reshape", "t s", "r"), node("Cast", "r", "k", to=1), node("Concat", "k", "j", axis=1), node("Sum", "j", "u"), node("Slice", "u a b o", "v"), node("Relu", "v")),
        [W, constant("s", numpy.array([0, 4, 9, 12])), *(constant(n, numpy.array([v])) for n, v in (("a", 0), ("b", 99), ("o", 1)))], 13, ["conv2d", "relu"],
    ),
    "padding with a value": (
        after_conv(node("Pad", "c pads value")),
        [W, constant("pads", numpy.array([0, 0, 1, 1, 0, 0, 1, 1])), constant("value", numpy.float32(2))], 13, ["conv2d", "pad"],
    ),
    "a domain": (after_conv(node("Relu", "c")), [W], 17, ["conv2d", "relu"]),
    "a zero bias": ([node("ConstantOfShape", "n", "b"), node("Conv", "x w b", pads=[1, 1, 1, 1])], [W, constant("n", numpy.array([4]))], 13, ["conv2d"]),
}
# fmt: on
MODELS["pad and resize"][0][2].input[:] = ["p", "", "scales"]  # no region of interest


@pytest.mark.parametrize("case", MODELS)
def test_an_operator_means_the_same(case: str) -> None:
    """The layers, and equal outputs by onnxruntime with random weights."""
    nodes, tensors, opset, kinds = MODELS[case]
    assert imported(nodes, tensors, opset) == kinds


UNSUPPORTED = {
    "an even window": (after_conv(node("LRN", "c", size=2)), [], "LRN", "even size"),
    "another clip": (after_conv(node("Clip", "c low")), [constant("low", numpy.float32(-1))], "Clip", "bounds other"),
    "another operator": (after_conv(node("Erf", "c")), [], "Erf", ""),
    "weights that are no constant": ([node("Conv", "x x")], [], "Conv", "not constant"),
    "a constant sum": (after_conv(node("Add", "c k")), [weights("k", 1)], "Add", "with a constant"),
    "a factor": (after_conv(node("Upsample", "c", scales=[1.0, 1.0, 1.5, 1.5])), [], "Upsample", "integer factor"),
    "pooled unevenly": (after_conv(node("AveragePool", "c", kernel_shape=[2, 2], pads=[0, 0, 1, 1])), [], "AveragePool", "not counted"),
    "a spread pool": (after_conv(node("AveragePool", "c", kernel_shape=[2, 2], dilations=[2, 2])), [], "AveragePool", "dilation"),
    "a mean of the batch": (after_conv(node("ReduceMean", "c", axes=[0])), [], "ReduceMean", "over the batch"),
    "a slope": (after_conv(node("HardSigmoid", "c")), [], "HardSigmoid", "slope"),
    "softmax of images": (
        after_conv(node("Softmax", "c", "s", axis=0), node("Relu", "s")), [], "Softmax", "over the batch",
    ),
    "sum of shapes": (after_conv(node("GlobalAveragePool", "c", "p"), node("Add", "c p")), [], "Add", "different shapes"),
    "split rows": (after_conv(node("Split", "c", "y z", axis=2, split=[4, 5])), [], "Split", "not over channels"),
    "slice of rows": (after_conv(node("Slice", "c a b a")), [constant("a", numpy.array([2])), constant("b", numpy.array([3]))], "Slice", "not of channels"),
    "flat rows": (after_conv(node("Flatten", "c", axis=2)), [], "Flatten", "other axes"),
    "blocks first": (after_conv(node("DepthToSpace", "c", blocksize=2)), [], "DepthToSpace", "DCR"),
    "joined batches": (after_conv(node("Concat", "c x", axis=0)), [], "Concat", "over the batch"),
    "a reshape of the batch": (after_conv(node("Reshape", "c s")), [constant("s", numpy.array([2, -1]))], "Reshape", "to 2×-1"),
    "the batch last": (after_conv(node("Transpose", "c")), [], "Transpose", "of the batch"),
    "a squeezed batch": (after_conv(node("Squeeze", "c", axes=[0])), [], "Squeeze", "of the batch"),
    "an axis before the batch": (after_conv(node("Unsqueeze", "c", axes=[0])), [], "Unsqueeze", "before the batch"),
    "channels on one side": (after_conv(node("Pad", "c", pads=[0, 1, 0, 0, 0, 0, 0, 0])), [], "Pad", "on one side"),
    "a padded vector": (after_conv(node("Flatten", "c", "f"), node("Pad", "f", pads=[0, 1, 0, 1])), [], "Pad", "a feature map"),
    "a map times weights": (after_conv(node("MatMul", "c v")), [weights("v", 12, 3)], "MatMul", "than a vector"),
    "scaled": (after_conv(node("Flatten", "c", "f"), node("Gemm", "f v", alpha=2.0)), [weights("v", 432, 3)], "Gemm", "with factors"),
    "transposed unevenly": ([node("ConvTranspose", "x w", pads=[0, 0, 1, 1])], [], "ConvTranspose", "uneven"),
    "no size": (after_conv(node("Upsample", "c c")), [], "Upsample", ""),
    "slopes": (after_conv(node("PRelu", "c p")), [weights("p", 4, 9, 1)], "PRelu", "several axes"),
    "shared weights": (after_conv(node("Conv", "c w")), [], "Conv", "shares the weights `w`"),
    "indices": (after_conv(node("MaxPool", "c", "y i", kernel_shape=[2, 2])), [], "MaxPool", "with indices"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNSUPPORTED)
def test_what_cannot_be_said_is_named(case: str) -> None:
    nodes, tensors, operation, reason = UNSUPPORTED[case]
    opset = {"Upsample": 9 if case == "no size" else 7, "Pad": 7, "Clip": 21, "AveragePool": 21, "Gemm": 21}
    with pytest.raises(archc.SpecError) as error:
        imported(nodes, [W, *tensors], opset.get(operation, 10))
    (problem,) = error.value.problems
    assert problem.code == "E0801"
    assert f"`{operation}`" in problem.message
    assert reason in problem.message


def test_all_that_cannot_be_said_is_one_report() -> None:
    nodes = after_conv(node("Erf", "c", "e"), node("Neg", "e", "n"), node("Erf", "n"))
    with pytest.raises(archc.SpecError) as error:
        imported(nodes, [W])
    assert [problem.message for problem in error.value.problems] == [
        "archc has no layer type for `Erf` (2 times)",
        "archc has no layer type for `Neg`",
    ]


def test_weights_come_with_the_specs_keys() -> None:
    """Also those that archc stores transposed, and a batch norm with a scale and a shift of its own."""
    nodes, tensors, opset, _ = MODELS["matmul and add"]
    values = numpy.arange(20, dtype=numpy.float32).reshape(4, 5)
    found = import_(save(nodes, [tensors[0], constant("v", values), tensors[2]], opset))
    assert len(found.weights) == 3
    (linear,) = (value for value in found.weights.values() if value.shape == (5, 4))
    assert linear.equal(torch.from_numpy(values.T.copy()))
    model = archc.build.build(found.network)
    model.load_state_dict(dict(found.weights))
    nodes, _, opset, _ = MODELS["batch norm, scale, shift"]
    numbers = zip("sbmvkd", (2.0, 3.0, 5.0, 7.0, 11.0, 13.0), strict=True)
    found = import_(save(nodes, [constant(name, numpy.full(4, n, numpy.float32)) for name, n in numbers], opset))
    assert sorted({float(value[0]) for value in found.weights.values() if value.dim()}) == [
        5.0,
        7.0,
        2 * 11.0,
        3 * 11.0 + 13.0,
    ]


def test_a_network_that_archc_exported_comes_back(sh: Shell) -> None:
    """The same blocks, keys and outputs; the file holds no paths of this machine."""
    text = """
name: Net
input: [2, 8, 8]
blocks:
  Unit:
    arguments: {out_channels: }
    layers:
      conv: {conv2d: {out_channels: $out_channels, kernel_size: 3, padding: same, bias: false}}
      bn: batch_norm2d
      relu: relu
layers:
  first: {Unit: 4}
  second: {Unit: 4}
  sum: {add: [first, second]}
  third: {Unit: 8}
  pool: {adaptive_avg_pool2d: 1}
  flatten: flatten
  fc: {linear: 3}
"""
    Path("net.yaml").write_text(text, "utf-8")
    model = archc.load("net.yaml").build()
    state = random_weights(model.state_dict())
    archc.build.save_state(state, Path("net.safetensors"))
    archc.export("net.yaml", "net.onnx", weights="net.safetensors", dynamic=["batch"])
    assert str(Path(archc.__file__).parent).encode() not in Path("net.onnx").read_bytes()
    assert sh("import", "net.onnx", "-o", "again.yaml", "--weights", "again.safetensors")[0] == 0
    code, out, _ = sh("diff", "net.yaml", "again.yaml")
    assert (code, "structurally equal" in out) == (0, True), out
    again = archc.load("again.yaml")
    assert "Unit" in again.network.spec.blocks
    twin = again.build()
    archc.build.load_weights(twin, Path("again.safetensors"))
    x = torch.randn(2, 2, 8, 8)
    model.load_state_dict(state)
    assert twin.eval()(x).equal(model.eval()(x))
    assert sh("summary", "net.onnx")[0] == 0


@pytest.mark.parametrize(
    ("name", "parameters", "block", "uses"),
    [
        ("squeezenet", 1_235_496, "Branches", 8),
        ("shufflenet", None, "Residual", 13),
        pytest.param("inception_v1", 6_998_552, "Inception", 9, marks=pytest.mark.slow),
        pytest.param("densenet121", None, "DenseLayer", 58, marks=pytest.mark.slow),
        pytest.param("resnet50", None, "Residual2", 12, marks=pytest.mark.slow),
        pytest.param("inception_v2", None, "Inception", None, marks=pytest.mark.slow),
        pytest.param("bvlc_alexnet", 60_965_224, "ConvReLU", 5, marks=pytest.mark.slow),
        pytest.param("zfnet512", None, "ConvReLU", 5, marks=pytest.mark.slow),
        pytest.param("vgg19", 143_667_240, "ConvReLU", 16, marks=pytest.mark.slow),
    ],
)
def test_published_networks(name: str, parameters: int | None, block: str, uses: int | None) -> None:
    """The nine files of the onnx wheel as they are: verified by onnxruntime, with their blocks and parameters."""
    found = import_(LIGHT / f"light_{name}.onnx")
    assert "by onnxruntime" in found.report
    if parameters is not None:
        assert archc.loads(found.text).cost.parameters == parameters
    if uses is not None:
        assert uses_of(found.network.graph, block) == uses


def uses_of(graph: Graph, block: str) -> int:
    inner = [node.graph for node in graph.nodes if node.graph is not None]
    own = [node for node in graph.nodes if isinstance(node.element, Instance) and node.element.block.name == block]
    return len(own) + sum(uses_of(each, block) for each in inner)


def chain(count: int) -> list[Any]:
    return [node("Relu", f"v{at}" if at else "x", f"v{at + 1}") for at in range(count)]


def hostile_cycle() -> None:
    save([node("Relu", "b", "a"), node("Relu", "a", "b"), node("Add", "a x")])


def hostile_external(location: str, length: int = 16) -> None:
    save([CONV, node("Relu", "c")], [W])
    model = onnx.load("net.onnx")
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
    Path("net.onnx").write_bytes(model.SerializeToString())


def hostile_claim(*sizes: int) -> None:
    save([CONV, node("Relu", "c")], [W])
    model = onnx.load("net.onnx")
    model.graph.initializer[0].dims[:] = sizes
    Path("net.onnx").write_bytes(model.SerializeToString())


def hostile_constant() -> None:
    save([node("ConstantOfShape", "s", "w"), node("Conv", "x w")], [constant("s", numpy.array([2**40, 4, 1, 1]))])


def hostile_expand() -> None:
    sizes = constant("s", numpy.array([2**20, 2**20]))
    save([node("Expand", "k s", "w"), node("MatMul", "x w")], [weights("k", 1), sizes])


def linked() -> None:
    Path("data.bin").symlink_to("/etc/passwd")
    hostile_external("data.bin")


HOSTILE = {
    "many nodes": (lambda: save(chain(100_000), outputs=["v100000"]), "E0805"),
    "20,001 layers": (lambda: save(chain(20_001), outputs=["v20001"]), "E0805"),
    "a cycle": (hostile_cycle, "E0804"),
    "a missing input": (lambda: save([node("Add", "x nothing")]), "E0804"),
    "no output": (lambda: save([node("Relu", "x", "z")]), "E0804"),
    "no node": (lambda: save([]), "E0804"),
    "two inputs": (lambda: Path("net.onnx").write_bytes(two_inputs()), "E0804"),
    "an unknown size": (lambda: save([node("Relu", "x")], input=["batch", 3, "height", "width"]), "E0804"),
    "an old opset": (lambda: save([node("Relu", "x")], opset=6), "E0804"),
    "no model": (lambda: Path("net.onnx").write_bytes(b"\xff" * 100), "E0804"),
    "no file": (lambda: None, "E0101"),
    "a claim of 1 TB": (lambda: hostile_claim(2**18, 2**18, 2, 2), "E0805"),
    "a claim of 1 GB": (lambda: hostile_claim(2**14, 2**14, 1, 1), "E0804"),
    "a negative size": (lambda: hostile_claim(-4, 4, 3, 3), "E0805"),
    "a large constant": (hostile_constant, "E0804"),
    "an expansion": (hostile_expand, "E0801"),
    "data outside the folder": (lambda: hostile_external("../../etc/passwd"), "E0804"),
    "data of the system": (lambda: hostile_external("/etc/passwd"), "E0804"),
    "a link": (linked, "E0804"),
    "no data": (lambda: hostile_external("none.bin"), "E0804"),
    "a name that is not UTF-8": (lambda: hostile_bytes(b"Net", b"N\xff\xfe"), "E0804"),
    "an attribute of another type": (lambda: save([node("LeakyRelu", "x", alpha="much")]), "E0804"),
    "an attribute of no operator": (lambda: save([node("Relu", "x", slope=1)]), "E0804"),
    "too few inputs": (lambda: save([node("Add", "x")]), "E0804"),
    "axes in a table": (lambda: save([node("Squeeze", "x axes")], [constant("axes", numpy.array([[2], [3]]))]), "E0804"),
    "axes that are no integers": (lambda: save([node("Squeeze", "x axes")], [constant("axes", numpy.array([2.5]))]), "E0804"),
    "values without end": (lambda: save([node("Relu", "x")], input=["batch", 2**20, 2**10, 2**10]), "E0805"),
}  # fmt: skip


def hostile_bytes(old: bytes, new: bytes) -> None:
    save([CONV, node("Relu", "c")], [W])
    content = Path("net.onnx").read_bytes()
    assert old in content
    Path("net.onnx").write_bytes(content.replace(old, new))


def two_inputs() -> bytes:
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in "ab"]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    made: bytes = helper.make_model(helper.make_graph([node("Add", "a b")], "g", inputs, outputs)).SerializeToString()
    return made


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_gets_a_clear_error_soon(case: str) -> None:
    make, code = HOSTILE[case]
    make()
    started = time.process_time()
    with pytest.raises(archc.SpecError) as error:
        import_("net.onnx")
    assert time.process_time() - started < 5
    assert [problem.code for problem in error.value.problems] == [code]


def test_data_beside_the_model_is_read() -> None:
    values = numpy.arange(4 * 4 * 3 * 3, dtype=numpy.float32)
    Path("data.bin").write_bytes(values.tobytes())
    hostile_external("data.bin", values.nbytes)
    (found,) = import_("net.onnx").weights.values()
    assert found.flatten().equal(torch.from_numpy(values))


def test_other_domains_are_named() -> None:
    custom = helper.make_node("Special", ["c"], ["y"], domain="com.example")
    with pytest.raises(archc.SpecError) as error:
        imported(after_conv(custom), [W])
    assert "archc has no layer type for `com.example.Special`: of the domain com.example" in str(error.value)


def test_another_input_size_and_several_outputs() -> None:
    path = save(after_conv(node("Relu", "c", "a"), node("Tanh", "c", "b")), [W], outputs=["a", "b"])
    found = import_(path, (4, 5, 6), name="main_graph")
    assert archc.loads(found.text).outputs == {"a": (4, 5, 6), "b": (4, 5, 6)}
    assert found.network.spec.name == "net"


def test_a_resize_to_a_size_is_a_factor() -> None:
    resize = helper.make_node("Resize", ["c", "", "", "z"], ["y"], mode="linear")
    tensors = [W, constant("z", numpy.array([1, 4, 18, 24]))]
    assert imported(after_conv(resize), tensors, 13, input=(1, 4, 9, 12)) == ["conv2d", "upsample"]
    with pytest.raises(archc.SpecError) as error:
        imported(after_conv(resize), tensors, 13)  # the size is for one image, the verification has two
    assert [problem.code for problem in error.value.problems] == ["E0803"]
    assert "cannot run the model for an input of 4×9×12" in error.value.problems[0].message


def test_a_shape_for_another_input_is_not_said() -> None:
    nodes = after_conv(node("MaxPool", "c", "p", kernel_shape=[4, 4], strides=[4, 4]), node("Reshape", "p s"))
    path = save(nodes, [W, constant("s", numpy.array([0, 24]))], input=(1, 4, 9, 12))
    assert archc.loads(import_(path).text).outputs == {"output": (24,)}
    with pytest.raises(archc.SpecError) as error:
        import_(path, (4, 20, 20))
    assert [problem.code for problem in error.value.problems] == ["E0801"]


def test_without_onnxruntime_the_reference_implementation_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(after_conv(node("Relu", "c")), [W], opset=17)
    monkeypatch.setattr("archc.importing.onnx_run.installed", lambda name: name != "onnxruntime")
    assert f"by onnx {onnx.__version__}" in import_(path).report
    monkeypatch.setattr("archc.importing.onnx_file.installed", lambda name: False)
    with pytest.raises(archc.SpecError) as error:
        import_(path)
    assert error.value.problems[0].help == "pip install 'archc-nn[onnx]'"


def invalid(nodes: Sequence[Any], tensors: Sequence[Any] = (), **more: Any) -> str:
    with pytest.raises(archc.SpecError) as error:
        import_(save(nodes, tensors, **more))
    (problem,) = error.value.problems
    assert problem.code == "E0804"
    return problem.message


def test_what_does_not_fit_is_named_with_its_node() -> None:
    wide = weights("w", 4, 3, 3, 3)
    assert "are for 3 channels, not 4" in invalid([node("Conv", "x w", name="first")], [wide])
    assert "node first" in invalid([node("Conv", "x w", name="first")], [weights("w", 4, 4)])
    assert "has no window for each axis" in invalid(after_conv(node("MaxPool", "c", kernel_shape=[2])), [W])
    assert "(input: 4×9×12)" in invalid(after_conv(node("MaxPool", "c", kernel_shape=[20, 20])), [W])
    assert "has no batch and sizes" in invalid([node("Relu", "x")], input=["batch"])
    short = weights("w", 4, 4, 3, 3)
    short.raw_data = short.raw_data[:40]
    assert "the values of `w` do not have its shape" in invalid([CONV, node("Relu", "c")], [short])
    negative = [node("ConstantOfShape", "s", "w"), CONV, node("Relu", "c")]
    assert "is not valid" in invalid(negative, [constant("s", numpy.array([-4, 4, 3, 3]))])


def test_shuffles_that_are_none_and_reshapes_that_fit_nothing() -> None:
    five, four = constant("five", numpy.array([0, 2, 2, 9, 12])), constant("four", numpy.array([0, -1, 9, 12]))
    back = after_conv(node("Reshape", "c five", "a"), node("Reshape", "a four", "b"), node("Relu", "b"))
    assert imported(back, [W, five, four], 13) == ["conv2d", "relu"]
    for sizes in ([-1, -1], [0, 7], [2, 216, -1]):
        with pytest.raises(archc.SpecError) as error:
            imported(after_conv(node("Reshape", "c s")), [W, constant("s", numpy.array(sizes))], 13)
        assert [problem.code for problem in error.value.problems] == ["E0801"]


def test_large_constants_are_not_computed() -> None:
    """Only shapes and factors are: the sum of two weights is an operation without a layer type."""
    nodes = [node("Add", "v u", "k"), CONV, node("Flatten", "c", "f"), node("MatMul", "f k")]
    with pytest.raises(archc.SpecError) as error:
        imported(nodes, [W, weights("v", 432, 400), weights("u", 432, 400)], 13)
    assert {problem.code for problem in error.value.problems} <= {"E0801", "E0804"}


def test_notes_on_modules_give_the_hierarchy() -> None:
    """Names and classes as PyTorch's exporter notes them; if they don't fit the wiring, they are not used."""
    nodes = [CONV, node("Relu", "c", "r"), node("Conv", "r v", "d", pads=[1, 1, 1, 1]), node("Relu", "d")]
    tensors = [W, weights("v", 4, 4, 3, 3)]
    for each, (path, kind) in zip(
        nodes,
        [
            ("a.conv", "conv.Conv2d"),
            ("a.act", "activation.ReLU"),
            ("b.conv", "conv.Conv2d"),
            ("b.act", "activation.ReLU"),
        ],
        strict=True,
    ):
        scopes, classes = ["", path[0], path, "x"], ["net.Net", "net.Unit", f"torch.nn.modules.{kind}", "aten.x"]
        each.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=str(scopes))
        each.metadata_props.add(key="pkg.torch.onnx.class_hierarchy", value=str(classes))
    found = import_(save(nodes, tensors))
    assert list(found.network.spec.blocks) == ["Unit"]
    assert uses_of(found.network.graph, "Unit") == 2
    nodes[3].metadata_props[0].value = str(["", "a", "a.late", "x"])
    assert "by onnxruntime" in import_(save(nodes, tensors)).report


def steps(action: Callable[[], object]) -> int:
    """How many lines of the importer an action runs: the same number on every machine and every run."""
    folder = str(Path(archc.importing.__file__).parent)
    count = 0

    def note(frame: Any, event: str, _argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return note if frame.f_code.co_filename.startswith(folder) else None

    before = sys.gettrace()
    sys.settrace(note)
    try:
        action()
    finally:
        sys.settrace(before)
    return count


def test_work_is_linear_in_the_nodes() -> None:
    """Four times the nodes, which all need a name, cost at most five times the lines. A loop with no call counts, too."""

    def work(count: int) -> None:
        rows = [node("Relu", f"v{at}" if at else "x", f"v{at + 1}") for at in range(count)]
        import_(save([*rows, node("Add", f"x v{count}")], input=("batch", 4)))

    def nodes(count: int) -> int:
        return steps(lambda: work(count))

    nodes(4)  # imports and caches
    assert nodes(800) <= 5 * nodes(200)
