"""A trained network, ready to use: evaluation on a dataset, and predictions for images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from archc.build import load_weights
from archc.problems import Problem, SpecError
from archc.training.augment import Preparation
from archc.training.batches import Batches, FolderBatches, make_batches
from archc.training.data import Data, FolderImages, load_data, load_test, read_division
from archc.training.data.named import named_images
from archc.training.distributed import pick_device
from archc.training.evaluation import Evaluation
from archc.training.layout import planes
from archc.training.loss import Outputs, heads_of, make_criterion
from archc.training.meter import Meter, Score
from archc.training.model import Size, find_subject, fit
from archc.training.recipe import Recipe, load_recipe
from archc.training.resolve import preparations, worker_count
from archc.training.run import kept_subject
from archc.training.run_folder import read_facts, read_history
from archc.training.task import CLASSES, LABELS, MASKS, TASKS, Task
from archc.training.unreadable import no_image_read
from archc.training.validation import autocast, evaluation_rows
from archc.training.workers import worker_deaths

Part = Literal["train", "validation", "test"]


class Prediction(NamedTuple):
    """The most probable classes of an image with their probabilities, best first.

    If the image can't be read, it has the reason instead.
    """

    path: Path
    classes: list[tuple[str, float]]
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Trained:
    """The network of a run with its best weights, in inference mode on a device.

    `size` is its input (channels, height, width), `history` has a row per epoch as metrics.csv, and `facts` is
    run.json.
    """

    model: nn.Module
    size: Size
    classes: tuple[str, ...]
    task: Task
    outputs: Outputs
    recipe: Recipe
    history: list[dict[str, float]]
    facts: dict[str, Any]
    folder: Path
    device: torch.device

    def data(self, name: str | None = None, data_dir: str | Path | None = None, limit: int = 0) -> Data:
        """The run's own data with the run's own limit, or a named dataset.

        Raises SpecError (E0702) if it is missing.
        """
        if name is None:
            limit = limit or self.facts["limit"]
        if name is None and not self.facts["data"]:
            help = "choose a dataset with --data, or pass your images from Python"
            what = f"the images of the run `{self.folder}` came from Python"
            raise SpecError([Problem("E0702", what, file=str(self.folder), help=help)])
        place = Path(data_dir or self.facts["data_dir"])
        division = None
        if name is None and self.facts["split"]:
            division = read_division(self.facts["split"], self.facts["split_seed"])
        data = load_data(name or self.facts["data"], place, limit=limit, division=division)
        own = name is None and self.facts["test"]
        return load_test(self.facts["test"], place, data, limit=limit) if own else data

    def evaluate(self, data: Data | None = None, part: Part = "validation") -> Evaluation:
        """Evaluate the network on the images of a part, by default of the run's own data.

        Batches and precision are the same as in training, so the numbers are, too. Raises SpecError: E0703 if the data
        has other classes, E0702 if the part doesn't exist or no image can be read.
        """
        data = self.data() if data is None else data
        if self.task is not CLASSES:
            what = f"the network of the run `{self.folder}` gives {self.task.name}, not classes"
            raise SpecError([Problem("E0703", what, file=str(self.folder), help="use run.score(data) instead")])
        found: list[tuple[Tensor, Tensor, Tensor]] = []

        def keep(scores: Tensor, labels: Tensor) -> None:
            best = scores.float().softmax(1).max(1)
            found.append((labels.cpu(), scores.argmax(1).cpu(), best.values.cpu()))

        score, unreadable = self._measure(data, part, keep)
        labels, predicted, probability = (torch.cat(part) for part in zip(*found, strict=True))
        return Evaluation(data.name, self.classes, score, labels, predicted, probability, unreadable)

    def score(self, data: Data | None = None, part: Part = "validation") -> Score:
        """The loss and the metrics for the images of a part, by default of the run's own data, for labels of any type.

        The loss is the task's, not a program's own. Raises SpecError as `evaluate` does.
        """
        return self._measure(self.data() if data is None else data, part, lambda _scores, _labels: None)[0]

    def _measure(self, data: Data, part: Part, keep: Callable[[Tensor, Tensor], None]) -> tuple[Score, dict[Path, str]]:
        """The score of a part, and its unreadable images; `keep` gets the scores and labels of each batch."""
        self._require_classes(data)
        preparation, batches = self._batches(data, part)
        rows = evaluation_rows(len(data.part(part)), self.recipe)
        meter = Meter(self.device, 0, self.task.figures)
        criterion = make_criterion(self.task, None, 0.0, True, None)
        with closing(batches), torch.no_grad(), planes(self.model, self.recipe, self.device), worker_deaths():
            for pixels, labels, draws, _ in batches.of(rows, torch.empty(0)):
                if self.task is MASKS:
                    labels = preparation.masks(labels, draws)
                with autocast(self.recipe, self.device):
                    scores = self._scores(preparation, pixels)
                    figures = self.task.measured(scores, labels)
                    meter.add(criterion(scores, labels), figures, self.task.known(labels))
                keep(scores, labels)
        score = meter.read()
        if not score.images:
            raise no_image_read(f"{part} images of {data.name}", batches.unreadable)
        return score, dict(batches.unreadable)

    def pixels(self, data: Data, part: Part, rows: list[int]) -> list[Tensor]:
        """The images of a part as the network gets them, before normalization: uint8 (channels, height, width) each."""
        _, batches = self._batches(data, part)
        wanted = [torch.tensor([row]) for row in rows]
        with closing(batches):
            return [batch.pixels[0].cpu() for batch in batches.of(wanted, torch.empty(0))]

    def predict(self, images: Iterable[str | Path], count: int = 5) -> Iterator[Prediction]:
        """The `count` most probable classes of each image: files, folders with images, or patterns.

        Images are prefetched, and pass the network in batches. An image that can't be read gives a prediction without
        classes. For several labels per image, each has its own probability; for numbers, the values replace the
        probabilities. Raises SpecError (E0703) for masks.
        """
        if self.task is MASKS:
            what = f"the network of the run `{self.folder}` gives a class for each pixel"
            raise SpecError([Problem("E0703", what, file=str(self.folder), help="use run.model from Python")])
        answer = {CLASSES: lambda scores: scores.softmax(1), LABELS: Tensor.sigmoid}.get(self.task, Tensor.clone)
        files, without = named_images(images)
        for name, fault in without.items():
            yield Prediction(name, [], fault)
        rows = evaluation_rows(len(files), self.recipe)
        preparation, reading = preparations(
            self.recipe.model_copy(update={"strict_images": False}), self.size, files=True
        )
        workers = worker_count(self.recipe) if len(rows) > 1 else 0  # starting them takes longer than a batch
        batches = FolderBatches(FolderImages(tuple(files), (0,) * len(files)), reading, self.device, workers)
        with closing(batches), worker_deaths():
            for row, (pixels, *_) in zip(rows, batches.of(rows, torch.empty(0)), strict=True):
                with torch.no_grad(), planes(self.model, self.recipe, self.device), autocast(self.recipe, self.device):
                    scores = self._scores(preparation, pixels)
                best = answer(scores.float()).topk(min(count, len(self.classes)))
                answers = zip(row.tolist(), best.indices.tolist(), best.values.tolist(), strict=True)
                for number, classes, probabilities in answers:
                    named = [(self.classes[i], value) for i, value in zip(classes, probabilities, strict=True)]
                    fault = batches.unreadable.get(files[number], "")
                    yield Prediction(files[number], [] if fault else named, fault)

    def _batches(self, data: Data, part: Part) -> tuple[Preparation, Batches]:
        images = data.part(part)
        preparation, reading = preparations(self.recipe, self.size, files=isinstance(images, FolderImages))
        return preparation, make_batches(images, reading, self.device, worker_count(self.recipe))

    def _scores(self, preparation: Preparation, pixels: Tensor) -> Tensor:
        return heads_of(self.model(preparation.validation(pixels)), self.outputs)[0][0]

    def _require_classes(self, data: Data) -> None:
        if TASKS[data.task] is not self.task:
            what = f"{data.name} has {TASKS[data.task].name}, but the network gives {self.task.name}"
            raise SpecError([Problem("E0703", what, file=data.name)])
        if data.classes == self.classes:
            return
        what = f"the network has {len(self.classes)} classes, {data.name} has {len(data.classes)}"
        if len(data.classes) == len(self.classes):
            one, other = next(pair for pair in zip(self.classes, data.classes, strict=True) if pair[0] != pair[1])
            what = f"the network's classes are not those of {data.name}: `{one}` is `{other}` there"
        raise SpecError([Problem("E0703", what, file=data.name)])


def load_run(path: str | Path, *, model: nn.Module | None = None, device: str = "auto") -> Trained:
    """Load the network of a run with its best weights; `path` is its folder, or a weights file in it.

    `model` is required if the network came from Python: a module with the same layers, into which the weights are
    loaded. `device` is auto, cpu, cuda or cuda:N. Raises SpecError: E0705 if it isn't a run, E0704 if `model` is
    missing, E0501 if no epoch has finished yet, E0709 if the device doesn't exist.
    """
    path = Path(path)
    folder = path.parent if path.suffix == ".safetensors" else path
    facts = read_facts(folder)
    place = pick_device(device)
    if facts["reference"]["kind"] == "module" and model is None:
        what = f"the network of the run `{folder}` came from Python: only that program can create it"
        help = f"pass the network there: archc.load_run({str(folder)!r}, model=model)"
        raise SpecError([Problem("E0704", what, file=str(folder), help=help)])
    recipe = load_recipe(folder / "recipe.yaml")
    channels, height, width = facts["input"]
    if not all(isinstance(levels, list) and len(levels) == channels for levels in (recipe.mean, recipe.std)):
        what = f"`{folder}` is not a run folder: its recipe.yaml does not have `mean` and `std` for {channels} channels"
        raise SpecError([Problem("E0705", what, file=str(folder))])
    classes = tuple(facts["classes"])
    subject = kept_subject(folder, facts) if model is None else find_subject(model)
    task = TASKS[facts["task"]]
    built, size, outputs = fit(subject, [(channels, height, width)], len(classes), recipe.seed, task)
    load_weights(built, folder / "best.safetensors" if path == folder else path)
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    built = built.eval().to(place, memory_format=layout)  # type: ignore[call-overload]
    return Trained(built, size, classes, task, outputs, recipe, read_history(folder), facts, folder, place)
