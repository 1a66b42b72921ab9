"""A sheet as PNG, rendered by resvg, which needs no browser and no system library. The fonts are matplotlib's."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from archc.drawing.sheet import Sheet
from archc.drawing.style import Theme
from archc.drawing.svg import render
from archc.extras import installed

ZOOM: Final = 2.0
"""Pixels per CSS pixel: sharp on dense screens and in print."""
MOST_PIXELS: Final = 16_000
"""Maximum width and height; a larger picture gets a smaller zoom."""


def available() -> bool:
    """Return True if resvg is installed."""
    return installed("resvg_py")


def render_png(sheet: Sheet, theme: Theme = "light") -> bytes:
    """The image. Raises ImportError if resvg is missing."""
    import resvg_py

    zoom = min(ZOOM, MOST_PIXELS / max(sheet.width, sheet.height))
    return bytes(
        resvg_py.svg_to_bytes(
            render(sheet, theme=theme).replace("sans-serif", "DejaVu Sans"),
            zoom=zoom,
            skip_system_fonts=True,
            font_files=[str(path) for path in _fonts()],
            font_family="DejaVu Sans",
            sans_serif_family="DejaVu Sans",
        )
    )


def _fonts() -> list[Path]:
    """The files of DejaVu Sans, regular and bold, found without importing matplotlib."""
    spec = find_spec("matplotlib")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
    return [folder / "DejaVuSans.ttf", folder / "DejaVuSans-Bold.ttf"]
