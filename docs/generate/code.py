"""What is in which file of the package, from the files' own first lines."""

from __future__ import annotations

import ast
from pathlib import Path

from .page import prose, table

ROOT = Path(__file__).parents[2]


def file_tables() -> str:
    """A table a folder, in the order of the phases, with what each file says that it holds."""
    package = ROOT / "archc"
    folders = sorted({path.parent for path in package.rglob("*.py")}, key=lambda path: path.relative_to(package).parts)
    return "\n".join(_folder(folder) for folder in folders)


def _folder(folder: Path) -> str:
    rows = [(f"`{path.name}`", _first_line(path)) for path in sorted(folder.glob("*.py")) if path.stem != "__init__"]
    about = _first_line(folder / "__init__.py")
    return f"### {folder.relative_to(ROOT)}/\n\n{about}\n\n{table('file | holds', rows) if rows else ''}"


def _first_line(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return prose(text.partition("\n\n")[0])
