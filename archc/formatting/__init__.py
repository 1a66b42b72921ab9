"""The formatter of specs: it keeps comments and the meaning."""

from archc.formatting.printer import format_text

__all__ = ["format_text"]
