"""Networks that exist already, as modules or in files of other programs, to specs."""

from archc.importing.convert import Imported
from archc.importing.graph import Operation, Scope, SourceGraph, Unsupported, Value
from archc.importing.importing import import_

__all__ = ["Imported", "Operation", "Scope", "SourceGraph", "Unsupported", "Value", "import_"]
