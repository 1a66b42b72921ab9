"""Networks of other programs for benchmarks/fuzz.py: .cfg, .prototxt and .onnx files with changed fields."""

from __future__ import annotations

import os
import random
import re
import struct
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
from foreign import refused

import archc
from archc.importing import import_

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import test_caffe
import test_darknet

EXPORTED = [
    "[3, 12, 10]\nlayers: [{conv2d: {out_channels: 4, kernel_size: 3}}, batch_norm2d, relu, flatten, {linear: 5}]",
    """[4, 8, 8]
layers:
  a: {conv2d: {out_channels: 4, kernel_size: 1}}
  b: {add: [a, input]}
  c: {sigmoid: , from: a}
  d: {concat: [b, c]}
  e: {upsample: {scale_factor: 2}}
  f: {avg_pool2d: 3}
""",
    "[6, 16]\nlayers: [layer_norm, {linear: 16}, gelu, {linear: 8}, flatten, softmax]",
    "[8, 9]\nlayers: [{conv1d: {out_channels: 8, kernel_size: 3, groups: 2}}, {group_norm: 2}, {permute: [0, 2, 1]}]",
]
"""Specs whose .onnx files are changed."""

NUMBERS = [0, 1, -1, 2, 3, 4, 7, 255, 1000, 2**16, 2**31 - 1, 2**31, 2**63 - 1, -(2**63)]
WORDS = ["", "x", "0", "-3", "1e999", "nan", "inf", "$(1)", "\x1b[31m", "é", "class", "__init__", "../x", "y" * 300]


def sources(rng: random.Random, folder: Path) -> str:
    """A file with fields, lines or bytes changed: a valid spec comes of it, or the reasons why there is none."""
    os.chdir(folder)
    suffix = rng.choice([".cfg", ".prototxt", ".onnx"])
    content = bytearray(_model(rng) if suffix == ".onnx" else _text(suffix, rng).encode("utf-8", "surrogateescape"))
    if content and rng.random() < 0.15:
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(content))
            content[at : at + rng.choice([0, 1, 1, 4])] = rng.choice([b"", rng.randbytes(1), struct.pack("<i", -1)])
    path = Path(rng.choice(["net", "net", "a b", "class", "0", "é", "\udcff"]) + suffix)
    path.write_bytes(content)
    input = rng.choice([None] * 6 + [(3, 16, 16), (1,), (4, 9), (2**31 - 1,) * 3, (3, 0, 4)])
    try:
        found = import_(path, input)
    except archc.SpecError as error:
        return refused(*(problem.message for problem in error.problems))
    finally:
        assert list(folder.iterdir()) == [folder / path]
    archc.loads(found.text, path.stem)
    assert found.report.startswith("verified")
    return "accepted"


# Text


@cache
def _texts(suffix: str) -> tuple[str, ...]:
    if suffix == ".cfg":
        return (test_darknet.MIXED,)
    return test_caffe.MIXED, test_caffe.squeezenet()


def _text(suffix: str, rng: random.Random) -> str:
    lines = rng.choice(_texts(suffix)).splitlines()
    for _ in range(rng.choice([0, 1, 1, 2, 4, 8])):
        at = rng.randrange(len(lines))
        match rng.randrange(6):
            case 0:
                del lines[at : at + rng.choice([1, 1, 3, 10])]
            case 1:
                lines[at:at] = lines[at : at + rng.choice([1, 5])] * rng.choice([1, 1, 30])
            case 2:
                other = rng.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            case _:
                lines[at] = _changed(lines[at], lines, rng)
        lines = lines or [""]
    return "\n".join(lines)


def _changed(line: str, lines: list[str], rng: random.Random) -> str:
    """A line with another number, or another word of the file's or of anybody's."""
    found = list(re.finditer(r"-?\d+(\.\d+)?|[A-Za-z_/]+", line))
    if not found:
        return rng.choice(WORDS)
    word = rng.choice(found)
    if word.group()[-1].isdigit() and rng.random() < 0.8:
        new = str(rng.choice([*NUMBERS, 0.5, 1e300]))
    else:
        theirs = re.findall(r"[A-Za-z_/]+", rng.choice(lines)) or [""]
        new = rng.choice([*theirs, rng.choice(WORDS)])
    return line[: word.start()] + new + line[word.end() :]


# ONNX


def _exported() -> list[bytes]:
    made = []
    with TemporaryDirectory() as folder:
        for number, text in enumerate(EXPORTED):
            path = Path(folder, f"{number}.onnx")
            archc.export(archc.loads(f"input: {text}"), path)
            made.append(path.read_bytes())
    return made


MODELS = _exported()
"""The files of the specs above."""


def _model(rng: random.Random) -> bytes:
    model = onnx.ModelProto.FromString(rng.choice(MODELS))
    for _ in range(rng.choice([0, 1, 1, 2, 4])):
        _change(model, rng)
    return model.SerializeToString()


OPERATORS = [
    "Conv", "Gemm", "MatMul", "Add", "Mul", "Relu", "Reshape", "Transpose", "Concat", "Split", "Slice", "Gather",
    "ReduceMean", "Pad", "Resize", "Expand", "Constant", "ConstantOfShape", "Shape", "Flatten", "Softmax", "If", "Loop",
    "BatchNormalization", "LayerNormalization", "AveragePool", "Where", "Cast", "Range", "Tile", "Squeeze", "Nope",
]  # fmt: skip


def _change(model: Any, rng: random.Random) -> None:
    """One change of a model: of a node, of a constant, of an input or of the operators' version."""
    graph = model.graph
    node = rng.choice(graph.node) if graph.node else graph.node.add()
    names = ["", "x", *graph.node[rng.randrange(len(graph.node))].output, *(each.name for each in graph.initializer)]
    tensor = rng.choice(graph.initializer) if graph.initializer else graph.initializer.add()
    match rng.randrange(12):
        case 0:
            node.op_type = rng.choice(OPERATORS)
        case 1 if node.input:
            node.input[rng.randrange(len(node.input))] = rng.choice(names)
        case 2:
            node.input.append(rng.choice(names)) if rng.random() < 0.5 else node.output.append(rng.choice(names))
        case 3 | 4 if node.attribute:
            _change_attribute(rng.choice(node.attribute), rng)
        case 5:
            graph.node.remove(node)
        case 6:
            graph.node.insert(rng.randrange(len(graph.node) + 1), node)
        case 7:
            tensor.dims[:] = [rng.choice([*NUMBERS[:8], *tensor.dims]) for _ in range(rng.randrange(5))]
        case 8:
            tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data) + 1)]
            tensor.data_type = rng.choice([tensor.data_type, *range(24)])
        case 9 if graph.input:
            shape = rng.choice(graph.input).type.tensor_type.shape
            for size in shape.dim:
                if rng.random() < 0.5:
                    size.dim_value = rng.choice(NUMBERS)
        case 10:
            model.opset_import[0].version = rng.choice([0, 6, 7, 9, 11, 13, 18, 21, 10**6, -1])
        case _:
            node.attribute.append(onnx.helper.make_attribute(*rng.choice(ATTRIBUTES)))


ATTRIBUTES: list[tuple[str, Any]] = [
    ("axis", 2**31), ("axis", -9), ("perm", [0, 0, 1]), ("kernel_shape", [0, 0]), ("kernel_shape", [3]),
    ("strides", [-1, 0]), ("pads", [1, 2, 3]), ("pads", [2**40] * 4), ("group", 0), ("group", 3), ("auto_pad", "x"),
    ("dilations", [2**31, 1]), ("epsilon", float("nan")), ("alpha", "a"), ("to", 99), ("mode", "\x1b"), ("value", 1.5),
]  # fmt: skip


def _change_attribute(attribute: Any, rng: random.Random) -> None:
    attribute.name = rng.choice([attribute.name] * 4 + ["axis", "pads", ""])
    attribute.i = rng.choice(NUMBERS)
    attribute.f = rng.choice([0.0, -1.0, 1e30, float("nan"), float("inf")])
    attribute.ints[:] = [rng.choice([*NUMBERS, *attribute.ints]) for _ in range(rng.randrange(6))]
    if rng.random() < 0.2:
        attribute.type = rng.randrange(12)
