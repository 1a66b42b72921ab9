"""Checked networks to files of other programs, through PyTorch's exporters. Importing it imports torch."""

from archc.exporting.export import export
from archc.exporting.exported import Comparison, Exported

__all__ = ["Comparison", "Exported", "export"]
