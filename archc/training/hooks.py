"""A program's own functions in a training: loss, metrics, and a callback after each epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from archc.problems import Problem, SpecError
from archc.training.task import Task

PerImage = Callable[[Tensor, Tensor], Tensor]
"""A function of the scores (batch, …) and the labels (batch, …) that returns a number for each image (batch), or one
for all."""

Callback = Callable[[dict[str, float], nn.Module], Any]
"""A function of the row of metrics.csv and the validated network. If it returns True, the run ends."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """The functions of a program."""

    loss: PerImage | None = None
    metrics: Mapping[str, PerImage] = field(default_factory=dict)
    callback: Callback | None = None

    def check(self, task: Task) -> None:
        """Raise SpecError (E0701) if one isn't callable, or a metric's name is already used."""
        for name, hook in {"loss": self.loss, "callback": self.callback, **self.metrics}.items():
            if hook is not None and not callable(hook):
                raise _fault(f"`{name}` must be a function, not {type(hook).__name__}", "")
        for name in self.metrics:
            if not name.isidentifier() or name in (*task.figures, "loss", "seconds"):
                help = "choose a name of letters and digits that metrics.csv does not use yet"
                raise _fault(f"a metric cannot have the name `{name}`", help)

    def facts(self) -> list[str]:
        """The names of the functions that affect the results."""
        return [*(["loss"] if self.loss else []), *sorted(self.metrics)]


def each(function: PerImage, name: str, scores: Tensor, labels: Tensor) -> Tensor:
    """Call a program's function for a batch, and return a number for each image: float (batch).

    Raises SpecError (E0701) if the result has another form. The caller handles missing labels.
    """
    found = function(scores, labels)
    if not isinstance(found, Tensor) or found.shape not in ((), (len(scores),)):
        shape = f"a tensor of shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise _fault(f"`{name}` returned {shape}", f"return a tensor with one number per image, here ({len(scores)},)")
    return found if found.ndim else found.expand(len(scores))


def measured(task: Task, metrics: Mapping[str, PerImage], scores: Tensor, labels: Tensor) -> Tensor:
    """The metrics of the task and the program for each image: float64 (batch, metrics)."""
    own = task.measured(scores, labels).double()
    if not metrics:
        return own
    more = [each(function, name, scores, labels).double() for name, function in metrics.items()]
    return torch.cat([own, torch.stack(more, 1)], 1)


def _fault(what: str, help: str) -> SpecError:
    return SpecError([Problem("E0701", what, file="archc.train", help=help)])
