"""The output of a network for an image: one class, several labels, numbers, or a class for each pixel.

The type of the labels decides. A task defines the shape of the scores, the loss, and the metrics.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from archc.problems import Problem, SpecError

MISSING = -100
"""The label of an image that could not be read: torch's `ignore_index`."""

IGNORED = 255
"""The label of ignored pixels."""

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """A type of labels: a tensor of the type `kind` with `rank` dimensions, the first of them the images.

    `figures` are the metrics besides the loss; the first one is printed and plotted. `losses` returns the loss of each
    image (batch), and `measured` its metrics (batch, metrics), both from the scores and the labels of a batch.
    """

    name: str
    kind: torch.dtype
    rank: int
    figures: tuple[str, ...]
    losses: Callable[[Tensor, Tensor], Tensor]
    measured: Callable[[Tensor, Tensor], Tensor]

    def shape(self, classes: int, size: Shape) -> Shape:
        """The shape of the scores for an image of (channels, height, width)."""
        return (classes, *size[1:]) if self.rank == 3 else (classes,)

    def known(self, labels: Tensor) -> Tensor:
        """A mask of the images that have a label: bool (batch)."""
        return labels != MISSING if self.rank == 1 else labels.new_ones(len(labels), dtype=torch.bool)


def _class_losses(scores: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(scores, labels, ignore_index=MISSING, reduction="none")


def _class_figures(scores: Tensor, labels: Tensor) -> Tensor:
    """For each image, 1 if its label has the highest score, and 1 if it is among the top five: bool (batch, 2)."""
    hit = scores.argmax(1) == labels  # ties go to the lower class, as in torch.max
    best = scores.topk(min(5, scores.shape[1])).indices
    return torch.stack([hit, (best == labels[:, None]).any(1)], 1)


def _label_losses(scores: Tensor, labels: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(scores, labels.to(scores.dtype), reduction="none").mean(1)


def _label_figures(scores: Tensor, labels: Tensor) -> Tensor:
    """The fraction of correct labels, and whether all are correct."""
    right = (scores > 0) == labels
    return torch.stack([right.double().mean(1), right.all(1).double()], 1)


def _number_losses(scores: Tensor, labels: Tensor) -> Tensor:
    return F.mse_loss(scores.float(), labels, reduction="none").mean(1)


def _number_figures(scores: Tensor, labels: Tensor) -> Tensor:
    return (scores.float() - labels).abs().mean(1, keepdim=True)


def _mask_losses(scores: Tensor, labels: Tensor) -> Tensor:
    own = F.cross_entropy(scores, labels.long(), ignore_index=IGNORED, reduction="none").flatten(1)
    return own.sum(1) / (labels != IGNORED).flatten(1).sum(1).clamp(min=1)


def _mask_figures(scores: Tensor, labels: Tensor) -> Tensor:
    """The fraction of correct pixels, and the mean intersection over union of the classes in an image."""
    counted = (labels != IGNORED).flatten(1)
    found, right = scores.argmax(1).flatten(1), labels.long().flatten(1)
    accuracy = ((found == right) & counted).sum(1) / counted.sum(1).clamp(min=1)
    parts = []
    for number in range(scores.shape[1]):
        one, other = (found == number) & counted, (right == number) & counted
        parts.append(torch.stack([(one & other).sum(1), (one | other).sum(1)], 1))
    common, either = torch.stack(parts, 1).double().unbind(2)  # (batch, classes) each
    ious = (common / either.clamp(min=1)).sum(1) / (either > 0).sum(1).clamp(min=1)
    return torch.stack([accuracy.double(), ious], 1)


CLASSES = Task("one class per image", torch.int64, 1, ("accuracy", "top5"), _class_losses, _class_figures)
"""Cross-entropy. The trainer's own criterion also supports label smoothing and class weights."""

LABELS = Task("several labels per image", torch.bool, 2, ("accuracy", "exact"), _label_losses, _label_figures)
"""Binary cross-entropy, averaged over the labels."""

NUMBERS = Task("numbers per image", torch.float32, 2, ("error",), _number_losses, _number_figures)
"""The mean squared error over the numbers. The metric is the mean absolute error."""

MASKS = Task("one class per pixel", torch.uint8, 3, ("accuracy", "iou"), _mask_losses, _mask_figures)
"""Cross-entropy, averaged over the pixels of an image that aren't ignored."""

TASKS = {"classes": CLASSES, "labels": LABELS, "numbers": NUMBERS, "masks": MASKS}
"""By their names in run.json."""


def task_of(labels: Tensor | tuple[int, ...]) -> str:
    """The name of the task for labels. Raises SpecError (E0702) if there is none for their type."""
    if not isinstance(labels, Tensor):
        return "classes"
    for name, task in TASKS.items():
        if (labels.dtype, labels.ndim) == (task.kind, task.rank):
            return name
    own = f"{_kind(labels.dtype)} of {labels.ndim} dimensions"
    kinds = [f"{_kind(task.kind)} of {task.rank} ({task.name})" for task in TASKS.values()]
    what = f"`labels` is {own}, but must be {', '.join(kinds[:-1])} or {kinds[-1]} dimensions"
    raise SpecError([Problem("E0702", what, file="data")])


def _kind(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
