"""Repeating an action whenever a file changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from traceback import format_exc
from typing import NoReturn

from archc.library import folder_specs
from archc.terminal import say

INTERVAL = 0.3
"""Seconds between two checks of the files."""


def watch(files: Callable[[], Iterable[Path]], action: Callable[[], object]) -> NoReturn:
    """Run the action, and again after each change of the files, until the process is interrupted.

    `files` is called before each run, because a spec may import another one by then. A folder among them changes when a
    spec is added or removed.
    """
    while True:
        # Checked before the action, so that changes during the action are noticed after it.
        seen = {path: _stamp(path) for path in files()}
        _guarded(action)
        while all(_stamp(path) == stamp for path, stamp in seen.items()):
            time.sleep(INTERVAL)
        time.sleep(INTERVAL / 10)  # the file may only be half written


def _guarded(action: Callable[[], object]) -> None:
    """Run the action. An internal error is printed and doesn't end the session, but an error of a stream does."""
    try:
        action()
    except OSError:
        raise
    except Exception:
        say(f"archc: an internal error, please report it:\n{format_exc()}", error=True)


def _stamp(path: Path) -> object:
    """A value that changes when the file changes; None if it doesn't exist."""
    try:
        if path.is_dir():
            return folder_specs(path)
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
