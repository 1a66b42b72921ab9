"""What interrupts the steps: signals, a checkpoint that is due, a loss that is no number.

Each process may want something else at a moment; all act upon the strongest request of any, after the same step.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from types import FrameType
from typing import Any

import torch

from archc.training.distributed import World


class Request(IntEnum):
    """What to do after a step; the greatest of all processes' requests holds."""

    GO_ON = 0
    CHECKPOINT = 1
    INTERRUPT = 2  # SIGINT
    TERMINATE = 3  # SIGTERM
    NOT_FINITE = 4


class Interrupted(Exception):
    """The run was stopped by a signal, after a step and its checkpoint."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(signal.Signals(number).name)


class Events:
    """The requests of this process, and what all agree upon."""

    def __init__(self, world: World, checkpoint_steps: int, checkpoint_minutes: float) -> None:
        self._world = world
        self._steps = checkpoint_steps
        self._seconds = checkpoint_minutes * 60
        self._saved = time.monotonic()
        self._since = 0
        self._signal = Request.GO_ON
        self._pending: tuple[Any, torch.Tensor] | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """SIGINT and SIGTERM become requests. A second Ctrl-C stops at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def note(number: int, _frame: FrameType | None) -> None:
            if number == signal.SIGINT and self._signal is Request.INTERRUPT:
                raise KeyboardInterrupt
            self._signal = Request.INTERRUPT if number == signal.SIGINT else Request.TERMINATE

        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def after_step(self, finite: bool) -> Request:
        """What all processes do now; `finite` is False once a loss was seen that is no number.

        With several processes it is what they wanted a step ago: the answer travels while they compute.
        """
        self._since += 1
        own = self._signal
        if own is Request.GO_ON and self._due():
            own = Request.CHECKPOINT
        if not finite:
            own = Request.NOT_FINITE
        if self._world.size == 1:
            return own
        agreed = self._answer()
        tensor = torch.tensor([int(own)])
        work = torch.distributed.all_reduce(tensor, torch.distributed.ReduceOp.MAX, async_op=True)
        self._pending = (work, tensor)
        return agreed

    def at_rest(self) -> Request:
        """The strongest signal of all processes, at a moment at which none is in a step."""
        self._answer()
        return Request(max(self._world.gathered(self._signal)))

    def _answer(self) -> Request:
        """What all wanted when they last told each other."""
        if self._pending is None:
            return Request.GO_ON
        work, tensor = self._pending
        work.wait()
        self._pending = None
        return Request(int(tensor.item()))

    def saved(self) -> None:
        """A checkpoint was written."""
        self._saved = time.monotonic()
        self._since = 0

    @property
    def all_saved(self) -> bool:
        """True if no step was made since the last checkpoint."""
        return self._since == 0

    @property
    def seconds_unsaved(self) -> float:
        """Seconds since the last checkpoint, or since the start."""
        return time.monotonic() - self._saved

    def _due(self) -> bool:
        if self._steps and self._since >= self._steps:
            return True
        return bool(self._seconds) and time.monotonic() - self._saved >= self._seconds
