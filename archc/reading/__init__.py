"""Phase 1: YAML text to a located tree."""

from archc.reading.reader import events, read_beginning, read_data, read_file, read_text
from archc.reading.rereading import Rereader
from archc.reading.tree import Map, Seq, mark_at, node_at, removal

__all__ = [
    "Map",
    "Rereader",
    "Seq",
    "events",
    "mark_at",
    "node_at",
    "read_beginning",
    "read_data",
    "read_file",
    "read_text",
    "removal",
]
