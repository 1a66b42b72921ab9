"""archc: a compiler for neural-network architectures.

`load` a YAML spec; the checked architecture gives a `summary`, an nn.Module (`build`) or PyTorch source
(`emit`). `train` trains it, or any nn.Module. Importing archc imports neither torch nor anything else that is slow.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archc.architecture import Architecture, load, loads
    from archc.difference import Difference, diff
    from archc.problems import Problem, SpecError
    from archc.training import Recipe, load_recipe, train

__version__ = "0.1.0"
__all__ = [
    "Architecture",
    "Difference",
    "Problem",
    "Recipe",
    "SpecError",
    "__version__",
    "diff",
    "load",
    "load_recipe",
    "loads",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in ("Architecture", "load", "loads"):
        from archc import architecture

        return getattr(architecture, name)
    if name in ("Difference", "diff"):
        from archc import difference

        return getattr(difference, name)
    if name in ("Problem", "SpecError"):
        from archc import problems

        return getattr(problems, name)
    if name in ("Recipe", "load_recipe", "train"):
        from archc import training

        return getattr(training, name)
    raise AttributeError(f"module 'archc' has no attribute {name!r}")
