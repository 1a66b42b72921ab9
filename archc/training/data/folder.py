"""Images in folders, one folder per class: all in one place, or in parts for training and validation."""

from __future__ import annotations

import unicodedata
from collections import Counter
from pathlib import Path

from archc.problems import did_you_mean
from archc.text import counted
from archc.training.data.decode import EXTENSIONS
from archc.training.data.division import Division, divided, redivided
from archc.training.data.images import Data, FolderImages
from archc.training.data.scan import Found, escaped, refused, scan
from archc.training.data.splits import relative, split

_SHOWN = 5


def folder(path: Path, division: Division | None = None) -> Data:
    """The images below a folder, with the names of the class folders as classes.

    If no part for validation is found, the division decides: a fifth of each class, the same in every run, if it is
    None. If there is one, and a division as well, the division holds, and the part is for the test.
    Raises SpecError (E0702) if the layout is ambiguous, a class has no images, or none are left for a part.
    """
    if not path.is_dir():
        raise refused(path, f"`{path}` is not a folder", "write folder:PATH, where PATH is the folder with your images")
    root = scan(path)
    parts = split(root)
    classes, unused = _classes(parts.train)
    train, test = _images(classes), None
    notes: list[str] = []
    if parts.validation is None:
        own = division or Division()
        train, validation = divided(train, own, tuple(classes), path)
        counts = f", {counted(len(validation), 'validation image')} ({own})"
        lacking = [name for number, name in enumerate(classes) if number not in validation.labels]
        why = "" if own.fold or own.listed else ", with one image each"
        notes += [f"no validation images of {_listed(lacking)}{why}"] if lacking else []
    else:
        unused = {f"{relative(parts.train, path)}{name}": why for name, why in unused.items()}
        counts = ""

        def part(place: Found, purpose: str) -> FolderImages:
            nonlocal counts
            others, more = _classes(place, optional=True)
            _refuse_unknown(classes, others, place, parts.train)
            images = _images({name: others[name] for name in classes if name in others}, list(classes))
            counts += f", {counted(len(images), f'{purpose} image')} from {relative(place, path)}"
            lacking = [name for name in classes if name not in others]
            notes.extend([f"no {purpose} images of {_listed(lacking)}"] if lacking else [])
            unused.update({f"{relative(place, path)}{name}": why for name, why in more.items()})
            return images

        validation = part(parts.validation, "validation")
        test = part(parts.test, "test") if parts.test is not None else None
    where = f"in {len(classes)} classes from {relative(parts.train, path)}"
    said = f"{counted(len(train), 'training image')} {where} ({_listed(list(classes))}){counts}"
    skipped = [f"{name} ({why})" for name, why in (unused | parts.unused).items()] + _other_images(root)
    notes += [f"not used: {', '.join(skipped)}"] if skipped else []
    name = escaped(path.resolve().name) or "folder"
    data = Data(name, tuple(classes), train, validation, True, test, tuple(escaped(note) for note in (said, *notes)))
    return redivided(data, division, path) if division and parts.validation is not None else data


def _classes(place: Found, *, optional: bool = False) -> tuple[dict[str, Found], dict[str, str]]:
    """The class folders of a part by their names, and what else is there, with the reason why it is not used.

    A folder without images is refused, or passed over if it is `optional` for a class to have some.
    """
    classes: dict[str, Found] = {}
    unused: dict[str, str] = {}
    for found in place.folders:
        if not found.holds_images and (optional or any(part.files for part in found.all())):
            unused[f"{found.name}/"] = "without images"
            continue
        name = _class_name(found.path)
        if name in classes:
            what = f"`{classes[name].path}` and `{found.path}` have the same name in two Unicode forms"
            raise refused(found.path, what, "rename one of them, or put their images together")
        if not found.holds_images:
            help = f"supported image files: {', '.join(sorted(EXTENSIONS))}"
            others = sum((part.others for part in found.all()), Counter[str]())
            if others:
                help += f"; there are {_counts(others)}"
            raise refused(found.path, f"the class `{name}` has no images in `{found.path}`", help)
        classes[name] = found
    if place.images:
        unused[counted(len(place.images), "image")] = "outside of the class folders"
    if len(classes) < 2 and not optional:
        folders = counted(len(classes), "folder")
        what = f"`{place.path}` has {folders} with images, but you need at least two: one for each class"
        raise refused(place.path, what, "make one folder per class, such as cat/ and dog/")
    return dict(sorted(classes.items())), unused


def _class_name(path: Path) -> str:
    """The name of a class: the same for both ways in which Unicode can write an accent, as systems differ in that."""
    try:
        path.name.encode("utf-8")
    except UnicodeEncodeError:
        what = f"the folder name `{escaped(path.name)}` is not UTF-8, so it cannot name a class"
        raise refused(path.parent, what, "rename the folder") from None
    return unicodedata.normalize("NFC", path.name)


def _refuse_unknown(classes: dict[str, Found], others: dict[str, Found], place: Found, train: Found) -> None:
    unknown = [name for name in others if name not in classes]
    if unknown:
        where = f"`{place.path}` has the class `{unknown[0]}`, which `{train.path}` does not have"
        more = f" (and {counted(len(unknown) - 1, 'other')})" if len(unknown) > 1 else ""
        help = did_you_mean(unknown[0], [name for name in classes if name not in others])
        same = "use the same class names in both folders"
        raise refused(place.path, where + more, f"{same}; {help}" if help.startswith("did") else "")


def _images(classes: dict[str, Found], numbered: list[str] | None = None) -> FolderImages:
    """The images of classes, whose labels are their places in `numbered`."""
    numbers = {name: number for number, name in enumerate(numbered or classes)}
    pairs = [(image, numbers[name]) for name, found in classes.items() for image in found.everything()]
    return FolderImages(tuple(image for image, _ in pairs), tuple(label for _, label in pairs))


def _other_images(root: Found) -> list[str]:
    counts = sum((part.others for part in root.all()), Counter[str]())
    return [f"{_counts(counts)} (a format that archc does not read)"] if counts else []


def _counts(counts: Counter[str]) -> str:
    return " and ".join(counted(count, f"{extension} file") for extension, count in counts.most_common(_SHOWN))


def _listed(names: list[str]) -> str:
    more = [f"{len(names) - _SHOWN:,} more"] if len(names) > _SHOWN else []
    return ", ".join([*names[:_SHOWN], *more])
