"""`archc lsp`."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import redirect_stdout
from typing import Any


def run(given: Any) -> int:
    """Serve an editor on stdin and stdout until it disconnects."""
    from archc.kinds.plugins import load_installed
    from archc.server.server import make_server

    load_installed()
    gc.enable()  # it is disabled in short-lived commands
    gc.set_threshold(200_000, 50, 100)  # an analysis creates a million long-lived objects
    stream = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    with redirect_stdout(sys.stderr):  # other output must not mix with the messages
        make_server().start_io(stdout=stream)
    return 0
