"""A training run from start to end: recipe, data, network, folder, loop."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from archc.problems import Problem, SpecError, did_you_mean
from archc.training.batches import Batches, make_batches, smallest_part
from archc.training.checkpoint import load_checkpoint
from archc.training.data import Data, FolderImages, Images, as_data, load_data, load_test, read_division
from archc.training.distributed import World, world
from archc.training.fingerprint import fingerprint
from archc.training.freezing import freeze
from archc.training.hooks import Callback, Hooks, PerImage
from archc.training.loop import Loop
from archc.training.loss import balanced_weights
from archc.training.meter import Score
from archc.training.model import Size, Subject, find_subject, fit, no_files, runs_alone
from archc.training.optimizer import lr_scales
from archc.training.pretrained import Pretrained, read_pretrained, transfer
from archc.training.progress import Progress
from archc.training.recipe import Recipe, load_recipe, recipe_text
from archc.training.resolve import input_sizes, preparations, resolved, worker_count
from archc.training.run_folder import RunFolder, best_of, fresh_folder, read_facts, versions
from archc.training.task import TASKS
from archc.training.tensorboard import require_board
from archc.training.workers import worker_deaths


@dataclass(frozen=True, slots=True)
class Result:
    """A finished run: the trained network, its folder, and a row of numbers per epoch (as metrics.csv)."""

    model: nn.Module
    """The network with the best weights (those of best.safetensors), in inference mode."""
    folder: Path
    history: list[dict[str, float]]
    losses: list[float]
    """The training loss of each step."""
    best: dict[str, float]
    """The row of the best epoch: the one with the best validation accuracy, unless the recipe's `best_by` differs."""
    test: Score | None
    """Loss and accuracy on the test images, if there are any."""


def train(
    model: Any,
    data: Any = "digits",
    recipe: str | Path | Recipe = "default",
    *,
    out: str | Path | None = None,
    resume: bool = False,
    weights: str | Path | None = None,
    test: str = "",
    split: str | float = "",
    split_seed: int = 0,
    device: str = "auto",
    data_dir: str | Path = "data",
    download: bool = False,
    limit: int = 0,
    settings: dict[str, Any] | None = None,
    quiet: bool = False,
    loss: PerImage | None = None,
    metrics: Mapping[str, PerImage] | None = None,
    callback: Callback | None = None,
    **changes: Any,
) -> Result:
    """Train a network on images and save the run in a folder.

    `model` is a spec (a path or a bundled name), an architecture, `file.py`, `file.py:Class`, `module:Class`, or an
    nn.Module. `settings` are arguments of the spec or the class. `data` is the name of a dataset (`digits`,
    `folder:PATH`, …) or images in memory: a Data, or anything that `archc.training.data.as_data` takes, such as
    `(images, labels)`. `recipe` is a name, a path or a Recipe, and further keywords override its fields.

    `out` is the run's folder (default: a new one in runs/). With `resume`, an existing run in it is continued, to a
    larger number of `epochs` if given. `weights` is a file or the folder of a run to start from: tensors with the same
    name and shape are loaded, and the head is new if it is for other classes.

    `split` chooses the validation images, drawn under `split_seed`: a share of each class (0.2), a fold ("1/5"), or a
    file that lists them. `test` names another dataset, on which the best weights are evaluated at the end.

    `loss` replaces the loss: a function of the scores (batch, …) and the labels that returns a number for each image
    (batch). `metrics` are such functions by name, which become columns of metrics.csv. `callback` is called after each
    epoch with the row and the validated network, and ends the run if it returns True.

    Raises SpecError if any of these is invalid, the loss is not finite, or memory or disk is full; Interrupted after
    SIGINT and SIGTERM, when the current step has been saved.
    """
    split = str(split)
    given = data if isinstance(data, str) else as_data(data, read_division(split, split_seed) if split else None)
    source = Source(given, test, Path(data_dir), download, limit, split, split_seed)
    pretrained = None if weights is None else read_pretrained(Path(weights))
    hooks = Hooks(loss, metrics or {}, callback)
    facts = source.facts() | {"weights": pretrained.facts() if pretrained else {}}
    subject, fields = find_subject(model, settings), load_recipe(recipe, **changes)
    return _train(subject, source, fields, pretrained, hooks, facts, out, resume, device, quiet)


def resume_run(
    path: str | Path, *, epochs: int | None = None, device: str = "auto", data_dir: str | Path | None = None
) -> Result:
    """Continue the run of a folder with its original settings, to a larger number of epochs if `epochs` says so.

    Raises SpecError as `train` does, and E0706 if the network or the data came from Python.
    """
    folder = Path(path)
    facts = read_facts(folder)
    if not facts["data"] or facts["hooks"] or facts["reference"]["kind"] == "module":
        own = "a loss or metrics" if facts["hooks"] else "a network or images"
        what = f"the run in `{path}` was started from Python, with {own} that only that program has"
        help = f"continue it there: archc.train(model, data, recipe, out={str(path)!r}, resume=True)"
        raise SpecError([Problem("E0706", what, file=str(path), help=help)])
    place = Path(data_dir or facts["data_dir"])
    names = facts["data"], facts["test"], place
    source = Source(*names, False, facts["limit"], facts["split"], facts["split_seed"])
    recipe = load_recipe(folder / "recipe.yaml", **({} if epochs is None else {"epochs": epochs}))
    known = source.facts() | {"weights": facts["weights"]}
    return _train(kept_subject(folder, facts), source, recipe, None, Hooks(), known, folder, True, device, False)


def kept_subject(folder: Path, facts: dict[str, Any]) -> Subject:
    """The network of a run, from the run's folder or from the module that it was imported from."""
    reference, settings = facts["reference"], facts["settings"]
    match reference["kind"]:
        case "spec":
            subject = find_subject(folder / "spec.yaml")
        case "file":
            subject = find_subject(f"{folder / 'model.py'}:{reference['class']}", settings)
        case _:
            subject = find_subject(reference["name"], settings)
    return replace(subject, name=facts["model"], settings=settings, files=no_files)


@dataclass(frozen=True, slots=True)
class Source:
    """The source of images: a named dataset, or one from Python code."""

    data: str | Data
    test: str
    folder: Path
    download: bool
    limit: int
    split: str
    split_seed: int

    def load(self, here: World) -> Data:
        """Load the images. The first process downloads them while the others wait. Raises SpecError (E0702)."""
        if isinstance(self.data, Data):
            data = self.data
        else:
            name = self.data
            if self.download:
                here.on_first(lambda: load_data(name, self.folder, download=True))
            division = read_division(self.split, self.split_seed) if self.split else None
            data = load_data(name, self.folder, limit=self.limit, division=division)
        return load_test(self.test, self.folder, data, limit=self.limit) if self.test else data

    def facts(self) -> dict[str, Any]:
        """The entries of run.json."""
        name = "" if isinstance(self.data, Data) else self.data
        split = {"split": self.split, "split_seed": self.split_seed}
        return {"data": name, "test": self.test, "data_dir": str(self.folder), "limit": self.limit} | split


def _train(
    subject: Subject,
    source: Source,
    recipe: Recipe,
    pretrained: Pretrained | None,
    hooks: Hooks,
    facts: dict[str, Any],
    out: str | Path | None,
    resume: bool,
    device: str,
    quiet: bool,
) -> Result:
    with world(device) as here:
        data = source.load(here)
        progress = Progress(quiet or not here.first)
        for note in data.notes:
            progress.note(note)
        return _run(subject, data, recipe, pretrained, hooks, out, facts, here, progress, resume)


def _run(
    subject: Subject,
    data: Data,
    recipe: Recipe,
    pretrained: Pretrained | None,
    hooks: Hooks,
    out: str | Path | None,
    facts: dict[str, Any],
    here: World,
    progress: Progress,
    resume: bool,
) -> Result:
    task = TASKS[data.task]
    hooks.check(task)
    _check_task(data.task, hooks, recipe)
    model, size, outputs = fit(subject, input_sizes(subject, data, recipe), len(data.classes), recipe.seed, task)
    levels = None
    if pretrained is not None:
        progress.note(transfer(pretrained, subject, model, size, data.classes))
        levels = pretrained.normalization(model, size[0])
    recipe = resolved(recipe, data, size, here, levels)
    frozen = freeze(model, recipe.freeze, subject.name)
    facts |= {
        "classes": data.classes,
        "task": data.task,
        "hooks": hooks.facts(),
        "model": subject.name,
        "reference": subject.reference,
        "settings": subject.settings,
        "input": size,
        "processes": here.size,
        "images": here.on_first(lambda: fingerprint(data)),
        "versions": versions(here.device),
    }
    _check_weights(subject.name, model, recipe)
    _check_parts(subject.name, model, frozen, size, len(data.train), recipe, here)
    if recipe.tensorboard:
        here.on_first(require_board)
    files = {"recipe.yaml": recipe_text(recipe), **subject.files(size, len(data.classes))}
    preparation, reading = preparations(recipe, size, files=isinstance(data.train, FolderImages))
    workers = worker_count(recipe)
    # Check everything before writing anything.
    stem = f"{_stem(subject.name)}-{_stem(data.name)}"
    folder = RunFolder(here.on_first(lambda: Path(out) if out else fresh_folder(stem)))
    try:
        state, notes = here.on_first(lambda: _enter(folder, files, facts, resume))
        for note in notes:
            progress.note(note)
        with _determinism(recipe), _memory(recipe, size, here), ExitStack() as opened, worker_deaths():

            def batches(images: Images | FolderImages) -> Batches:
                return opened.enter_context(closing(make_batches(images, reading, here.device, workers)))

            torch.manual_seed(recipe.seed + here.rank)  # for dropout, independent of the draws while building
            loop = Loop(
                model,
                frozen,
                outputs,
                batches(data.train),
                batches(data.validation),
                preparation,
                task,
                hooks,
                _class_weights(data, recipe, here),
                recipe,
                here,
                folder,
                progress,
                f"{subject.name} on {data.name}",
            )
            if state is not None:
                _restore(loop, state, folder)
            if recipe.tensorboard and here.first:
                folder.open_board(loop.rows, loop.losses)
            progress.start(subject.name, data, size, recipe, here, folder.path, loop.step)
            loop.run()
            opened.close()  # the processes that read these images
            loop.take_best()
            best = best_of(loop.rows, recipe.best_by)
            progress.end(best, folder.path)
            score = None
            if data.test is not None:
                score = loop.test(batches(data.test))
                progress.test(score)
                here.on_first(lambda: folder.write_test(facts["test"] or data.name, score))
    finally:
        progress.close()
        folder.close()
    losses = [loss for part in loop.losses for loss in part.tolist()]
    return Result(loop.model, folder.path, loop.rows, losses, best, score)


def _check_task(name: str, hooks: Hooks, recipe: Recipe) -> None:
    """Reject fields that have no effect for these labels, or with a program's own loss."""
    task = TASKS[name]
    if recipe.class_weights != "none" and (name != "classes" or hooks.loss):
        why = "a custom loss weights the images itself" if hooks.loss else f"the data has {task.name}"
        what = f"`class_weights: {recipe.class_weights}` changes nothing: {why}"
        raise SpecError([Problem("E0701", what, file="recipe", help="remove it")])
    moving = [field for field in ("mixup", "cutmix", "randaugment") if getattr(recipe, field)]
    if moving and name == "masks":
        what = f"`{moving[0]}` would move the pixels of an image, but not those of its mask"
        raise SpecError([Problem("E0701", what, file="recipe", help="use flip, pad or random_resized_crop instead")])
    known = ("auto", "loss", *task.figures, *hooks.metrics)
    if recipe.best_by.removeprefix("-") not in known:
        what = f"`best_by`: there is no metric `{recipe.best_by}`"
        help = did_you_mean(recipe.best_by, known) or f"the metrics are {', '.join(known[1:])}"
        raise SpecError([Problem("E0701", what, file="recipe", help=help)])


def _class_weights(data: Data, recipe: Recipe, here: World) -> Tensor | None:
    if recipe.class_weights == "none":
        return None
    return balanced_weights(torch.as_tensor(data.train.labels), len(data.classes)).to(here.device)


def _check_weights(name: str, model: nn.Module, recipe: Recipe) -> None:
    trained = [key for key, parameter in model.named_parameters() if parameter.requires_grad]
    if not trained:
        what, help = f"{name} has no weights to train", "add a layer with weights, such as `conv2d` or `linear`"
        if recipe.freeze:
            what, help = f"{name} has no weights to train: all are frozen", "except the head: --freeze '*' '!fc'"
        raise SpecError([Problem("E0704", what, file=name, help=help)])
    lr_scales(trained, recipe.lr_scale, name)


def _check_parts(
    name: str, model: nn.Module, frozen: list[nn.Module], size: Size, count: int, recipe: Recipe, here: World
) -> None:
    """Reject a single remaining image if the network needs several, instead of failing at the end of an epoch."""

    def least(batch_size: int) -> int:
        return smallest_part(count, batch_size, recipe.accumulate, here.size)

    fault = runs_alone(model, size, frozen) if least(recipe.batch_size) == 1 else ""
    if not fault:
        return
    step = recipe.accumulate * here.size
    sizes = range(recipe.batch_size + step, recipe.batch_size + 64 * step, step)
    better = next((other for other in sizes if least(other) > 1), None)
    help = "train on more images" if better is None else f"--batch-size {better} avoids a batch of one image"
    what = (
        f"{name} cannot be trained on a single image, but {count:,} images in batches of {recipe.batch_size} leave one"
    )
    raise SpecError([Problem("E0703", f"{what}: {fault}", file=name, help=help)])


def _restore(loop: Loop, state: dict[str, Any], folder: RunFolder) -> None:
    try:
        loop.load_state_dict(state)
        fault = _misfit(loop.optimizer)
    except Exception as error:  # torch raises anything for a state of another network
        lines = str(error).splitlines() or [type(error).__name__]
        fault = lines[min(1, len(lines) - 1)].strip()
    if fault:
        what = f"the checkpoint in `{folder.last}` is for another network: {fault}"
        raise SpecError([Problem("E0706", what, file=str(folder.last))])


def _misfit(optimizer: torch.optim.Optimizer) -> str:
    """The reason why the optimizer's state doesn't fit its weights; empty if it does.

    torch would only notice in the next step.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            for name, value in optimizer.state.get(parameter, {}).items():
                if not isinstance(value, torch.Tensor) or value.shape not in (parameter.shape, ()):
                    return f"the optimizer's `{name}` does not fit the weights"
    return ""


def _enter(folder: RunFolder, files: dict[str, str], facts: dict[str, Any], resume: bool) -> tuple[Any, list[str]]:
    """Open the folder; return the state to continue from, if there is one, and notes about it."""
    folder.open()
    if not folder.has_run:
        folder.write_description(files, facts)
        return None, []
    if not resume:
        what = f"`{folder.path}` already contains a run"
        help = f"continue it with --resume {folder.path}, or choose another folder with --out"
        raise SpecError([Problem("E0705", what, file=str(folder.path), help=help)])
    longer = folder.refuse_another(files, facts)
    state, notes = load_checkpoint(folder.last)
    if longer:
        folder.write_recipe(files["recipe.yaml"])
        notes.append(longer)
    return state, notes


@contextmanager
def _determinism(recipe: Recipe) -> Iterator[None]:
    """Use deterministic algorithms if requested; otherwise cuDNN can choose the fastest ones."""
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    if recipe.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = not recipe.deterministic
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]


@contextmanager
def _memory(recipe: Recipe, size: Size, here: World) -> Iterator[None]:
    """Turn out-of-memory errors into advice about what would fit."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if (
            isinstance(error, RuntimeError)
            and not isinstance(error, torch.OutOfMemoryError)
            and "alloc" not in str(error)
        ):
            raise
        part = recipe.batch_size // recipe.accumulate // here.size
        images = f"{part} images of {'×'.join(map(str, size))}"
        help = f"try --batch-size {max(1, recipe.batch_size // 2)}"
        if recipe.batch_size % (2 * recipe.accumulate * here.size) == 0:
            help += f", or keep the batch size and split it into parts: --accumulate {2 * recipe.accumulate}"
        what = f"out of memory on {here.device} in a step of {images}"
        raise SpecError([Problem("E0708", what, file=str(here.device), help=help)]) from None


def _stem(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "run"
