"""The back end that writes PyTorch source."""

from archc.emit.lines import Place, source_places
from archc.emit.source import body_digest, emit_source, template_text

__all__ = ["Place", "body_digest", "emit_source", "source_places", "template_text"]
