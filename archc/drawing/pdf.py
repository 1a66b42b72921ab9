"""A sheet as PDF, converted by CairoSVG. Lines and text stay vectors, so they are sharp at any size."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from archc.drawing.sheet import Sheet
from archc.drawing.style import Theme
from archc.drawing.svg import render


def available() -> bool:
    """Return True if CairoSVG and the cairo library that it needs are installed."""
    try:
        import_module("cairosvg")
    except (ImportError, OSError):
        return False
    return True


def render_pdf(sheet: Sheet, theme: Theme = "light") -> bytes:
    """The document, of one page. Raises ImportError or OSError if CairoSVG is missing."""
    cairosvg: Any = import_module("cairosvg")
    found: bytes = cairosvg.svg2pdf(bytestring=render(sheet, theme=theme).encode())
    return found
