"""The canonical form of a spec's text: comments stay, the meaning stays."""

from archc.formatting.printer import format_text

__all__ = ["format_text"]
