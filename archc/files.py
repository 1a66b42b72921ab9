"""Safe reading and atomic writing of files."""

from __future__ import annotations

import errno
import io
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from archc.problems import Problem, SpecError


def require_file(path: Path) -> None:
    """Raise OSError unless the path is a regular file.

    Use it before a library reads the file, because reading a FIFO waits for a writer, and opening a device can have
    side effects.
    """
    _require_regular(os.stat(path))


def read_bytes(path: Path, most: int = -1) -> bytes:
    """Return the content of a regular file, or its first `most` bytes. Raises OSError, as `require_file` does."""
    require_file(path)
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # it may be a FIFO by now
    with open(handle, "rb") as file:
        _require_regular(os.fstat(handle))
        return file.read(most)


def _require_regular(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that replaces `path` if the block ends without an error.

    It follows symbolic links, and keeps the mode and, if permitted, the owner of the replaced file. On Linux the file
    has no name before the end, so a killed process leaves nothing behind. Raises SpecError (E0601) if it can't be
    written, or if `path` is read-only or not a regular file.
    """
    named: Path | None = None
    try:
        target = Path(os.path.realpath(path))
        before = _replaced(target)
        handle, named = _new_file(target.parent)
        with io.BufferedWriter(_Streamed(handle, "wb")) as file:
            yield file
            file.flush()
            os.fsync(handle)
            if before is not None:
                with suppress(OSError):  # only root can change the owner
                    os.chown(handle, before.st_uid, before.st_gid)
                os.chmod(handle, stat.S_IMODE(before.st_mode))
            named = named or _name(handle, target.parent)
        named.replace(target)
        with suppress(OSError):  # some file systems can't flush a folder
            _flush(target.parent)
    except (OSError, ValueError) as error:
        raise cannot_write(path, error) from None
    finally:
        if named is not None:
            with suppress(OSError):
                named.unlink()


_PART = 2**26
"""Bytes of a large file that are in memory until they are on the disk."""


class _Streamed(io.FileIO):
    """A file that goes to the disk part by part while it is written, and doesn't stay in the system's cache.

    The cache would grow by the size of the file, and new memory for it takes longer than the writing.
    """

    _cached = 0

    def write(self, data: Any) -> int:
        """Write at most one part."""
        count = super().write(memoryview(data)[:_PART])
        self._cached += count
        if self._cached >= _PART and hasattr(os, "posix_fadvise"):
            os.fdatasync(self.fileno())
            os.posix_fadvise(self.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            self._cached = 0
        return count


def _replaced(target: Path) -> os.stat_result | None:
    """The status of the file to replace, if it exists. Raises OSError if it must not be replaced."""
    try:
        status = os.stat(target)
    except FileNotFoundError:
        return None
    _require_regular(status)
    if not status.st_mode & 0o222 or not os.access(target, os.W_OK):  # root can write to any file
        raise PermissionError(errno.EACCES, "the file is read-only")
    return status


def _temporary_name(folder: Path) -> Path:
    return folder / f".archc-{secrets.token_hex(8)}"


def _new_file(folder: Path) -> tuple[int, Path | None]:
    """Create a file in a folder; return its descriptor, and its name unless the system supports unnamed files."""
    if hasattr(os, "O_TMPFILE") and os.path.isdir("/proc/self/fd"):
        with suppress(OSError):  # some file systems don't support unnamed files
            return os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o666), None
    path = _temporary_name(folder)
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666), path


def _flush(folder: Path) -> None:
    """Flush a folder, because a new name is only on the disk once its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _name(handle: int, folder: Path) -> Path:
    """Give an unnamed file a temporary name, because no system call can replace another file by it."""
    path = _temporary_name(folder)
    opened = os.open(folder, os.O_RDONLY)
    try:
        # With the folder's descriptor, Python calls linkat, which follows the link in /proc.
        os.link(f"/proc/self/fd/{handle}", path.name, dst_dir_fd=opened, follow_symlinks=True)
    finally:
        os.close(opened)
    return path


def write_text(path: Path, text: str) -> None:
    """Replace a file's text atomically. Raises SpecError (E0601)."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file's content atomically. Raises SpecError (E0601)."""
    with writing(path) as file:
        file.write(content)


def require_new(path: Path) -> None:
    """Raise SpecError (E0601) if the file already exists, so that nothing is overwritten."""
    if path.exists():
        raise SpecError([Problem("E0601", f"`{path}` exists already", file=str(path), help="choose another name")])


def make_folder(path: Path) -> None:
    """Create a folder with its parents. Raises SpecError (E0601)."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise cannot_write(path, error) from None


def cannot_write(path: Path, error: Exception) -> SpecError:
    """The error for a path that can't be written."""
    reason = str(getattr(error, "strerror", None) or error).lower()
    return SpecError([Problem("E0601", f"`{path}` cannot be written: {reason}", file=str(path))])
