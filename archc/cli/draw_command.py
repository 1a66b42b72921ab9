"""`archc draw`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from archc.architecture import Architecture, load
from archc.drawing.model import Picture
from archc.drawing.pictures import UnknownName, pictures_of
from archc.drawing.style import Theme
from archc.files import write_bytes
from archc.problems import Problem, SpecError, did_you_mean


def run(given: Any) -> int:
    """Draw the specs side by side into one file."""
    suffix = given.output.suffix.lower()
    endings = [*FORMATS, EXPLORER]
    if suffix not in endings:
        hint = did_you_mean(suffix, endings)
        return _usage(f"`{given.output}` has no ending that tells a format ({hint or ', '.join(endings)})")
    if suffix == EXPLORER and len(given.specs) > 1:
        return _usage("an .html explores one architecture: draw several as .svg")
    if suffix == EXPLORER and (given.expand or given.block or given.all or given.depth != 1):
        return _usage("in an .html every block can be opened: leave --expand, --depth, --all and --block away")
    if given.theme and suffix not in (".svg", ".png"):
        return _usage(f"--theme is for .svg and .png; a {suffix} takes its colours from what shows it")
    if suffix == ".png" and not _has_resvg():
        return _usage("a .png needs resvg: pip install 'archc[png]'")
    problems: list[Problem] = []
    architectures = []
    for name in given.specs:
        try:
            architectures.append(load(name).configure(given.input, **dict(given.settings)))
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(problems)
    content: str | bytes
    if suffix == EXPLORER:
        content = _explorer(architectures[0])
    else:
        try:
            pictures = pictures_of(
                architectures, expand=given.expand, depth=given.depth, everything=given.all, block=given.block
            )
        except UnknownName as error:
            return _usage(str(error))
        content = FORMATS[suffix](pictures, given.theme)
    write_bytes(given.output, content if isinstance(content, bytes) else content.encode())
    print(given.output)
    return 0


def _usage(message: str) -> int:
    print(f"archc draw: {message}", file=sys.stderr)
    return 2


def _explorer(architecture: Architecture) -> str:
    from archc.explorer import html

    return html(architecture)


def _svg(pictures: list[Picture], theme: Theme | None) -> str:
    from archc.drawing.figure import sheet_of
    from archc.drawing.svg import render

    return render(sheet_of(pictures), theme=theme)


def _png(pictures: list[Picture], theme: Theme | None) -> bytes:
    from archc.drawing.figure import sheet_of
    from archc.drawing.png import render_png

    return render_png(sheet_of(pictures), theme or "light")


def _has_resvg() -> bool:
    from archc.drawing.png import available

    return available()


def _mermaid(pictures: list[Picture], theme: Theme | None) -> str:
    from archc.drawing.mermaid import render_mermaid

    return render_mermaid(pictures)


def _dot(pictures: list[Picture], theme: Theme | None) -> str:
    from archc.drawing.dot import render_dot

    return render_dot(pictures)


FORMATS: dict[str, Callable[[list[Picture], Theme | None], str | bytes]] = {
    ".svg": _svg,
    ".png": _png,
    ".mmd": _mermaid,
    ".dot": _dot,
}
"""What an ending stands for: pictures, of any number of architectures."""

EXPLORER = ".html"
"""The page that opens every block of one architecture."""
