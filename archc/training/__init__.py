"""The shared trainer: one loop for any spec, emitted file or nn.Module. Importing it imports torch."""

from archc.training.data import Data, Images
from archc.training.events import Interrupted
from archc.training.recipe import Recipe, load_recipe
from archc.training.run import Result, resume_run, train

__all__ = ["Data", "Images", "Interrupted", "Recipe", "Result", "load_recipe", "resume_run", "train"]
