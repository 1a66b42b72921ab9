"""Pictures of architectures: view (boxes at a level), layout (their places), renderers (SVG, PDF, TikZ, PNG, text).

None of it imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archc.architecture import Architecture
    from archc.drawing.style import Direction, Style, Theme


def draw_svg(
    architectures: Architecture | Iterable[Architecture],
    *,
    expand: Iterable[str] = (),
    depth: int = 1,
    everything: bool = False,
    block: str | None = None,
    prefix: str = "archc",
    theme: Theme | None = None,
    style: Style = "boxes",
    direction: Direction | None = None,
    titled: bool = True,
) -> str:
    """Draw one or several architectures, side by side, as an SVG document.

    `depth` is the number of levels to show. `expand` opens more blocks, given by name or path, and `everything` opens
    all of them, down to single layers. `block` draws only one block, given by its name or the path of an instance. Ids
    start with `prefix`. Without a `theme`, the colors follow the viewer's preference. The `style` "volumes" draws
    outputs as solids, from left to right unless `direction` is "down". With `titled=False` there is no heading. Raises
    LookupError with a one-line message if a name does not exist.
    """
    from archc.drawing.figure import sheet_of
    from archc.drawing.pictures import pictures_of
    from archc.drawing.svg import render

    found = architectures if isinstance(architectures, Iterable) else [architectures]
    pictures = pictures_of(found, expand=expand, depth=depth, everything=everything, block=block)
    return render(sheet_of(pictures, titled=titled, style=style, direction=direction), prefix, theme=theme)
