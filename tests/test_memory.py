"""Memory as archc counts it, held against the tensors that PyTorch makes and keeps on the CPU."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import archc
from archc.graph import walk
from archc.testing import Draft, specs

BUNDLED = (
    "alexnet",
    "alexnet_paper",
    "googlenet",
    "inception_v3",
    "resnet50",
    "squeezenet1_1",
    "stack_3x3",
    "vgg11_bn",
)
NETWORKS = [*BUNDLED, *(str(path) for path in sorted((Path(__file__).parent / "networks").glob("*.yaml")))]
STALE = {"multi_output"}
"""Networks whose largest moment falls where one result of several is still held for the sake of another."""

IMAGES = 2

pytestmark = [pytest.mark.filterwarnings("ignore::UserWarning"), pytest.mark.usefixtures("one_thread", "plain_kernels")]


def place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def size(tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def really_kept(model: nn.Module, x: Tensor) -> int:
    """Bytes that autograd keeps from a forward pass in training, beside the weights."""
    own = {place(tensor) for tensor in model.state_dict().values()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[place(tensor)] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model.train()(x)
    return sum(tensor.untyped_storage().nbytes() for where, tensor in kept.items() if where not in own)


class Living(TorchDispatchMode):
    """The bytes of the tensors that are alive, and the most that there were at once."""

    def __init__(self, model: nn.Module, x: Tensor) -> None:
        super().__init__()
        self.known = {place(tensor) for tensor in model.state_dict().values()}
        self.now = self.most = 0
        self.see(x)

    def see(self, tensor: Tensor) -> None:
        storage, where = tensor.untyped_storage(), place(tensor)
        if where in self.known:
            return
        self.known.add(where)
        self.now += storage.nbytes()
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self.gone, where, storage.nbytes())

    def gone(self, where: int, bytes: int) -> None:
        self.known.remove(where)
        self.now -= bytes

    def __torch_dispatch__(self, function: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for part in tree_leaves(result):
            if isinstance(part, Tensor):
                self.see(part)
        return result


def really_alive(model: nn.Module, x: Tensor) -> int:
    """The most bytes that the values of a forward pass in inference take at once, the input among them."""
    living = Living(model.eval(), x)
    with torch.no_grad(), living:
        model(x)
    return living.most


@pytest.mark.parametrize("name", NETWORKS, ids=lambda name: Path(name).stem)
def test_the_memory_of_real_networks_is_what_torch_takes(name: str) -> None:
    """Weights, gradients and what is kept to the byte; the values of inference too, or less where they go stale."""
    architecture = archc.load(name)
    memory = architecture.summary().memory(IMAGES)
    model, x = architecture.build(), torch.rand(IMAGES, *architecture.input)
    assert memory.weights == size(model.state_dict().values())
    assert memory.gradients == size(model.parameters())
    assert memory.kept == really_kept(model, x)
    alive = really_alive(model, x)
    if Path(name).stem in STALE:
        assert memory.peak < alive <= 1.5 * memory.peak
    else:
        assert memory.peak == alive


@given(specs())
def test_the_memory_of_drawn_networks_is_what_torch_takes(draft: Draft) -> None:
    architecture = draft.load()
    memory = architecture.summary().memory(IMAGES)
    model, x = architecture.build(), torch.rand(IMAGES, *architecture.input)
    assert memory.weights == size(model.state_dict().values())
    kept = really_kept(model, x)
    # Of a product of three, torch keeps less where a gradient flows through some of the factors only.
    products = [layer for layer in walk(architecture.network.graph) if layer.kind.kind == "multiply"]
    assert memory.kept >= kept if any(len(layer.node.inputs) > 2 for layer in products) else memory.kept == kept
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # type: ignore[no-untyped-call]  # it hides the values that it makes
    try:
        assert memory.peak <= really_alive(model, x)
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_a_padding_keeps_its_input_where_a_gradient_flows_into_it(mode: str) -> None:
    """The network's own input needs no gradient: of the first convolution the padded map alone is kept."""
    layer = f"{{conv2d: {{out_channels: 3, kernel_size: 3, padding: same, padding_mode: {mode}}}}}"
    architecture = archc.loads(f"name: Padded\ninput: [3, 8, 8]\nlayers: [{layer}, {layer}]\n")
    kept = architecture.summary().memory(IMAGES).kept
    padded, between = 4 * IMAGES * 3 * 100, 4 * IMAGES * 3 * 64
    assert kept == really_kept(architecture.build(), torch.rand(IMAGES, 3, 8, 8))
    assert kept == 2 * padded + (between if mode != "circular" else 0)


def test_no_gradient_flows_through_an_input_whose_size_alone_counts() -> None:
    """A crop of what nothing trains keeps nothing of it, although its size is that of a convolution's output."""
    text = """
name: Cropped
input: [3, 4, 9]
layers:
  conv: {conv2d: {out_channels: 3, kernel_size: 1}}
  silu: {silu: , from: input}
  crop: {crop: [silu, conv]}
  tail: silu
"""
    architecture = archc.loads(text)
    kept = architecture.summary().memory(IMAGES).kept
    assert kept == really_kept(architecture.build(), torch.rand(IMAGES, 3, 4, 9)) == 4 * IMAGES * 3 * 36


def test_the_peak_is_told_with_its_layer() -> None:
    """By hand: 3×3 convolution of 3×8×8 to 16×8×8; a ReLU beside it; pooling needs the places of the largest."""
    text = """
input: [3, 8, 8]
layers:
  conv: {conv2d: {out_channels: 16, kernel_size: 3, padding: same, bias: false}}
  relu: relu
  pool: {max_pool2d: 2}
"""
    memory = archc.loads(text).summary().memory(10)
    image, maps, pooled = 4 * 10 * 3 * 64, 4 * 10 * 16 * 64, 4 * 10 * 16 * 16
    assert memory.weights == memory.gradients == 4 * 16 * 27
    assert memory.kept == image + maps + 2 * pooled  # the ReLU's output is the pooling's input; 8 bytes a place
    assert (memory.peak, memory.peak_at) == (image + 2 * maps, "relu")
    assert memory.training == memory.weights + memory.gradients + memory.kept
    assert memory.inference == memory.weights + memory.peak


def test_nothing_is_kept_where_nothing_is_trained() -> None:
    memory = archc.loads("input: [3, 8, 8]\nlayers: [relu, {max_pool2d: 2}, flatten]").summary().memory()
    assert (memory.weights, memory.gradients, memory.kept) == (0, 0, 0)
