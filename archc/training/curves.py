"""The curves of a run as a picture."""

from __future__ import annotations

import io
import warnings
from typing import Any

from torch import Tensor

from archc.training.progress import shown
from archc.training.run_folder import figures_of

TRAINING, VALIDATION = "#4269d0", "#e8730c"


def draw_curves(
    title: str, rows: list[dict[str, float]], best: dict[str, float], losses: list[Tensor], smoothed: bool
) -> bytes:
    """A PNG with the loss and the first metric, such as the accuracy, by epoch.

    The loss of each step is in the background. `smoothed` means that the training loss is of smoothed labels, and so
    larger than the validation loss.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figure = Figure(figsize=(10, 4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in rows]
    figure_name = figures_of(rows[0])[0]
    for axis, kind in zip(axes, ("loss", figure_name), strict=True):
        marker = "o" if len(rows) < 40 else ""
        for part, name, colour in (("train", "training", TRAINING), ("val", "validation", VALIDATION)):
            values = [row[f"{part}_{kind}"] for row in rows]
            label = f"{name} (smoothed labels)" if smoothed and (part, kind) == ("train", "loss") else name
            axis.plot(epochs, values, color=colour, marker=marker, markersize=3.5, label=label, zorder=3)
        axis.set(xlabel="epoch", ylabel=kind, xlim=(0, max(epochs) + 0.2))
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    steps = [
        (epoch + (at + 1) / len(part), loss)
        for epoch, part in enumerate(losses)
        for at, loss in enumerate(part.tolist())
    ]
    thin = steps[:: max(1, len(steps) // 2000)]
    axes[0].plot(*zip(*thin, strict=True), color=TRAINING, alpha=0.25, linewidth=0.8, label="each step", zorder=1)
    axes[0].set_ylim(bottom=0)
    if figure_name == "accuracy":
        axes[1].yaxis.set_major_formatter(PercentFormatter(1.0))
    value = shown(figure_name, best[f"val_{figure_name}"])
    axes[1].set_title(f"best validation {figure_name} {value} (epoch {best['epoch']:.0f})", fontsize=10)
    axes[0].legend(frameon=False)
    axes[1].legend(frameon=False, loc="lower right")
    figure.suptitle(title, parse_math=False)  # a folder's name may contain dollar signs
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # it draws a box instead
        figure.savefig(buffer, format="png")
    return buffer.getvalue()
