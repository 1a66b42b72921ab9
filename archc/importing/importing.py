"""Import a network: read its source, find its structure, write the spec, and verify it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from archc.importing.caffe import read_caffe
from archc.importing.convert import Imported, to_spec
from archc.importing.darknet import read_darknet
from archc.importing.graph import SourceGraph
from archc.importing.modules import read_class, read_module
from archc.importing.onnx_reader import read_onnx
from archc.importing.pt2 import read_pt2
from archc.importing.verify import verify
from archc.kinds import Shape
from archc.problems import Problem, SpecError

_READERS: Mapping[str, Callable[[Path, str | None, Shape | None], SourceGraph]] = {
    ".cfg": read_darknet,
    ".onnx": read_onnx,
    ".prototxt": read_caffe,
    ".pt2": read_pt2,
}
"""The readers of files by their suffixes. Nothing in these files is executed, but torch.export.load reads a .pt2."""


def import_(
    source: str | Path | nn.Module,
    input: Shape | None = None,
    *,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    weights: bool = True,
    allow_opaque: bool = False,
) -> Imported:
    """Import a network that exists as code or as a file of another program, and return its spec.

    `source` is an nn.Module, a class or function that makes one (`file.py:Class`, `torchvision.models:resnet18`),
    which archc runs, or a file: .onnx, .pt2, Caffe's .prototxt or Darknet's .cfg. `input` is the shape of one input
    without the batch (default: the file's own, and 3×224×224 for a module), `settings` are arguments for the
    constructor. The result has the spec as `text`, and the source's weights under the spec's keys as `weights`, unless
    they are not wanted. With `allow_opaque`, the smallest parts of a module that archc can't say as layers become
    entries with their classes (`module`); such a spec needs `allow_modules`.

    Raises SpecError: E0801 lists the operations that archc has no layer type for, E0802 is for a network that doesn't
    run on such an input, and E0803 for a spec that doesn't compute the same. E0704 is for a class that can't be used,
    E0804 for a file that is invalid, and E0805 for one that asks for too much.
    """
    graph = read_source(source, input, settings or {}, name, weights, opaque=allow_opaque)
    try:
        return _verified(graph, merge=True)
    except SpecError as error:
        if any(problem.code == "E0801" for problem in error.problems):
            raise
        return _verified(graph, merge=False)  # an optional part that was not one after all


def _verified(graph: SourceGraph, merge: bool) -> Imported:
    imported = to_spec(graph, merge)
    return imported.verified(verify(graph, imported.network, imported.keys))


def read_source(
    source: str | Path | nn.Module,
    input: Shape | None,
    settings: Mapping[str, Any],
    name: str | None,
    weights: bool,
    *,
    opaque: bool = False,
) -> SourceGraph:
    """The graph of a source, by the reader for its sort."""
    if isinstance(source, nn.Module):
        return read_module(source, input, name, opaque=opaque)
    reader = _READERS.get(Path(source).suffix.lower())
    if reader is not None:
        if settings:
            what = f"`{source}` is a file, so it has no constructor with the argument {next(iter(settings))}"
            raise SpecError([Problem("E0804", what, file=str(source))])
        return reader(Path(source), name, input)
    return read_class(str(source), input, settings, name, weights, opaque=opaque)
