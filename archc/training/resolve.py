"""A recipe for one network, one dataset and one device: every `auto` gets its value."""

from __future__ import annotations

import os
from typing import Any

import torch

from archc.problems import Problem, SpecError
from archc.training.augment import Preparation, statistics
from archc.training.batches import Reading
from archc.training.data import Data, Images
from archc.training.distributed import World
from archc.training.model import Size, Subject
from archc.training.pretrained import IMAGENET, Levels
from archc.training.recipe import Recipe

GREY: tuple[Levels, Levels] = (0.449,), (0.226,)
"""The means of IMAGENET's values."""

USUAL = (224, 299)
"""Input sizes to try if a network doesn't declare one."""


def input_sizes(subject: Subject, data: Data, recipe: Recipe) -> list[Size]:
    """The input sizes to try in order: the recipe's, or the images' own and the usual ones."""
    own = data.shape
    declared = subject.declared
    channels = recipe.channels if recipe.channels != "auto" else own[0] if own else declared[0] if declared else 3
    if recipe.resize != "auto":
        return [(channels, recipe.resize, recipe.resize)]
    sizes = [own[1:]] if own else []
    sizes += [declared[1:]] if declared else [(side, side) for side in USUAL]
    return [(channels, *size) for size in sizes]


def resolved(
    recipe: Recipe, data: Data, size: Size, here: World, levels: tuple[Levels, Levels] | None = None
) -> Recipe:
    """The recipe with a value for everything that affects the result.

    `levels` are the mean and standard deviation that pretrained weights expect. Without them, those of the images are
    used if they are in memory, otherwise ImageNet's.
    """
    if recipe.shard and recipe.ema:
        raise SpecError(
            [Problem("E0701", "averaged weights (`ema`) cannot be sharded", help="use either `ema` or `shard`")]
        )
    parts = here.size * recipe.accumulate
    if recipe.batch_size % parts:
        shares = f"{here.size} processes × {recipe.accumulate} parts"
        what = f"a batch of {recipe.batch_size} images is not divisible by {shares}"
        help = f"--batch-size {max(1, round(recipe.batch_size / parts)) * parts}"
        raise SpecError([Problem("E0701", what, file="recipe", help=help)])
    channels = size[0]
    if recipe.randaugment and channels not in (1, 3):
        what = f"`randaugment` changes images with 1 or 3 channels, but the network's input has {channels}"
        raise SpecError([Problem("E0703", what, file="recipe", help="set randaugment to 0")])
    mean, std = levels or (IMAGENET if channels == 3 else GREY)
    if levels is None and isinstance(data.train, Images) and "auto" in (recipe.mean, recipe.std):
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
        what = f"`{name}` has {len(values)} values, but the network's input has {len(own)} channels"
        raise SpecError([Problem("E0703", what, file="recipe", help=f"give one number for all, or {len(own)}")])
    return values


def _precision(device: torch.device) -> str:
    """bf16 if the device supports it natively, because it is the fastest then; otherwise fp32."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # torch has no public function for this
    return "bf16" if native is not None and native() else "fp32"


def preparations(recipe: Recipe, size: Size, *, files: bool) -> tuple[Preparation, Reading]:
    """The conversion of images to input, and of files to images, which are cropped when they are read."""
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
        randaugment=recipe.randaugment,
        random_crop=recipe.random_resized_crop and not files,
        center_crop=1.0 if files else recipe.center_crop,
        channels_last=recipe.channels_last,
    )
    return preparation, Reading(
        channels,
        height,
        width,
        recipe.random_resized_crop,
        recipe.center_crop,
        recipe.strict_images,
        recipe.background,
    )


def worker_count(recipe: Recipe) -> int:
    """The number of processes that read images: the processor cores of this process."""
    if recipe.workers != "auto":
        return recipe.workers
    processes = len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, processes)
