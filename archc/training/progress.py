"""The output of a run: a progress bar on a terminal, and one line per epoch everywhere."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from archc.terminal import say
from archc.training.data import Data
from archc.training.distributed import World
from archc.training.meter import Score
from archc.training.recipe import Recipe
from archc.training.run_folder import figures_of


def number_text(name: str, value: float) -> str:
    """A metric as text: an accuracy in percent."""
    return f"{value:.2%}" if name == "accuracy" else f"{value:.4g}"


class Progress:
    """Prints the progress of a run: epochs on stdout, the bar and notes on stderr; a `quiet` one prints nothing."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bar: Any = None
        self._since = time.monotonic()
        self._began_at = 0
        self._unreadable = 0

    def start(
        self, model: str, data: Data, size: tuple[int, ...], recipe: Recipe, here: World, folder: Path, step: int
    ) -> None:
        """Print the start of a run, or its resumption after `step` steps."""
        images = f"{len(data.train):,} training images and {len(data.validation):,} validation images"
        processes = f" in {here.size} processes" if here.size > 1 else ""
        self.note(f"{model} on {data.name}: {images}, input {'×'.join(map(str, size))}, {len(data.classes)} classes")
        self.note(
            f"on {here.device}{processes}, {recipe.precision}, batch size {recipe.batch_size}; saving to {folder}"
        )
        if step:
            self.note(f"resumed after step {step:,}")

    def end(self, best: dict[str, float], folder: Path) -> None:
        """Print the end of a run; `best` is its best epoch."""
        if not self._quiet:
            name = figures_of(best)[0]
            reached = f"{number_text(name, best[f'val_{name}'])} validation {name}"
            say(f"best: epoch {best['epoch']}, {reached}; weights saved to {folder / 'best.safetensors'}")

    def test(self, score: Score) -> None:
        """Print the results of the best weights on the test images."""
        if not self._quiet:
            figures = ", ".join(f"{name} {number_text(name, value)}" for name, value in [*score.figures.items()][:1])
            say(f"test: loss {score.loss:.4f}, {figures} of {score.images:,} images")

    def begin(self, epoch: int, at: int, steps: int) -> None:
        """Start an epoch at step `at` of `steps`."""
        self._since, self._began_at = time.monotonic(), at
        if self._quiet or not sys.stderr.isatty():
            return
        from tqdm import tqdm

        layout = "{desc} {percentage:3.0f} %|{bar}| {n_fmt}/{total_fmt} steps{postfix}, {remaining} left"
        self._bar = tqdm(
            total=steps, initial=at, desc=f"epoch {epoch + 1}", bar_format=layout, leave=False, dynamic_ncols=True
        )

    def look(self, at: int, score: Score, batch_size: int) -> None:
        """Update the bar."""
        if self._bar is None:
            return
        speed = (at - self._began_at) * batch_size / (time.monotonic() - self._since)
        name, value = next(iter(score.figures.items()))
        text = f"loss {score.loss:.4f}, {name} {number_text(name, value)}, {speed:,.0f} images/s"
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(at - self._bar.n)

    def validate(self) -> None:
        """Show that the validation starts."""
        if self._bar is not None:
            self._bar.set_postfix_str("validation")
            self._bar.update(self._bar.total - self._bar.n)

    def epoch(self, row: dict[str, float], epochs: int, unreadable: dict[Path, str]) -> None:
        """Print the row of an epoch."""
        self.close()
        if self._quiet:
            return
        number = f"{row['epoch']:>{len(str(epochs))}}/{epochs}"
        name = figures_of(row)[0]
        train = f"loss {row['train_loss']:.4f}, {name} {number_text(name, row[f'train_{name}']):>6}"
        val = f"loss {row['val_loss']:.4f}, {name} {number_text(name, row[f'val_{name}']):>6}"
        took = f"{row['seconds']:.1f} s, {row['images_per_second']:,.0f} images/s"
        say(f"epoch {number}  training {train}  validation {val}  {took}", flush=True)
        if len(unreadable) > self._unreadable:
            self._unreadable = len(unreadable)
            self.note(f"{len(unreadable)} images cannot be read and are skipped:")
            for path, fault in list(unreadable.items())[:10]:
                self.note(f"  {path}: {fault}")

    def note(self, text: str) -> None:
        """Print a note."""
        if not self._quiet:
            say(text, error=True, flush=True)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
