"""What the page knows of an architecture, as one JSON object: columns with an entry for each layer and block."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from archc.architecture import Architecture
from archc.emit import source_places
from archc.explorer.insides import draw_insides
from archc.explorer.series import SeriesTable, run_lengths
from archc.explorer.sizes import offered_sizes
from archc.graph import Instance, Network, Node
from archc.inference import Scan, Stop
from archc.inference.cost import layer_cost
from archc.kinds import Kind
from archc.problems import Mark, Source


class Entry(NamedTuple):
    """A layer, block or nested body in its place; `parent` is the number of the entry around it, or -1."""

    path: str
    parent: int
    node: Node
    training: bool


def entries(network: Network) -> Iterator[Entry]:
    """Every entry, those around before those inside, in the order in which they run."""
    number = 0
    stack: list[tuple[Iterator[Node], str, int, bool]] = [(iter(network.graph.nodes), "", -1, False)]
    while stack:
        nodes, prefix, parent, training = stack[-1]
        node = next(nodes, None)
        if node is None:
            stack.pop()
        else:
            entry = Entry(prefix + node.name, parent, node, training or node.auxiliary)
            yield entry
            if node.graph is not None:
                stack.append((iter(node.graph.nodes), f"{entry.path}.", number, entry.training))
            number += 1


class Table:
    """Values by number, each once."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}

    def number(self, value: Any) -> int:
        """The number of a value."""
        return self._numbers.setdefault(value, len(self._numbers))

    @property
    def values(self) -> list[Any]:
        """The values in the order of their numbers."""
        return list(self._numbers)


class Calls(Table):
    """What entries are, by number. Equal layers share their kind, so each is put into words once."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[Any, int] = {}

    def of(self, node: Node) -> int:
        """The number of what an entry is."""
        key = (id(node.element), node.in_shapes, node.auxiliary)
        if key not in self._known:
            self._known[key] = self.number(_call(node))
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
    # The page shows height and width: the last two axes, of which a sequence has one.
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
        "call": [calls.of(entry.node) for entry in placed],
        "inputs": [[series.shape(given) for given in found.given] for found in scanned],
        "outputs": [[series.shape(made) for made in found.made.values()] for found in scanned],
        "result": [_result(entry, numbers) for entry in placed],
        "parameters": [_parameters(entry.node) for entry in placed],
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
        "files": files.told(),
        "source": {"name": f"{network.spec.stem}.py", "text": source},
    }


def _stop(stop: Stop, numbers: dict[str, int]) -> tuple[int, str, str, str, str]:
    """The note on a layer that refuses its input."""
    fault = stop.fault
    return numbers[stop.path], fault.code, fault.message, fault.label, fault.help


def _call(node: Node) -> tuple[str, str, str, str, str, bool]:
    """What an entry is: kind or block, the sort of thing that is, its short form and role, the call with arguments.

    And whether its output shares its input's memory.
    """
    element = node.element
    if isinstance(element, Kind):
        call = element.call(node.in_shapes)
        given = [_literal(value) for value in call.positional]
        given += [f"{name}={_literal(value)}" for name, value in call.keywords]
        text = f"{call.target.removeprefix('archc.')}({', '.join(given)})"
        shares = element.keeps_storage or element.overwrites
        return element.kind, "layer", element.label(node.in_shapes), element.role, text, shares
    if isinstance(element, Instance):
        given = [f"{name}={_literal(value)}" for name, value in element.arguments.items()]
        name = element.block.name
        return name, "block", name, "head" if node.auxiliary else "block", f"{name}({', '.join(given)})", False
    name = "branches" if element.form == "branches" else "layers"
    return name, "body", name, "block", "", False


def _literal(value: Any) -> str:
    """A value as Python writes it, texts in double quotes."""
    if isinstance(value, tuple):
        return f"({', '.join(map(_literal, value))}{',' * (len(value) == 1)})"
    return json.dumps(value) if isinstance(value, str) else repr(value)


def _result(entry: Entry, numbers: dict[str, int]) -> int:
    """The layer whose output a block's (first) output is; -1 for a layer, and for a block that hands its input on."""
    graph, path = entry.node.graph, entry.path
    while graph is not None:
        at = next(iter(graph.results.values())).node
        if at < 0:
            return -1
        path, graph = f"{path}.{graph.nodes[at].name}", graph.nodes[at].graph
    return numbers[path] if path != entry.path else -1


def _parameters(node: Node) -> int:
    """The trained numbers of a layer; 0 for a block: those of its layers add up."""
    return layer_cost(node, node.element)[0] if isinstance(node.element, Kind) else 0


def _source(network: Network) -> tuple[str, dict[str, list[int]]]:
    """The emitted source, and by path the lines: [made, to, run, to]."""
    text, places = source_places(network)
    nowhere = (0, 0)
    return text, {path: [*(place.made or nowhere), *(place.run or nowhere)] for path, place in places.items()}


class _Files:
    """The files that a spec is made of, the spec's own first."""

    def __init__(self, spec: Source) -> None:
        self._files = {spec.name: spec}
        self._numbers = {spec.name: 0}

    def place(self, mark: Mark) -> list[int]:
        """[file, first line, last line] of an entry."""
        number = self._numbers.setdefault(mark.source.name, len(self._numbers))
        self._files.setdefault(mark.source.name, mark.source)
        return [number, mark.line, mark.end_line]

    def told(self) -> list[dict[str, str]]:
        """Name and text of each."""
        return [{"name": name, "text": source.text} for name, source in self._files.items()]
