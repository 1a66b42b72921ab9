"""The display of an architecture in a notebook."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from archc.drawing import draw_svg
from archc.presentation.tables import summary_html

if TYPE_CHECKING:
    from archc.architecture import Architecture


def picture(architecture: Architecture) -> str:
    """The drawing as SVG with unique ids, because a notebook can show several."""
    return draw_svg(architecture, prefix=f"archc-{sha256(repr(architecture).encode()).hexdigest()[:8]}")


def page(architecture: Architecture) -> str:
    """The drawing, and an expandable summary below it."""
    table = summary_html(architecture.summary())
    return f"<div>{picture(architecture)}<details><summary>Summary</summary>{table}</details></div>"
