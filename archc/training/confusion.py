"""A confusion matrix as a picture."""

from __future__ import annotations

import io
import warnings
from typing import Any

from archc.training.evaluation import Evaluation

_NUMBERED = 25
"""Up to this many classes, each cell shows its number and each row its name."""


def draw_confusion(evaluation: Evaluation) -> bytes:
    """A PNG with one row per class and one column per prediction, colored by the fraction of the row."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    counts = evaluation.confusion
    shares = (counts / counts.sum(1, keepdim=True).clamp(min=1)).numpy()
    count = len(evaluation.classes)
    side = min(16.0, 3.5 + 0.4 * min(count, _NUMBERED))
    figure = Figure(figsize=(side + 1, side), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axis: Any = figure.subplots()
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if count <= _NUMBERED:
        names = [name if len(name) <= 24 else f"{name[:23]}…" for name in evaluation.classes]
        axis.set_xticks(range(count), names, rotation=90, parse_math=False)
        axis.set_yticks(range(count), names, parse_math=False)
        for row in range(count):
            for column in range(count):
                number = int(counts[row, column])
                color = "white" if shares[row, column] > 0.5 else "black"
                axis.text(column, row, number or "", ha="center", va="center", color=color, fontsize=8)
    axis.set(xlabel="predicted", ylabel="class")
    title = f"{evaluation.data}: accuracy {evaluation.score.accuracy:.2%}, balanced {evaluation.balanced_accuracy:.2%}"
    axis.set_title(title, fontsize=10, parse_math=False)
    figure.colorbar(image, ax=axis, shrink=0.8, format=PercentFormatter(1.0))
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # it draws a box instead
        figure.savefig(buffer, format="png")
    return buffer.getvalue()
