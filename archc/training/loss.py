"""The loss of whatever a classifier returns: a tensor, or the outputs of several heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from archc.training.batches import MISSING


@dataclass(frozen=True, slots=True)
class Loss:
    """Cross-entropy of the scores, and of auxiliary heads with the weight `auxiliary`.

    `outputs` are the names of the outputs in inference; what a dict has beyond them are auxiliary heads. A tuple
    holds the scores first, then auxiliary heads or None, as torchvision's GoogLeNet and Inception v3 return it.
    """

    smoothing: float
    auxiliary: float
    outputs: tuple[str, ...] = ("output",)
    partial: bool = False
    """Whether images may lack a label: all of a batch then count as nothing, not as no number."""

    def __call__(self, result: Any, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The loss, a mean over the batch, and the scores (batch, classes)."""
        main, heads = heads_of(result, self.outputs)
        loss = self.of(main[0], labels)
        for scores in main[1:]:
            loss = loss + self.of(scores, labels)
        if heads:
            loss = loss + self.auxiliary * sum(self.of(scores, labels) for scores in heads)
        return loss, main[0]

    def of(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy; images without a label do not count."""
        if not self.partial:
            return F.cross_entropy(scores, labels, ignore_index=MISSING, label_smoothing=self.smoothing)
        some = (labels != MISSING).any()
        labels = labels.where(some, 0)  # a mean over no image would be 0/0
        return some * F.cross_entropy(scores, labels, ignore_index=MISSING, label_smoothing=self.smoothing)


def heads_of(result: Any, outputs: tuple[str, ...]) -> tuple[list[Tensor], list[Tensor]]:
    """The scores of the outputs, and those of auxiliary heads."""
    if isinstance(result, Tensor):
        return [result], []
    if isinstance(result, Mapping):
        main = [result[name] for name in outputs if name in result]
        return main, [scores for name, scores in result.items() if name not in outputs]
    first, *others = result
    return [first], [scores for scores in others if scores is not None]
