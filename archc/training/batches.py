"""Batches of images on the device: gathered there for small datasets, prefetched by worker processes for folders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from archc.problems import Problem, SpecError
from archc.training.augment import random_part, resize, with_channels
from archc.training.data import FolderImages, Images
from archc.training.data.decode import UnreadableImage, View, read_pixels
from archc.training.task import MISSING
from archc.training.workers import signals_held, start_worker


class Batch(NamedTuple):
    """uint8 images (batch, channels, height, width) on the device, int64 labels, and their rows of the draws.

    `here` are these rows on the CPU.
    """

    pixels: Tensor
    labels: Tensor
    draws: Tensor
    here: Tensor


class Batches(Protocol):
    """A source of batches; `unreadable` are the files that were skipped so far."""

    unreadable: dict[Path, str]

    def __len__(self) -> int: ...

    def of(self, rows: list[Tensor], draws: Tensor) -> Iterator[Batch]:
        """A batch for each tensor of row numbers, in order; `draws` has one row per image."""
        ...

    def close(self) -> None:
        """End the processes that read images, if there are any."""
        ...


class ResidentBatches:
    """Images stored on the device as uint8."""

    def __init__(self, images: Images, device: torch.device) -> None:
        self.pixels = images.pixels.to(device)
        self.labels = images.labels.to(device)
        self.unreadable: dict[Path, str] = {}

    def __len__(self) -> int:
        return len(self.labels)

    def of(self, rows: list[Tensor], draws: Tensor) -> Iterator[Batch]:
        """Gather on the device; the row numbers and draws of the whole epoch are copied there at once."""
        device = self.labels.device
        there = draws.to(device)
        moved = torch.cat(rows).to(device) if rows else torch.empty(0, dtype=torch.int64)
        for own, part in zip(rows, torch.split(moved, [len(row) for row in rows]), strict=True):
            known = (there[part], draws[own]) if len(draws) else (there, draws)
            yield Batch(self.pixels[part], self.labels[part], *known)

    def close(self) -> None:
        """Do nothing: no process reads these images."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The conversion of image files to images of one size."""

    channels: int
    height: int
    width: int
    random_crop: bool
    center_crop: float
    strict: bool
    background: str = "white"


class FolderBatches:
    """Images that worker processes read from files, ahead of the device.

    The processes start with the first batch and read all epochs until `close`.
    """

    def __init__(self, images: FolderImages, reading: Reading, device: torch.device, workers: int) -> None:
        self.images = images
        self.reading = reading
        self.device = device
        self.workers = workers
        self.unreadable: dict[Path, str] = {}
        self._wanted: list[list[_Wanted]] = []
        """The images of each batch of the epoch, which the loader sends to its processes."""
        self._loader: Any = None
        self._epoch: Any = None
        """The loader's iterator, which only this object references, so that `close` ends its processes."""

    def __len__(self) -> int:
        return len(self.images)

    def close(self) -> None:
        """End the processes that read images."""
        self._loader = self._epoch = None

    def of(self, rows: list[Tensor], draws: Tensor) -> Iterator[Batch]:
        """Read the files of each batch; prefetched batches for a GPU are in pinned memory."""
        # The crop of each image is sent with its number, so workers draw nothing.
        random = self.reading.random_crop and len(draws)
        parts = torch.stack(random_part(draws), 1).tolist() if random else [None] * len(self)
        self._wanted[:] = [[(i, parts[i]) for i in part.tolist()] for part in rows]
        if self._loader is None:
            self._loader = self._start()
        with signals_held():
            self._epoch = iter(self._loader)
        for part in rows:
            pixels, labels, faults = next(self._epoch)
            self.unreadable.update(faults)
            if faults and self.reading.strict:
                path, fault = next(iter(faults.items()))
                what, help = f"`{path}` cannot be read: {fault}", "without --strict-images, archc skips it"
                raise SpecError([Problem("E0702", what, file=str(path), help=help)])
            own = draws[part] if len(draws) else draws
            there = [each.to(self.device, non_blocking=True) for each in (pixels, labels, own)]
            yield Batch(there[0], there[1], there[2], own)

    def _start(self) -> Any:
        from torch.utils.data import DataLoader

        return DataLoader(
            _Files(self.images, self.reading),
            batch_sampler=self._wanted,
            num_workers=self.workers,
            collate_fn=_collate,
            pin_memory=self.device.type == "cuda",
            worker_init_fn=start_worker if self.workers else None,
            prefetch_factor=4 if self.workers else None,
            persistent_workers=self.workers > 0,
            generator=torch.Generator().manual_seed(0),  # otherwise each epoch would draw from the global one
        )


_Wanted = tuple[int, list[float] | None]
"""The number of an image, and its crop."""
Read = tuple[Tensor, int, tuple[Path, str] | None]
_Collated = tuple[Tensor, Tensor, dict[Path, str]]


class _Files(torch.utils.data.Dataset[Read]):
    def __init__(self, images: FolderImages, reading: Reading) -> None:
        self.images = images
        self.reading = reading

    def __getitem__(self, wanted: _Wanted) -> Read:
        index, part = wanted
        path = self.images.paths[index]
        try:
            return read_image(path, self.reading, part), self.images.labels[index], None
        except UnreadableImage as error:
            r = self.reading
            return torch.full((r.channels, r.height, r.width), 128, dtype=torch.uint8), MISSING, (path, str(error))


def read_image(path: Path, reading: Reading, part: list[float] | None = None) -> Tensor:
    """Read an image file, crop and resize it: uint8 (channels, height, width). Raises UnreadableImage.

    `part` is a random crop from `random_part`: height, width, top and left as fractions. None means the center crop.
    """
    view = _middle(reading) if part is None else _random_part(reading, *part)
    stored = read_pixels(path, 1 if reading.channels == 1 else 3, reading.background, view)
    pixels = torch.from_numpy(stored).permute(2, 0, 1)[None]
    return resize(with_channels(pixels, reading.channels), reading.height, reading.width)[0]


_FINER = 2.0
"""A JPEG is decoded at a size at least this much larger than the network's input, so that resizing loses nothing."""


def _random_part(reading: Reading, height: float, width: float, top: float, left: float) -> View:
    def box(rows: int, columns: int) -> tuple[int, int, int, int]:
        part = max(1, int(height * rows)), max(1, int(width * columns))
        return int(top * rows), int(left * columns), *part

    return View((_FINER * reading.height / height, _FINER * reading.width / width), box)


def _middle(reading: Reading) -> View:
    """The largest central crop with the network's aspect ratio, times `center_crop`."""

    def box(rows: int, columns: int) -> tuple[int, int, int, int]:
        if reading.center_crop == 1 and rows == columns:
            return 0, 0, rows, columns
        scale = min(rows / reading.height, columns / reading.width) * reading.center_crop
        height, width = max(1, round(reading.height * scale)), max(1, round(reading.width * scale))
        return (rows - height) // 2, (columns - width) // 2, height, width

    least = _FINER * reading.height / reading.center_crop, _FINER * reading.width / reading.center_crop
    return View(least, box)


def _collate(parts: list[Read]) -> _Collated:
    pixels, labels, faults = zip(*parts, strict=True)
    return torch.stack(pixels), torch.tensor(labels), dict(fault for fault in faults if fault is not None)


def epoch_rows(order: Tensor, batch_size: int, rank: int, world: int) -> list[tuple[Tensor, int]]:
    """The images of each batch that one process of `world` gets (every world-th), and the size of the whole batch.

    The last batch has the remaining images; with several processes, it omits less than one image for each.
    """
    return [(batch[rank::world], len(batch)) for batch in torch.split(order, batch_size) if len(batch) >= world]


def smallest_part(count: int, batch_size: int, accumulate: int, world: int) -> int:
    """The smallest number of images that pass the network at once in an epoch of `count`."""
    steps = epoch_rows(torch.arange(count), batch_size, world - 1, world)
    return min((len(part) for rows, _ in steps[:1] + steps[-1:] for part in rows.chunk(accumulate)), default=0)


def make_batches(images: Images | FolderImages, reading: Reading, device: torch.device, workers: int) -> Batches:
    """The batches of a dataset."""
    if isinstance(images, Images):
        return ResidentBatches(images, device)
    return FolderBatches(images, reading, device, workers)
