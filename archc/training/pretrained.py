"""Initial weights from a file or a finished run, with a new head for other classes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from archc.build.matching import matched
from archc.build.weights import misfit, read_weights
from archc.problems import Problem, SpecError
from archc.training.model import Size, Subject
from archc.training.recipe import load_recipe
from archc.training.run_folder import read_facts

Levels = tuple[float, ...]

IMAGENET: tuple[Levels, Levels] = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's colors, which torchvision's models expect."""

_HALF: tuple[Levels, Levels] = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
"""The result of applying torchvision's `transform_input` to ImageNet's normalization."""

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Pretrained:
    """A state dict to start from, and its metadata.

    `levels` are the mean and standard deviation for its images, and `classes` the classes of its head; both are None if
    unknown.
    """

    path: Path
    digest: str
    state: dict[str, Tensor]
    levels: tuple[Levels, Levels] | None
    classes: tuple[str, ...] | None
    transformed: bool = False
    """True for torchvision's weights of a network that normalizes its input itself."""

    def facts(self) -> dict[str, Any]:
        """The entry of run.json."""
        return {"path": str(self.path), "sha256": self.digest}

    def normalization(self, model: nn.Module, channels: int) -> tuple[Levels, Levels] | None:
        """The mean and standard deviation that a model with these weights expects; None if unknown."""
        levels = self.levels
        if self.transformed and not getattr(model, "transform_input", False):
            levels = _HALF
        return levels if levels is not None and len(levels[0]) == channels else None


def read_pretrained(path: Path) -> Pretrained:
    """Read the weights of a file, or the best weights of a run if `path` is its folder or its best.safetensors.

    Raises SpecError: E0501 if the file can't be read as weights, E0705 if a folder isn't a run.
    """
    folder = path if path.is_dir() else path.parent
    if path.is_dir() or (path.suffix == ".safetensors" and (folder / "run.json").is_file()):
        facts, recipe = read_facts(folder), load_recipe(folder / "recipe.yaml")
        file = folder / "best.safetensors" if path.is_dir() else path
        state = read_weights(file)
        if "auto" in (recipe.mean, recipe.std):
            what = f"the recipe of `{path}` does not have the mean and standard deviation of its images"
            help = "a run writes them to its recipe.yaml: restore that file"
            raise SpecError([Problem("E0705", what, file=str(path), help=help)])
        levels = (_levels(recipe.mean), _levels(recipe.std))
        return Pretrained(path, _digest(file), state, levels, tuple(facts["classes"]))
    state = read_weights(path)
    digest = _digest(path)
    return Pretrained(path, digest, state, IMAGENET, None, any(digest.startswith(known) for known in _transformed()))


def _levels(value: Any) -> Levels:
    return tuple(value) if isinstance(value, list) else (float(value),)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _transformed() -> list[str]:
    """The first digits of the SHA-256 of torchvision's published weights for networks that transform their input.

    torchvision puts these digits into the file names.
    """
    from torchvision.models import GoogLeNet_Weights, Inception_V3_Weights

    published = (*GoogLeNet_Weights, *Inception_V3_Weights)
    return [str(weights.url).rpartition("-")[2].removesuffix(".pth") for weights in published]


def transfer(pretrained: Pretrained, subject: Subject, model: nn.Module, size: Size, classes: tuple[str, ...]) -> str:
    """Load weights into a model for `classes`; return a sentence that says which ones, and which layers are new.

    A tensor is loaded if its name and shape match. A head is new if it only differs in the number of classes, or if the
    weights are of a run with other classes. Auxiliary heads that the model doesn't have are ignored. Raises SpecError
    (E0502) with the different names for anything else.
    """
    own = model.state_dict()
    state = matched(pretrained.state, own, subject.renames)
    ignored = {key for key in state if key not in own and _auxiliary(key)}
    counted = _class_dimensions(subject, own, size, len(classes))
    fresh: set[str] = set()
    counts: set[int] = set()
    wrong: list[str] = []
    for key in {**own, **state}:
        if key in ignored:
            continue
        if key not in own or key not in state:
            wrong.append(key)
        elif own[key].shape != state[key].shape:
            here, there = own[key].shape, state[key].shape
            differing = {i for i, sizes in enumerate(zip(here, there, strict=False)) if len(set(sizes)) > 1}
            if len(here) == len(there) and differing <= counted.get(key, set()):
                fresh.add(key)
                counts |= {there[i] for i in differing}
            else:
                wrong.append(key)
    if len(counts) > 1:
        wrong += fresh
    if wrong:
        raise SpecError(_problems(pretrained, wrong, own, state))
    if pretrained.classes is not None and pretrained.classes != classes:
        fresh |= counted.keys()
    taken = {key: value for key, value in state.items() if key in own and key not in fresh}
    model.load_state_dict(taken, strict=False)
    return _said(pretrained, taken, fresh, ignored, counts, classes)


def _auxiliary(key: str) -> bool:
    return key.partition(".")[0].lower().startswith("aux")


def _class_dimensions(subject: Subject, own: dict[str, Tensor], size: Size, classes: int) -> dict[str, set[int]]:
    """The dimensions of each tensor that depend on the number of classes.

    To find them, the network is built with one more class, on the meta device, and the shapes are compared. If it can't
    be built again (such as a module from a program), these are the first dimensions that equal the number of classes.
    """
    found: dict[str, set[int]] = {}
    if subject.reference.get("kind") != "module":
        try:
            with torch.device("meta"):
                other = subject.make(size, classes + 1).state_dict()
            for key, tensor in own.items():
                pairs = enumerate(zip(tensor.shape, other[key].shape, strict=True))
                found[key] = {i for i, (a, b) in pairs if a != b}
        except Exception:  # the class is the user's code, and may not support the meta device
            found = {}
    found = {key: dims for key, dims in found.items() if dims}
    return found or {key: {0} for key, tensor in own.items() if tensor.ndim and tensor.shape[0] == classes}


def _problems(
    pretrained: Pretrained, wrong: list[str], own: dict[str, Tensor], state: dict[str, Tensor]
) -> list[Problem]:
    problems = [misfit(pretrained.path, key, own, state) for key in wrong[:_SHOWN]]
    if len(wrong) > _SHOWN:
        problems.append(Problem("E0502", f"{len(wrong) - _SHOWN:,} more keys differ", file=str(pretrained.path)))
    return problems


def _said(
    pretrained: Pretrained,
    taken: dict[str, Tensor],
    fresh: set[str],
    ignored: set[str],
    counts: set[int],
    classes: tuple[str, ...],
) -> str:
    text = f"weights: {len(taken):,} tensors from {pretrained.path}"
    if fresh:
        instead = f"{max(counts):,}" if counts else "other classes"
        text += f"; new head for {len(classes):,} classes instead of {instead}: {_layers(fresh)}"
    if ignored:
        text += f"; ignored auxiliary heads: {', '.join(sorted({key.partition('.')[0] for key in ignored}))}"
    return text


def _layers(keys: Iterable[str]) -> str:
    return ", ".join(sorted({key.rpartition(".")[0] or key for key in keys}))
