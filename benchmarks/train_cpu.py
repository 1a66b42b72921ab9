"""The trainer on a CPU beside the course's own loop and beside a bare loop of the same steps, in one run.

    python benchmarks/train_cpu.py [--curve IMAGES] [--turns N]

Without `--curve`: images a second in training of AlexNet at 224 on images of CIFAR's size, with the notebook's loop,
the recipe `notebook` and the recipe `default`; and what the trainer adds to the steps themselves, there and in a
network of small steps. Everyone has a process of its own, as its users start it, and all take turns. With `--curve`:
the loss curves of the notebook's loop, of spec, emitted file and torchvision's model over two epochs, step by step.
Exit status: 0 if every bound holds, 1 otherwise. Run it on a machine that does nothing else; the load is printed. On a
busy machine, the seconds of processor time are the better measure, so they are printed, too.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from archc.cli.train_command import settle_process

if __name__ == "__main__" and "notebook's loop" not in sys.argv:
    settle_process()  # as `archc train` does; the notebook's loop runs in a process as it is, but for what follows
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # in its favor, because spinning threads are slower under load

import torch
import torchvision
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms

import archc
from archc.cli.main import main as command
from archc.training import Data, Images, load_recipe
from archc.training.augment import epoch_draws, epoch_order
from archc.training.batches import ResidentBatches, epoch_rows
from archc.training.data import load_data
from archc.training.distributed import World
from archc.training.layout import lay_out, planes
from archc.training.loop import Loop
from archc.training.loss import CrossEntropy, Loss
from archc.training.model import Size
from archc.training.optimizer import make_optimizer, make_schedule
from archc.training.recipe import Recipe
from archc.training.resolve import preparations, resolved
from archc.training.validation import autocast

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
    print(f"  loss {expected[0]:.4f} at first, {statistics.mean(expected[-50:]):.4f} at last", flush=True)
    same = True
    for other in (str(GENERATED / "alexnet.py"), "torchvision.models:alexnet"):
        equal = trained(other, data, "notebook", epochs=2).losses == found
        print(f"  {Path(other).name}: {'equal bit for bit' if equal else 'DIFFERENT'}", flush=True)
        same &= equal
    return worst <= 1e-5 and same


Seconds = tuple[float, float]
"""Of an epoch: by the clock, and of the processor in this process and its workers."""


def now() -> Seconds:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return time.perf_counter(), sum(part.ru_utime + part.ru_stime for part in used)


def timed(epoch: Callable[[], object]) -> Seconds:
    clock, processor = now()
    epoch()
    after = now()
    return after[0] - clock, after[1] - processor


def notebook_seconds(images: int, epochs: int) -> list[Seconds]:
    data = load_data(f"shapes:32:{images}", limit=images)
    assert isinstance(data.train, Images)
    model = alexnet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    loader = DataLoader(NotebookImages(data.train, torch.arange(images)), 4, num_workers=2)
    return [timed(lambda: list(notebook_epoch(model, optimizer, loader))) for _ in range(epochs)]


def trainer_seconds(network: str, name: str, words: list[str], epochs: int) -> list[Seconds]:
    """The training part of each epoch of `archc train`."""
    found: list[Seconds] = []
    train = Loop._train
    Loop._train = lambda self: found.append(timed(lambda: train(self)))  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        run = ["train", network, "--data", name, "--epochs", str(epochs), *words]
        assert command([*run, "--device", "cpu", "--out", str(Path(folder, "run"))]) == 0
    return found


class Bare:
    """The steps of a recipe and nothing else, for images that fit into memory."""

    def __init__(self, network: nn.Module, images: Images, recipe: Recipe, size: Size) -> None:
        self.recipe = recipe
        self.preparation, _ = preparations(recipe, size, files=False)
        self.model = lay_out(network, recipe, CPU.device)
        self.batches = ResidentBatches(images, CPU.device)
        self.optimizer = make_optimizer(self.model, recipe)
        self.schedule = make_schedule(self.optimizer, recipe, len(self.rows(0)))
        self.criterion = Loss(CrossEntropy(recipe.label_smoothing), recipe.auxiliary_weight)

    def rows(self, epoch: int) -> list[torch.Tensor]:
        """The row numbers of each batch of an epoch."""
        order = epoch_order(self.recipe.seed, epoch, len(self.batches))
        return [part for part, _ in epoch_rows(order, self.recipe.batch_size, 0, 1)]

    def train(self, epoch: int) -> None:
        """Run the steps of an epoch."""
        self.model.train()
        draws = epoch_draws(self.recipe.seed, epoch, len(self.batches))
        for pixels, labels, drawn, _ in self.batches.of(self.rows(epoch), draws):
            images = self.preparation.training(pixels, drawn)
            with autocast(self.recipe, CPU.device):
                loss, _ = self.criterion(self.model(images), labels)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.schedule.step()


def bare_seconds(network: str, name: str, resize: int, epochs: int) -> list[Seconds]:
    """The steps of each epoch with the recipe `default`."""
    data = load_data(name)
    assert isinstance(data.train, Images)
    size = (data.train.pixels.shape[1], resize, resize)
    recipe = resolved(load_recipe("default", resize=resize), data, size, CPU)
    torch.manual_seed(0)
    bare = Bare(archc.load(network).configure(size, num_classes=10).build(), data.train, recipe, size)
    with planes(bare.model, recipe, CPU.device):
        return [timed(partial(bare.train, epoch)) for epoch in range(epochs)]


FEW, MANY = 96, 256
"""Images of an epoch in batches of 4, and in batches of 128."""

RUNS: dict[str, tuple[int, Callable[[], list[Seconds]]]] = {
    "notebook's loop": (FEW, lambda: notebook_seconds(FEW, 3)),
    "recipe notebook": (
        FEW,
        lambda: trainer_seconds("alexnet", f"shapes:32:{FEW}", ["--recipe", "notebook"], 3),
    ),
    "bare default": (MANY, lambda: bare_seconds("alexnet", f"shapes:32:{MANY}", 224, 4)),
    "recipe default": (
        MANY,
        lambda: trainer_seconds("alexnet", f"shapes:32:{MANY}", ["--resize", "224"], 4),
    ),
    "bare digits": (1437, lambda: bare_seconds("small_convnet", "digits", 8, 12)),
    "digits": (1437, lambda: trainer_seconds("small_convnet", "digits", [], 12)),
}
"""Images of an epoch, and what gives the seconds of each epoch; the first one warms up."""

BOUNDS = {
    ("recipe notebook", "notebook's loop"): 1.0,
    ("recipe default", "notebook's loop"): 5.0,
    ("recipe default", "bare default"): 0.97,
    ("digits", "bare digits"): 0.97,
}
"""How many times the images a second of the other are asked for."""


def speeds(turns: int) -> bool:
    found: dict[str, list[Seconds]] = {name: [] for name in RUNS}
    for _ in range(turns):
        for name in RUNS:
            done = subprocess.run([sys.executable, __file__, "--run", name], capture_output=True, text=True, check=True)
            found[name] += json.loads(done.stdout.splitlines()[-1])[1:]
            print(f"  {name}: {', '.join(f'{clock:.2f} s' for clock, _ in found[name])}", file=sys.stderr, flush=True)
    # The fastest epoch is the one that other work on the machine has disturbed least.
    rates = {name: [RUNS[name][0] / min(part) for part in zip(*epochs, strict=True)] for name, epochs in found.items()}
    for name, (clock, processor) in rates.items():
        print(f"{name:16} {clock:8.1f} images/s, {processor:7.1f} images in a second of the processor")
    holds = True
    for (one, other), bound in BOUNDS.items():
        clock, processor = (mine / theirs for mine, theirs in zip(rates[one], rates[other], strict=True))
        mark = "ok " if clock >= bound else "NOT"
        print(f"{mark} {one} over {other} (at least {bound}): {clock:.2f}; by the processor {processor:.2f}")
        holds &= clock >= bound
    return holds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curve", type=int, metavar="IMAGES", help="compare loss curves on so many images instead")
    parser.add_argument("--turns", type=int, default=3, help="of all of them")
    parser.add_argument("--run", choices=RUNS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        print(json.dumps(RUNS[given.run][1]()))
        return 0
    load = f"load {os.getloadavg()[0]:.1f} of {os.cpu_count()}"
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {load}")
    return 0 if (curves(given.curve) if given.curve else speeds(given.turns)) else 1


if __name__ == "__main__":
    sys.exit(main())
