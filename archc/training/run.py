"""The way of a training: recipe, data, network, folder, loop."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from archc.problems import Problem, SpecError
from archc.training.augment import Preparation, statistics
from archc.training.batches import Reading, make_batches
from archc.training.checkpoint import load_checkpoint
from archc.training.data import Data, FolderImages, Images, load_data
from archc.training.distributed import World, world
from archc.training.loop import Loop, best_of
from archc.training.model import Size, Subject, find_subject, fit, no_files
from archc.training.progress import Progress
from archc.training.recipe import Recipe, load_recipe, recipe_text
from archc.training.run_folder import RunFolder, fresh_folder, read_facts, versions

Levels = tuple[float, ...]

IMAGENET: tuple[Levels, Levels] = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and deviation of ImageNet's colours, as torchvision's models expect them: for images that stay in files."""

GREY: tuple[Levels, Levels] = (0.449,), (0.226,)
"""The means of IMAGENET's."""

USUAL = (224, 299)
"""Input sizes to try where a network does not say its own."""


@dataclass(frozen=True, slots=True)
class Result:
    """A finished run: the trained network, its folder, and a row of figures an epoch (as metrics.csv)."""

    model: nn.Module
    folder: Path
    history: list[dict[str, float]]
    losses: list[float]
    """The training loss of each step."""

    @property
    def best(self) -> dict[str, float]:
        """The row of the epoch that validated best."""
        return best_of(self.history)


def train(
    model: Any,
    data: str | Data = "digits",
    recipe: str | Path | Recipe = "default",
    *,
    out: str | Path | None = None,
    resume: bool = False,
    device: str = "auto",
    data_dir: str | Path = "data",
    download: bool = False,
    limit: int = 0,
    settings: dict[str, Any] | None = None,
    quiet: bool = False,
    **changes: Any,
) -> Result:
    """Train a network on images, and keep the run in a folder.

    `model` is a spec (a path or a bundled name), an architecture, `file.py`, `file.py:Class`, `module:Class`, or an
    nn.Module; `settings` are parameters of the spec or arguments of the class. `data` is a name (`digits`,
    `folder:PATH`, …) or a Data. `recipe` is a name, a path or a Recipe; further keywords change its fields.
    `out` is the run's folder, a new one below runs/ if None; with `resume` the run in it is continued if there is one.

    Raises SpecError where any of these does not fit, the loss is no number, memory or disk is full; KeyboardInterrupt
    after SIGINT and SystemExit after SIGTERM, when the step that was running has been saved.
    """
    source = Source(data, Path(data_dir), download, limit)
    return _train(find_subject(model, settings), source, load_recipe(recipe, **changes), out, resume, device, quiet)


def resume_run(path: str | Path, *, device: str = "auto", data_dir: str | Path | None = None) -> Result:
    """Continue the run of a folder with what it was begun with.

    Raises SpecError as `train` does, and E0706 where the network or the data came from Python.
    """
    folder = Path(path)
    facts = read_facts(folder)
    if not facts["data"] or facts["reference"]["kind"] == "module":
        what = f"the run in `{path}` was begun from Python, with a network or images that only that program has"
        help = f"continue it there: archc.train(model, data, recipe, out={str(path)!r}, resume=True)"
        raise SpecError([Problem("E0706", what, file=str(path), help=help)])
    source = Source(facts["data"], Path(data_dir or facts["data_dir"]), False, facts["limit"])
    return _train(kept_subject(folder, facts), source, load_recipe(folder / "recipe.yaml"), folder, True, device, False)


def kept_subject(folder: Path, facts: dict[str, Any]) -> Subject:
    """The network of a run, from the run's folder (or from the module that it was imported from)."""
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
    """Where images come from: a data set by its name, or one that Python code hands over."""

    data: str | Data
    folder: Path
    download: bool
    limit: int

    def load(self, here: World) -> Data:
        """The images. The first process fetches them, the others wait. Raises SpecError (E0702)."""
        if isinstance(self.data, Data):
            return self.data
        name = self.data
        if self.download:
            here.on_first(lambda: load_data(name, self.folder, download=True))
        return load_data(name, self.folder, limit=self.limit)

    def facts(self) -> dict[str, Any]:
        """What a run's folder keeps of it."""
        name = "" if isinstance(self.data, Data) else self.data
        return {"data": name, "data_dir": str(self.folder), "limit": self.limit}


def _train(
    subject: Subject,
    source: Source,
    recipe: Recipe,
    out: str | Path | None,
    resume: bool,
    device: str,
    quiet: bool,
) -> Result:
    with world(device) as here:
        data = source.load(here)
        path = here.on_first(lambda: Path(out) if out else fresh_folder(f"{_stem(subject.name)}-{_stem(data.name)}"))
        progress = Progress(quiet or not here.first)
        return _run(subject, data, recipe, RunFolder(path), source.facts(), here, progress, resume)


def _run(
    subject: Subject,
    data: Data,
    recipe: Recipe,
    folder: RunFolder,
    facts: dict[str, Any],
    here: World,
    progress: Progress,
    resume: bool,
) -> Result:
    model, size, outputs = fit(subject, input_sizes(subject, data, recipe), len(data.classes), recipe.seed)
    recipe = resolved(recipe, data, size, here)
    facts |= {
        "classes": data.classes,
        "model": subject.name,
        "reference": subject.reference,
        "settings": subject.settings,
        "input": size,
        "processes": here.size,
        "versions": versions(here.device),
    }
    files = {"recipe.yaml": recipe_text(recipe), **subject.files(size, len(data.classes))}
    preparation, reading = preparations(recipe, size, files=isinstance(data.train, FolderImages))
    workers = worker_count(recipe, here)
    try:
        state, notes = here.on_first(lambda: _enter(folder, files, facts, resume))
        for note in notes:
            progress.note(note)
        with _determinism(recipe), _memory(recipe, size, here):
            torch.manual_seed(recipe.seed + here.rank)  # dropout: what building drew does not matter
            loop = Loop(
                model,
                outputs,
                make_batches(data.train, reading, here.device, workers),
                make_batches(data.validation, reading, here.device, workers),
                preparation,
                recipe,
                here,
                folder,
                progress,
                f"{subject.name} on {data.name}",
            )
            if state is not None:
                _restore(loop, state, folder)
            progress.start(subject.name, data, size, recipe, here, folder.path, loop.step)
            loop.run()
            progress.end(best_of(loop.rows), folder.path)
    finally:
        progress.close()
        folder.close()
    losses = [loss for part in loop.losses for loss in part.tolist()]
    return Result(loop.model, folder.path, loop.rows, losses)


def _restore(loop: Loop, state: dict[str, Any], folder: RunFolder) -> None:
    try:
        loop.load_state_dict(state)
    except (KeyError, RuntimeError, ValueError) as error:
        lines = str(error).splitlines()
        what = f"the checkpoint in `{folder.last}` is of another network: {lines[min(1, len(lines) - 1)].strip()}"
        raise SpecError([Problem("E0706", what, file=str(folder.last))]) from None


def _enter(folder: RunFolder, files: dict[str, str], facts: dict[str, Any], resume: bool) -> tuple[Any, list[str]]:
    """Take the folder; the state to go on from, if there is one, and what to tell of it."""
    folder.open()
    if not folder.begun:
        folder.write_description(files, facts)
        return None, []
    if not resume:
        what = f"`{folder.path}` holds a run already"
        help = f"continue it with --resume {folder.path}, or choose another folder with --out"
        raise SpecError([Problem("E0705", what, file=str(folder.path), help=help)])
    folder.refuse_another(files, facts)
    return load_checkpoint(folder.last)


def input_sizes(subject: Subject, data: Data, recipe: Recipe) -> list[Size]:
    """The input sizes to try, in their order: the recipe's, or the images' own and those that networks are made for."""
    own = data.shape
    declared = subject.declared
    channels = recipe.channels if recipe.channels != "auto" else own[0] if own else declared[0] if declared else 3
    if recipe.resize != "auto":
        return [(channels, recipe.resize, recipe.resize)]
    sides = [own[1:]] if own else []
    sides += [declared[1:]] if declared else [(side, side) for side in USUAL]
    return [(channels, *side) for side in sides]


def resolved(recipe: Recipe, data: Data, size: Size, here: World) -> Recipe:
    """The recipe with a value for everything that decides the result."""
    if recipe.shard and recipe.ema:
        raise SpecError(
            [Problem("E0701", "averaged weights (`ema`) cannot be sharded", help="use one of `ema`, `shard`")]
        )
    parts = here.size * recipe.accumulate
    if recipe.batch_size % parts:
        shares = f"{here.size} processes × {recipe.accumulate} parts"
        what = f"a batch of {recipe.batch_size} images is not divisible by {shares}"
        help = f"--batch-size {max(1, round(recipe.batch_size / parts)) * parts}"
        raise SpecError([Problem("E0701", what, file="recipe", help=help)])
    channels = size[0]
    mean, std = IMAGENET if channels == 3 else GREY
    if isinstance(data.train, Images) and "auto" in (recipe.mean, recipe.std):
        mean, std = statistics(data.train.pixels, channels)
    return recipe.model_copy(
        update={
            "mean": _each(recipe.mean, mean, "mean"),
            "std": _each(recipe.std, std, "std"),
            "flip": data.mirrored if recipe.flip == "auto" else recipe.flip,
            "channels": channels if channels in (1, 3) else "auto",
            "precision": _precision(here.device) if recipe.precision == "auto" else recipe.precision,
        }
    )


def _each(value: Any, own: tuple[float, ...], name: str) -> list[float]:
    """A value for each channel."""
    if value == "auto":
        return list(own)
    values = value if isinstance(value, list) else [value] * len(own)
    if len(values) != len(own):
        what = f"`{name}` has {len(values)} values, the network's input {len(own)} channels"
        raise SpecError([Problem("E0703", what, file="recipe", help=f"give one number for all, or {len(own)}")])
    return values


def _precision(device: torch.device) -> str:
    """bf16 where the device multiplies it itself, which is then the fastest; fp32 elsewhere."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # torch tells it in no public way
    return "bf16" if native is not None and native() else "fp32"


def preparations(recipe: Recipe, size: Size, *, files: bool) -> tuple[Preparation, Reading]:
    """How images become input, and how files become images, which are cropped where they are read."""
    channels, height, width = size
    assert isinstance(recipe.mean, list)
    assert isinstance(recipe.std, list)
    preparation = Preparation(
        channels,
        height,
        width,
        tuple(recipe.mean),
        tuple(recipe.std),
        flip=recipe.flip is True,
        pad=recipe.pad,
        cutout=recipe.cutout,
        random_crop=recipe.random_resized_crop and not files,
        center_crop=1.0 if files else recipe.center_crop,
        channels_last=recipe.channels_last,
    )
    return preparation, Reading(
        channels, height, width, recipe.random_resized_crop, recipe.center_crop, recipe.strict_images
    )


def worker_count(recipe: Recipe, here: World) -> int:
    """Processes that read images: as many as there are processor cores for this one, 8 at most."""
    if recipe.workers != "auto":
        return recipe.workers
    processes = len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, min(8, processes))


@contextmanager
def _determinism(recipe: Recipe) -> Iterator[None]:
    """The same bits on every run where asked for; otherwise cuDNN may choose the fastest algorithm."""
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
    """Out of memory is answered with what would fit."""
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
            help += f", or keep the batch and pass it in parts: --accumulate {2 * recipe.accumulate}"
        what = f"out of memory on {here.device} in a step of {images}"
        raise SpecError([Problem("E0708", what, file=str(here.device), help=help)]) from None


def _stem(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "run"
