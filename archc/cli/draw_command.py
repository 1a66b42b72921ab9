"""`archc draw`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archc.architecture import Architecture
from archc.cli.options import configured
from archc.drawing.model import Picture
from archc.drawing.pictures import UnknownName, pictures_of
from archc.extras import how_to_install
from archc.files import read_bytes, write_bytes
from archc.problems import Problem, SpecError, did_you_mean
from archc.terminal import hand_over, say

if TYPE_CHECKING:
    from archc.drawing.sheet import Sheet


def run(given: Any) -> int:
    """Draw the specs side by side to a file or stdout, or compare them with an existing drawing."""
    given.all = given.all or given.depth == "all"
    given.depth = 1 if given.depth in ("all", "blocks") else given.depth
    stdout = given.output == Path("-")
    suffix = f".{given.format}" if given.format else ".svg" if stdout else given.output.suffix.lower()
    wrong = _wrong_use(given, suffix)
    if wrong:
        return _usage(wrong)
    problems: list[Problem] = []
    architectures = []
    for name in given.specs:
        try:
            architectures.append(configured(name, given))
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
        content = FORMATS[suffix](pictures, given)
    data = content if isinstance(content, bytes) else content.encode()
    if stdout:
        hand_over(content)
    elif given.check:
        _check(given.output, data)
    else:
        write_bytes(given.output, data)
        say(given.output)
    return 0


def _check(path: Path, data: bytes) -> None:
    """Report that a drawing is up to date. Raises SpecError if it isn't."""
    try:
        found = read_bytes(path)
    except OSError:
        found = None
    if found != data:
        fault = "is missing" if found is None else "is out of date"
        help = "run the same `archc draw` without --check"
        raise SpecError([Problem("E0602", f"`{path}` {fault}", file=str(path), help=help)])
    say(f"{path}: up to date")


def _wrong_use(given: Any, suffix: str) -> str:
    """The error in the options; empty if there is none."""
    endings = [*FORMATS, EXPLORER]
    if suffix not in endings:
        hint = did_you_mean(suffix, endings)
        return f"`{given.output}` has an unsupported file extension ({hint or ', '.join(endings)})"
    if given.check and (given.output == Path("-") or suffix == ".pdf"):
        what = "a .pdf file holds the time at which it was made" if suffix == ".pdf" else "there is no file to check"
        return f"{what}: remove --check"
    if suffix == EXPLORER and len(given.specs) > 1:
        return "an .html file shows one architecture: use .svg to draw several"
    if suffix == EXPLORER and (given.expand or given.block or given.all or given.depth != 1):
        return "every block can be opened in an .html file: remove --expand, --depth, --all and --block"
    if suffix not in LAID_OUT:
        if given.theme:
            return f"--theme applies to {', '.join(LAID_OUT)} only: the viewer sets the colors of a {suffix} file"
        looks = {"--style": given.style, "--direction": given.direction, "--no-title": given.no_title}
        for option in (option for option, used in looks.items() if used):
            return f"{option} applies to {', '.join(LAID_OUT)} only"
    if suffix == ".png" and not _has("png"):
        return f"a .png file needs resvg: {how_to_install('resvg_py')}"
    if suffix == ".pdf" and not _has("pdf"):
        return f"a .pdf file needs CairoSVG and the cairo library: {how_to_install('cairosvg')}"
    return ""


def _has(format: str) -> bool:
    from archc.drawing import pdf, png

    return png.available() if format == "png" else pdf.available()


def _usage(message: str) -> int:
    say(f"archc draw: {message}", error=True)
    return 2


def _explorer(architecture: Architecture) -> str:
    from archc.explorer import html

    return html(architecture)


def _sheet(pictures: list[Picture], given: Any) -> Sheet:
    from archc.drawing.figure import sheet_of

    return sheet_of(pictures, titled=not given.no_title, style=given.style or "boxes", direction=given.direction)


def _svg(pictures: list[Picture], given: Any) -> str:
    from archc.drawing.svg import render

    return render(_sheet(pictures, given), theme=given.theme)


def _png(pictures: list[Picture], given: Any) -> bytes:
    from archc.drawing.png import render_png

    return render_png(_sheet(pictures, given), given.theme or "light")


def _pdf(pictures: list[Picture], given: Any) -> bytes:
    from archc.drawing.pdf import render_pdf

    return render_pdf(_sheet(pictures, given), given.theme or "light")


def _tex(pictures: list[Picture], given: Any) -> str:
    from archc.drawing.tikz import render_tikz

    return render_tikz(_sheet(pictures, given), given.theme or "light")


def _mermaid(pictures: list[Picture], _given: Any) -> str:
    from archc.drawing.mermaid import render_mermaid

    return render_mermaid(pictures)


def _dot(pictures: list[Picture], _given: Any) -> str:
    from archc.drawing.dot import render_dot

    return render_dot(pictures)


FORMATS: dict[str, Callable[[list[Picture], Any], str | bytes]] = {
    ".svg": _svg,
    ".pdf": _pdf,
    ".png": _png,
    ".tex": _tex,
    ".mmd": _mermaid,
    ".dot": _dot,
}
"""The function for each file extension, from the pictures of any number of architectures and the options."""

LAID_OUT = (".svg", ".pdf", ".png", ".tex")
"""Formats in which archc places the boxes; in others, the viewing program does."""

EXPLORER = ".html"
"""The extension of the explorer, a page for one architecture."""
