"""What interrupts the steps: signals, a checkpoint that is due, a loss that is no number.

Each process may want something else at a moment; the strongest wish of all is acted upon by all, after the same step.
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


class Wish(IntEnum):
    """What to do after a step; the greatest of all processes' wishes holds."""

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
    """The wishes of this process, and what all agree upon."""

    def __init__(self, world: World, checkpoint_steps: int, checkpoint_minutes: float) -> None:
        self._world = world
        self._steps = checkpoint_steps
        self._seconds = checkpoint_minutes * 60
        self._saved = time.monotonic()
        self._since = 0
        self._signal = Wish.GO_ON
        self._pending: tuple[Any, torch.Tensor] | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """SIGINT and SIGTERM become wishes. A second Ctrl-C stops at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def note(number: int, _frame: FrameType | None) -> None:
            if number == signal.SIGINT and self._signal is Wish.INTERRUPT:
                raise KeyboardInterrupt
            self._signal = Wish.INTERRUPT if number == signal.SIGINT else Wish.TERMINATE

        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def after_step(self, finite: bool) -> Wish:
        """What all processes do now; `finite` is False once a loss was seen that is no number.

        With several processes it is what they wanted a step ago: the answer travels while they compute.
        """
        self._since += 1
        own = self._signal
        if own is Wish.GO_ON and self._due():
            own = Wish.CHECKPOINT
        if not finite:
            own = Wish.NOT_FINITE
        if self._world.size == 1:
            return own
        agreed = self._answer()
        tensor = torch.tensor([int(own)])
        work = torch.distributed.all_reduce(tensor, torch.distributed.ReduceOp.MAX, async_op=True)
        self._pending = (work, tensor)
        return agreed

    def at_rest(self) -> Wish:
        """The strongest signal of all processes, at a moment at which none is in a step."""
        self._answer()
        return Wish(max(self._world.gathered(self._signal)))

    def _answer(self) -> Wish:
        """What all wanted when they last told each other."""
        if self._pending is None:
            return Wish.GO_ON
        work, tensor = self._pending
        work.wait()
        self._pending = None
        return Wish(int(tensor.item()))

    def saved(self) -> None:
        """A checkpoint was written."""
        self._saved = time.monotonic()
        self._since = 0

    def _due(self) -> bool:
        if self._steps and self._since >= self._steps:
            return True
        return bool(self._seconds) and time.monotonic() - self._saved >= self._seconds
