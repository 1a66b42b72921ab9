"""Pictures of architectures: view (boxes at a level), layout (their places), renderers (SVG, Mermaid, DOT, PNG).

None of it imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archc.architecture import Architecture
    from archc.drawing.style import Theme


def draw_svg(
    architectures: Architecture | Iterable[Architecture],
    *,
    expand: Iterable[str] = (),
    depth: int = 1,
    everything: bool = False,
    block: str | None = None,
    prefix: str = "archc",
    theme: Theme | None = None,
) -> str:
    """One or several architectures, side by side, as an SVG document.

    `depth` - 1 levels of blocks are opened, and those that `expand` names by block or path; `everything` opens all,
    down to single layers. `block` draws one block alone, by its name or the path of an instance. Ids begin with
    `prefix`. Without a `theme` the colours follow the reader's preference. Raises LookupError for a name that is not
    there, with a message of one line.
    """
    from archc.drawing.figure import sheet_of
    from archc.drawing.pictures import pictures_of
    from archc.drawing.svg import render

    found = architectures if isinstance(architectures, Iterable) else [architectures]
    pictures = pictures_of(found, expand=expand, depth=depth, everything=everything, block=block)
    return render(sheet_of(pictures), prefix, theme=theme)
