"""Figures as people read them."""

from archc.presentation.summary import summary_html, summary_markdown, summary_text

__all__ = ["summary_html", "summary_markdown", "summary_text"]
