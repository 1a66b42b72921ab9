"""Optional dependencies: the packages that commands need, and the extra that installs each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Final

DISTRIBUTION: Final = "archc-nn"
"""The name on PyPI, where `archc` is another project."""

_PACKAGES: Final = {
    "cairosvg": "pdf",
    "hypothesis": "testing",
    "lsprotocol": "lsp",
    "matplotlib": "torch",
    "numpy": "torch",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "onnxscript": "onnx",
    "pandas": "pandas",
    "PIL": "torch",
    "pygls": "lsp",
    "resvg_py": "png",
    "safetensors": "torch",
    "tensorboard": "tensorboard",
    "torch": "torch",
    "torchvision": "torch",
    "tqdm": "torch",
}
"""Optional packages by import name, and the extra of pyproject.toml that includes each."""


def installed(package: str) -> bool:
    """Return True if a package can be imported. Does not import it."""
    return find_spec(package) is not None


def how_to_install(package: str) -> str:
    """Return the command that installs a package: `pip install 'archc-nn[torch]'`."""
    return f"pip install '{DISTRIBUTION}[{_PACKAGES[package]}]'"


def missing(error: ImportError) -> str | None:
    """Return the optional package whose absence caused an error, or None if there is another cause."""
    package = (error.name or "").partition(".")[0]
    return package if package in _PACKAGES and not installed(package) else None


@contextmanager
def needed_by(what: str) -> Iterator[None]:
    """Turn a missing optional package within the block into an ImportError that names the extra to install."""
    try:
        yield
    except ImportError as error:
        package = missing(error)
        if package is None:
            raise
        raise ImportError(f"{what} needs {package}: {how_to_install(package)}", name=package) from error
