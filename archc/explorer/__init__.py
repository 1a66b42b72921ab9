"""The explorer: one page that shows an architecture from every side, as a file or served while a spec is edited."""

from archc.explorer.data import explorer_data
from archc.explorer.state import html

__all__ = ["explorer_data", "html"]
