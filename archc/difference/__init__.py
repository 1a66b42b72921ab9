"""Two architectures held against each other, in meaning: which layers are which, and what became of them."""

from archc.difference.difference import Difference
from archc.difference.find import diff
from archc.difference.markdown import difference_markdown
from archc.difference.text import difference_text

__all__ = ["Difference", "diff", "difference_markdown", "difference_text"]
