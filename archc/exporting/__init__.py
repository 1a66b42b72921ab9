"""Export of checked networks to other file formats, with PyTorch's exporters. Importing it imports torch."""

from archc.exporting.export import export
from archc.exporting.exported import Comparison, Exported

__all__ = ["Comparison", "Exported", "export"]
