"""Datasets as the trainer uses them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from archc.problems import Problem, SpecError
from archc.training.task import IGNORED, TASKS, task_of


@dataclass(frozen=True, slots=True)
class Images:
    """Images in memory: `pixels` is uint8 (images, channels, height, width), and `labels` what is known of them.

    The type of the labels says what they are:
    int64 (images) is one class per image, bool (images, labels) several labels per image, float32 (images, numbers)
    numbers to predict, and uint8 (images, height, width) one class per pixel, where 255 does not count.
    Raises SpecError (E0702) if they are of other types or shapes, or their numbers differ.
    """

    pixels: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if self.pixels.dtype != torch.uint8 or self.pixels.ndim != 4:
            own = f"{str(self.pixels.dtype).removeprefix('torch.')} of {self.pixels.ndim} dimensions"
            what = f"`pixels` must be uint8 with 4 dimensions, not {own}"
            raise SpecError([Problem("E0702", what, file="data")])
        if task_of(self.labels) == "masks" and self.labels.shape[1:] != self.pixels.shape[2:]:
            sizes = [tuple(size) for size in (self.labels.shape[1:], self.pixels.shape[2:])]
            what = f"the masks are {sizes[0]} pixels and the images {sizes[1]}"
            raise SpecError([Problem("E0702", what, file="data", help="each pixel needs one label")])
        if len(self.pixels) != len(self.labels):
            what = f"there are {len(self.pixels):,} images and {len(self.labels):,} labels"
            raise SpecError([Problem("E0702", what, file="data", help="each image needs one label")])

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> Images:
        """Return the first images."""
        return Images(self.pixels[:count], self.labels[:count])

    def rows(self, rows: Sequence[int]) -> Images:
        """Return the images of some rows."""
        return Images(self.pixels[rows], self.labels[rows])


@dataclass(frozen=True, slots=True)
class FolderImages:
    """Images in files of any sizes, each with the number of its class."""

    paths: tuple[Path, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def first(self, count: int) -> FolderImages:
        """At most `count` images, evenly spread over the classes."""
        return self.rows(range(0, len(self), -(-len(self) // count)))

    def rows(self, rows: Sequence[int]) -> FolderImages:
        """Return the images of some rows."""
        return FolderImages(tuple(self.paths[i] for i in rows), tuple(self.labels[i] for i in rows))


@dataclass(frozen=True, slots=True)
class Data:
    """A dataset: training images, validation images, and the names of the classes.

    `test` are images that do not influence training, if there are any. `mirrored` is True if an image can be flipped
    horizontally without changing its class. `notes` are sentences about what was found in files and folders. Raises
    SpecError (E0702) if a part has no images, or a label is not the number of a class.
    """

    name: str
    classes: tuple[str, ...]
    train: Images | FolderImages
    validation: Images | FolderImages
    mirrored: bool
    test: Images | FolderImages | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        parts = {"training": self.train, "validation": self.validation, "test": self.test}
        for name, part in parts.items():
            if part is None:
                continue
            if not len(part):
                raise SpecError([Problem("E0702", f"{self.name} has no {name} images", file=self.name)])
            own = task_of(part.labels)
            if own != self.task:
                what = f"the {name} images of {self.name} have {TASKS[own].name}, but those to train on {{}}"
                raise SpecError([Problem("E0702", what.format(TASKS[self.task].name), file=self.name)])
            fault = _wrong_label(part, len(self.classes))
            if fault:
                what = f"{fault.format(name)}, but {self.name} has {len(self.classes)} classes, counted from 0"
                raise SpecError([Problem("E0702", what, file=self.name)])

    def part(self, name: Literal["train", "validation", "test"]) -> Images | FolderImages:
        """The images of a part. Raises SpecError (E0702) if there are none for `test`."""
        images = {"train": self.train, "validation": self.validation, "test": self.test}[name]
        if images is None:
            help = "put them into test/ next to train/ and val/, or name them with --test"
            raise SpecError([Problem("E0702", f"{self.name} has no test images", file=self.name, help=help)])
        return images

    @property
    def task(self) -> str:
        """The name of what the labels are, in TASKS."""
        return task_of(self.train.labels)

    @property
    def shape(self) -> tuple[int, int, int] | None:
        """(channels, height, width) of every image; None if the images have different sizes."""
        if isinstance(self.train, FolderImages):
            return None
        channels, height, width = self.train.pixels.shape[1:]
        return channels, height, width


def _wrong_label(part: Images | FolderImages, classes: int) -> str:
    """The first label that is not the number of a class, with its place; empty if there is none."""
    labels = part.labels if isinstance(part, Images) else torch.tensor(part.labels)
    if task_of(labels) in ("labels", "numbers"):
        found = labels.shape[1]
        return "" if found == classes else f"the labels of the {{}} images have {found} columns"
    if task_of(labels) == "masks":
        wrong = ((labels >= classes) & (labels != IGNORED)).flatten(1).any(1).nonzero()
        return f"{{}} image {int(wrong[0]) + 1} has a pixel of another class" if len(wrong) else ""
    wrong = ((labels < 0) | (labels >= classes)).nonzero()
    return f"{{}} image {int(wrong[0]) + 1} has the label {int(labels[wrong[0]])}" if len(wrong) else ""
