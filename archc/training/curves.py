"""The curves of a run as a picture."""

from __future__ import annotations

from torch import Tensor

from archc.training.chart import COLORS, Line, Panel, draw_chart
from archc.training.progress import number_text
from archc.training.run_folder import figures_of

_STEPS = 2000
"""The largest number of steps in the picture; of more, it has every second, third, ...."""


def draw_curves(
    title: str, rows: list[dict[str, float]], best: dict[str, float], losses: list[Tensor], smoothed: bool
) -> str:
    """An SVG with the loss and the first metric, such as the accuracy, by epoch.

    The loss of each step is in the background. `smoothed` means that the training loss is of smoothed labels, and so
    larger than the validation loss.
    """
    epochs = [row["epoch"] for row in rows]

    def lines(kind: str, note: str = "") -> list[Line]:
        parts = (("train", f"training{note}"), ("val", "validation"))
        return [
            Line(name, epochs, [row[f"{part}_{kind}"] for row in rows], color)
            for (part, name), color in zip(parts, COLORS, strict=False)
        ]

    steps = [
        (epoch + (at + 1) / len(part), loss)
        for epoch, part in enumerate(losses)
        for at, loss in enumerate(part.tolist())
    ]
    thin = steps[:: max(1, len(steps) // _STEPS)]
    each = Line("each step", [x for x, _ in thin], [loss for _, loss in thin], COLORS[0], faint=True)
    metric = figures_of(rows[0])[0]
    value = number_text(metric, best[f"val_{metric}"])
    found = f"best validation {metric} {value} (epoch {best['epoch']:.0f})"
    loss = Panel("", "loss", [each, *lines("loss", " (smoothed labels)" if smoothed else "")], from_zero=True)
    return draw_chart(title, [loss, Panel(found, metric, lines(metric), percent=metric == "accuracy")])
