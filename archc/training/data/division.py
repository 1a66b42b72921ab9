"""The choice of validation images for datasets that don't define them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from archc.problems import Problem, SpecError
from archc.text import counted
from archc.training.data.images import Data, FolderImages, Images
from archc.training.task import task_of

AnyImages = TypeVar("AnyImages", Images, FolderImages)


@dataclass(frozen=True, slots=True)
class Division:
    """The choice of validation images: a share of each class, one of several folds, or those of a list.

    A share or a fold is drawn under `seed`. `fold` counts from 1. The folds of one seed have every image once, and
    differ by one image at most, in all and in each class. `listed` is a text file with a path on each line.
    """

    share: Fraction = Fraction(1, 5)
    fold: tuple[int, int] | None = None
    listed: Path | None = None
    seed: int = 0

    def __str__(self) -> str:
        if self.listed is not None:
            return f"listed in {self.listed}"
        if self.fold is not None:
            return "fold {} of {}".format(*self.fold)
        return "a fifth of each class" if self.share == Fraction(1, 5) else f"{float(self.share):.4g} of each class"

    def divide(self, labels: Sequence[int]) -> tuple[list[int], list[int]]:
        """The rows to train on and the rows to validate with, each in ascending order."""
        generator = random.Random(self.seed)
        members: dict[int, list[int]] = {}
        for row, label in enumerate(labels):
            members.setdefault(label, []).append(row)
        for each in members.values():
            generator.shuffle(each)
        if self.fold is not None:
            number, count = self.fold
            grouped = [row for each in members.values() for row in each]
            validation = set(grouped[number - 1 :: count])
        else:  # at least one of each class, and never all of them
            cuts = {label: max(1, int(len(each) * self.share)) for label, each in members.items()}
            validation = {row for label, each in members.items() if len(each) > 1 for row in each[: cuts[label]]}
        return [row for row in range(len(labels)) if row not in validation], sorted(validation)


def read_division(text: str, seed: int = 0) -> Division:
    """The division that `--split` names: a share (`0.2`), a fold (`1/5`) or a file. Raises SpecError (E0702)."""
    help = "write a share such as 0.2, a fold such as 1/5, or the path of a file that lists the validation images"
    number, slash, count = text.partition("/")
    if slash and number.isascii() and number.isdigit() and count.isascii() and count.isdigit():
        fold = int(number[:9]), int(count[:9])
        if not 1 <= fold[0] <= fold[1] or fold[1] < 2:
            what = f"there is no fold {text}: folds are counted from 1, and there are two or more"
            raise SpecError([Problem("E0702", what, file="--split", help=help)])
        return Division(fold=fold, seed=seed)
    try:
        share = Fraction(text)
    except (ValueError, ZeroDivisionError):
        if not Path(text).is_file():
            what = f"`{text}` is not a share or a fold, and there is no file of this name"
            raise SpecError([Problem("E0702", what, file="--split", help=help)]) from None
        return Division(listed=Path(text), seed=seed)
    if not 0 < share < 1:
        what = f"the share of validation images is between 0 and 1, not {text}"
        raise SpecError([Problem("E0702", what, file="--split", help=help)])
    return Division(share=share, seed=seed)


def divided(
    images: AnyImages, division: Division, classes: Sequence[str], base: Path | None = None
) -> tuple[AnyImages, AnyImages]:
    """Images to train on and to validate with; the paths of a list are below `base`.

    Raises SpecError (E0702) if no image is left for validation or for the training of a class, or the list is wrong.
    """
    labels = _classes_of(images)
    if division.listed is not None:
        train, validation = _by_list(images, division.listed, base)
    else:
        train, validation = division.divide(labels)
    place = str(base) if base else "data"
    if not validation:
        how = str(division) if division.listed or division.fold else "every class has only one"
        help = "add images, or choose those for validation with --split"
        raise SpecError([Problem("E0702", f"no image is left for validation: {how}", file=place, help=help)])
    without = sorted(set(labels) - {labels[row] for row in train})
    if without:
        what = f"no image of `{classes[without[0]]}` is left for training: the validation images are {division}"
        raise SpecError([Problem("E0702", what, file=place, help="add images, or choose other ones with --split")])
    return images.rows(train), images.rows(validation)


def _classes_of(images: Images | FolderImages) -> Sequence[int]:
    """The class of each image; the same for all if the labels are not classes, which a division then disregards."""
    if isinstance(images, FolderImages):
        return images.labels
    return images.labels.tolist() if task_of(images.labels) == "classes" else [0] * len(images)


def _by_list(images: Images | FolderImages, listed: Path, base: Path | None) -> tuple[list[int], list[int]]:
    if not isinstance(images, FolderImages):
        help = "use a share or a fold, or pass the validation images from Python"
        raise SpecError([Problem("E0702", "these images have no files to list", file="--split", help=help)])
    try:
        lines = listed.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or str(error)).lower() if isinstance(error, OSError) else "it is not UTF-8"
        raise SpecError([Problem("E0702", f"`{listed}` cannot be read: {reason}", file=str(listed))]) from None
    numbers = {path.resolve(): row for row, path in enumerate(images.paths)}
    validation: set[int] = set()
    for number, line in enumerate(lines, 1):
        name = line.strip()
        if not name or name.startswith("#"):
            continue
        row = numbers.get(((base or Path()) / name).resolve(), numbers.get(Path(name).resolve()))
        if row is None:
            what = f"line {number} of `{listed}` names `{name}`, which is not one of the {len(images):,} images"
            help = f"write paths as they are below {base}/, one on each line"
            raise SpecError([Problem("E0702", what, file=str(listed), help=help)])
        validation.add(row)
    return [row for row in range(len(images)) if row not in validation], sorted(validation)


def redivided(data: Data, division: Division, base: Path | None = None) -> Data:
    """A dataset that has validation images, divided otherwise: these become its test images.

    Raises SpecError (E0702) if it has test images as well.
    """
    if data.test is not None:
        what = f"{data.name} has validation images and test images of its own"
        help = "remove --split, or put the images for training and validation into one folder"
        raise SpecError([Problem("E0702", what, file="--split", help=help)])
    if isinstance(data.train, Images):
        parts: tuple[Images, Images] | tuple[FolderImages, FolderImages] = divided(data.train, division, data.classes)
    else:
        parts = divided(data.train, division, data.classes, base)
    train, validation = parts
    taken = f"{counted(len(validation), 'training image')} for validation ({division})"
    note = f"{taken}; the {counted(len(data.validation), 'validation image')} of {data.name} become the test images"
    return replace(data, train=train, validation=validation, test=data.validation, notes=(*data.notes, note))
