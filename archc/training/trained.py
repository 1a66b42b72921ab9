"""A trained network with all that it takes to use it: evaluation on a data set, predictions for images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from archc.build import load_weights
from archc.problems import Problem, SpecError
from archc.training.augment import Preparation
from archc.training.batches import MISSING, UNREADABLE, make_batches, read_image
from archc.training.data import Data, FolderImages
from archc.training.distributed import World
from archc.training.loss import heads_of
from archc.training.meter import Meter, Score
from archc.training.model import Size, fit
from archc.training.recipe import Recipe, load_recipe
from archc.training.resolve import preparations, worker_count
from archc.training.run import kept_subject
from archc.training.run_folder import read_facts


@dataclass(frozen=True, slots=True)
class Trained:
    """The network of a run, in inference on a device; `size` is its input, `facts` are what its run.json says."""

    model: nn.Module
    size: Size
    classes: tuple[str, ...]
    outputs: tuple[str, ...]
    recipe: Recipe
    facts: dict[str, Any]
    world: World

    def evaluate(self, data: Data) -> Score:
        """Loss and accuracy over a data set's validation images. Raises SpecError (E0703) if it has other classes."""
        if data.classes != self.classes:
            what = f"the network tells {len(self.classes)} classes, {data.name} has {len(data.classes)}"
            if len(data.classes) == len(self.classes):
                one, other = next(pair for pair in zip(self.classes, data.classes, strict=True) if pair[0] != pair[1])
                what = f"the network's classes are not those of {data.name}: `{one}` is `{other}` there"
            raise SpecError([Problem("E0703", what, file=data.name)])
        preparation, reading = preparations(self.recipe, self.size, files=isinstance(data.validation, FolderImages))
        batches = make_batches(data.validation, reading, self.world.device, worker_count(self.recipe, self.world))
        rows = list(torch.split(torch.arange(len(data.validation)), max(32, 2 * self.recipe.batch_size)))
        meter = Meter(self.world.device, 0)
        for pixels, labels, _ in batches.of(rows, torch.empty(0)):
            scores = self._scores(preparation, pixels)
            meter.add(nn.functional.cross_entropy(scores, labels, ignore_index=MISSING), scores, labels)
        return meter.read()

    def predict(self, paths: list[Path], count: int = 5) -> Iterator[tuple[Path, list[tuple[str, float]]]]:
        """The most probable classes of each image, with their probabilities. Raises SpecError (E0702)."""
        preparation, reading = preparations(self.recipe, self.size, files=True)
        for path in paths:
            try:
                pixels = read_image(path, reading)
            except UNREADABLE as error:
                what = f"`{path}` cannot be read as an image: {getattr(error, 'strerror', None) or error}"
                raise SpecError([Problem("E0702", what, file=str(path))]) from None
            scores = self._scores(preparation, pixels[None].to(self.world.device))[0]
            best = scores.float().softmax(0).topk(min(count, len(self.classes)))
            shown = zip(best.indices.tolist(), best.values.tolist(), strict=True)
            yield path, [(self.classes[number], probability) for number, probability in shown]

    @torch.no_grad()
    def _scores(self, preparation: Preparation, pixels: Tensor) -> Tensor:
        return heads_of(self.model(preparation.validation(pixels)), self.outputs)[0][0]


def load_run(path: Path, world: World) -> Trained:
    """The network of a run with its best weights; `path` is its folder, or a weights file in it.

    Raises SpecError: E0705 if it is no run, E0704 if its network came from Python.
    """
    folder = path.parent if path.suffix == ".safetensors" else path
    facts = read_facts(folder)
    if facts["reference"]["kind"] == "module":
        what = f"the network of the run `{folder}` came from Python: only that program can make it again"
        help = f"there, read its weights: safetensors.torch.load_file({str(folder / 'best.safetensors')!r})"
        raise SpecError([Problem("E0704", what, file=str(folder), help=help)])
    recipe = load_recipe(folder / "recipe.yaml")
    channels, height, width = facts["input"]
    classes = tuple(facts["classes"])
    model, size, outputs = fit(kept_subject(folder, facts), [(channels, height, width)], len(classes), recipe.seed)
    load_weights(model, folder / "best.safetensors" if path == folder else path)
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    model = model.eval().to(world.device, memory_format=layout)  # type: ignore[call-overload]
    return Trained(model, size, classes, outputs, recipe, facts, world)
