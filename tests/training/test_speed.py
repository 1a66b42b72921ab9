"""What makes steps fast on a CPU, and that it changes no result. benchmarks/train_cpu.py measures it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from archc.training.layout import lay_out, planes
from archc.training.recipe import Recipe

CPU = torch.device("cpu")


def network(kernel: int, channels: int = 3) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(channels, 8, kernel), nn.ReLU(), nn.Conv2d(8, 4, 3))


def gradients(model: nn.Module, images: Tensor) -> list[Tensor]:
    with torch.autocast("cpu", torch.bfloat16):
        result = model(images)
    result.float().square().mean().backward()
    found = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    model.zero_grad()
    return found


def test_colour_images_pass_a_large_kernel_plane_by_plane() -> None:
    """Within the block alone, and the gradients are what they were."""
    recipe = Recipe(precision="bf16")
    model, images = network(5), torch.randn(2, 3, 12, 12).to(memory_format=torch.channels_last)
    lay_out(model, recipe, CPU)
    before = gradients(model, images)
    seen: list[Tensor] = []
    with planes(model, recipe, CPU):
        handle = model[0].register_forward_pre_hook(lambda _layer, given: seen.append(given[0]))
        after = gradients(model, images)
        handle.remove()
        assert model[0](images).is_contiguous(memory_format=torch.channels_last)
    assert seen[0].is_contiguous()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    for one, other in zip(before, after, strict=True):
        assert torch.allclose(one, other, rtol=0.05, atol=1e-3)


@pytest.mark.parametrize(
    ("kernel", "channels", "changes"),
    [(3, 3, {}), (5, 1, {}), (5, 3, {"precision": "fp32"}), (5, 3, {"channels_last": False}), (5, 3, {"shard": True})],
)
def test_other_layers_keep_the_recipes_layout(kernel: int, channels: int, changes: dict[str, object]) -> None:
    recipe = Recipe(precision="bf16").model_copy(update=changes)
    model = lay_out(network(kernel, channels), recipe, CPU)
    with planes(model, recipe, CPU):
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_the_process_of_a_training_keeps_freed_memory() -> None:
    """A block that is freed and taken again is not cleared page by page once more."""
    code = (
        "import resource\n"
        "from archc.cli.train_command import settle_process\n"
        "settle_process()\n"
        "bytearray(64 << 20)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "bytearray(64 << 20)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1000  # of 16,384 pages
