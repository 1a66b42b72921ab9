"""Built and emitted: the same keys, the same initial weights, the same outputs, for every spec."""

from __future__ import annotations

import copy
import io
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from parity import assert_equal_modules, class_of, emitted_class, seeded
from torch import nn

import archc
from archc.build import shape_problems
from archc.library import families
from archc.testing.agreement import run

NETWORKS = sorted((Path(__file__).parent / "networks").glob("*.yaml"))
SPECS = list(families())  # the first of a family stands for the others here
ALL = [*SPECS, *(str(path) for path in NETWORKS)]


def short(name: str) -> str:
    return Path(name).stem


def batch(architecture: archc.Architecture) -> torch.Tensor:
    return torch.rand(2, *architecture.input, generator=torch.Generator().manual_seed(3))


SMALLER = {
    "fcn_resnet50": (3, 64, 64),
    "fpn_resnet50": (3, 64, 64),
    "lraspp_mobilenet_v3_large": (3, 64, 64),
    "r3d_18": (3, 4, 32, 32),
    "unet": (1, 64, 64),
}
"""Inputs for networks of large maps that take any size."""


@pytest.mark.parametrize("name", ALL, ids=short)
def test_built_and_emitted_are_equal(name: str) -> None:
    """Keys, initial weights under one seed and outputs, in eval and in training mode, are equal bit for bit."""
    architecture = archc.load(name).configure(SMALLER.get(name))
    built, emitted = seeded(architecture.build), seeded(emitted_class(architecture))
    count, problems = shape_problems(architecture.network, built)
    assert count == len(architecture.summary().layers)
    assert problems == []
    assert_equal_modules(built, emitted, batch(architecture))


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("alexnet", {"num_classes": 10, "dropout": 0.0, "input": (3, 128, 128)}),
        ("googlenet", {"num_classes": 10, "dropout": 0.0, "input": (3, 96, 128)}),
        ("googlenet_paper", {"num_classes": 10, "aux_logits": False}),
        ("inception_v3", {"num_classes": 7, "input": (3, 299, 299)}),
        ("resnet50", {"num_classes": 10, "input": (1, 64, 64)}),
        ("squeezenet1_1", {"num_classes": 10, "dropout": 0.0, "input": (3, 64, 64)}),
        ("vgg11", {"num_classes": 10, "batch_norm": True, "stages": [[8, 1], [16, 2]], "input": (3, 32, 32)}),
        ("inception_module", {"out_channels": 8}),
        ("stack_3x3", {"channels": 16}),
    ],
    ids=lambda value: short(value) if isinstance(value, str) else "",
)
def test_changed_parameters(name: str, settings: dict[str, Any]) -> None:
    """With other parameters or another input: build and emit agree, and the shapes are those inferred."""
    size = settings.pop("input", None)
    architecture = archc.load(name).configure(size, **settings)
    built, emitted = seeded(architecture.build), seeded(emitted_class(architecture))
    assert shape_problems(architecture.network, built)[1] == []
    assert_equal_modules(built, emitted, batch(architecture))


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("alexnet", {"num_classes": 10, "dropout": 0.1}),
        ("googlenet", {"num_classes": 10, "dropout": 0.1, "dropout_aux": 0.2}),
        ("googlenet", {"aux_logits": False, "num_classes": 3}),
        ("inception_v3", {"num_classes": 10}),
        ("resnet18", {"num_classes": 10}),
        ("squeezenet1_1", {"num_classes": 10}),
        ("vgg11_bn", {"num_classes": 10}),
        ("inception_module", {"out_channels": 5}),
        ("stack_3x3", {"channels": 12}),
        *((str(path), {}) for path in NETWORKS),
    ],
    ids=lambda value: short(value) if isinstance(value, str) else "",
)
def test_constructor_arguments_of_the_emitted_class(name: str, settings: dict[str, Any]) -> None:
    """The class emitted with the spec's defaults, called with other values, equals the network built with them."""
    architecture = archc.load(name)
    if not settings:
        values = {key: value for key, value in architecture.arguments.items() if type(value) in (int, bool)}
        made = emitted_class(architecture)
        accepted = made.__init__.__code__.co_varnames
        others = {key: not value if type(value) is bool else value * 2 + value % 2 for key, value in values.items()}
        settings = {key: value for key, value in others.items() if key in accepted}
    built = seeded(lambda: architecture.build(**settings))
    emitted = seeded(lambda: emitted_class(architecture)(**settings))
    assert_equal_modules(built, emitted, batch(architecture.configure(**settings)))


@pytest.mark.parametrize(
    "name", ["googlenet", "resnet18", "inception_module", *(str(path) for path in NETWORKS)], ids=short
)
def test_gradients_are_equal(name: str) -> None:
    """One backward pass gives equal gradients in the built and the emitted module."""
    architecture = archc.load(name)
    size = (architecture.input[0], 64, 64) if name == "googlenet" else None
    architecture = architecture.configure(size)
    modules = [seeded(architecture.build), seeded(emitted_class(architecture))]
    x = batch(architecture)
    for module in modules:
        torch.manual_seed(1)
        result = module.train()(x.clone())
        parts = result.values() if isinstance(result, dict) else [result]
        sum((part * part).sum() for part in parts).backward()
    one, other = (dict(module.named_parameters()) for module in modules)
    assert one.keys() == other.keys()
    for key, parameter in one.items():
        assert parameter.grad is not None, key
        assert torch.equal(parameter.grad, other[key].grad), key


@pytest.mark.parametrize("name", ["googlenet", "resnet18", *(str(path) for path in NETWORKS)], ids=short)
def test_built_modules_copy_pickle_and_save(name: str) -> None:
    """deepcopy, pickle and a saved state dict give the same network again."""
    architecture = archc.load(name)
    module = seeded(architecture.build)
    x = batch(architecture)
    expected = run(module, x, training=False)
    buffer = io.BytesIO()
    torch.save(module.state_dict(), buffer)
    buffer.seek(0)
    loaded = architecture.build()
    loaded.load_state_dict(torch.load(buffer, weights_only=True))
    for again in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), loaded):
        assert repr(again) == repr(module)
        for key, value in run(again, x, training=False).items():
            assert torch.equal(value, expected[key])


def exported(module: nn.Module, x: torch.Tensor) -> nn.Module:
    return torch.export.export(module, (x,)).module()


@pytest.mark.parametrize("name", ["googlenet", "alexnet", *(str(path) for path in NETWORKS)], ids=short)
def test_torch_export(name: str) -> None:
    """torch.export.export takes built modules, in eval mode, and gives the same outputs."""
    architecture = archc.load(name)
    module = seeded(architecture.build).eval()
    x = batch(architecture)
    program = torch.export.export(module, (x,)).module()
    with torch.no_grad():
        expected, found = module(x), program(x)
    pairs = zip(expected.values(), found.values(), strict=True) if isinstance(expected, dict) else [(expected, found)]
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["googlenet", *(str(path) for path in NETWORKS)], ids=short)
@pytest.mark.parametrize("training", [False, True], ids=["eval", "training"])
def test_torch_compile_traces_one_graph(name: str, training: bool) -> None:
    """torch.compile(fullgraph=True) takes built modules, heads and all."""
    architecture = archc.load(name)
    module = seeded(architecture.build)
    torch.compiler.reset()  # every body shares one `forward`: earlier tests fill its cache
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    x = batch(architecture)
    state = copy.deepcopy(module.state_dict())
    expected = run(module, x, training=training)
    module.load_state_dict(state)
    found = run(compiled, x, training=training)
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=1e-4, atol=1e-5)


def test_onnx_export() -> None:
    """ONNX export gives the same outputs, where the extra is installed."""
    pytest.importorskip("onnxscript")
    architecture = archc.load("inception_module").configure((3, 32, 32))
    module = seeded(architecture.build).eval()
    program = torch.onnx.export(module, (torch.rand(1, 3, 32, 32),), dynamo=True, verbose=False)
    assert program is not None
    names = [node.op_type for node in program.model.graph]
    assert names.count("Conv") == 6
    assert names.count("Concat") == 1


def test_emitted_sequential_network_is_a_sequential() -> None:
    """A network that is a list is an nn.Sequential, built and emitted."""
    architecture = archc.load("stack_3x3")
    assert isinstance(architecture.build(), nn.Sequential)
    assert issubclass(class_of(architecture.emit(), "Stack3x3"), nn.Sequential)
