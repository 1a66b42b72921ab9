"""The files that make a spec."""

from __future__ import annotations

from pathlib import Path

from archc.problems import SpecError
from archc.reading import Map, read_file


def source_files(path: Path) -> list[Path]:
    """A spec's file and those that it extends and imports, they too, as far as they can be read."""
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
        wanted = root.get("import")
        named = [root.get("extends"), *(wanted if isinstance(wanted, Map) else ())]
        waiting += [path.parent / name for name in named if isinstance(name, str) and Path(name).name == name]
    return list(found)
