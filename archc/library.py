"""The bundled specs, and how a name or a path finds its spec."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

from archc.problems import Problem, SpecError, did_you_mean

LOCAL = Path("specs")


def bundled() -> dict[str, Path]:
    """The specs that come with archc, by name."""
    folder = Path(str(resources.files("archc.specs")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_spec(spec: str | Path) -> tuple[Path, str]:
    """The file of a spec given as a path or a bundled name, and what messages call it. Raises SpecError."""
    path = Path(spec)
    name = str(spec)
    looks_like_name = isinstance(spec, str) and "/" not in name and path.suffix not in (".yaml", ".yml")
    if len(name) > 4000 or "\n" in name:
        help = "the text of a spec is read by `archc.loads`"
        raise SpecError([Problem("E0101", "this is no path of a spec", file=name[:40], help=help)])
    if looks_like_name and not os.path.isfile(path):  # which raises for no name, be it too long or holding a NUL
        known = bundled()
        if name in known:
            return known[name], f"specs/{name}.yaml"
        if not os.path.exists(path):
            help = did_you_mean(name, known) or "`archc list` shows the bundled specs"
            raise SpecError([Problem("E0101", f"no file and no bundled spec is called `{name}`", file=name, help=help)])
    return path, name


def folder_specs(folder: Path) -> list[Path]:
    """The files of a folder that are specs by their names, in order."""
    return sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])


def all_specs() -> list[tuple[Path, str]]:
    """Every spec of ./specs, or of the package where there is no such folder."""
    if LOCAL.is_dir():
        return [(path, str(path)) for path in sorted(LOCAL.glob("*.yaml"))]
    return [(path, f"specs/{path.name}") for path in bundled().values()]
