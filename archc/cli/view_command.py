"""`archc view`."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from archc.architecture import Architecture, open_network
from archc.cli.options import sizes_of
from archc.cli.watch import watch
from archc.explorer.server import Server
from archc.explorer.state import Live
from archc.language import source_files
from archc.library import find_spec, names_code
from archc.problems import Problem, SpecError
from archc.terminal import say


def run(given: Any) -> NoReturn:
    """Serve the explorer of a spec, and watch its files until the process is interrupted."""

    def read() -> tuple[Architecture, list[Problem]]:
        return open_network(given.spec, sizes_of(given.input), dict(given.settings))

    live = Live(read, given.spec)
    try:
        server = Server(live, given.port)
    except OSError as error:
        say(f"archc view: port {given.port} cannot be used: {str(error.strerror).lower()}", error=True)
        sys.exit(2)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say(server.url, flush=True)
    if not given.no_open and _has_screen():
        import webbrowser

        webbrowser.open(server.url)
    _follow(live, given.spec)


def _follow(live: Live, spec: str) -> NoReturn:
    """Reload the spec whenever one of its files changes."""
    import gc

    def files() -> Iterator[Path]:
        yield Path(spec.rpartition(":")[0] or spec if names_code(spec) else spec)
        with suppress(SpecError):  # a missing spec: watch its path
            yield from source_files(find_spec(spec)[0])

    gc.enable()  # it is disabled in short-lived commands
    watch(files, live.look)


def _has_screen() -> bool:
    """Return True if a browser would open a window instead of taking over the terminal."""
    windows = sys.platform in ("win32", "darwin")
    return windows or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
