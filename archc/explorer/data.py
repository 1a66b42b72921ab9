"""The page's data about an architecture, as one JSON object: columns with one value per layer and block."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from archc.architecture import Architecture
from archc.emit import source_places
from archc.explorer.insides import draw_insides
from archc.explorer.series import SeriesTable, run_lengths
from archc.explorer.sizes import offered_sizes
from archc.graph import Graph, Instance, Network, Node
from archc.inference import Scan, Stop
from archc.inference.cost import layer_cost
from archc.kinds import Kind
from archc.problems import Mark, Source


class Entry(NamedTuple):
    """A layer, block or nested body in its place; `parent` is the index of the enclosing entry, or -1.

    `module` is the path of the module that runs it: another one if its weights are shared.
    """

    path: str
    parent: int
    node: Node
    training: bool
    module: str

    @property
    def owner(self) -> str:
        """The path of the entry whose weights it shares, or empty."""
        return "" if self.module == self.path else self.module


def entries(network: Network) -> Iterator[Entry]:
    """Every entry in execution order, with enclosing entries before the entries inside."""
    number = 0
    whole = network.graph
    stack: list[tuple[Graph, Iterator[Node], str, str, int, bool]] = [(whole, iter(whole.nodes), "", "", -1, False)]
    while stack:
        graph, nodes, prefix, within, parent, training = stack[-1]
        node = next(nodes, None)
        if node is None:
            stack.pop()
        else:
            module = within + graph.owner(node).name
            entry = Entry(prefix + node.name, parent, node, training or node.auxiliary, module)
            yield entry
            if node.graph is not None:
                below = node.graph
                stack.append((below, iter(below.nodes), f"{entry.path}.", f"{module}.", number, entry.training))
            number += 1


class Table:
    """A list of distinct values."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}

    def number(self, value: Any) -> int:
        """The index of a value, which is added if it is new."""
        return self._numbers.setdefault(value, len(self._numbers))

    @property
    def values(self) -> list[Any]:
        """The values in the order of their indices."""
        return list(self._numbers)


class Calls(Table):
    """Descriptions of entries by index; equal layers share their kind, so each is described once."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[Any, int] = {}

    def of(self, entry: Entry) -> int:
        """The index of an entry's description."""
        node, owner = entry.node, entry.owner
        key = (id(node.element), node.in_shapes, node.auxiliary, owner)
        if key not in self._known:
            self._known[key] = self.number(_call(node, f"the weights of {owner}" if owner else ""))
        return self._known[key]


def explorer_data(architecture: Architecture) -> dict[str, Any]:
    """Return everything that the explorer shows, ready for JSON.

    `columns` has one list per property, with one value per entry (see `entries`): an index into another list, or the
    number itself. `outputs` has the names of the outputs of each entry that has several. Shapes don't include the
    batch dimension.
    """
    network = architecture.network
    summary = architecture.summary()
    placed = list(entries(network))
    numbers = {entry.path: number for number, entry in enumerate(placed)}
    scan = Scan(network, offered_sizes(network, summary.min_input))
    series, stops = SeriesTable(), Table()
    calls, fields, files = Calls(), Table(), _Files(network.spec.source)
    source, places = _source(network)
    # The page shows the last two axes as height and width; a sequence has only one.
    seen = {row.path: (*(1, 1, *row.receptive_field)[-2:], *(1.0, 1.0, *row.jump)[-2:]) for row in summary.layers}

    def stop_numbers(found: list[Stop | None]) -> list[int]:
        return run_lengths(-1 if stop is None else stops.number(_stop(stop, numbers)) for stop in found)

    def field(path: str) -> int:
        return fields.number(seen[path]) if path in seen else -1

    drawings, numbers_of_drawings = draw_insides(network, [entry.node for entry in placed])
    scanned = [scan.entries[entry.path] for entry in placed]
    columns = {
        "name": [entry.node.name for entry in placed],
        "parent": [entry.parent for entry in placed],
        "training": [int(entry.training) for entry in placed],
        "call": [calls.of(entry) for entry in placed],
        "inputs": [[series.shape(given) for given in found.given] for found in scanned],
        "outputs": [[series.shape(made) for made in found.made.values()] for found in scanned],
        "result": [_result(entry, numbers) for entry in placed],
        "parameters": [0 if entry.owner else _parameters(entry.node) for entry in placed],
        "macs": [series.macs(found) for found in scanned],
        "field": [field(entry.path) for entry in placed],
        "spec": [files.place(entry.node.mark) for entry in placed],
        "source": [places.get(entry.path) for entry in placed],
        "drawing": numbers_of_drawings,
    }
    sizes = {
        "heights": [size[-2] if len(size) > 1 else 1 for size in scan.sizes],
        "widths": [size[-1] if size else 1 for size in scan.sizes],
        "declared": scan.sizes.index(network.input[1:]),
        "stops": stop_numbers(scan.stops),
        "heads": stop_numbers(scan.heads),
    }
    return {
        "name": network.spec.name,
        "description": network.spec.description,
        "paper": network.spec.paper,
        "input": list(network.input),
        "inputs": [series.shape(given) for given in scan.inputs],
        "results": {name or "output": series.shape(made) for name, made in scan.outputs.items()},
        "settings": {name: _literal(value) for name, value in architecture.arguments.items()},
        "parameters": summary.parameters,
        "training_parameters": summary.training_parameters,
        "macs": summary.macs,
        "min_input": list(summary.min_input),
        "memory": summary.memory().to_dict(),
        "columns": columns,
        "outputs": {n: list(found.made) for n, found in enumerate(scanned) if len(found.made) > 1},
        "calls": [
            dict(zip(("kind", "form", "short", "role", "text", "shares"), call, strict=True)) for call in calls.values
        ],
        "fields": fields.values,
        "shapes": series.shapes,
        "curves": series.curves,
        "sizes": sizes,
        "stops": [dict(zip(("entry", "code", "message", "label", "help"), stop, strict=True)) for stop in stops.values],
        "drawings": drawings,
        "files": files.texts(),
        "source": {"name": f"{network.spec.stem}.py", "text": source},
    }


def _stop(stop: Stop, numbers: dict[str, int]) -> tuple[int, str, str, str, str]:
    """The note on a layer that can't take its input."""
    fault = stop.fault
    return numbers[stop.path], fault.code, fault.message, fault.label, fault.help


def _call(node: Node, weights: str) -> tuple[str, str, str, str, str, bool]:
    """The description of an entry.

    It has the kind or block, the category, the short label, the role, the call with its arguments (or whose `weights`
    it shares), and whether the output shares the input's memory.
    """
    element = node.element
    if isinstance(element, Kind):
        call = element.call(node.in_shapes)
        given = [_literal(value) for value in call.positional]
        given += [f"{name}={_literal(value)}" for name, value in call.keywords]
        text = f"{call.target.removeprefix('archc.')}({', '.join(given)})"
        shares = element.keeps_storage or element.overwrites
        return element.kind, "layer", element.label(node.in_shapes), element.role, weights or text, shares
    if isinstance(element, Instance):
        given = [f"{name}={_literal(value)}" for name, value in element.arguments.items()]
        name, role = element.block.name, "head" if node.auxiliary else "block"
        return name, "block", name, role, weights or f"{name}({', '.join(given)})", False
    name = "branches" if element.form == "branches" else "layers"
    return name, "body", name, "block", weights, False


def _literal(value: Any) -> str:
    """A value as Python literal, with double quotes."""
    if isinstance(value, tuple):
        return f"({', '.join(map(_literal, value))}{',' * (len(value) == 1)})"
    return json.dumps(value) if isinstance(value, str) else repr(value)


def _result(entry: Entry, numbers: dict[str, int]) -> int:
    """The layer that produces a block's first output; -1 for a layer, and for a block that returns its input."""
    graph, path = entry.node.graph, entry.path
    while graph is not None:
        at = next(iter(graph.results.values())).node
        if at < 0:
            return -1
        path, graph = f"{path}.{graph.nodes[at].name}", graph.nodes[at].graph
    return numbers[path] if path != entry.path else -1


def _parameters(node: Node) -> int:
    """The parameters of a layer; 0 for a block, because the page adds up its layers."""
    return layer_cost(node, node.element)[0] if isinstance(node.element, Kind) else 0


def _source(network: Network) -> tuple[str, dict[str, list[int]]]:
    """The emitted source, and by path the lines [first, last] of the constructor and of the call."""
    text, places = source_places(network)
    nowhere = (0, 0)
    return text, {path: [*(place.made or nowhere), *(place.run or nowhere)] for path, place in places.items()}


class _Files:
    """The files of a spec, its own file first."""

    def __init__(self, spec: Source) -> None:
        self._files = {spec.name: spec}
        self._numbers = {spec.name: 0}

    def place(self, mark: Mark) -> list[int]:
        """[file, first line, last line] of an entry."""
        number = self._numbers.setdefault(mark.source.name, len(self._numbers))
        self._files.setdefault(mark.source.name, mark.source)
        return [number, mark.line, mark.end_line]

    def texts(self) -> list[dict[str, str]]:
        """The name and text of each file."""
        return [{"name": name, "text": source.text} for name, source in self._files.items()]
