"""The explorer: a page that shows an architecture interactively, as a file or served while a spec is edited."""

from archc.explorer.data import explorer_data
from archc.explorer.state import html

__all__ = ["explorer_data", "html"]
