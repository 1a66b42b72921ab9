"""What the page knows of an architecture, as one JSON object: columns with an entry for each layer and block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from archc.architecture import Architecture
from archc.drawing.labels import role, short_form
from archc.emit import source_places
from archc.explorer.insides import draw_insides
from archc.explorer.series import SeriesTable, run_lengths
from archc.explorer.sizes import offered_sizes
from archc.expressions import text_of
from archc.graph import Instance, Network, Node
from archc.inference import Scan, Stop
from archc.inference.cost import layer_cost
from archc.inference.receptive import receptive_fields
from archc.kinds import Kind
from archc.problems import Mark, Source


class Entry(NamedTuple):
    """A layer, block or nested body in its place; `parent` is the number of the entry around it, or -1."""

    path: str
    parent: int
    node: Node
    training: bool


def entries(network: Network) -> Iterator[Entry]:
    """Every entry that is present, those around before those inside, in the order in which they run."""
    number = 0
    stack: list[tuple[Iterator[Node], str, int, bool]] = [(iter(network.graph.nodes), "", -1, False)]
    while stack:
        nodes, prefix, parent, training = stack[-1]
        node = next(nodes, None)
        if node is None:
            stack.pop()
        elif node.present:
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


def explorer_data(architecture: Architecture) -> dict[str, Any]:
    """All that the page shows of an architecture, ready for JSON.

    `columns` holds a list for each property with a value for each entry (see `entries`): numbers that point into
    the other lists, or the figure itself. Shapes are without the batch dimension.
    """
    network = architecture.network
    summary = architecture.summary()
    placed = list(entries(network))
    numbers = {entry.path: number for number, entry in enumerate(placed)}
    scan = Scan(network, offered_sizes(network, summary.min_input))
    series, stops = SeriesTable(), Table()
    calls, fields, files = Table(), Table(), _Files(network.spec.source)
    source, places = _source(network)
    seen = receptive_fields(network.graph)

    def stop_numbers(found: list[Stop | None]) -> list[int]:
        return run_lengths(-1 if stop is None else stops.number(_stop(stop, numbers)) for stop in found)

    def field(path: str) -> int:
        if path not in seen:
            return -1
        height, width = seen[path]
        return fields.number((height.size, width.size, height.jump, width.jump))

    drawings, numbers_of_drawings = draw_insides(network, [entry.node for entry in placed])
    scanned = [scan.entries[entry.path] for entry in placed]
    columns = {
        "name": [entry.node.name for entry in placed],
        "parent": [entry.parent for entry in placed],
        "training": [int(entry.training) for entry in placed],
        "call": [calls.number(_call(entry.node)) for entry in placed],
        "inputs": [[series.shape(given) for given in found.given] for found in scanned],
        "outputs": [[series.shape(made) for made in found.made.values()] for found in scanned],
        "result": [_result(entry, numbers) for entry in placed],
        "parameters": [_parameters(entry.node) for entry in placed],
        "macs": [series.figure(found.macs) if any(found.macs) else 0 for found in scanned],
        "field": [field(entry.path) for entry in placed],
        "spec": [files.place(entry.node.mark) for entry in placed],
        "source": [places.get(entry.path) for entry in placed],
        "drawing": numbers_of_drawings,
    }
    sizes = {
        "heights": [height for height, _ in scan.sizes],
        "widths": [width for _, width in scan.sizes],
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
        "settings": {name: text_of(value) for name, value in architecture.parameters.items()},
        "parameters": summary.parameters,
        "training_parameters": summary.training_parameters,
        "macs": summary.macs,
        "min_input": list(summary.min_input),
        "memory": summary.memory().to_dict(),
        "columns": columns,
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
    """What is told of a layer that refuses its input."""
    fault = stop.fault
    return numbers[stop.path], fault.code, fault.message, fault.label, fault.help


def _call(node: Node) -> tuple[str, str, str, str, str, bool]:
    """What an entry is: kind or block, the sort of thing that is, its short form and role, the call with arguments.

    And whether its output shares its input's memory.
    """
    element = node.element
    if isinstance(element, Kind):
        call = element.call(node.in_shapes if element.many else node.in_shapes[0])
        given = [text_of(value) for value in call.positional]
        given += [f"{name}={text_of(value)}" for name, value in call.keywords]
        text = f"{call.target.removeprefix('archc.')}({', '.join(given)})"
        shares = element.keeps_storage or element.overwrites
        return element.kind, "layer", short_form(element, node.in_shapes[0]), role(element), text, shares
    if isinstance(element, Instance):
        given = [f"{name}={text_of(value)}" for name, value in element.arguments.items()]
        name = element.block.name
        return name, "block", name, "head" if node.auxiliary else "block", f"{name}({', '.join(given)})", False
    name = "branches" if element.form == "branches" else "layers"
    return name, "body", name, "block", "", False


def _result(entry: Entry, numbers: dict[str, int]) -> int:
    """The layer whose output a block's (first) output is; -1 for a layer, and for a block that hands its input on."""
    graph, path = entry.node.graph, entry.path
    while graph is not None:
        at = next(iter(graph.results.values())).node
        while at >= 0 and not graph.nodes[at].present:
            at = graph.nodes[at].inputs[0].node
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
