"""Files of all sorts: read if they are files, replaced whole, and otherwise as they were."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from archc.files import read_bytes, write_text, writing
from archc.problems import SpecError


def only(folder: Path, *names: str) -> None:
    """Nothing else lies in a folder, also nothing hidden."""
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)


def refusal(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        write_text(path, "new")
    (problem,) = caught.value.problems
    assert problem.code == "E0601"
    return problem.message.partition("cannot be written: ")[2]


@pytest.fixture(params=["unnamed", "named"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on a system that has unnamed files, and on one that has not."""
    if request.param == "named":
        monkeypatch.delattr("os.O_TMPFILE", raising=False)
    return tmp_path


def test_a_new_file_has_the_usual_mode(folder: Path) -> None:
    path = folder / "new.txt"
    before = os.umask(0o027)
    try:
        write_text(path, "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    only(folder, "new.txt")


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o755])
def test_a_file_keeps_its_mode(folder: Path, mode: int) -> None:
    path = folder / "old.txt"
    path.write_text("old")
    path.chmod(mode)
    write_text(path, "new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", mode)
    only(folder, "old.txt")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to somebody else")
def test_a_file_keeps_its_owner(folder: Path) -> None:
    path = folder / "old.txt"
    path.write_text("old")
    os.chown(path, 1234, 5678)
    write_text(path, "new")
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 5678)


def test_a_link_is_followed_to_its_end(folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "one").symlink_to("two")
    (folder / "two").symlink_to("real/x")
    write_text(folder / "one", "first")  # the file that it names is not there yet
    write_text(folder / "one", "second")
    assert (folder / "real/x").read_text() == "second"
    assert (folder / "one").is_symlink()
    only(folder / "real", "x")


def test_what_must_not_be_replaced_stays(folder: Path) -> None:
    locked, fifo, loop = folder / "locked", folder / "fifo", folder / "loop"
    locked.write_text("old")
    locked.chmod(0o444)
    os.mkfifo(fifo)
    loop.symlink_to("loop")
    assert refusal(locked) == "the file is read-only"
    assert refusal(fifo) == "it is not a regular file"
    assert refusal(folder) == "is a directory"
    assert refusal(loop) == "too many levels of symbolic links"
    assert refusal(Path(os.devnull)) == "it is not a regular file"
    assert refusal(folder / "none/x") == "no such file or directory"
    assert locked.read_text() == "old"
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    only(folder, "fifo", "locked", "loop")


def test_an_interruption_leaves_what_was_there(folder: Path) -> None:
    path = folder / "old.txt"
    path.write_text("old")

    def interrupted() -> None:
        with writing(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    only(folder, "old.txt")


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """Reading a FIFO waits for a writer, and /dev/zero has no end."""
    fifo, file = tmp_path / "fifo", tmp_path / "file"
    os.mkfifo(fifo)
    file.write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    for path in (fifo, Path("/dev/zero")):
        with pytest.raises(OSError, match="not a regular file"):
            read_bytes(path)
    with pytest.raises(IsADirectoryError):
        read_bytes(tmp_path)
    assert read_bytes(tmp_path / "link") == b"12345"
    assert read_bytes(file, 2) == b"12"
