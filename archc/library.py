"""The bundled specs, and the lookup of specs by name or path."""

from __future__ import annotations

import os
import re
from importlib import resources
from pathlib import Path
from typing import Any, Final

from archc.problems import Problem, SpecError, did_you_mean
from archc.reading import read_file

LOCAL = Path("specs")
_VALUES: Final = {
    "extends",
    "name",
    "description",
    "paper",
    "input",
    "inputs",
    "arguments",
    "expect",
    "checkpoint_keys",
}
"""The keys of a spec that only gives another one different values."""
FILE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.ya?ml")
"""The name of a spec file, as another file of the same folder writes it."""


def bundled() -> dict[str, Path]:
    """The bundled specs by name."""
    folder = Path(str(resources.files("archc.specs")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def families() -> dict[str, list[str]]:
    """The bundled specs that extend no other one, each with the names of its extensions, direct and indirect."""
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
    """A sort key that compares numbers in names by value, so that resnet18 comes before resnet101."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def is_row(path: Path) -> bool:
    """Return True if a spec only gives another one different values, so that both have the same classes."""
    root = _root(path)
    return "extends" in root and root.keys() <= _VALUES


def _root(path: Path) -> dict[str, Any]:
    """The top-level mapping of a file; empty if it can't be read, which `load` reports."""
    try:
        return read_file(path, path.name)
    except SpecError:
        return {}


def _extended(root: dict[str, Any]) -> str | None:
    extended = root.get("extends")
    return Path(extended).stem if isinstance(extended, str) else None


def find_spec(spec: str | Path) -> tuple[Path, str]:
    """The file of a spec, given by path or bundled name, and its name in messages. Raises SpecError."""
    path = Path(spec)
    name = str(spec)
    looks_like_name = isinstance(spec, str) and "/" not in name and path.suffix not in (".yaml", ".yml")
    if len(name) > 4000 or "\n" in name:
        help = "to parse the text of a spec, use `archc.loads`"
        raise SpecError([Problem("E0101", "this is not the path of a spec", file=name[:40], help=help)])
    if looks_like_name and not os.path.isfile(path):  # isfile returns False for names that are too long or contain NUL
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
    """The file that a spec of a folder names: `name.yaml` in that folder, or a bundled spec by name.

    None if there is no such file, or if it is a link to the outside of the folder. A spec given as text has no folder.
    """
    if FILE_NAME.fullmatch(name) is None:
        return bundled().get(name)
    if folder is None or not (folder / name).is_file() or (folder / name).resolve().parent != folder.resolve():
        return None
    return folder / name


IMAGE = (3, 224, 224)
"""The shape of the input of PyTorch code, unless another one is given."""


def is_foreign(spec: str | Path) -> bool:
    """Return True for a network to import: PyTorch code, or a file of ONNX, torch.export, Caffe or Darknet."""
    return names_code(spec) or Path(spec).suffix.lower() in (".onnx", ".pt2", ".prototxt", ".cfg")


def names_code(spec: str | Path) -> bool:
    """Return True for a network in PyTorch code: `file.py`, `file.py:Class` or `module:callable`."""
    text = str(spec)
    file, colon, _ = text.rpartition(":")
    return (file if colon else text).endswith(".py") or (bool(colon) and not os.path.exists(text))


def folder_specs(folder: Path) -> list[Path]:
    """The spec files in a folder, sorted."""
    return sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])


def all_specs() -> list[tuple[Path, str]]:
    """Every spec of ./specs, or of the package if that folder doesn't exist."""
    if LOCAL.is_dir():
        return [(path, str(path)) for path in sorted(LOCAL.glob("*.yaml"))]
    return [(path, f"specs/{path.name}") for path in bundled().values()]
