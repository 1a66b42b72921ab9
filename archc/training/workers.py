"""The processes that read images: they ignore signals, and their death is explained."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import active_children

import torch

from archc.problems import Problem, SpecError

_DIED = re.compile(r"DataLoader worker \(pid(?:\(s\))? (?P<pids>[\d, ]+)\) (?P<how>.*)")
_SIGNALS = {signal.SIGINT, signal.SIGTERM}


@contextmanager
def signals_held() -> Iterator[None]:
    """Processes started within the block never receive SIGINT and SIGTERM; this one receives them after the block.

    A process group receives signals as a whole (Ctrl-C, timeout, Slurm, systemd). The main process finishes its step,
    saves, and ends the workers. A worker that ended by itself would break that step.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start_worker(_number: int) -> None:
    """Initialize a worker."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(1)


def _end_all() -> None:
    """Kill the remaining workers: one may wait forever for a lock of the dead one, and they ignore SIGTERM."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL) if main else None  # torch raises for each child that dies
    for process in active_children():
        process.kill()
        process.join()
    if main:
        signal.signal(signal.SIGCHLD, before)


@contextmanager
def worker_deaths() -> Iterator[None]:
    """Turn the death of a worker into an error with its process and its signal (E0708)."""
    try:
        yield
    except RuntimeError as error:
        first: BaseException = error  # torch reports "exited unexpectedly" if it waits for the worker
        while isinstance(first.__context__, RuntimeError) and _DIED.match(str(first.__context__)):
            first = first.__context__
        died = _DIED.match(str(first))
        if died is None:
            raise
        _end_all()
        how = died["how"].rstrip(". ").partition(". ")[0]
        what = f"the process {died['pids'].strip()}, which loaded images, died: it {how}"
        help = "if memory ran out, use fewer: --workers 1, or --workers 0 to read in the main process"
        raise SpecError([Problem("E0708", what, file="--workers", help=help)]) from None
