"""`archc export`: the files compute what the module does, and whatever can't be exported is an error with a fix."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from shell import Shell

import archc
from archc.build.random_weights import random_weights
from archc.exporting.export import relative_difference
from archc.exporting.pt2 import Pt2
from archc.graph import walk

NET = """
name: Net
input: [2, 8, 8]
layers:
  conv: {conv2d: {out_channels: 4, kernel_size: 3, padding: same, bias: false}}
  bn: batch_norm2d
  relu: relu
  side: {layers: {pool: {adaptive_avg_pool2d: 1}, flatten: flatten, fc: {linear: 3}}, from: relu, auxiliary: true}
  again: {conv2d: {out_channels: 4, kernel_size: 3, padding: same}, from: relu}
  sum: {add: [again, relu]}
  pool: {adaptive_avg_pool2d: 1}
  flatten: flatten
  fc: {linear: 3}
"""
KEYS = {"conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var", "again.weight", "again.bias"}
KEYS |= {"fc.weight", "fc.bias"}


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(NET, "utf-8")
    return "net.yaml"


def code_of(error: pytest.ExceptionInfo[archc.SpecError]) -> tuple[str, str]:
    (problem,) = error.value.problems
    return problem.code, problem.message


def test_an_onnx_file_keeps_layers_keys_and_dynamic_axes(net: str) -> None:
    """One node a layer, batch norms among them; the weights of a file; named axes; equal outputs by onnxruntime."""
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    model = archc.load(net).build().eval()
    model.load_state_dict(random_weights(model.state_dict(), seed=1))
    archc.build.save_weights(model, Path("net.safetensors"))  # auxiliary head included

    exported = archc.export(net, "net.onnx", weights="net.safetensors", dynamic=["batch", "height", "width"])

    assert exported.reference == f"onnxruntime {onnxruntime.__version__}"
    assert [found.difference <= 1e-5 for found in exported.comparisons] == [True, True]
    assert exported.comparisons[0].shapes == (((2, 2, 8, 8),), ((3, 2, 8, 8),), ((2, 2, 40, 40),))
    graph: Any = onnx.load("net.onnx").graph
    counts = Counter(node.op_type for node in graph.node)
    assert {"Conv": 2, "BatchNormalization": 1, "Relu": 1, "Add": 1, "Gemm": 1}.items() <= counts.items()
    assert {tensor.name for tensor in graph.initializer if "." in tensor.name} == KEYS
    sizes = [dimension.dim_param or dimension.dim_value for dimension in graph.input[0].type.tensor_type.shape.dim]
    assert sizes == ["batch", 2, "height", "width"]
    x = torch.randn(5, 2, 9, 13)
    session = onnxruntime.InferenceSession("net.onnx", providers=["CPUExecutionProvider"])
    found = torch.from_numpy(session.run(["output"], {"input": x.numpy()})[0])
    with torch.inference_mode():
        assert relative_difference([found], [model(x)]) <= 1e-5


def test_a_pt2_file_is_bit_equal_without_the_auxiliary_head(net: str, sh: Shell) -> None:
    """Also with weights that lack the head; another input size and parameters are those of the command."""
    state = {key: value for key, value in archc.load(net).build().state_dict().items() if not key.startswith("side.")}
    archc.build.save_state(state, Path("net.pth"))
    code, out, _ = sh("export", net, "-o", "net.pt2", "--weights", "net.pth", "--input", "2x6x6")
    assert code == 0
    assert "net.pt2: Net: 2×6×6 → 3" in out
    assert out.count("1×2×6×6: outputs are equal") == 2
    loaded = torch.export.load("net.pt2").module().state_dict()
    assert loaded.keys() == state.keys()
    assert all(loaded[key].equal(state[key]) for key in state)


def test_several_outputs_keep_their_names_and_order(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    text = "input: [4]\nlayers: {b: {linear: 2}, a: {linear: 3, from: input}}\noutputs: [b, a]\n"
    archc.export(archc.loads(text), tmp_path / "two.onnx")
    assert [output.name for output in onnx.load(tmp_path / "two.onnx").graph.output] == ["b", "a"]


WRONG = {
    "another suffix": ({"output": "net.onx"}, "E0601", "does not have the extension"),
    "no folder": ({"output": "nowhere/net.pt2"}, "E0601", "no such file or directory"),
    "no such axis": ({"dynamic": ["hight"]}, "E0505", "the input of Net has no axis `hight`"),
    "no such file of weights": ({"weights": "none.pth"}, "E0501", "none.pth"),
    "no such parameter": ({"depth": 3}, "E0216", "depth"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_request_is_an_error_and_writes_nothing(case: str, net: str) -> None:
    given, code, words = WRONG[case]
    with pytest.raises(archc.SpecError) as error:
        archc.export(net, **{"output": "net.pt2", **given})
    assert code_of(error)[0] == code
    assert words in code_of(error)[1]
    assert sorted(path.name for path in Path().iterdir()) == ["net.yaml"]


def test_weights_of_another_network_are_refused(net: str) -> None:
    archc.build.save_state({"conv.weight": torch.zeros(1)}, Path("other.pth"))
    with pytest.raises(archc.SpecError) as error:
        archc.export(net, "net.pt2", weights="other.pth")
    assert {problem.code for problem in error.value.problems} == {"E0502"}
    assert not Path("net.pt2").exists()


def test_a_network_for_one_size_has_no_dynamic_height(tmp_path: Path) -> None:
    flat = archc.loads("input: [1, 4, 4]\nlayers: [flatten, {linear: 2}]")
    with pytest.raises(archc.SpecError) as error:
        archc.export(flat, tmp_path / "flat.pt2", dynamic=["height"])
    assert code_of(error)[0] == "E0505"
    assert "runs at its declared input size only" in code_of(error)[1]


def test_a_window_fixed_at_export_is_found_by_running(tmp_path: Path) -> None:
    """An adaptive pool takes any size, but its exported window does not: archc says so instead of writing the file."""
    pytest.importorskip("onnxruntime")
    pooled = archc.loads("input: [1, 8, 8]\nlayers: [{adaptive_avg_pool2d: 4}, flatten, {linear: 2}]")
    with pytest.raises(archc.SpecError) as error:
        archc.export(pooled, tmp_path / "pooled.onnx", dynamic=["height", "width"])
    assert code_of(error)[0] == "E0505"
    assert error.value.problems[0].help == "remove height and width from the dynamic axes"


def test_a_missing_library_is_named(net: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("archc.exporting.export"), "installed", lambda package: False)
    with pytest.raises(archc.SpecError) as error:
        archc.export(net, "net.onnx")
    code, message = code_of(error)
    assert code == "E0505"
    assert message == "an .onnx file needs packages that are not installed: onnx, onnxscript, onnxruntime"
    assert error.value.problems[0].help == "pip install 'archc-nn[onnx]'"


def test_a_file_with_other_outputs_is_not_written(net: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Pt2.run
    monkeypatch.setattr(Pt2, "run", lambda *given: [1.001 * found for found in run(*given)])
    with pytest.raises(archc.SpecError) as error:
        archc.export(net, "net.pt2")
    code, message = code_of(error)
    assert code == "E0506"
    assert message.endswith("they differ by 1.0e-03, with random weights")
    assert not Path("net.pt2").exists()


def test_differences_are_relative_and_never_hidden() -> None:
    ones = torch.ones(3)
    nan = torch.tensor([1.0, torch.nan, 1.0])
    assert relative_difference([100 * ones], [100 * ones]) == 0
    assert relative_difference([101 * ones], [100 * ones]) == pytest.approx(0.01)
    assert relative_difference([ones], [0 * ones]) == float("inf")
    assert relative_difference([nan], [ones]) == float("inf")
    assert relative_difference([ones[:2]], [ones]) == float("inf")
    assert relative_difference([], [ones]) == float("inf")


def test_axes_on_the_command_line_are_names(net: str, sh: Shell) -> None:
    code, _, err = sh("export", net, "-o", "net.pt2", "--dynamic", "batch,,height")
    assert code == 2
    assert "expected names such as batch,height,width" in err


SLOW_NAMES = ("squeezenet1_1", "unet", "resnet18", "mobilenet_v2", "resnet20", "pointnet")
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in SLOW_NAMES]


@pytest.mark.parametrize("name", ["conv_7x7", *SLOW])
def test_an_exported_network_comes_back_with_its_keys_and_blocks(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sh: Shell
) -> None:
    """Dropout isn't in the file. The importer itself compares the outputs."""
    monkeypatch.chdir(tmp_path)
    assert sh("export", name, "-o", "net.onnx")[0] == 0
    before, found = archc.load(name), archc.import_("net.onnx")
    after = archc.loads(found.text)
    kinds = [
        Counter(
            layer.kind.kind for layer in walk(network.network.graph) if layer.kind.kind not in ("dropout", "identity")
        )
        for network in (before, after)
    ]
    assert kinds[0] == kinds[1]
    assert set(found.keys) == {key for key in before.build().state_dict() if "num_batches_tracked" not in key}
    assert set(after.network.spec.blocks) <= set(before.network.spec.blocks)
    assert bool(after.network.spec.blocks) == bool(before.network.spec.blocks)
