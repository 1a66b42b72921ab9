"""The trainer on a GPU beside the course's own loop and beside plain loops of torchvision's networks, in one run.

    python benchmarks/train_gpu.py [--out FILE] [--tiny]

Writes a table with the device's name: images a second of AlexNet at 224 on 50,000 images of CIFAR's size, of GoogLeNet
and of VGG16, and what part of the bf16 matrix rate of the same run AlexNet's steps reach. `--tiny` runs all of it on
the CPU at a size that says nothing about speed: the test of the script itself.
Exit status: 0 if every bound holds (with `--tiny`: if all of it ran), 1 otherwise, 2 without a CUDA device.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torchvision
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import transforms

import archc
from archc.training import Data, Images
from archc.training.data import load_data
from archc.training.loss import CrossEntropy, Loss


@dataclass(frozen=True)
class Size:
    """How much is run: images to train on, the network's input, side of the matrices, steps and workers of loops."""

    images: int
    side: int
    matrix: int
    steps: int
    batch: int
    workers: int


FULL = Size(images=50_000, side=224, matrix=8192, steps=200, batch=512, workers=8)
TINY = Size(images=32, side=64, matrix=64, steps=3, batch=8, workers=0)


class PillowImages(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Images through torchvision's transforms, one at a time, as the notebook has them."""

    def __init__(self, images: Images, side: int) -> None:
        self.images = images
        self.transform = transforms.Compose(
            [transforms.Resize(side), transforms.ToTensor(), transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.images.pixels[row].permute(1, 2, 0).numpy())
        return self.transform(image), int(self.images.labels[row])


def synchronised(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def matrix_rate(device: torch.device, size: int) -> float:
    """bf16 products of square matrices: operations a second, the best of ten."""
    one, other = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    best = 0.0
    for _ in range(10):
        start = synchronised(device)
        for _ in range(10):
            one @ other
        best = max(best, 10 * 2 * size**3 / (synchronised(device) - start))
    return best


def steps_of(loader: Any, steps: int) -> Iterator[Any]:
    """So many batches, the loader begun anew where it ends."""
    done = 0
    while done < steps:
        for batch in loader:
            yield batch
            done += 1
            if done == steps:
                return


def notebook_rate(images: Images, size: Size, device: torch.device) -> float:
    """The notebook's loop: batches of 4, SGD, fp32, a wait for each loss."""
    model = torchvision.models.alexnet(num_classes=10).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    loader = DataLoader(PillowImages(images, size.side), 4, shuffle=True, num_workers=min(2, size.workers))
    start, counted, total = 0.0, 0, 0.0
    model.train()
    for number, (inputs, labels) in enumerate(steps_of(loader, 2 * size.steps)):
        if number == size.steps:  # the first half warms up
            start, counted = synchronised(device), 0
        inputs, labels = inputs.to(device), labels.to(device)
        optimizer.zero_grad()
        outputs = model(inputs)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        total += loss.item() * inputs.size(0)
        total += torch.max(outputs.data, 1)[1].eq(labels).float().mean().item()
        counted += len(labels)
    return counted / (synchronised(device) - start)


def plain_rate(name: str, images: Images, size: Size, device: torch.device, batch: int) -> float:
    """A plain good loop of torchvision's network: bf16, channels last, batches from worker processes."""
    settings = {"init_weights": True} if name == "googlenet" else {}
    model = getattr(torchvision.models, name)(num_classes=10, **settings).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    loader = DataLoader(
        PillowImages(images, size.side),
        batch,
        shuffle=True,
        num_workers=size.workers,
        pin_memory=device.type == "cuda",
        persistent_workers=size.workers > 0,
        drop_last=True,
    )
    criterion = Loss(CrossEntropy(0.0), 0.3)
    start, counted = 0.0, 0
    model.train()
    steps = max(2, size.steps // 5)
    for number, (inputs, labels) in enumerate(steps_of(loader, 2 * steps)):
        if number == steps:
            start, counted = synchronised(device), 0
        inputs = inputs.to(device, memory_format=torch.channels_last, non_blocking=True)
        labels = labels.to(device, non_blocking=True)
        with torch.autocast(device.type, torch.bfloat16):
            loss, _ = criterion(model(inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        counted += len(labels)
    return counted / (synchronised(device) - start)


def trainer_rate(name: str, data: Data, size: Size, device: torch.device, batch: int, precision: str) -> float:
    """Images a second in the steps of the last of three epochs of the recipe `default`: compiled and warm by then."""
    with tempfile.TemporaryDirectory() as folder:
        recipe: dict[str, Any] = {"epochs": 3, "batch_size": batch, "resize": size.side, "precision": precision}
        out = Path(folder, "run")
        result = archc.train(name, data, "default", out=out, device=device.type, quiet=True, **recipe)
    return result.history[-1]["images_per_second"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the table here too")
    parser.add_argument("--tiny", action="store_true", help="run on the CPU at a size that says nothing about speed")
    given = parser.parse_args()
    if not given.tiny and not torch.cuda.is_available():
        print("there is no CUDA device: nothing is measured", file=sys.stderr)
        return 2
    size = TINY if given.tiny else FULL
    device = torch.device("cpu" if given.tiny else "cuda")
    found = load_data(f"shapes:32:{size.images}")
    assert isinstance(found.train, Images)
    data = Data(
        found.name, found.classes, found.train, found.validation.first(max(8, size.images // 50)), found.mirrored
    )

    macs = archc.load("alexnet").summary(input=(3, size.side, size.side)).macs
    peak = matrix_rate(device, size.matrix)
    loop = notebook_rate(found.train, size, device)
    alexnet = trainer_rate("alexnet", data, size, device, size.batch, "bf16")
    used = alexnet * 6 * macs / peak  # a multiply-add is two operations, backward takes twice the forward
    rows = [
        ("AlexNet over the notebook's loop", f"{alexnet:,.0f}", f"{loop:,.0f}", alexnet / loop, 100.0),
        ("AlexNet, part of the matrix rate", f"{alexnet * 6 * macs:.3g} op/s", f"{peak:.3g} op/s", used, 0.3),
    ]
    for name in ("googlenet", "vgg16"):
        batch = min(size.batch, 256 if name == "googlenet" else 128)
        images = Images(found.train.pixels[: size.images // 5], found.train.labels[: size.images // 5])
        part = Data(data.name, data.classes, images, data.validation.first(8), data.mirrored)
        if given.tiny and name == "vgg16":
            name = "squeezenet1_1"  # VGG's 138 million weights would take a minute to save
        ours = trainer_rate(name, part, size, device, min(batch, len(images)), "bf16")
        theirs = plain_rate(name, images, size, device, min(batch, len(images)))
        rows.append(
            (f"{name} over torchvision's in a plain loop", f"{ours:,.0f}", f"{theirs:,.0f}", ours / theirs, 1.3)
        )

    title = torch.cuda.get_device_name() if device.type == "cuda" else "CPU, tiny: no measurement"
    lines = [f"{title}, torch {torch.__version__}; images/s where nothing else is said", ""]
    lines += ["| what | trainer | beside | ratio | at least |", "| --- | ---: | ---: | ---: | ---: |"]
    lines += [f"| {what} | {ours} | {theirs} | {value:.2f} | {bound} |" for what, ours, theirs, value, bound in rows]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if given.out:
        given.out.write_text(text, "utf-8")
    return 0 if given.tiny or all(value >= bound for *_, value, bound in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
