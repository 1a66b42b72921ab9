"""Reads the texts of an SVG document."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"


def texts_of(path: Path) -> list[str]:
    """The texts in the order of the document."""
    return [text.text or "" for text in ElementTree.parse(path).iter(f"{SVG}text")]
