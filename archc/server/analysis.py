"""What is known of a document: its tree, its problems, its blocks and its layers, as far as each can be had."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from archc.graph import Graph, Network, Node, elaborate
from archc.inference import expectation_problems
from archc.inference.receptive import Fields, receptive_fields
from archc.language.load import Loader, Read, is_library
from archc.language.spec import Block
from archc.problems import Mark, Problem, SpecError
from archc.reading import Map, read_beginning, read_file, read_text
from archc.server.text import Text

Scope = dict[str, Any]


class Layer(NamedTuple):
    """An entry at work: its node and, in a sound network, its path and what it sees of the input."""

    node: Node
    path: str = ""
    field: Fields | None = None


@dataclass
class Analysis:
    """A document's text and what it means; `path` is None for one that has no file.

    `made` are the nodes of its network that could be made, with the values of the names that each may use; `files`
    are those that it names, or those name.
    """

    uri: str
    path: Path | None
    text: Text
    read: Read = read_file
    root: Map | None = None
    problems: list[Problem] = field(default_factory=list)
    blocks: dict[str, Block] = field(default_factory=dict)
    network: Network | None = None
    made: list[tuple[Node, Scope]] = field(default_factory=list)
    files: set[Path] = field(default_factory=set)

    @property
    def name(self) -> str:
        """What marks call the document."""
        return self.uri if self.path is None else self.path.as_posix()

    def layers(self, mark: Mark) -> list[Layer]:
        """What the entry at a place has become: several layers where it is repeated, or its block is used again."""
        return self._layers.get((mark.source.name, *mark[1:3]), [])

    @cached_property
    def _layers(self) -> dict[tuple[str, int, int], list[Layer]]:
        if self.network is None:
            layers = [Layer(node) for node, _ in self.made]
        else:
            fields = receptive_fields(self.network.graph)
            layers = [Layer(node, path, _field(node, path, fields)) for node, path in _everything(self.network.graph)]
        found: dict[tuple[str, int, int], list[Layer]] = {}
        for layer in layers:
            found.setdefault((layer.node.mark.source.name, *layer.node.mark[1:3]), []).append(layer)
        return found

    def scopes(self, mark: Mark) -> list[Scope]:
        """The values of names in each entry that begins within a place."""
        return [
            scope
            for node, scope in self.made
            if node.mark.source.name == mark.source.name and mark[1:3] <= node.mark[1:3] <= mark[3:5]
        ]


def _everything(graph: Graph, prefix: str = "") -> Iterator[tuple[Node, str]]:
    """Every node, bodies and what is left out too, with its path."""
    for node in graph.nodes:
        path = f"{prefix}{node.name}"
        yield node, path
        if node.graph is not None:
            yield from _everything(node.graph, f"{path}.")


def _field(node: Node, path: str, fields: dict[str, Fields]) -> Fields | None:
    """What the only output of a node sees: of a body, what the layer behind its result does."""
    below, at = node.graph, path
    while below is not None:
        ref = below.results.get(None)
        if ref is None or ref.node < 0:
            return None
        last = below.nodes[ref.node]
        below, at = last.graph, f"{at}.{last.name}"
    return fields.get(at)


_OURS = re.compile(r"(?m)^(?:(?:layers|branches|blocks|extends)\s*:|input\s*:\s*\[|# yaml-language-server:.*archc)")


def is_spec(text: str) -> bool:
    """Whether a YAML document means to be a spec: an editor may send any."""
    return _OURS.search(text) is not None


def analyse(
    uri: str,
    path: Path | None,
    text: Text,
    read: Read = read_file,
    still_wanted: Callable[[], bool] = lambda: True,
) -> Analysis:
    """What is known of a document; nothing of one that is no spec. `read` reads the files that it names.

    Raises Outdated once it is not wanted any more.
    """
    found = Analysis(uri, path, text, read)
    if not is_spec(text.text):
        return found
    try:
        found.root = read_text(text.text, found.name)
    except SpecError as error:
        found.root = read_beginning(text.text, found.name)
        if found.root is not None:
            _understand(found, still_wanted)
        found.problems = error.problems  # what follows from a part is not told
        return found
    found.problems = _understand(found, still_wanted)
    return found


class Outdated(Exception):
    """The document has changed meanwhile."""


def _understand(found: Analysis, still_wanted: Callable[[], bool]) -> list[Problem]:
    def reading(path: Path, shown: str) -> Map:
        found.files.add(path)
        return found.read(path, shown)

    def observe(node: Node, scope: Scope) -> None:
        if not still_wanted():
            raise Outdated
        found.made.append((node, scope))

    assert found.root is not None
    path = found.path
    loader = Loader(None if path is None else path.parent, reading)
    trail = () if path is None else (path.name,)
    try:
        if is_library(found.root):
            found.blocks = loader.blocks(found.root, trail)
            return loader.problems.sorted()
        try:
            spec = loader.spec(found.root, "network" if path is None else path.stem, trail)
        finally:
            found.blocks = loader.known
        network = elaborate(spec, observe=observe)
        found.network = network
        return expectation_problems(network)
    except SpecError as error:
        return error.problems
