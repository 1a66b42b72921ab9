"""Numbers for people: summaries as tables, text and pages."""

from archc.presentation.summary import Summary, summarize
from archc.presentation.tables import figures, summary_html, summary_markdown, summary_text

__all__ = ["Summary", "figures", "summarize", "summary_html", "summary_markdown", "summary_text"]
