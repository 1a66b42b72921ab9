"""The layout of a folder of images: class folders, or parts for training and validation that contain class folders.

Names alone decide nothing. A folder called `train` is a part if it holds folders of classes, and may be the class of
trains if it holds images. If both readings are possible, none is chosen.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain
from pathlib import Path

from archc.problems import SpecError
from archc.text import counted
from archc.training.data.scan import Found, refused


class Role(Enum):
    """The purpose of a part of a dataset."""

    TRAINING = "training"
    VALIDATION = "validation"
    TEST = "test"


_NEUTRAL = frozenset("set data dataset images image imgs img split files folder dir directory".split())
"""Words that say nothing more of a part, as in `train_images` and `traindir`."""
_WORDS = {
    word + end: role
    for role, words in {
        Role.TRAINING: ("train", "training", "trn"),
        Role.VALIDATION: ("val", "valid", "validation", "validating", "dev", "eval", "evaluation"),
        Role.TEST: ("test", "testing", "tst"),
    }.items()
    for word in words
    for end in ("", *_NEUTRAL)
}


@dataclass(frozen=True, slots=True)
class Split:
    """The folders that hold the classes: one for training, one for validation, one for a test, if there are any.

    `unused` are the omitted folders, each with the reason.
    """

    train: Found
    validation: Found | None = None
    test: Found | None = None
    unused: dict[str, str] = field(default_factory=dict)


def role_of(name: str) -> tuple[Role, tuple[str, ...]] | None:
    """The role in a folder's name, and the other words of the name; None if it has no role, or several.

    `Training`, `train_images` and `train2017` have no other words; `seg_train` has `seg`.
    """
    words = re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))
    lower = [word.lower() for word in words]
    roles = [word for word in lower if word in _WORDS]
    if len(roles) != 1:
        return None
    return _WORDS[roles[0]], tuple(word for word in lower if word not in roles and word not in _NEUTRAL)


def innermost(found: Found) -> Found:
    """The folder that holds several folders or images, below folders that hold one folder of folders alone."""
    while not found.images:
        inside = with_images(found)
        if len(inside) != 1 or not with_images(inside[0]):
            break
        found = inside[0]
    return found


def with_images(found: Found) -> list[Found]:
    """The folders in a folder that have images in them or below them."""
    return [folder for folder in found.folders if folder.holds_images]


def split(root: Found) -> Split:
    """The parts of a folder. Raises SpecError (E0702) if its names and contents allow for two readings."""
    root = innermost(root)
    folders = with_images(root)
    parts = _parts(folders)
    full = {folder.name: role for folder, role in parts if with_images(folder)}
    bare = {folder.name: role for folder, role in parts if not with_images(folder)}
    rest = [folder.name for folder in folders if folder.name not in full | bare]
    by_role: dict[Role, list[Found]] = {role: [] for role in Role}
    for folder, role in parts:
        if folder.name in full:
            by_role[role].append(folder)
    for role, several in by_role.items():
        if len(several) > 1:
            one, other = (f"`{folder.name}/`" for folder in several[:2])
            raise _ambiguous(root, f"the {role.value} images are those of {one}", f"those of {other}")
    if not full:
        if bare and (len(bare) > 1 or set(bare.values()) != {Role.TRAINING} or not rest):
            names = _names(sorted(bare))
            raise _ambiguous(
                root,
                f"{names} contain parts of a dataset, but no class folders"
                if len(bare) > 1
                else f"{names} contains a part of a dataset, but no class folders",
                f"{names} {'are classes' if len(bare) > 1 else 'is a class'}",
            )
        _refuse_parts_in_classes(root, folders)
        _refuse_parts_of_other_names(root, folders)
        return Split(root)
    if not by_role[Role.TRAINING]:
        names = _names(sorted(full))
        others = f"{_names(rest)} are the training classes, and {names}" if rest else names
        which = "contains another part" if len(full) == 1 else "contain other parts"
        raise _ambiguous(root, f"{others} {which}", f"all of {_names(sorted(f.name for f in folders))} are classes")
    train = innermost(by_role[Role.TRAINING][0])
    evaluated = [innermost(part) for part in by_role[Role.VALIDATION] + by_role[Role.TEST]]
    validation, test = (*evaluated, None, None)[:2]  # without a validation part, the test part is used
    if rest and (validation is None or not _class_names(train) & _class_names(validation)):
        inner = by_role[Role.TRAINING][0].name
        every = _names(sorted(folder.name for folder in folders))
        raise _ambiguous(root, f"the classes are the folders in `{inner}/`", f"all of {every} are classes")
    unused = dict.fromkeys(rest, "its name is not the name of a part")
    unused |= dict.fromkeys(bare, "it has no class folders")
    return Split(train, validation, test, {f"{name}/": why for name, why in sorted(unused.items())})


def _class_names(part: Found) -> set[str]:
    return {folder.name for folder in with_images(part)}


def _parts(folders: list[Found]) -> list[tuple[Found, Role]]:
    """The folders whose names have a role.

    With other words in its name, as `seg_train`, a folder counts only if a training part and another one share them.
    """
    named = [(folder, *found) for folder in folders if (found := role_of(folder.name)) is not None]
    roles: dict[tuple[str, ...], set[Role]] = {}
    for _, role, others in named:
        roles.setdefault(others, set()).add(role)
    return [
        (folder, role)
        for folder, role, others in named
        if not others or (Role.TRAINING in roles[others] and len(roles[others]) > 1)
    ]


def _refuse_parts_in_classes(root: Found, classes: list[Found]) -> None:
    for folder in classes:
        inside = {role for _, role in _parts(with_images(folder))}
        if Role.TRAINING in inside and len(inside) > 1:
            names = _names(sorted(part.name for part in with_images(folder)))
            raise _ambiguous(
                root,
                f"each class contains its own parts: `{folder.name}/` contains {names}",
                f"all images of `{folder.name}/` belong to one part",
            )


def _refuse_parts_of_other_names(root: Found, classes: list[Found]) -> None:
    """Refuse folders that contain only folders of the same names, as `fold1/` and `fold2/` or `tr/` and `te/` may."""
    inside = {folder.name: _class_names(inner) for folder in classes if not (inner := innermost(folder)).images}
    counts = Counter(chain.from_iterable(inside.values()))
    shared = {name for name, count in counts.items() if count > 1}
    parts = sorted(name for name, names in inside.items() if len(names & shared) > 1)
    if len(parts) > 1:
        raise _ambiguous(
            root,
            f"{_names(parts)} are parts with the classes {_names(sorted(shared))}",
            f"{_names(sorted(folder.name for folder in classes))} are classes",
            "rename the parts to train/ and val/, or put the images of each class directly into its folder",
        )


def _ambiguous(
    root: Found, one: str, other: str, help: str = "put class folders into train/ and val/, or keep only class folders"
) -> SpecError:
    what = f"`{root.path}` can be read in two ways: {one}, or {other}"
    return refused(root.path, what, help)


def _names(names: list[str]) -> str:
    listed = [f"`{name}/`" for name in names[:3]]
    if len(names) > 3:
        listed.append(counted(len(names) - 3, "more folder"))
    return " and ".join(listed) if len(listed) < 3 else f"{', '.join(listed[:-1])} and {listed[-1]}"


def relative(found: Found, base: Path) -> str:
    """A folder's path below another one, as `train/`."""
    inner = found.path.relative_to(base)
    return f"{found.path.name if inner == Path() else inner}/"
