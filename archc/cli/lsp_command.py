"""`archc lsp`."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import redirect_stdout
from typing import Any


def run(given: Any) -> int:
    """Serve an editor on stdin and stdout until it says that it is done."""
    from archc.server.server import make_server

    gc.enable()  # it rests in commands that end soon
    gc.set_threshold(200_000, 50, 100)  # an analysis makes a million objects, and keeps them: nothing to collect often
    stream = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    with redirect_stdout(sys.stderr):  # whatever prints must not come between the messages
        make_server().start_io(stdout=stream)
    return 0
