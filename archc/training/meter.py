"""Loss and metrics of an epoch, summed on the device, so that only reading them waits for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from archc.training.distributed import World


@dataclass(frozen=True, slots=True)
class Score:
    """Means over the images seen so far: the loss, and metrics by name, such as `accuracy` in 0 … 1."""

    loss: float
    figures: dict[str, float]
    images: int

    @property
    def accuracy(self) -> float:
        """The fraction of images, labels or pixels that are correct. Raises KeyError if there is none."""
        return self.figures["accuracy"]

    def facts(self) -> dict[str, float]:
        """The data for JSON."""
        return {"loss": self.loss, **self.figures, "images": self.images}


class Meter:
    """Sums over the images of one process: loss, metrics, images. `losses` has the loss of each step of the epoch."""

    def __init__(self, device: torch.device, steps: int, figures: Sequence[str]) -> None:
        self._figures = tuple(figures)
        self._sums = torch.zeros(2 + len(self._figures), dtype=torch.float64, device=device)
        self._losses = torch.full((steps,), math.nan, device=device)
        self._steps = 0
        self._checked = 0

    @torch.no_grad()
    def add(self, loss: Tensor, figures: Tensor, known: Tensor) -> None:
        """Add a batch: its mean loss, metrics (batch, metrics), and which images have a label: bool (batch)."""
        count = known.sum()
        whole = (loss.detach().double() * count).where(count > 0, 0)  # the mean over no image is NaN
        sums = figures.double().where(known[:, None], 0).sum(0)
        self._sums += torch.cat([whole[None], sums, count[None]])

    def step(self, loss: Tensor) -> None:
        """Add the loss of a step: this process's part of the mean over the whole batch."""
        self._losses[self._steps] = loss.detach()
        self._steps += 1

    def read(self, world: World | None = None) -> Score:
        """The means so far, over all processes of `world`. Waits for the device."""
        sums = self._sums.clone()
        if world is not None:
            sums = world.sum(sums)
        loss, *figures, count = sums.tolist()
        images = max(1.0, count)
        named = zip(self._figures, figures, strict=True)
        return Score(loss / images, {name: value / images for name, value in named}, int(count))

    def losses(self, world: World) -> Tensor:
        """The loss of each step so far, on the CPU, over all processes. Waits for the device."""
        return world.sum(self._losses[: self._steps].clone()).cpu()

    def first_not_finite(self) -> int | None:
        """The first step of the epoch (from 0) whose loss is not finite; calling it again returns the same step."""
        start = self._checked
        bad = (~self._losses[start : self._steps].isfinite()).nonzero()
        self._checked = start + int(bad[0]) if len(bad) else self._steps  # finite losses aren't checked again
        return self._checked if len(bad) else None

    def state_dict(self) -> dict[str, Any]:
        """The data for a checkpoint."""
        return {"sums": self._sums.clone(), "losses": self._losses[: self._steps].clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self._sums.copy_(state["sums"])
        self._steps = len(state["losses"])
        self._losses[: self._steps] = state["losses"].to(self._losses.device)

    def load_total(self, states: list[dict[str, Any]], first: bool) -> None:
        """Continue what other processes started: the first one takes over the sums of all, the others start at zero."""
        total = {name: torch.stack([state[name] for state in states]).sum(0) * first for name in ("sums", "losses")}
        self.load_state_dict(total)
