"""The content of a folder of images, without the files that systems and programs leave there."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from archc.problems import Problem, SpecError
from archc.text import printable
from archc.training.data.decode import EXTENSIONS

SYSTEM = frozenset({"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found", "__pycache__"})
"""Folders of systems, in lower case; they are skipped at every depth, as is each name that starts with a dot."""

OTHER_IMAGES = frozenset(
    ".avif .heic .heif .jp2 .j2k .jxl .jfif .svg .svgz .eps .ps .pdf .psd .xcf .tga .ico .dds .exr .hdr .pfm .dng .nef "
    ".cr2 .cr3 .arw .raf .dcm .nii .npy .mat .webm .mp4".split()
)
"""Extensions of images that archc doesn't read: files of these are counted and reported."""

_MAX_DEPTH = 64
_MAX_FOLDERS = 200_000


@dataclass(slots=True)
class Found:
    """A folder, its image files, and its folders.

    `others` counts image files that archc doesn't read, by extension, and `files` what isn't an image.
    """

    path: Path
    images: list[Path] = field(default_factory=list)
    folders: list[Found] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    files: int = 0

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.path.name

    def everything(self) -> list[Path]:
        """All images in it and below it, in the same order every time."""
        return [image for part in self.all() for image in part.images]

    def all(self) -> list[Found]:
        """The folder and all below it."""
        found = [self]
        for each in found:  # grows while it is read
            found += each.folders
        return found

    @property
    def holds_images(self) -> bool:
        """True if there are images in it or below it."""
        return any(part.images for part in self.all())


def scan(path: Path) -> Found:
    """A folder with all below it. Symbolic links are followed, but never in a circle.

    Raises SpecError (E0702) if a folder can't be read, is nested too deep, or holds too many others.
    """
    root = Found(path)
    count = 0
    waiting: list[tuple[Found, frozenset[tuple[int, int]]]] = [(root, frozenset())]
    while waiting:
        place, around = waiting.pop()
        count += 1
        if count > _MAX_FOLDERS:
            raise refused(
                path,
                f"`{path}` cannot be read: it holds over {_MAX_FOLDERS:,} folders; are there circular links?",
            )
        try:
            status = place.path.stat()
            here = (status.st_dev, status.st_ino)
            if here in around:
                continue
            if len(around) >= _MAX_DEPTH:
                raise refused(
                    place.path, f"`{place.path}` cannot be read: its folders are nested more than {_MAX_DEPTH} deep"
                )
            with os.scandir(place.path) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    _sort_in(entry, place)
        except OSError as error:
            what = f"`{place.path}` cannot be read: {(error.strerror or str(error)).lower()}"
            raise refused(place.path, what) from None
        waiting += [(folder, around | {here}) for folder in place.folders]
    return root


def _sort_in(entry: os.DirEntry[str], place: Found) -> None:
    if entry.name.startswith(".") or entry.name.lower() in SYSTEM:
        return
    if entry.is_dir():
        place.folders.append(Found(place.path / entry.name))
        return
    extension = os.path.splitext(entry.name)[1].lower()
    if extension in EXTENSIONS:  # also what is no file, such as a broken link: it is reported when it is read
        place.images.append(place.path / entry.name)
    elif extension in OTHER_IMAGES:
        place.others[extension] += 1
    else:
        place.files += 1


def refused(path: Path, what: str, help: str = "") -> SpecError:
    """The error (E0702) for a folder that can't be used as it is."""
    return SpecError([Problem("E0702", escaped(what), file=escaped(str(path)), help=escaped(help))])


def escaped(text: str) -> str:
    """Escape what a terminal can't print in a text with names of folders, such as bytes that aren't UTF-8."""
    return printable(text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))
