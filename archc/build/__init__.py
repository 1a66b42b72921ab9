"""The back end that builds an nn.Module from the checked graph. Importing it imports torch."""

from archc.build.builder import build
from archc.build.inspection import inspect
from archc.build.verify import shape_problems
from archc.build.weights import load_weights, read_weights, save_state, save_weights

__all__ = ["build", "inspect", "load_weights", "read_weights", "save_state", "save_weights", "shape_problems"]
