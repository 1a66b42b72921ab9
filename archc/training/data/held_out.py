"""Test images from another dataset."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from archc.problems import Problem, SpecError
from archc.training.data.catalogue import load_data
from archc.training.data.images import Data, FolderImages


def load_test(name: str, folder_of_data: Path, data: Data, *, limit: int = 0) -> Data:
    """A dataset with the test images of another one: of `folder:PATH` all images, of others those for validation.

    Raises SpecError (E0702) as `load_data` does, and if the classes are not the same.
    """
    other = load_data(name, folder_of_data, limit=limit)
    if other.classes != data.classes:
        odd = sorted(set(other.classes) ^ set(data.classes))
        what = f"the test images of {other.name} have other classes than {data.name}: `{odd[0]}` is not in both"
        raise SpecError([Problem("E0702", what, file="--test", help="both need the same classes")])
    test = other.test or other.validation
    if other.test is None and isinstance(other.train, FolderImages) and isinstance(other.validation, FolderImages):
        paths, labels = other.train.paths + other.validation.paths, other.train.labels + other.validation.labels
        test = FolderImages(paths, labels)
    return replace(data, test=test)
