"""The parts of a module that archc can't say as layers: the smallest submodules that become `module` entries."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from archc.build.classes import FROM_FILE
from archc.build.targets import module_class
from archc.importing.constructors import constructor_defaults, plain
from archc.importing.graph import SourceGraph, Unsupported
from archc.importing.hierarchy import hierarchy, normalize
from archc.kinds import KINDS

Parts = dict[str, Mapping[str, Any]]
"""The arguments of `module` for each part, by its path."""


def with_opaque_parts(
    model: nn.Module, arguments: Mapping[str, Mapping[str, Any]], record: Callable[[Parts, set[str]], SourceGraph]
) -> SourceGraph:
    """The graph of a module in which parts with operations that archc has no word for are single layers.

    `record` records the module with some parts as layers, and adds those that can't be one to a set. If no part with an
    operation can be a layer, the operation stays in the graph, with the reason.
    """
    parts: Parts = {}
    refused: dict[str, str] = {}
    while True:
        failed: set[str] = set()
        graph = record(parts, failed)
        for path in failed:
            del parts[path]
            refused[path] = "it does not take one tensor and return one"
        found = False
        for start in _unsayable(graph):
            for path in _outward(start):
                if path in parts:
                    break
                if path in refused:
                    continue
                entry = _entry(model.get_submodule(path), arguments.get(path, {}))
                if isinstance(entry, str):
                    refused[path] = entry
                    continue
                parts = {other: each for other, each in parts.items() if not other.startswith(f"{path}.")}
                parts[path] = entry
                found = True
                break
        if not found and not failed:
            return _explained(graph, refused)


def _unsayable(graph: SourceGraph) -> Iterator[str]:
    """The paths of the modules around what archc has no word for."""
    whole = normalize(graph)
    unknown = [operation for operation in whole.operations if operation.kind not in KINDS]
    yield from (operation.scopes[-1].path for operation in unknown if operation.scopes)
    more = list(graph.unsupported) or ([] if unknown else hierarchy(whole)[1])
    yield from (one.place for one in more if one.place)


def _outward(path: str) -> Iterator[str]:
    """A path, and those of the modules around it; without the network itself."""
    while path:
        yield path
        path = path.rpartition(".")[0]


def _entry(module: nn.Module, given: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """The arguments of `module` that create a part; the reason if there are none."""
    made = type(module)
    name = f"{made.__module__}.{made.__qualname__}"
    if made.__module__.startswith(FROM_FILE):  # a file that the user named: its module has the file's name
        name = f"{made.__module__.removeprefix(FROM_FILE)}.{made.__qualname__}"
        folder = str(Path(getattr(sys.modules[made.__module__], "__file__", "") or "").resolve().parent)
        if folder not in sys.path:
            sys.path.append(folder)
    try:
        found = module_class(name)
    except Exception:  # importing a file runs it
        found = None
    if not (isinstance(found, type) and found.__qualname__ == made.__qualname__):
        return f"`{name}` can't be imported"
    arguments = []
    for argument, default in constructor_defaults(made).items():
        if argument not in given:
            if default is inspect.Parameter.empty:
                return f"the argument `{argument}` of `{made.__name__}` isn't known"
            continue
        value = plain(given[argument])
        if value is not ...:
            arguments.append((argument, value))
        elif given[argument] is not default:
            return f"the argument `{argument}` of `{made.__name__}` is {type(given[argument]).__name__}"
    return {"target": name, "arguments": tuple(arguments)}


def _explained(graph: SourceGraph, refused: Mapping[str, str]) -> SourceGraph:
    """The graph with the reasons why the parts around an operation can't be layers."""

    def reason(start: str) -> str:
        return next(
            (f"`{path}` can't be a `module`: {refused[path]}" for path in _outward(start) if path in refused), ""
        )

    operations = []
    for operation in graph.operations:
        why = reason(operation.scopes[-1].path) if operation.scopes and operation.kind not in KINDS else ""
        if why:
            operation = replace(operation, arguments={"reason": why})
        operations.append(operation)
    unsupported = [Unsupported(one.operation, one.place, reason(one.place) or one.reason) for one in graph.unsupported]
    return replace(graph, operations=tuple(operations), unsupported=tuple(unsupported))
