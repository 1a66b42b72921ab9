"""Import files that ask for too much or make no sense, each in a process of its own: its CPU time and peak memory.

    python benchmarks/hostile_imports.py    # prints the table of docs/verification.md

A file must be refused with an error of archc, within 5 seconds and 1 GiB, the start of Python and torch included. The
time is that of the processor, so that other work on the machine doesn't count.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import TensorProto, helper

SECONDS, GIBIBYTE = 5.0, 2**30
"""What an import may take."""


def model(nodes: list[onnx.NodeProto], tensors: list[TensorProto] = [], size: int = 8) -> bytes:  # noqa: B006
    """The bytes of an .onnx file with an input x and an output y."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, size, size])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "net", [x], [y], tensors)
    return bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())


def chain(count: int) -> list[onnx.NodeProto]:
    """ReLUs one after the other."""
    names = ["x", *(f"v{at}" for at in range(count - 1)), "y"]
    return [helper.make_node("Relu", [names[at]], [names[at + 1]]) for at in range(count)]


def outside(location: str) -> TensorProto:
    """A weight in another file."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4, 3, 1, 1])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def files(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    """What is wrong with each file, its name, and its bytes."""
    conv = [helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[1, 1])]
    claim = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2**14, 2**14, 1, 1])
    two = [helper.make_node("Relu", ["b"], ["a"]), helper.make_node("Relu", ["a"], ["b"])]
    join = helper.make_node("Add", ["x", "a"], ["y"])
    (folder / "secret.bin").write_bytes(bytes(48))
    yield "100,000 nodes", "long.onnx", model(chain(100_000))
    yield "a cycle", "cycle.onnx", model([*two, join])
    yield "an input that nothing makes", "missing.onnx", model([helper.make_node("Relu", ["nowhere"], ["y"])])
    yield "a weight of 1 GiB without values", "claim.onnx", model(conv, [claim])
    yield "a map of 2⁴⁰ values", "map.onnx", model(chain(1), size=2**19)
    yield (
        "100,000 doublings of the channels",
        "wide.onnx",
        model(
            [helper.make_node("Concat", [f"v{at}" if at else "x"] * 2, [f"v{at + 1}"], axis=1) for at in range(100_000)]
        ),
    )
    yield "weights in a file outside the folder", "outside.onnx", model(conv, [outside("../secret.bin")])
    yield "weights in /dev/zero", "device.onnx", model(conv, [outside("/dev/zero")])
    yield "a gigabyte of zeros", "zeros.onnx", b""
    head = 'input: "x" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8\n'
    relu = 'layer {{ name: "r{0}" type: "ReLU" bottom: "{1}" top: "{2}" }}\n'
    many = "".join(relu.format(at, f"v{at - 1}" if at else "x", f"v{at}") for at in range(100_000))
    yield "100,000 layers", "long.prototxt", (head + many).encode()
    half = "".join(relu.format(at, f"v{at - 1}" if at else "x", f"v{at}") for at in range(50_000))
    yield "50,000 layers", "half.prototxt", (head + half).encode()
    yield "a cycle", "cycle.prototxt", (head + relu.format(0, "b", "a") + relu.format(1, "a", "b")).encode()
    yield "an input that nothing makes", "missing.prototxt", (head + relu.format(0, "nowhere", "y")).encode()
    size = "num_output: 99999999 kernel_size: 3"
    wide = f'layer {{ name: "c" type: "Convolution" bottom: "x" top: "y" convolution_param {{ {size} }} }}'
    yield "a weight of 10 GB", "claim.prototxt", (head + wide).encode()
    yield "100,000 brackets", "deep.prototxt", ("a {" * 100_000).encode()
    yield "a gigabyte of zeros", "zeros.prototxt", b""
    net = "[net]\nwidth=8\nheight=8\nchannels=3\n"
    yield "100,000 sections", "long.cfg", (net + "[route]\nlayers=-1\n" * 100_000).encode()
    yield "a route to itself", "cycle.cfg", (net + "[route]\nlayers=0\n").encode()
    yield "a route to nowhere", "missing.cfg", (net + "[route]\nlayers=-9\n").encode()
    yield "a weight of 10 GB", "claim.cfg", (net + "[convolutional]\nfilters=99999999\nsize=3\npad=1\n").encode()
    yield "an input of 2⁴⁰ values", "map.cfg", b"[net]\nwidth=1048576\nheight=1048576\nchannels=3\n[maxpool]\n"
    yield "a gigabyte of zeros", "zeros.cfg", b""


def imported(path: Path) -> tuple[int, str, float, int]:
    """The exit status of an import, its first error, its seconds and its peak memory in bytes."""
    process = subprocess.Popen(
        [sys.executable, "-m", "archc", "import", path.name],
        cwd=path.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    first = next((line for line in said.splitlines() if line.startswith("error[")), said[-80:])
    return os.waitstatus_to_exitcode(status), first, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def main() -> int:
    """Print the table."""
    failed = 0
    print("| file | what is wrong | ends with | seconds | peak memory |")
    print("| --- | --- | --- | --: | --: |")
    with tempfile.TemporaryDirectory() as outer:
        folder = Path(outer, "models")
        folder.mkdir()
        Path(outer, "secret.bin").write_bytes(bytes(48))
        for what, name, data in files(folder):
            path = folder / name
            path.write_bytes(data)
            if not data:
                os.truncate(path, 2**30)
            status, first, seconds, memory = imported(path)
            code = first.partition("[")[2].partition("]")[0]
            failed += not (status in (0, 1) and seconds < SECONDS and memory < GIBIBYTE and (code or not status))
            ends = code or ("imported" if not status else f"exit {status}")
            print(f"| {path.suffix} | {what} | {ends} | {seconds:.1f} | {memory / 2**20:,.0f} MiB |", flush=True)
            path.unlink()
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
