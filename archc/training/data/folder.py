"""Images in folders: one folder a class, in train/ and val/ as ImageNet has them, or all in one place."""

from __future__ import annotations

import random
from pathlib import Path

from archc.problems import Problem, SpecError
from archc.training.data.images import Data, FolderImages

ENDINGS = frozenset(".jpg .jpeg .png .bmp .gif .webp .ppm .pgm .tif .tiff".split())
VALIDATION = ("val", "valid", "validation", "test")


def folder(path: Path) -> Data:
    """The images below a folder, with the names of the innermost folders' parents as classes.

    Without train/ and val/ a fifth of each class, drawn once, is for validation. Raises SpecError (E0702).
    """
    if not path.is_dir():
        raise _fault(path, f"`{path}` is no folder", "write folder:PATH with the path of the folder of your images")
    train = path / "train"
    validation = next((path / name for name in VALIDATION if (path / name).is_dir()), None)
    if train.is_dir() and validation is not None:
        classes = _classes(train)
        others = _classes(validation)
        if classes != others:
            odd = sorted(set(classes) ^ set(others))
            what = f"`{train}` has {len(classes)} classes, `{validation}` {len(others)}: `{odd[0]}` is not in both"
            raise _fault(path, what, "both need the same folders")
        return Data(_name(path), tuple(classes), _images(train, classes), _images(validation, classes), mirrored=True)
    classes = _classes(path)
    return Data(_name(path), tuple(classes), *_split(_images(path, classes)), mirrored=True)


def _name(path: Path) -> str:
    return path.resolve().name or "folder"


def _classes(path: Path) -> list[str]:
    classes = sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if len(classes) < 2:
        raise _fault(path, f"`{path}` has {len(classes)} folders: a class is a folder, and two are needed", "")
    return classes


def _images(path: Path, classes: list[str]) -> FolderImages:
    found: list[Path] = []
    labels: list[int] = []
    for number, name in enumerate(classes):
        files = sorted(file for file in (path / name).rglob("*") if file.suffix.lower() in ENDINGS)
        if not files:
            help = f"images end in {', '.join(sorted(ENDINGS))}"
            raise _fault(path / name, f"the class `{name}` has no images in `{path / name}`", help)
        found += files
        labels += [number] * len(files)
    return FolderImages(tuple(found), tuple(labels))


def _split(images: FolderImages) -> tuple[FolderImages, FolderImages]:
    generator = random.Random(0)
    parts: tuple[list[int], list[int]] = ([], [])
    for label in dict.fromkeys(images.labels):
        members = [index for index, other in enumerate(images.labels) if other == label]
        generator.shuffle(members)
        cut = max(1, len(members) // 5) if len(members) > 1 else 0
        parts[0].extend(members[cut:])
        parts[1].extend(members[:cut])
    train, validation = (sorted(part) for part in parts)
    return _pick(images, train), _pick(images, validation)


def _pick(images: FolderImages, indices: list[int]) -> FolderImages:
    return FolderImages(tuple(images.paths[i] for i in indices), tuple(images.labels[i] for i in indices))


def _fault(path: Path, what: str, help: str) -> SpecError:
    return SpecError([Problem("E0702", what, file=str(path), help=help)])
