"""From what a user names to the two sides of a difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from archc.architecture import Architecture, load, load_revision
from archc.difference.difference import Difference, Size
from archc.difference.sides import Side, architecture_side
from archc.revisions import is_revision


def diff(before: Any, after: Any, input: Size | None = None) -> Difference:
    """The difference of two networks in meaning.

    Each is an Architecture, a spec (a path or a bundled name), a git revision of one (`HEAD~1:specs/x.yaml`), an
    nn.Module, or a class of a file or module, which is run (`file.py`, `file.py:Class`, `module:Class`). `input` is
    the (channels, height, width) for which both are looked at; a spec's own if it is left out. Modules are run on an
    image of that size, or of the spec's that they are held against. torch is imported for modules only.

    Raises SpecError: a spec's own faults, E0101 for what is not there, E0704 for a class that cannot be used.
    """
    found = [_found(network, input) for network in (before, after)]
    sizes = [network.input for _, network in found if isinstance(network, Architecture)]
    size = input or (sizes[0] if sizes else None)
    one, other = (_side(label, network, size) for label, network in found)
    return Difference(one, other, size)


def _found(network: Any, input: Size | None) -> tuple[str, Any]:
    if isinstance(network, str | Path):
        text = str(network)
        if is_revision(text):
            return text, load_revision(text).configure(input)
        if not _names_a_class(text):
            return text, load(network).configure(input)
        from archc.build.classes import construct, find_class

        found = find_class(text)
        assert found is not None
        return text, construct(found, {})
    if isinstance(network, Architecture):
        return network.name, network.configure(input)
    return type(network).__name__, network


def _names_a_class(text: str) -> bool:
    """`file.py`, `file.py:Class` or `module:Class`."""
    file, colon, _ = text.rpartition(":")
    return (file if colon else text).endswith(".py") or (bool(colon) and not Path(text).exists())


def _side(label: str, network: Any, size: Size | None) -> Side:
    if isinstance(network, Architecture):
        return architecture_side(label, network)
    from archc.difference.modules import module_side

    return module_side(label, network, size)
