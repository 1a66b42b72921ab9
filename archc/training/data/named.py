"""Image files as a user names them: by path, by folder, or by a pattern such as `photos/*.jpg`."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

from archc.training.data.scan import scan


def named_images(names: Iterable[str | Path]) -> tuple[list[Path], dict[Path, str]]:
    """The files of each name, in order, and the names that stand for no image, with the reason.

    A folder stands for all images in it and below it. A pattern (`*`, `?`, `[…]`, and `**` for any folders) is only
    taken as one if there is no file of this name. Whether a file can be read as an image shows later. Raises
    SpecError (E0702) if a folder cannot be read.
    """
    files: list[Path] = []
    without: dict[Path, str] = {}
    for name in map(Path, names):
        found = [name]
        if not name.exists() and glob.has_magic(str(name)):
            found = [Path(path) for path in sorted(glob.glob(str(name), recursive=True))]
            if not found:
                without[name] = "no file matches this pattern"
        for path in found:
            if not path.is_dir():
                files.append(path)
            elif inside := scan(path).everything():
                files += inside
            else:
                without[path] = "there are no images in this folder"
    return list(dict.fromkeys(files)), without
