"""Checkpoints and best weights, written by a thread during the next steps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

State = dict[str, Any]


class Request(NamedTuple):
    """A state after a number of epochs and steps, and new best weights, if there are any; steps don't change them."""

    epoch: int
    step: int
    state: State
    best: State | None


class Writer:
    """Writes one request at a time, in a thread.

    A request waits while another is being written, and replaces one that is already waiting. So a slow disk makes
    checkpoints rarer, but never slows down the steps. At most three states are in memory: the current one, the one that
    is being written, and the one that waits.
    """

    def __init__(self, write: Callable[[Request], None]) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._waiting: Request | None = None
        self._thread: threading.Thread | None = None
        self._fault: BaseException | None = None
        self.seconds = 0.0
        """The duration of the last request."""

    def submit(self, request: Request) -> None:
        """Submit a request. Raises the error of an earlier one."""
        self._raise()
        with self._lock:
            if self._waiting is not None and request.best is None:
                request = request._replace(best=self._waiting.best)
            self._waiting = request
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="archc checkpoints")
                self._thread.start()

    def finish(self) -> None:
        """Wait until everything is written. Raises earlier errors."""
        self.wait()
        self._raise()

    def wait(self) -> None:
        """Wait until nothing is being written."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def _raise(self) -> None:
        if self._fault is not None:
            fault, self._fault = self._fault, None
            raise fault

    def _run(self) -> None:
        while True:
            with self._lock:
                request, self._waiting = self._waiting, None
                if request is None:
                    self._thread = None
                    return
            start = time.perf_counter()
            try:
                self._write(request)
            except BaseException as fault:  # it is raised where the run can end
                with self._lock:
                    self._fault, self._waiting, self._thread = fault, None, None
                return
            self.seconds = time.perf_counter() - start


def snapshot(state: Any, into: Any = None) -> Any:
    """Copy dicts, lists and tensors to the CPU, where later steps don't change them.

    The tensors of `into`, an older copy of the same dict, are overwritten: new memory takes several times as long.
    """
    if isinstance(state, Tensor):
        return state.detach().to("cpu", copy=True) if into is None else into.copy_(state.detach())
    if isinstance(state, dict):
        return {key: snapshot(value, into and into[key]) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(snapshot(value) for value in state)
    return state
