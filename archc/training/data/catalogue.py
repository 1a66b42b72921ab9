"""The datasets that `--data` names."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from archc.problems import Problem, SpecError, did_you_mean
from archc.text import first_line
from archc.training.data.division import Division, redivided
from archc.training.data.folder import folder
from archc.training.data.idx import read_idx
from archc.training.data.images import Data, Images
from archc.training.data.shapes import shapes

DIGITS = tuple("0123456789")
FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
"""The folder of Debian's package dataset-fashion-mnist."""

NAMES = {
    "digits": "1,797 grayscale 8×8 handwritten digits; included with archc",
    "shapes": "generated images of colored shapes: shapes, shapes:SIZE or shapes:SIZE:COUNT",
    "cifar10": "60,000 color photos, 32×32, in 10 classes",
    "cifar100": "60,000 color photos, 32×32, in 100 classes",
    "mnist": "70,000 grayscale 28×28 handwritten digits",
    "fashion-mnist": "70,000 grayscale 28×28 pictures of clothing",
    "folder": "folder:PATH with one folder of images per class, or such folders in train/ and val/",
}


def load_data(
    name: str,
    folder_of_data: Path = Path("data"),
    *,
    download: bool = False,
    limit: int = 0,
    division: Division | None = None,
) -> Data:
    """The dataset of a name; `limit` keeps the first images of each part.

    With a division the training images are divided into those to train on and those to validate with. The images that
    the dataset has for validation are then for the test.

    Raises SpecError (E0702) where it is unknown, missing or damaged.
    """
    kind, _, rest = name.partition(":")
    match kind:
        case "digits" if not rest:
            data = _digits()
        case "shapes":
            data = _shapes(name, rest)
        case "cifar10" | "cifar100" if not rest:
            data = _cifar(kind, folder_of_data, download)
        case "mnist" | "fashion-mnist" if not rest:
            data = _mnist(kind, folder_of_data, download)
        case "folder" if rest:
            data = folder(Path(rest), division)
        case _:
            known = did_you_mean(kind, NAMES) if kind not in NAMES else f"{kind}: {NAMES[kind]}"
            if Path(name).is_dir():
                known = f"write folder:{name} for the images in this folder"
            raise SpecError([Problem("E0702", f"unknown dataset `{name}`", file="--data", help=known)])
    if division and kind != "folder":
        data = redivided(data, division)
    if limit:
        test = data.test and data.test.first(limit)
        return replace(data, train=data.train.first(limit), validation=data.validation.first(limit), test=test)
    return data


def _digits() -> Data:
    """E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (1998), the images of its test set.

    https://doi.org/10.24432/C50P49 (CC BY 4.0), as scikit-learn ships them; 0 … 16 are stretched to 0 … 255.
    A fifth of the images, drawn once, is for validation.
    """
    here = Path(__file__).parent
    pixels = read_idx(here / "digits-images-idx3-ubyte.gz").unsqueeze(1)
    labels = read_idx(here / "digits-labels-idx1-ubyte.gz").long()
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    cut = len(labels) * 4 // 5
    train, validation = order[:cut], order[cut:]
    parts = Images(pixels[train], labels[train]), Images(pixels[validation], labels[validation])
    return Data("digits", DIGITS, *parts, mirrored=False)


def _shapes(name: str, rest: str) -> Data:
    numbers = rest.split(":") if rest else []
    if len(numbers) > 2 or not all(n.isascii() and n.isdigit() and 0 < int(n[:9]) <= 10**7 for n in numbers):
        help = "write shapes, shapes:SIZE or shapes:SIZE:COUNT, such as shapes:224:500"
        raise SpecError([Problem("E0702", f"unknown dataset `{name}`", file="--data", help=help)])
    size, count = [*map(int, numbers), *(32, 2000)[len(numbers) :]]
    if not 8 <= size <= 1024:
        raise SpecError([Problem("E0702", f"shapes can be 8 to 1024 pixels wide, not {size}", file="--data")])
    return shapes(size, count)


def _mnist(kind: str, root: Path, download: bool) -> Data:
    subfolder, classes = ("MNIST", DIGITS) if kind == "mnist" else ("FashionMNIST", FASHION)
    if download:
        _download(subfolder, root)
    places = [root, root / subfolder / "raw"] + ([DEBIAN] if kind == "fashion-mnist" else [])

    def part(prefix: str) -> Images:
        pixels = read_idx(_find(kind, f"{prefix}-images-idx3-ubyte", places))
        labels = read_idx(_find(kind, f"{prefix}-labels-idx1-ubyte", places))
        if pixels.ndim != 3 or labels.ndim != 1 or len(pixels) != len(labels):
            what = f"the images and labels of `{kind}` do not match"
            raise SpecError([Problem("E0702", what, file=str(root))])
        return Images(pixels.unsqueeze(1), labels.long())

    return Data(kind, classes, part("train"), part("t10k"), mirrored=kind != "mnist")


def _find(kind: str, name: str, places: list[Path]) -> Path:
    for place in places:
        for path in (place / name, place / f"{name}.gz"):
            if path.is_file():
                return path
    raise _missing(kind, places[0])


def _cifar(kind: str, root: Path, download: bool) -> Data:
    from torchvision import datasets

    reader: Callable[..., Any] = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[kind]
    if download:
        _download(reader.__name__, root)
    try:
        train, validation = reader(root, train=True), reader(root, train=False)
    except RuntimeError:
        raise _missing(kind, root) from None

    def part(found: Any) -> Images:
        return Images(torch.from_numpy(found.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(found.targets))

    return Data(kind, tuple(train.classes), part(train), part(validation), mirrored=True)


def _download(reader: str, root: Path) -> None:
    from torchvision import datasets

    try:
        getattr(datasets, reader)(root, train=True, download=True)
    except (OSError, RuntimeError) as error:
        what = f"`{reader}` cannot be downloaded: {first_line(error)}"
        raise SpecError([Problem("E0702", what, file=str(root))]) from None


def _missing(kind: str, root: Path) -> SpecError:
    fetched = "; Debian's package dataset-fashion-mnist also has it" if kind == "fashion-mnist" else ""
    what = f"`{kind}` is not in the folder `{root}`"
    help = f"give its folder with --data-dir, or download it with --download{fetched}"
    return SpecError([Problem("E0702", what, file=os.fspath(root), help=help)])
