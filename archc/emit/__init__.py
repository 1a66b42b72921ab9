"""Back end: the checked graph to PyTorch source."""

from archc.emit.source import body_digest, emit_source, template_text

__all__ = ["body_digest", "emit_source", "template_text"]
