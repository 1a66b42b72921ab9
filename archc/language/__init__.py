"""Phase 2: from the located tree to a validated spec."""

from archc.language.load import load_file, load_library, load_text, override
from archc.language.sources import source_files
from archc.language.spec import Spec

__all__ = ["Spec", "load_file", "load_library", "load_text", "override", "source_files"]
