"""Loss and accuracy of an epoch, summed on the device: reading them is the only wait for it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from archc.training.batches import MISSING
from archc.training.distributed import World


class Score(NamedTuple):
    """Means over the images seen so far; accuracies in 0 … 1."""

    loss: float
    top1: float
    top5: float
    images: int


class Meter:
    """Sums over the images of one process: loss, hits of the best and the best five scores, images.

    `losses` keeps the loss of each step of the epoch.
    """

    def __init__(self, device: torch.device, steps: int) -> None:
        self._sums = torch.zeros(4, dtype=torch.float64, device=device)
        self._losses = torch.full((steps,), math.nan, device=device)
        self._steps = 0
        self._checked = 0

    @torch.no_grad()
    def add(self, loss: Tensor, scores: Tensor, labels: Tensor) -> None:
        """Count a batch: its mean loss, scores (batch, classes) and labels (batch)."""
        known = labels != MISSING
        # Ties go to the lower class, as torch.max resolves them.
        hit = (scores.argmax(1) == labels) & known
        best = scores.topk(min(5, scores.shape[1])).indices
        hits = (best == labels[:, None]).any(1) & known
        count = known.sum()
        whole = (loss.detach().double() * count).where(count > 0, 0)  # the mean over no image is no number
        self._sums += torch.stack([whole, hit.sum(), hits.sum(), count])

    def step(self, loss: Tensor) -> None:
        """Keep the loss of a step: this process's share of the mean over the whole batch."""
        self._losses[self._steps] = loss.detach()
        self._steps += 1

    def read(self, world: World | None = None) -> Score:
        """The means so far, over all processes of `world`. Waits for the device."""
        sums = self._sums.clone()
        if world is not None:
            sums = world.sum(sums)
        loss, top1, top5, count = sums.tolist()
        images = max(1.0, count)
        return Score(loss / images, top1 / images, top5 / images, int(count))

    def losses(self, world: World) -> Tensor:
        """The loss of each step so far, on the CPU, over all processes. Waits for the device."""
        return world.sum(self._losses[: self._steps].clone()).cpu()

    def first_not_finite(self) -> int | None:
        """The first step of the epoch, from 0, whose loss is no finite number; the same again when asked again."""
        start = self._checked
        bad = (~self._losses[start : self._steps].isfinite()).nonzero()
        self._checked = start + int(bad[0]) if len(bad) else self._steps  # what was found finite is not read again
        return self._checked if len(bad) else None

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"sums": self._sums.clone(), "losses": self._losses[: self._steps].clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._sums.copy_(state["sums"])
        self._steps = len(state["losses"])
        self._losses[: self._steps] = state["losses"].to(self._losses.device)

    def skip(self, steps: int) -> None:
        """Begin within an epoch without what was counted before."""
        self._steps = self._checked = steps
