"""Comparison of two architectures by structure: which layers correspond, and how they differ."""

from archc.difference.difference import Difference
from archc.difference.find import diff
from archc.difference.markdown import difference_markdown
from archc.difference.text import difference_text

__all__ = ["Difference", "diff", "difference_markdown", "difference_text"]
