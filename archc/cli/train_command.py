"""`archc train`."""

from __future__ import annotations

import ctypes
import gc
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from archc.cli.options import recipe_changes
from archc.problems import SpecError
from archc.terminal import say

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""Constants of malloc.h."""

_WAIT = 30
"""Seconds that processes other than the first wait before they report an error."""


def run(given: Any) -> int:
    """Train, or resume a run. 130 and 143: interrupted by a signal, after saving the current step."""
    fault = _usage(given)
    if fault:
        say(f"archc train: {fault}\ntry `archc train --help`", error=True)
        return 2
    settle_process()
    from archc.training import Interrupted, resume_run, train

    try:
        if given.model is None:
            epochs = recipe_changes(given).get("epochs")
            resume_run(given.resume, epochs=epochs, device=given.device, data_dir=given.data_dir)
        else:
            train(
                given.model,
                given.data or "digits",
                given.recipe or "default",
                out=given.resume or given.out,
                resume=given.resume is not None,
                weights=given.weights,
                test=given.test or "",
                split=given.split,
                split_seed=given.split_seed,
                device=given.device,
                data_dir=given.data_dir or "data",
                download=given.download,
                limit=given.limit,
                settings=dict(given.settings),
                **recipe_changes(given),
            )
    except Interrupted as stop:
        say(f"{stop}: the run is saved", error=True)
        return 128 + stop.number
    except SpecError:
        if os.environ.get("RANK", "0") != "0":
            time.sleep(_WAIT)  # the first process usually reports it, and torchrun then ends this one
        raise
    return 0


def settle_process() -> None:
    """Configure this process for a long computation, before torch is imported."""
    gc.enable()  # it is disabled in short-lived commands
    # Threads that wait by spinning take the processor from each other if the machine is busy: small
    # networks were 10 times slower then, and no faster on an idle machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Every step frees and allocates the same large blocks. glibc returns each to the system, which then clears it
    # page by page when it is allocated again: a quarter of the time of AlexNet's steps with batches of 4.
    with suppress(AttributeError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, -1)


def _usage(given: Any) -> str:
    if given.model is None and given.resume is None:
        return "give a MODEL to train, or --resume DIR"
    if given.resume is not None and given.out is not None:
        return "--resume already names the run folder: remove --out"
    if given.model is None:
        changes = {name: value for name, value in recipe_changes(given).items() if name != "epochs"}
        others = (
            changes,
            given.settings,
            given.recipe,
            given.data,
            given.limit,
            given.download,
            given.weights,
            given.test,
            given.split,
            given.split_seed,
        )
        if any(others):
            return f"--resume {Path(given.resume)} can change the number of epochs only: remove the other options"
    return ""
