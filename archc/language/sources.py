"""The files of a spec: its own, and those in `extends` and `import`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from archc.library import named_file
from archc.problems import SpecError
from archc.reading import Map, read_file


def names_in(root: Map) -> Iterator[str]:
    """The names of files in the tree of a spec, as written."""
    wanted: Any = root.get("import")
    for name in (root.get("extends"), *(wanted if isinstance(wanted, Map) else ())):
        if isinstance(name, str):
            yield name


def source_files(path: Path) -> list[Path]:
    """A spec's file and those that it extends and imports, recursively, as far as they can be read."""
    found: dict[Path, None] = {}
    waiting = [path]
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found[file] = None
        try:
            root = read_file(file, str(file))
        except SpecError:
            continue
        # A missing file may be created later, so a watcher must know its path.
        named = ((named_file(name, file.parent), file.parent / name, name) for name in names_in(root))
        waiting += [path or missing for path, missing, name in named if path or Path(name).name == name]
    return list(found)
