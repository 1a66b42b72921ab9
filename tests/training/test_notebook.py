"""The course's notebook, spec, emitted file and torchvision's model: one and the same curve."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from PIL import Image
from torch import nn
from torchvision import transforms

import archc
from archc.training import Data, Images, load_recipe
from archc.training.augment import epoch_order
from archc.training.data import load_data


def notebook_losses(model: nn.Module, data: Data, epochs: int, lr: float = 0.001) -> list[float]:
    """The notebook's own loop: its transforms of Pillow images, its loss, its optimizer; our order of images."""
    transform = transforms.Compose(
        [transforms.Resize(224), transforms.ToTensor(), transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))]
    )
    images = [Image.fromarray(pixels.permute(1, 2, 0).numpy()) for pixels in data.train.pixels]  # type: ignore[union-attr]
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    torch.manual_seed(0)
    losses = []
    for epoch in range(epochs):
        model.train()
        for rows in torch.split(epoch_order(0, epoch, len(images)), 4):
            inputs = torch.stack([transform(images[row]) for row in rows])
            labels = data.train.labels[rows]  # type: ignore[union-attr, index]
            optimizer.zero_grad()
            loss = criterion(model(inputs), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


def seeded_alexnet() -> nn.Module:
    torch.manual_seed(0)
    model = torchvision.models.alexnet(num_classes=10)
    assert isinstance(model, nn.Module)
    return model


def test_the_notebook_recipe_is_the_notebooks_loop() -> None:
    """AlexNet at 224 on colour images of CIFAR's size, step by step; benchmarks/train_cpu.py runs 1,000 steps."""
    data = load_data("shapes:32", limit=24)
    expected = notebook_losses(seeded_alexnet(), data, 2)
    found = archc.train("alexnet", data, "notebook", out="run", epochs=2, quiet=True).losses
    assert found == expected
    assert len(set(found)) == 12


def losses(model: Any, data: str | Data, **options: Any) -> list[float]:
    settings: dict[str, Any] = {"epochs": 1, "batch_size": 8, "limit": 16, "quiet": True, **options}
    folder = Path(f"run{len(list(Path().glob('run*')))}")
    return archc.train(model, data, out=folder, **settings).losses


LARGE = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "size", "settings"),
    [
        ("resnet18", 32, {}),
        ("squeezenet1_1", 64, {}),
        ("googlenet", 64, {"init_weights": True}),
        pytest.param("alexnet", 64, {}, marks=LARGE),
        pytest.param("vgg11", 32, {}, marks=LARGE),
        pytest.param("inception_v3", 299, {"init_weights": True}, marks=LARGE),
    ],
)
def test_spec_file_and_torchvision_give_one_curve(name: str, size: int, settings: dict[str, Any]) -> None:
    """Under one seed, with dropout and auxiliary heads: bit for bit."""
    spec = losses(name, f"shapes:{size}")
    Path("emitted.py").write_text(archc.load(name).emit())
    assert losses("emitted.py", f"shapes:{size}") == spec
    theirs = losses(f"torchvision.models:{name}", f"shapes:{size}", settings=settings)
    if not settings:
        assert theirs == spec
    else:
        # torchvision runs a head right after the layer that it reads, the spec where it stands: the gradients are
        # added in another order.
        assert theirs[0] == spec[0]
        assert theirs == pytest.approx(spec, rel=0.02)
    assert len(set(spec)) == 2


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("resnet18", 32),
        ("squeezenet1_1", 64),
        ("googlenet", 64),
        pytest.param("vgg11", 32, marks=LARGE),
        pytest.param("inception_v3", 299, marks=LARGE),
    ],
)
def test_networks_learn(name: str, size: int) -> None:
    """A few steps on a handful of images, again and again: the loss falls."""
    recipe = {
        "epochs": 1,
        "limit": 8,
        "batch_size": 8,
        "warmup_epochs": 0,
        "label_smoothing": 0,
        "schedule": "constant",
    }
    data = load_data(f"shapes:{size}", limit=8)
    assert isinstance(data.train, Images)
    again = Images(data.train.pixels.repeat(16, 1, 1, 1), data.train.labels.repeat(16))
    found = losses(name, replace(data, train=again), **recipe, lr=3e-4)
    assert len(found) == 16
    assert sum(found[-4:]) < 0.8 * sum(found[:4])


def test_the_shipped_recipes_are_what_was_published() -> None:
    notebook = load_recipe("notebook")
    assert (notebook.optimizer, notebook.lr, notebook.momentum, notebook.weight_decay) == ("sgd", 0.001, 0.9, 0)
    assert (notebook.batch_size, notebook.epochs, notebook.resize, notebook.mean, notebook.std) == (
        4,
        10,
        224,
        0.5,
        0.5,
    )
    imagenet = load_recipe("imagenet")
    assert (imagenet.lr, imagenet.epochs, imagenet.batch_size, imagenet.weight_decay) == (0.01, 90, 256, 1e-4)
    assert (imagenet.schedule, imagenet.step_epochs, imagenet.gamma) == ("step", 30, 0.1)
    googlenet = load_recipe("imagenet_googlenet")
    assert (googlenet.gamma, googlenet.step_epochs, googlenet.auxiliary_weight) == (0.96, 8, 0.3)
