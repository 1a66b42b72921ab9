"""Identifies a dataset, so that a run can't be resumed with other images."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from archc.training.data import Data, FolderImages, Images


def fingerprint(data: Data) -> dict[str, Any]:
    """The number of images of each part, and a SHA-256.

    For images in memory, the hash covers pixels and labels. For files, it covers labels, sizes, and names relative to
    the common folder, so that no file has to be read.
    """
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    return {name: {"count": len(part), "sha256": _digest(part)} for name, part in parts.items() if part is not None}


def _digest(images: Images | FolderImages) -> str:
    found = hashlib.sha256()
    if isinstance(images, Images):
        found.update(images.pixels.contiguous().numpy().data)
        found.update(images.labels.contiguous().numpy().data)
        return found.hexdigest()
    common = os.path.commonpath([path.parent for path in images.paths]) if images.paths else ""
    for path, label in zip(images.paths, images.labels, strict=True):
        try:
            size = path.stat().st_size
        except OSError:
            size = -1  # reported when it is read
        found.update(f"{label} {size} ".encode() + os.fsencode(os.path.relpath(path, common)) + b"\0")
    return found.hexdigest()


def changed(known: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """A sentence for each part that differs."""
    sentences = []
    for name in dict.fromkeys([*known, *found]):
        one, other = known.get(name), found.get(name)
        if one == other:
            continue
        counts = [part["count"] if part else 0 for part in (one, other)]
        if counts[0] != counts[1]:
            sentences.append(f"{counts[0]:,} {name} images, now {counts[1]:,}")
        else:
            sentences.append(f"the {counts[0]:,} {name} images are not the same")
    return sentences
