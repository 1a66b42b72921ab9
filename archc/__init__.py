"""archc: a compiler for neural-network architectures.

`load` checks a YAML spec and returns an architecture. Call its methods to get a `summary`, an nn.Module (`build`) or
PyTorch source (`emit`). `train` trains an architecture or any nn.Module. Importing archc is fast, because it doesn't
import torch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archc.architecture import Architecture, load, loads
    from archc.difference import Difference, diff
    from archc.exporting import export
    from archc.importing import Imported, import_
    from archc.problems import Problem, SpecError
    from archc.training import Recipe, load_recipe, load_run, train

__version__ = "0.1.0"
__all__ = [
    "Architecture",
    "Difference",
    "Imported",
    "Problem",
    "Recipe",
    "SpecError",
    "__version__",
    "diff",
    "export",
    "import_",
    "load",
    "load_recipe",
    "load_run",
    "loads",
    "train",
]


_MODULES = {
    "Architecture": "architecture",
    "Difference": "difference",
    "Imported": "importing",
    "Problem": "problems",
    "Recipe": "training",
    "SpecError": "problems",
    "diff": "difference",
    "export": "exporting",
    "import_": "importing",
    "load": "architecture",
    "load_recipe": "training",
    "load_run": "training",
    "loads": "architecture",
    "train": "training",
}
"""Where each name is defined. The module is imported at the first use of the name."""


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'archc' has no attribute {name!r}")
    from importlib import import_module

    from archc.extras import needed_by

    with needed_by(f"archc.{name}"):
        return getattr(import_module(f"archc.{_MODULES[name]}"), name)
