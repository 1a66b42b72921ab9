"""Phase 1: YAML text to a located tree."""

from archc.reading.reader import read_file, read_text
from archc.reading.tree import Map, Seq, mark_at

__all__ = ["Map", "Seq", "mark_at", "read_file", "read_text"]
