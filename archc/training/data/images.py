"""What a data set is to the trainer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Images:
    """Images in memory: `pixels` is uint8 (images, channels, height, width), `labels` int64 (images)."""

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> Images:
        """The first images."""
        return Images(self.pixels[:count], self.labels[:count])


@dataclass(frozen=True, slots=True)
class FolderImages:
    """Images in files of any sizes, each with the number of its class."""

    paths: tuple[Path, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def first(self, count: int) -> FolderImages:
        """At most `count` images, evenly spread over the classes."""
        kept = range(0, len(self), -(-len(self) // count))
        return FolderImages(tuple(self.paths[i] for i in kept), tuple(self.labels[i] for i in kept))


@dataclass(frozen=True, slots=True)
class Data:
    """Images to train on and images to validate with.

    `mirrored` says whether a mirrored image shows the same thing.
    """

    name: str
    classes: tuple[str, ...]
    train: Images | FolderImages
    validation: Images | FolderImages
    mirrored: bool

    @property
    def shape(self) -> tuple[int, int, int] | None:
        """(channels, height, width) of every image; None where they differ in size."""
        if isinstance(self.train, FolderImages):
            return None
        channels, height, width = self.train.pixels.shape[1:]
        return channels, height, width
