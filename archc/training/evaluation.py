"""The result of an evaluation: accuracy by class, confusions, and the most confident mistakes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from archc.training.meter import Score
from archc.training.task import MISSING


class ClassScore(NamedTuple):
    """The scores of a class: its number of images, recall and precision.

    `accuracy` is the recall. `accuracy` and `precision` are NaN if there is nothing to count.
    """

    name: str
    images: int
    accuracy: float
    precision: float


class Mistake(NamedTuple):
    """A misclassified image: its row, both class names, and the probability of the wrong one."""

    row: int
    label: str
    predicted: str
    probability: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The predictions of a network for each image of a dataset.

    `labels` (images) are the classes, `predicted` (images) the predictions, and `probability` (images) their
    probabilities. Images that can't be read have the label MISSING, and are in `unreadable` with the reason.
    """

    data: str
    classes: tuple[str, ...]
    score: Score
    labels: Tensor
    predicted: Tensor
    probability: Tensor
    unreadable: dict[Path, str]

    @property
    def confusion(self) -> Tensor:
        """int64 (classes, classes): how many images of the row's class were predicted as the column's."""
        count = len(self.classes)
        known = self.labels != MISSING
        pairs = self.labels[known] * count + self.predicted[known]
        return torch.bincount(pairs, minlength=count * count).reshape(count, count)

    @property
    def by_class(self) -> list[ClassScore]:
        """The scores of each class, in order."""
        confusion = self.confusion.double()
        hits = confusion.diagonal()
        recall, precision = hits / confusion.sum(1), hits / confusion.sum(0)
        counts = confusion.sum(1).long().tolist()
        rows = zip(self.classes, counts, recall.tolist(), precision.tolist(), strict=True)
        return [ClassScore(*row) for row in rows]

    @property
    def balanced_accuracy(self) -> float:
        """The mean accuracy over the classes that have images."""
        found = [row.accuracy for row in self.by_class if row.images]
        return sum(found) / max(1, len(found))

    def mistakes(self, count: int) -> list[Mistake]:
        """The `count` mistakes with the highest probability, the most confident first."""
        wrong = ((self.labels != MISSING) & (self.labels != self.predicted)).nonzero().flatten()
        order = wrong[self.probability[wrong].argsort(descending=True, stable=True)][:count]
        labels, predicted = self.labels[order].tolist(), self.predicted[order].tolist()
        rows = zip(order.tolist(), labels, predicted, self.probability[order].tolist(), strict=True)
        return [Mistake(row, self.classes[a], self.classes[b], probability) for row, a, b, probability in rows]
