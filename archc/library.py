"""The bundled specs, and how a name or a path finds its spec."""

from __future__ import annotations

import os
import re
from importlib import resources
from pathlib import Path
from typing import Any, Final

from archc.problems import Problem, SpecError, did_you_mean
from archc.reading import read_file

LOCAL = Path("specs")
_VALUES: Final = {"extends", "name", "description", "paper", "input", "arguments", "expect"}
"""The keys of a spec that extends another one and gives it nothing but other values."""
FILE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.ya?ml")
"""A spec file of a folder, as another of the same folder names it."""


def bundled() -> dict[str, Path]:
    """The specs that come with archc, by name."""
    folder = Path(str(resources.files("archc.specs")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def families() -> dict[str, list[str]]:
    """The bundled specs that extend no other one, each with those that extend it, directly or not, by name."""
    specs = bundled()
    base = {name: _extended(_root(path)) for name, path in specs.items()}
    found: dict[str, list[str]] = {name: [] for name, extended in base.items() if extended is None}
    for name in specs:
        first = name
        while (extended := base[first]) is not None:
            first = extended
        if first != name:
            found[first].append(name)
    return {first: sorted(others, key=_numbers) for first, others in found.items()}


def _numbers(name: str) -> list[str | int]:
    """For sorting: numbers in a name by their value, so that resnet18 comes before resnet101."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def is_row(path: Path) -> bool:
    """Whether a spec gives another one other values and nothing else: then the other one's classes are its own, too."""
    root = _root(path)
    return "extends" in root and root.keys() <= _VALUES


def _root(path: Path) -> dict[str, Any]:
    """The top of a file; empty if it cannot be read, which is reported when it is loaded."""
    try:
        return read_file(path, path.name)
    except SpecError:
        return {}


def _extended(root: dict[str, Any]) -> str | None:
    extended = root.get("extends")
    return Path(extended).stem if isinstance(extended, str) else None


def find_spec(spec: str | Path) -> tuple[Path, str]:
    """The file of a spec given as a path or a bundled name, and what messages call it. Raises SpecError."""
    path = Path(spec)
    name = str(spec)
    looks_like_name = isinstance(spec, str) and "/" not in name and path.suffix not in (".yaml", ".yml")
    if len(name) > 4000 or "\n" in name:
        help = "to parse the text of a spec, use `archc.loads`"
        raise SpecError([Problem("E0101", "this is not the path of a spec", file=name[:40], help=help)])
    if looks_like_name and not os.path.isfile(path):  # which raises for no name, be it too long or holding a NUL
        known = bundled()
        if name in known:
            return known[name], f"specs/{name}.yaml"
        if not os.path.exists(path):
            help = did_you_mean(name, known) or "`archc list` shows the bundled specs"
            raise SpecError(
                [Problem("E0101", f"there is no file or bundled spec named `{name}`", file=name, help=help)]
            )
    return path, name


def named_file(name: str, folder: Path | None) -> Path | None:
    """The file that a spec of a folder names: `name.yaml` of that folder, or a bundled spec by its name alone.

    None if there is no such file, or if it is a link that leads out of the folder. A text has no folder.
    """
    if FILE_NAME.fullmatch(name) is None:
        return bundled().get(name)
    if folder is None or not (folder / name).is_file() or (folder / name).resolve().parent != folder.resolve():
        return None
    return folder / name


IMAGE = (3, 224, 224)
"""The shape of the input of PyTorch code, unless another one is given."""


def is_foreign(spec: str | Path) -> bool:
    """Return True for a network that is imported: PyTorch code, or a file of ONNX, torch.export, Caffe or Darknet."""
    return names_code(spec) or Path(spec).suffix.lower() in (".onnx", ".pt2", ".prototxt", ".cfg")


def names_code(spec: str | Path) -> bool:
    """Return True for a network in PyTorch code: `file.py`, `file.py:Class` or `module:callable`."""
    text = str(spec)
    file, colon, _ = text.rpartition(":")
    return (file if colon else text).endswith(".py") or (bool(colon) and not os.path.exists(text))


def folder_specs(folder: Path) -> list[Path]:
    """The files of a folder that are specs by their names, in order."""
    return sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])


def all_specs() -> list[tuple[Path, str]]:
    """Every spec of ./specs, or of the package where there is no such folder."""
    if LOCAL.is_dir():
        return [(path, str(path)) for path in sorted(LOCAL.glob("*.yaml"))]
    return [(path, f"specs/{path.name}") for path in bundled().values()]
