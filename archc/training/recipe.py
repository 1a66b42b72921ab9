"""Recipes: how a network is trained, as data. Every field is also an option of `archc train`."""

from __future__ import annotations

import json
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from archc.problems import Problem, Problems, SpecError, did_you_mean
from archc.reading import Map, read_file

_FOLDER = Path(__file__).parent / "recipes"

Count = Annotated[int, Field(ge=1, le=2**31 - 1)]
Auto = Literal["auto"]
Level = Annotated[float, Field(allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]

Optimizer = Literal["sgd", "adamw", "adam", "nadam", "radam", "adamax", "rmsprop", "adagrad"]
Schedule = Literal["constant", "cosine", "linear", "polynomial", "step", "multistep", "exponential"]

_SCHEDULES = {
    "constantlr": "constant",
    "cosineannealinglr": "cosine",
    "linearlr": "linear",
    "polynomiallr": "polynomial",
    "steplr": "step",
    "multisteplr": "multistep",
    "exponentiallr": "exponential",
}
"""What torch calls the schedules, in lower case."""


def _optimizer(name: Any) -> Any:
    return name.lower() if isinstance(name, str) else name


def _schedule(name: Any) -> Any:
    return _SCHEDULES.get(name.lower(), name.lower()) if isinstance(name, str) else name


class Recipe(BaseModel):
    """The hyperparameters of a training run; the defaults are those of the recipe `default`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    description: str = Field("", description="what the recipe is and where it comes from")
    epochs: Count = Field(20, description="number of passes over the training images")
    batch_size: Count = Field(128, description="images per optimizer step, over all devices")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(
        0, description="random seed for weights, data order, augmentation and dropout"
    )

    patience: Annotated[int, Field(ge=0)] = Field(
        0, description="stop after N epochs without a better one; 0 disables early stopping"
    )

    best_by: str = Field(
        "auto",
        description="validation metric that chooses the best epoch, such as accuracy or loss; with `-` before it, the "
        "lowest value is best; auto: accuracy, or loss if there is none",
    )
    optimizer: Annotated[Optimizer, BeforeValidator(_optimizer)] = Field(
        "adamw", description="optimizer of torch.optim, by its name in any case"
    )
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(0.001, description="peak learning rate")
    momentum: Fraction = Field(0.9, description="momentum of sgd and rmsprop; beta1 of the others (adagrad has none)")
    nesterov: bool = Field(False, description="use Nesterov momentum (sgd)")
    weight_decay: NotNegative = Field(0.05, description="weight decay: decoupled for adamw, an L2 penalty for sgd")
    decay_all: bool = Field(False, description="also decay biases and normalization layers")
    schedule: Annotated[Schedule, BeforeValidator(_schedule)] = Field(
        "cosine", description="learning rate schedule after the warm-up; cosine, linear and polynomial end at 0"
    )
    warmup_epochs: NotNegative = Field(1.0, description="epochs over which the learning rate rises from 0")
    step_epochs: Count = Field(30, description="epochs between two drops of the `step` schedule")
    milestones: list[Annotated[int, Field(ge=1)]] = Field(
        [], description="epochs after which the `multistep` schedule drops the learning rate"
    )
    gamma: Annotated[float, Field(gt=0, le=1)] = Field(
        0.1, description="factor of a drop, or of an epoch of `exponential`"
    )
    power: Annotated[float, Field(gt=0, le=100)] = Field(1.0, description="exponent of the `polynomial` schedule")
    freeze: list[str] = Field(
        [], description="freeze parameters by name; `*` matches anything, `!` before a pattern makes an exception"
    )
    lr_scale: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(
        {}, description="multiply the learning rate of some parameters by X"
    )
    label_smoothing: Fraction = Field(0.1, description="label smoothing: probability spread over all classes")
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="weight of each class in the loss; balanced: rare classes count as much as frequent ones"
    )
    mixup: NotNegative = Field(0.0, description="blend pairs of images: alpha of mixup; 0 disables it")
    cutmix: NotNegative = Field(0.0, description="paste parts of other images: alpha of CutMix; 0 disables it")
    auxiliary_weight: NotNegative = Field(0.3, description="weight of the losses of auxiliary heads (GoogLeNet: 0.3)")
    clip_norm: NotNegative = Field(1.0, description="maximum gradient norm; 0 disables clipping")
    accumulate: Count = Field(1, description="gradient accumulation: split each batch into N parts to save memory")
    ema: Fraction = Field(
        0.0, description="decay of the weights' moving average, which is then validated; 0 disables it"
    )

    resize: Auto | Count = Field(
        "auto", description="side length of the input images; auto: keep the images' size if the network accepts it"
    )
    channels: Literal["auto", 1, 3] = Field("auto", description="convert images to grayscale (1) or RGB (3)")
    background: Literal["white", "gray", "black"] = Field(
        "white", description="color under transparent pixels of image files"
    )
    mean: Auto | Level | list[Level] = Field(
        "auto", description="mean to subtract from pixels in 0…1, one for all channels or one per channel"
    )
    std: Auto | Level | list[Level] = Field(
        "auto", description="standard deviation to divide by; auto: computed from the data"
    )
    flip: Auto | bool = Field(
        "auto", description="flip half of the images horizontally; auto: yes, except for digits and letters"
    )
    pad: Annotated[int, Field(ge=0)] = Field(0, description="maximum random shift of the images, in pixels")
    random_resized_crop: bool = Field(False, description="train on random crops of 8 to 100 % of each image's area")
    center_crop: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="fraction of each image's side to keep for validation"
    )
    cutout: Annotated[int, Field(ge=0)] = Field(
        0, description="side length of a square to blank out at random, in pixels"
    )
    randaugment: Annotated[int, Field(ge=0, le=30)] = Field(
        0, description="magnitude of RandAugment's two random operations per image, usually 9; 0 disables it"
    )
    workers: Auto | Annotated[int, Field(ge=0)] = Field(
        "auto", description="number of worker processes that load images"
    )
    strict_images: bool = Field(False, description="stop at an unreadable image instead of skipping it")

    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="precision of matrix products; auto: bf16 if the device supports it"
    )
    channels_last: bool = Field(True, description="use the channels-last memory format")
    compile: Auto | bool = Field("auto", description="use torch.compile; auto: on a GPU")
    deterministic: bool = Field(False, description="make GPU runs bit-for-bit reproducible (slower)")
    shard: bool = Field(False, description="shard weights and optimizer state across processes (fully_shard)")
    checkpoint_epochs: Auto | Count = Field(
        "auto",
        description="epochs between checkpoints; auto: after each, but at least 200 s apart for each gigabyte",
    )
    checkpoint_steps: Annotated[int, Field(ge=0)] = Field(
        0, description="optimizer steps between checkpoints within an epoch; 0: none"
    )
    tensorboard: bool = Field(False, description="also write metrics for TensorBoard to the run folder")
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
    """Load a recipe, given by the name of a bundled recipe or by its path, and override some fields.

    Raises SpecError with every error in the file or in the overridden fields.
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
    return recipe.model_copy(
        update={name: getattr(Recipe.model_validate({name: changes[name]}), name) for name in changes}
    )


def field_fault(name: str, value: Any) -> str:
    """Why a field cannot have a value; empty if it can."""
    if name not in Recipe.model_fields:
        return f"there is no such field; {_meant(name)}"
    try:
        Recipe.model_validate({name: value})
    except ValidationError as error:
        faults = dict.fromkeys(fault["msg"].lower().removeprefix("input ") for fault in error.errors())
        return f"{', or '.join(faults)}, got {value!r}"
    return ""


def recipe_text(recipe: Recipe) -> str:
    """Return a recipe as YAML that `load_recipe` can read."""
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
        raise SpecError([Problem("E0101", f"there is no file or bundled recipe named `{name}`", file=name, help=help)])
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
    if name == "step_epochs" and recipe.schedule != "step":
        return f"the schedule is `{recipe.schedule}`, not `step`"
    if name == "gamma" and recipe.schedule not in ("step", "multistep", "exponential"):
        return f"the schedule is `{recipe.schedule}`, not `step`"
    if name == "milestones" and recipe.schedule != "multistep":
        return f"the schedule is `{recipe.schedule}`, not `multistep`"
    if name == "power" and recipe.schedule != "polynomial":
        return f"the schedule is `{recipe.schedule}`, not `polynomial`"
    if name == "nesterov" and recipe.nesterov and recipe.optimizer != "sgd":
        return f"the optimizer is `{recipe.optimizer}`, not `sgd`"
    return ""
