"""The trainer on a CPU beside the course's own loop and beside a bare loop of the same steps, in one run.

    python benchmarks/train_cpu.py [--curve IMAGES] [--images N] [--threads N]

Without `--curve`: images a second in training of AlexNet at 224 on images of CIFAR's size, with the notebook's loop,
the recipe `notebook` and the recipe `default`; and what the trainer adds to the steps themselves. With it: the loss
curves of the notebook's loop, of spec, emitted file and torchvision's model over two epochs, step by step.
Exit status: 0 if every bound holds, 1 otherwise. Run it on a machine that does nothing else: the load is told.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
import torchvision
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms

import archc
from archc.training import Data, Images, load_recipe
from archc.training.augment import epoch_draws, epoch_order
from archc.training.batches import ResidentBatches, epoch_rows
from archc.training.data import load_data
from archc.training.distributed import World
from archc.training.loss import Loss
from archc.training.optimizer import make_optimizer, make_schedule
from archc.training.resolve import preparations, resolved

GENERATED = Path(__file__).parent.parent / "generated"
CPU = World(0, 1, torch.device("cpu"))


class NotebookImages(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """The notebook's data set: Pillow images through its transforms, in an order that is given."""

    transform = transforms.Compose(
        [transforms.Resize(224), transforms.ToTensor(), transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))]
    )

    def __init__(self, images: Images, order: torch.Tensor) -> None:
        self.images = [Image.fromarray(pixels.permute(1, 2, 0).numpy()) for pixels in images.pixels]
        self.labels = images.labels.tolist()
        self.order = order.tolist()

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
        row = self.order[number]
        return self.transform(self.images[row]), self.labels[row]


def alexnet() -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = torchvision.models.alexnet(num_classes=10)
    return model


def notebook_epoch(model: nn.Module, optimizer: torch.optim.Optimizer, loader: Any) -> Iterator[float]:
    """The steps of the notebook's loop, with its sums that wait for each loss."""
    criterion = nn.CrossEntropyLoss()
    total = correct = 0.0
    model.train()
    for inputs, labels in loader:
        optimizer.zero_grad()
        outputs = model(inputs)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        total += loss.item() * inputs.size(0)
        _, predictions = torch.max(outputs.data, 1)
        correct += predictions.eq(labels.data.view_as(predictions)).type(torch.FloatTensor).mean().item()
        yield loss.item()


def notebook_losses(data: Data, epochs: int, workers: int) -> list[float]:
    assert isinstance(data.train, Images)
    model = alexnet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    torch.manual_seed(0)
    losses: list[float] = []
    for epoch in range(epochs):
        images = NotebookImages(data.train, epoch_order(0, epoch, len(data.train)))
        generator = torch.Generator().manual_seed(0)  # dropout alone draws from the global one
        losses += notebook_epoch(model, optimizer, DataLoader(images, 4, num_workers=workers, generator=generator))
    return losses


def trained(model: Any, data: Data, recipe: str, **changes: Any) -> archc.training.Result:
    with tempfile.TemporaryDirectory() as folder:
        return archc.train(model, data, recipe, out=Path(folder, "run"), quiet=True, device="cpu", **changes)


def curves(count: int) -> bool:
    """The same curve from the notebook's loop, the spec, the emitted file and torchvision's model."""
    data = load_data(f"shapes:32:{count}", limit=count)
    found = trained("alexnet", data, "notebook", epochs=2).losses
    expected = notebook_losses(data, 2, workers=0)
    worst = max(abs(one - other) / abs(other) for one, other in zip(found, expected, strict=True))
    print(f"{len(found)} steps; largest difference from the notebook's loop {worst:.1e} (relative; bound 1e-5)")
    print(f"  loss {expected[0]:.4f} at first, {statistics.mean(expected[-50:]):.4f} at last")
    same = True
    for other in (str(GENERATED / "alexnet.py"), "torchvision.models:alexnet"):
        equal = trained(other, data, "notebook", epochs=2).losses == found
        print(f"  {Path(other).name}: {'equal bit for bit' if equal else 'DIFFERENT'}")
        same &= equal
    return worst <= 1e-5 and same


def bare_epoch(data: Data, recipe_name: str, **changes: Any) -> Callable[[], float]:
    """The steps of a recipe and nothing else: seconds of one epoch."""
    recipe = resolved(load_recipe(recipe_name, **changes), data, (3, 224, 224), CPU)
    preparation, _ = preparations(recipe, (3, 224, 224), files=False)
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    model = alexnet().to(memory_format=layout)
    assert isinstance(data.train, Images)
    batches = ResidentBatches(data.train, CPU.device)
    rows = epoch_rows(epoch_order(0, 0, len(batches)), recipe.batch_size, 0, 1)
    optimizer = make_optimizer(model, recipe)
    schedule = make_schedule(optimizer, recipe, len(rows))
    criterion = Loss(recipe.label_smoothing, recipe.auxiliary_weight)

    def epoch() -> float:
        start = time.perf_counter()
        model.train()
        for pixels, labels, draws in batches.of([part for part, _ in rows], epoch_draws(0, 0, len(batches))):
            images = preparation.training(pixels, draws)
            with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bf16"):
                loss, _ = criterion(model(images), labels)
            torch.autograd.backward(loss)
            if recipe.clip_norm:
                nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
        return time.perf_counter() - start

    return epoch


def trainer_epochs(model: Any, data: Data, recipe: str, epochs: int, **changes: Any) -> list[float]:
    """The seconds of the training part of each epoch."""
    assert isinstance(data.train, Images)
    history = trained(model, data, recipe, epochs=epochs, **changes).history
    return [len(data.train) / row["images_per_second"] for row in history]


def speeds(count: int) -> bool:
    data = load_data(f"shapes:32:{count}", limit=count)
    few = Data(data.name, data.classes, data.train, data.validation.first(8), data.mirrored)
    assert isinstance(data.train, Images)
    repeats = 3
    times: dict[str, list[float]] = {"loop": [], "notebook": [], "bare default": [], "default": []}
    model = alexnet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    loader = DataLoader(NotebookImages(data.train, torch.arange(count)), 4, num_workers=2)
    bare = bare_epoch(few, "default")
    for repeat in range(repeats + 1):
        start = time.perf_counter()
        for _ in notebook_epoch(model, optimizer, loader):
            pass
        turn = {"loop": time.perf_counter() - start}
        turn["notebook"] = trainer_epochs("alexnet", few, "notebook", 1)[0]
        turn["bare default"] = bare()
        turn["default"] = trainer_epochs("alexnet", few, "default", 1, resize=224)[0]
        for name, seconds in turn.items():
            if repeat:
                times[name].append(seconds)
    rate = {name: count / statistics.median(found) for name, found in times.items()}
    for name, found in rate.items():
        print(f"{name:14} {found:8.1f} images/s")
    checks = {
        "recipe notebook over the notebook's loop (at least 1)": (rate["notebook"] / rate["loop"], 1.0),
        "recipe default over the notebook's loop (at least 5)": (rate["default"] / rate["loop"], 5.0),
        "recipe default over its bare steps (at least 0.97)": (rate["default"] / rate["bare default"], 0.97),
    }
    for name, (value, bound) in checks.items():
        print(f"{'ok ' if value >= bound else 'NOT'} {name}: {value:.2f}")
    return all(value >= bound for value, bound in checks.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curve", type=int, metavar="IMAGES", help="compare loss curves on so many images instead")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(f"torch {torch.__version__}, {given.threads} threads, load {os.getloadavg()[0]:.1f}")
    return 0 if (curves(given.curve) if given.curve else speeds(given.images)) else 1


if __name__ == "__main__":
    sys.exit(main())
