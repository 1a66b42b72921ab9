"""Workspace symbols: the networks and blocks of all specs in open folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from lsprotocol import types

from archc.files import read_bytes
from archc.limits import MAX_FILE_BYTES
from archc.problems import Mark, SpecError
from archc.reading import Map, read_text
from archc.server.recognition import is_spec
from archc.server.text import Text

_MOST_FILES: Final = 2_000
"""The maximum number of files to search; the rest of a larger workspace is ignored."""


def workspace_symbols(
    folders: Iterable[Path], texts: dict[Path, str], query: str, encoding: str
) -> list[types.WorkspaceSymbol]:
    """The networks and blocks whose names contain the letters of a query in order; `texts` are the open documents."""
    found: list[types.WorkspaceSymbol] = []
    for path in _specs(folders):
        text = texts.get(path) or _text(path)
        if not is_spec(text):
            continue
        try:
            root = read_text(text, path.as_posix())
        except SpecError:
            continue
        shown = Text(text, encoding)
        for name, mark, kind, owner in _named(root, path):
            if _matches(query, name):
                place = types.Location(path.as_uri(), shown.range(mark))
                found.append(types.WorkspaceSymbol(place, name, kind, container_name=owner))
    return found


def _named(root: Map, path: Path) -> Iterator[tuple[str, Mark, types.SymbolKind, str | None]]:
    name = root.get("name")
    if isinstance(name, str):
        yield name, root.values_at["name"], types.SymbolKind.Module, None
    else:
        yield path.stem, root.mark._replace(end_line=root.mark.line), types.SymbolKind.Module, None
    blocks = root.get("blocks")
    if isinstance(blocks, Map):
        for block in blocks:
            yield block, blocks.keys_at[block], types.SymbolKind.Class, name if isinstance(name, str) else path.stem


def _matches(query: str, name: str) -> bool:
    letters = iter(name.lower())
    return all(letter in letters for letter in query.lower())


def _specs(folders: Iterable[Path]) -> Iterator[Path]:
    """The YAML files below folders, except in hidden folders and installed packages."""
    count = 0
    for folder in folders:
        for where, inner, files in os.walk(folder):
            inner[:] = sorted(name for name in inner if not name.startswith(".") and name != "node_modules")
            for name in sorted(files):
                if name.endswith((".yaml", ".yml")):
                    count += 1
                    if count > _MOST_FILES:
                        return
                    yield Path(where, name)


def _text(path: Path) -> str:
    try:
        return read_bytes(path, MAX_FILE_BYTES).decode()
    except (OSError, UnicodeDecodeError):
        return ""
