"""`archc draw`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from archc.architecture import load
from archc.drawing.model import Picture
from archc.drawing.pictures import UnknownName, pictures_of
from archc.files import write_bytes
from archc.problems import Problem, SpecError, did_you_mean


def run(given: Any) -> int:
    """Draw the specs side by side into one file."""
    suffix = given.output.suffix.lower()
    if suffix not in FORMATS:
        hint = did_you_mean(suffix, FORMATS)
        return _usage(f"`{given.output}` has no ending that tells a format ({hint or ', '.join(FORMATS)})")
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
    try:
        pictures = pictures_of(
            architectures, expand=given.expand, depth=given.depth, everything=given.all, block=given.block
        )
    except UnknownName as error:
        return _usage(str(error))
    content = FORMATS[suffix](pictures)
    write_bytes(given.output, content if isinstance(content, bytes) else content.encode())
    print(given.output)
    return 0


def _usage(message: str) -> int:
    print(f"archc draw: {message}", file=sys.stderr)
    return 2


def _svg(pictures: list[Picture]) -> str:
    from archc.drawing.figure import sheet_of
    from archc.drawing.svg import render

    return render(sheet_of(pictures))


def _png(pictures: list[Picture]) -> bytes:
    from archc.drawing.figure import sheet_of
    from archc.drawing.png import render_png

    return render_png(sheet_of(pictures))


def _has_resvg() -> bool:
    from archc.drawing.png import available

    return available()


def _mermaid(pictures: list[Picture]) -> str:
    from archc.drawing.mermaid import render_mermaid

    return render_mermaid(pictures)


def _dot(pictures: list[Picture]) -> str:
    from archc.drawing.dot import render_dot

    return render_dot(pictures)


FORMATS: dict[str, Callable[[list[Picture]], str | bytes]] = {
    ".svg": _svg,
    ".png": _png,
    ".mmd": _mermaid,
    ".dot": _dot,
}
"""What an ending stands for."""
