"""The trainer: one loop for specs, emitted files and nn.Modules. Its names import torch when they are used."""

from typing import TYPE_CHECKING, Any

from archc.training.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from archc.training.data import Data, Images
    from archc.training.events import Interrupted
    from archc.training.run import Result, resume_run, train
    from archc.training.trained import Trained, load_run

__all__ = [
    "Data",
    "Images",
    "Interrupted",
    "Recipe",
    "Result",
    "Trained",
    "load_recipe",
    "load_run",
    "resume_run",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in ("Data", "Images"):
        from archc.training import data

        return getattr(data, name)
    if name == "Interrupted":
        from archc.training.events import Interrupted

        return Interrupted
    if name in ("Result", "resume_run", "train"):
        from archc.training import run

        return getattr(run, name)
    if name in ("Trained", "load_run"):
        from archc.training import trained

        return getattr(trained, name)
    raise AttributeError(f"module 'archc.training' has no attribute {name!r}")
