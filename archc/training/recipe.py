"""Recipes: how a network is trained, as data. Every field is also an option of `archc train`."""

from __future__ import annotations

import json
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from archc.problems import Problem, Problems, SpecError, did_you_mean
from archc.reading import Map, read_file

_FOLDER = Path(__file__).parent / "recipes"

Count = Annotated[int, Field(ge=1, le=2**31 - 1)]
Auto = Literal["auto"]
Level = Annotated[float, Field(allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Recipe(BaseModel):
    """The settings of a training run; the defaults are those of the recipe `default`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    description: str = Field("", description="what the recipe is, and where it comes from")
    epochs: Count = Field(20, description="passes over the training images")
    batch_size: Count = Field(128, description="images in one step of the optimizer, over all devices")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(0, description="of weights, order, augmentation and dropout")

    optimizer: Literal["sgd", "adamw"] = Field("adamw", description="of torch.optim")
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(0.001, description="the highest learning rate")
    momentum: Fraction = Field(0.9, description="of sgd; beta1 of adamw")
    nesterov: bool = Field(False, description="Nesterov's momentum (sgd)")
    weight_decay: NotNegative = Field(0.05, description="decoupled for adamw, an L2 penalty for sgd")
    decay_all: bool = Field(False, description="decay biases and normalisation layers too")
    schedule: Literal["constant", "cosine", "linear", "step"] = Field(
        "cosine", description="of the learning rate after the warm-up: cosine and linear end at 0"
    )
    warmup_epochs: NotNegative = Field(1.0, description="epochs in which the learning rate rises from 0")
    step_epochs: Count = Field(30, description="epochs between two steps of the schedule `step`")
    gamma: Annotated[float, Field(gt=0, le=1)] = Field(0.1, description="what a step multiplies the learning rate by")
    label_smoothing: Fraction = Field(0.1, description="probability spread over all classes")
    auxiliary_weight: NotNegative = Field(0.3, description="of the losses of auxiliary heads (GoogLeNet: 0.3)")
    clip_norm: NotNegative = Field(1.0, description="longest gradient; 0 does not clip")
    accumulate: Count = Field(1, description="parts in which a batch passes the network, to save memory")
    ema: Fraction = Field(0.0, description="decay of averaged weights, which are then validated; 0 averages none")

    resize: Auto | Count = Field(
        "auto", description="side of the network's input; auto: the images' own where the network takes it"
    )
    channels: Literal["auto", 1, 3] = Field("auto", description="convert images to grey (1) or colour (3)")
    mean: Auto | Level | list[Level] = Field(
        "auto", description="subtracted from pixels in 0…1, for all or each channel"
    )
    std: Auto | Level | list[Level] = Field("auto", description="what they are then divided by; auto: of the data")
    flip: Auto | bool = Field("auto", description="mirror half of the images; auto: not those of digits and letters")
    pad: Annotated[int, Field(ge=0)] = Field(0, description="pixels by which images are shifted at random, at most")
    random_resized_crop: bool = Field(False, description="train on random parts of 8 to 100 % of an image's area")
    center_crop: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description="part of an image's side for validation")
    cutout: Annotated[int, Field(ge=0)] = Field(0, description="side of a square that is blanked at random, in pixels")
    workers: Auto | Annotated[int, Field(ge=0)] = Field("auto", description="processes that read images of a folder")
    strict_images: bool = Field(False, description="stop at an image that cannot be read instead of leaving it out")

    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="of the network's products; auto: bf16 where the device has it"
    )
    channels_last: bool = Field(True, description="keep the channels of a pixel together in memory")
    compile: Auto | bool = Field("auto", description="use torch.compile; auto: on a GPU")
    deterministic: bool = Field(False, description="the same bits on every run on a GPU too, at some cost")
    shard: bool = Field(False, description="split weights and optimizer over the processes (fully_shard)")
    checkpoint_steps: Annotated[int, Field(ge=0)] = Field(0, description="steps between checkpoints within an epoch")
    tensorboard: bool = Field(False, description="write the figures for TensorBoard too, into the run's folder")
    checkpoint_minutes: NotNegative = Field(10.0, description="minutes between checkpoints within an epoch; 0: none")


_ALSO_CALLED = {"learning_rate": "lr", "batch": "batch_size", "decay": "weight_decay", "image_size": "resize"}
"""What fields are called elsewhere."""


def _meant(name: str) -> str:
    """What a field that recipes have not may have been meant for."""
    own = "" if name in _ALSO_CALLED else did_you_mean(name, Recipe.model_fields)
    elsewhere = [f"did you mean `{_ALSO_CALLED[near]}`?" for near in get_close_matches(name, _ALSO_CALLED, 1)]
    return own or "".join(elsewhere) or "`archc train --help` lists the fields"


def bundled_recipes() -> dict[str, Path]:
    """The recipes that come with archc, by name."""
    return {path.stem: path for path in sorted(_FOLDER.glob("*.yaml"))}


def load_recipe(recipe: str | Path | Recipe = "default", **changes: Any) -> Recipe:
    """A recipe by the name of a bundled one or the path of a file, with some fields changed.

    Raises SpecError with every fault of the file, or of the changes, at its place.
    """
    if not isinstance(recipe, Recipe):
        recipe = _read(recipe)
    if not changes:
        return recipe
    problems = Problems()
    for name, value in changes.items():
        fault = field_fault(name, value)
        if fault:
            code = "E0203" if name in Recipe.model_fields else "E0201"
            problems.add(Problem(code, f"`{name}`: {fault}", file="recipe"))
    problems.raise_any()
    return recipe.model_copy(update=changes)


def field_fault(name: str, value: Any) -> str:
    """Why a field cannot have a value; empty if it can."""
    if name not in Recipe.model_fields:
        return f"recipes have no such field; {_meant(name)}"
    try:
        Recipe.model_validate({name: value})
    except ValidationError as error:
        faults = dict.fromkeys(fault["msg"].lower().removeprefix("input ") for fault in error.errors())
        return f"{', or '.join(faults)}, got {value!r}"
    return ""


def recipe_text(recipe: Recipe) -> str:
    """A recipe as the YAML that `load_recipe` reads."""
    fields = recipe.model_dump().items()
    return "".join(f"{name}: {_yaml(value)}\n" for name, value in fields if not _without_effect(name, recipe))


def _yaml(value: Any) -> str:
    if isinstance(value, str) and value.isidentifier():
        return value
    return json.dumps(value, ensure_ascii=False)  # JSON is YAML 1.2


def _read(recipe: str | Path) -> Recipe:
    name, path = str(recipe), Path(recipe)
    known = bundled_recipes()
    if name in known:
        root = read_file(known[name], f"recipes/{name}.yaml", "recipe")
    elif isinstance(recipe, Path) or path.suffix in (".yaml", ".yml") or path.exists():
        root = read_file(path, name, "recipe")
    else:
        help = did_you_mean(name, known)
        raise SpecError([Problem("E0101", f"no file and no bundled recipe is called `{name}`", file=name, help=help)])
    return parse_recipe(root)


def parse_recipe(root: Map) -> Recipe:
    """The recipe of a located tree. Raises SpecError with every fault at its place."""
    problems = Problems()
    for name, value in root.items():
        fault = field_fault(name, value)
        if name not in Recipe.model_fields:
            what = f"unknown key `{name}` in the recipe"
            problems.add(Problem("E0201", what, root.keys_at[name], help=_meant(name)))
        elif fault:
            problems.add(Problem("E0203", f"`{name}`: {fault}", root.values_at[name]))
    problems.raise_any()
    recipe = Recipe.model_validate(root)
    for name, mark in root.keys_at.items():
        why = _without_effect(name, recipe)
        if why:
            problems.add(Problem("E0701", f"`{name}` changes nothing: {why}", mark, help=f"remove `{name}:`"))
    problems.raise_any()
    return recipe


def _without_effect(name: str, recipe: Recipe) -> str:
    if name in ("step_epochs", "gamma") and recipe.schedule != "step":
        return f"the schedule is `{recipe.schedule}`, not `step`"
    if name == "nesterov" and recipe.nesterov and recipe.optimizer != "sgd":
        return f"the optimizer is `{recipe.optimizer}`, not `sgd`"
    return ""
