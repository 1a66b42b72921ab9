"""An action that is taken again whenever a file changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from traceback import format_exc
from typing import NoReturn

from archc.library import folder_specs
from archc.terminal import say

INTERVAL = 0.3
"""Seconds from one look at the files to the next."""


def watch(files: Callable[[], Iterable[Path]], action: Callable[[], object]) -> NoReturn:
    """Take the action, and again after each change of the files, until the process is interrupted.

    Which files they are is asked before each action: a spec may import another one by then. A folder among them
    changes when a spec comes or goes.
    """
    while True:
        # Looked at before the action: what changes while it runs is seen after it.
        seen = {path: _stamp(path) for path in files()}
        _guarded(action)
        while all(_stamp(path) == stamp for path, stamp in seen.items()):
            time.sleep(INTERVAL)
        time.sleep(INTERVAL / 10)  # whoever writes the file may be half way through


def _guarded(action: Callable[[], object]) -> None:
    """Take the action. A fault of archc's own is printed and ends no session; one of the streams does."""
    try:
        action()
    except OSError:
        raise
    except Exception:
        say(f"archc: an internal error, please report it:\n{format_exc()}", error=True)


def _stamp(path: Path) -> object:
    """What differs once the file has changed; None if it is not there."""
    try:
        if path.is_dir():
            return folder_specs(path)
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
