"""The analysis of a document: its tree, its problems, its blocks and its layers, as far as each is available."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from archc.graph import Graph, Network, Node, evaluate, warnings
from archc.inference import expectation_problems
from archc.inference.receptive import Fields, receptive_fields
from archc.language.load import Loader, Read, is_library
from archc.language.spec import Block
from archc.limits import MAX_FILE_BYTES, how_to_raise
from archc.problems import Mark, Problem, Problems, SpecError
from archc.reading import Map, Rereader, read_beginning, read_file
from archc.server.recognition import is_spec
from archc.server.text import Text

Scope = dict[str, Any]


class Layer(NamedTuple):
    """An entry of the network: its node and, if the network is valid, its path and receptive field."""

    node: Node
    path: str = ""
    field: Fields | None = None


@dataclass
class Analysis:
    """A document's text and its meaning; `path` is None if it has no file. Only a spec is `ours`.

    `made` are the entries of its network that could be evaluated: the start of each, its node (None if its `when` omits
    it), and the values of the names that it may use. `files` are the files that it names, directly or indirectly.
    """

    uri: str
    path: Path | None
    text: Text
    read: Read = read_file
    root: Map | None = None
    problems: list[Problem] = field(default_factory=list)
    blocks: dict[str, Block] = field(default_factory=dict)
    network: Network | None = None
    made: list[tuple[Mark, Node | None, Scope]] = field(default_factory=list)
    files: set[Path] = field(default_factory=set)
    ours: bool = False

    @property
    def name(self) -> str:
        """The name of the document in marks."""
        return self.uri if self.path is None else self.path.as_posix()

    def layers(self, mark: Mark) -> list[Layer]:
        """The layers of the entry at a place.

        There are several if it is repeated, or if its block is used more than once.
        """
        return self._layers.get(_begin(mark), [])

    @cached_property
    def extended(self) -> dict[str, Mark]:
        """The arguments of the extended network, as far as they are known."""
        if self.network is None or self.root is None or "extends" not in self.root:
            return {}
        return {name: parameter.mark for name, parameter in self.network.spec.parameters.items()}

    def leaves_out(self, mark: Mark) -> bool:
        """Return True if at least one instance of the entry at a place is omitted."""
        return any(node is None and _begin(at) == _begin(mark) for at, node, _ in self.made)

    @cached_property
    def _layers(self) -> dict[tuple[str, int, int], list[Layer]]:
        if self.network is None:
            layers = [Layer(node) for _, node, _ in self.made if node is not None]
        else:
            fields = receptive_fields(self.network.graph)
            layers = [Layer(node, path, _field(node, path, fields)) for node, path in _everything(self.network.graph)]
        found: dict[tuple[str, int, int], list[Layer]] = {}
        for layer in layers:
            found.setdefault(_begin(layer.node.mark), []).append(layer)
        return found

    def scopes(self, mark: Mark) -> list[Scope]:
        """The values of names in each entry that starts within a place."""
        return [
            scope
            for at, _, scope in self.made
            if at.source.name == mark.source.name and mark[1:3] <= at[1:3] <= mark[3:5]
        ]


def _begin(mark: Mark) -> tuple[str, int, int]:
    return (mark.source.name, *mark[1:3])


def _everything(graph: Graph, prefix: str = "") -> Iterator[tuple[Node, str]]:
    """Every node, including bodies, with its path."""
    for node in graph.nodes:
        path = f"{prefix}{node.name}"
        yield node, path
        if node.graph is not None:
            yield from _everything(node.graph, f"{path}.")


def _field(node: Node, path: str, fields: dict[str, Fields]) -> Fields | None:
    """The receptive field of a node's only output; for a body, of the layer that produces its result."""
    below, at = node.graph, path
    while below is not None:
        ref = below.results.get(None)
        if ref is None or ref.node < 0:
            return None
        last = below.nodes[ref.node]
        below, at = last.graph, f"{at}.{last.name}"
    return fields.get(at)


def analyse(
    uri: str,
    path: Path | None,
    text: Text,
    read: Read = read_file,
    still_wanted: Callable[[], bool] = lambda: True,
    *,
    rereader: Rereader | None = None,
    ours: bool = False,
) -> Analysis:
    """Analyze a document; empty if it is not a spec, unless it is `ours` because it was one before.

    `read` reads the files that it names, and `rereader` has parsed earlier texts of the document. Raises Outdated once
    the result is no longer wanted.
    """
    found = Analysis(uri, path, text, read, ours=ours or is_spec(text.text))
    if not found.ours:
        return found

    def reading(path: Path, shown: str) -> Map:
        found.files.add(path)
        return found.read(path, shown)

    loader = Loader(reading)
    try:
        found.root = read_open(text.text, found.name, faults=loader.problems, rereader=rereader)
    except SpecError as error:
        found.problems = error.problems  # consequences of a missing part aren't shown
        small = error.problems[0].code != "E0108"
        found.root = read_beginning(text.text, found.name) if small else None
        if found.root is not None:
            _understand(found, loader, still_wanted)
        return found
    found.problems = _understand(found, loader, still_wanted)
    return found


def read_open(text: str, name: str, *, faults: Problems | None = None, rereader: Rereader | None = None) -> Map:
    """Parse a document's text, like `read_file`. Raises SpecError."""
    if len(text) > MAX_FILE_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_FILE_BYTES:
        what = f"the file is larger than {MAX_FILE_BYTES:,} bytes"
        raise SpecError([Problem("E0108", what, file=name, help=how_to_raise("MAX_FILE_BYTES"))])
    return (rereader or Rereader()).read(text, name, faults)


class Outdated(Exception):
    """Raised if the document has changed in the meantime."""


def _understand(found: Analysis, loader: Loader, still_wanted: Callable[[], bool]) -> list[Problem]:
    """Fill in the meaning of the document's tree, and return its problems in order."""

    def observe(mark: Mark, node: Node | None, scope: Scope) -> None:
        if not still_wanted():
            raise Outdated
        found.made.append((mark, node, scope))

    assert found.root is not None
    path = found.path
    trail = () if path is None else (path,)
    try:
        if is_library(found.root):
            found.blocks = loader.blocks(found.root, trail)
            return loader.problems.sorted()
        try:
            spec = loader.spec(found.root, "network" if path is None else path.stem, trail)
        finally:
            found.blocks = loader.known
        network = evaluate(spec, observe=observe)
        found.network = network
        return expectation_problems(network) or warnings(network)
    except SpecError as error:
        return error.problems
