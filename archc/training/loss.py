"""The loss for the output of a classifier: a tensor, or the outputs of several heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from archc.training.hooks import PerImage, each
from archc.training.mix import Mixed
from archc.training.task import CLASSES, MISSING, Task


@dataclass(frozen=True, slots=True)
class Outputs:
    """The output of a network in inference mode.

    It has the names of a dict's entries, or the number of values after the scores. In training mode, additional entries
    of the dict or values of the tuple are auxiliary heads, as in torchvision's GoogLeNet and Inception v3.
    """

    names: tuple[str, ...] = ("output",)
    more: int = 0


class Criterion(Protocol):
    """A mean loss over the images of a batch, whose labels may be mixed."""

    def __call__(self, scores: Tensor, labels: Tensor, mixture: Mixed | None = None) -> Tensor:
        """The mean loss for the scores (batch, …)."""
        ...


@dataclass(frozen=True, slots=True)
class Loss:
    """The criterion of the scores, plus that of auxiliary heads weighted by `auxiliary`."""

    criterion: Criterion
    auxiliary: float
    outputs: Outputs = Outputs()

    def __call__(self, result: Any, labels: Tensor, mixture: Mixed | None = None) -> tuple[Tensor, Tensor]:
        """The loss, averaged over the batch, and the scores (batch, classes)."""
        main, heads = heads_of(result, self.outputs)
        loss = self.criterion(main[0], labels, mixture)
        for scores in main[1:]:
            loss = loss + self.criterion(scores, labels, mixture)
        if heads:
            loss = loss + self.auxiliary * sum(self.criterion(scores, labels, mixture) for scores in heads)
        return loss, main[0]


@dataclass(frozen=True, slots=True)
class CrossEntropy:
    """Cross-entropy for one class per image; images without a label are ignored."""

    smoothing: float
    partial: bool = False
    """True if images may have no label. The loss of a batch without any label is then 0, not NaN."""
    weights: Tensor | None = None
    """The weight of each class, with a mean of 1 over the images; None for equal weights."""

    def __call__(self, scores: Tensor, labels: Tensor, mixture: Mixed | None = None) -> Tensor:
        """The mean over the images with a label."""
        if mixture is not None or self.weights is not None:
            own = self._each(scores, labels)
            if mixture is not None:
                own = own * mixture.share + self._each(scores, mixture.others) * (1 - mixture.share)
            # Divide by the number of images, not by their weights, so that parts of a batch add up to the whole.
            return own.sum() / (labels != MISSING).sum().clamp(min=1)
        if not self.partial:
            return F.cross_entropy(scores, labels, ignore_index=MISSING, label_smoothing=self.smoothing)
        some = (labels != MISSING).any()
        labels = labels.where(some, 0)  # avoids 0/0 for a batch without a label
        return some * F.cross_entropy(scores, labels, ignore_index=MISSING, label_smoothing=self.smoothing)

    def _each(self, scores: Tensor, labels: Tensor) -> Tensor:
        """The loss of each image; 0 without a label."""
        smoothing = self.smoothing
        return F.cross_entropy(
            scores, labels, self.weights, ignore_index=MISSING, reduction="none", label_smoothing=smoothing
        )


@dataclass(frozen=True, slots=True)
class EachImage:
    """The mean of a function's values per image: of a task's loss, or of a program's own."""

    function: PerImage
    task: Task
    partial: bool = False
    """True if images may have no label. The function doesn't get these."""

    def __call__(self, scores: Tensor, labels: Tensor, mixture: Mixed | None = None) -> Tensor:
        """The mean over the images with a label."""
        others = labels if mixture is None else mixture.others
        share = None if mixture is None else mixture.share
        if self.partial:
            known = self.task.known(labels) & self.task.known(others)
            scores, labels, others = scores[known], labels[known], others[known]
            share = None if share is None else share[known]
            if not len(scores):
                return scores.sum()  # 0, with gradients of 0
        own = each(self.function, "loss", scores, labels)
        if share is not None:
            own = own * share + each(self.function, "loss", scores, others) * (1 - share)
        return own.mean()


def make_criterion(
    task: Task, own: PerImage | None, smoothing: float, partial: bool, weights: Tensor | None
) -> Criterion:
    """The criterion of a training: the program's own function, or the task's."""
    if own is None and task is CLASSES:
        return CrossEntropy(smoothing, partial, weights)
    return EachImage(own or task.losses, task, partial)


def balanced_weights(labels: Tensor, classes: int) -> Tensor:
    """A weight for each class, inversely proportional to its number of images, with a mean of 1 over all images."""
    counts = torch.bincount(labels, minlength=classes)
    present = int((counts > 0).sum())
    return torch.where(counts > 0, len(labels) / (present * counts.clamp(min=1)), 0.0)


def heads_of(result: Any, outputs: Outputs) -> tuple[list[Tensor], list[Tensor]]:
    """The scores of the outputs, and those of auxiliary heads."""
    if isinstance(result, Tensor):
        return [result], []
    if isinstance(result, Mapping):
        main = [result[name] for name in outputs.names if name in result]
        return main, [scores for name, scores in result.items() if name not in outputs.names]
    first, *others = result
    return [first], [scores for scores in others[outputs.more :] if scores is not None]
