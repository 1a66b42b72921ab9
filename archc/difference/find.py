"""Find the two networks to compare from what the user gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from archc.architecture import Architecture, load_revision, open_network
from archc.difference.compared import Compared, compared_architecture
from archc.difference.difference import Difference, Size
from archc.library import IMAGE, names_code
from archc.revisions import is_revision


def diff(before: Any, after: Any, input: Size | None = None) -> Difference:
    """Compare two networks by structure.

    Each one is an Architecture, a spec (a path or a bundled name), a Git revision of a spec (`HEAD~1:specs/x.yaml`), a
    file that archc imports, an nn.Module, or a class in a Python file or module (`file.py`, `file.py:Class`,
    `module:Class`), which archc runs.
    `input` is the (channels, height, width) at which to compare both (default: the input of the specs, or 3×224×224 for
    two modules). Modules run on an image of this size. torch is only imported for modules.

    Raises SpecError: the errors of a spec, E0101 if something does not exist, E0704 if a class can't be used.
    """
    found = [_found(network, input) for network in (before, after)]
    sizes = [network.input for _, network in found if isinstance(network, Architecture)]
    size = input or (sizes[0] if sizes else IMAGE)
    one, other = (_compared(label, network, size) for label, network in found)
    return Difference(one, other, size)


def _found(network: Any, input: Size | None) -> tuple[str, Any]:
    if isinstance(network, str | Path):
        text = str(network)
        if is_revision(text):
            return text, load_revision(text).configure(input)
        if not names_code(text):
            return text, open_network(network, input)[0]
        from archc.build.classes import construct, find_class

        found = find_class(text)
        assert found is not None
        return text, construct(found, {})
    if isinstance(network, Architecture):
        return network.name, network.configure(input)
    return type(network).__name__, network


def _compared(label: str, network: Any, size: Size) -> Compared:
    if isinstance(network, Architecture):
        return compared_architecture(label, network)
    from archc.difference.modules import compared_module

    return compared_module(label, network, size)
