"""`archc export`."""

from __future__ import annotations

from typing import Any

from archc.cli.options import configured
from archc.presentation import figures
from archc.terminal import say


def run(given: Any) -> int:
    """Write an .onnx or .pt2 file, and report the comparison."""
    architecture = configured(given.spec, given)
    from archc.exporting import export

    exported = export(architecture, given.output, weights=given.weights, dynamic=given.dynamic)
    say(f"{exported.path}: {architecture.name}: {figures(architecture.network)}")
    say(exported)
    return 0
