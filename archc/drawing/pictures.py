"""The pictures that a command asks for: whole architectures, or one of their blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from archc.drawing.entries import Level, Words, own_words, single
from archc.drawing.model import BEGIN, END, Body, Edge, Item, Picture, Size, Terminal
from archc.drawing.view import body_of
from archc.graph import Graph, Instance, Network, Node
from archc.inference import graph_cost
from archc.kinds.labels import text
from archc.problems import did_you_mean
from archc.text import amount, form

if TYPE_CHECKING:
    from archc.architecture import Architecture


class UnknownName(LookupError):
    """A block or path that an architecture doesn't have; the message is one line."""


def pictures_of(
    architectures: Iterable[Architecture],
    *,
    expand: Iterable[str] = (),
    depth: int = 1,
    everything: bool = False,
    block: str | None = None,
) -> list[Picture]:
    """A picture of each architecture, or of its `block`. Raises UnknownName."""
    networks = [architecture.network for architecture in architectures]
    names = frozenset(expand)
    _check(networks, names)
    level = Level(depth, names, everything)
    return [_block(network, block, level) if block else _whole(network, level) for network in networks]


def _check(networks: list[Network], names: frozenset[str]) -> None:
    """Raise UnknownName for a name that can't be opened in any of the networks."""
    if not names:
        return
    known: dict[str, None] = {}
    layers: set[str] = set()
    for network in networks:
        for path, node in _nodes(network.graph):
            if node.graph is None:
                layers.add(path)
                continue
            if isinstance(node.element, Instance):
                known[node.element.block.name] = None
            known[path] = None
    for name in sorted(names - known.keys()):
        if name in layers:
            raise UnknownName(f"`{name}` is a single layer, so there is nothing to open")
        raise UnknownName(_unknown(name, known, networks))


def _unknown(name: str, known: Iterable[str], networks: list[Network]) -> str:
    where = " or ".join(network.spec.name for network in networks)
    hint = did_you_mean(name, known)
    return f"there is no block or path `{name}` in {where}" + (f": {hint}" if hint else "")


def _nodes(graph: Graph, prefix: str = "") -> Iterator[tuple[str, Node]]:
    """Every entry, with its path."""
    for node in graph.nodes:
        yield prefix + node.name, node
        if node.graph is not None:
            yield from _nodes(node.graph, f"{prefix}{node.name}.")


def _whole(network: Network, level: Level) -> Picture:
    spec, cost = network.spec, graph_cost(network.graph)
    outputs = _outputs(network.graph)
    shapes = ", ".join(form(shape) for shape in outputs.values())
    given = ", ".join(map(form, network.inputs.values()))
    figures = f"{given} → {shapes} · {amount(cost.parameters)} parameters · {amount(cost.macs)} multiply-adds"
    body = _with_terminals(
        body_of(network.graph, ("",), level), _inputs(network.graph, next(iter(network.inputs))), outputs
    )
    description = f"{spec.name}, a neural network: {spec.description.rstrip('.') or 'layers and shapes'}. {figures}."
    return Picture(spec.name, spec.description, figures, description, body)


def _block(network: Network, name: str, level: Level) -> Picture:
    """The picture of a block by name, with arguments instead of numbers, or of an entry by path, with numbers."""
    nodes = [(path, node) for path, node in _nodes(network.graph) if node.graph is not None]
    calls = [(path, node.element) for path, node in nodes if isinstance(node.element, Instance)]
    named = [(path, call) for path, call in calls if call.block.name == name]
    if named:
        (path, call), *others = named
        given = [f"{key} = {text(value)}" for key, value in call.arguments.items() if key in call.block.parameters]
        which = f"as {path}, the first of {len(named)}" if others else f"as {path}"
        figures = f"{which}: {', '.join(given)}" if given else which
        return _inner(name, call.block.description, figures, path, call.graph, level, own_words(call))
    for path, node in nodes:
        if path == name and node.graph is not None:
            block = node.element.block if isinstance(node.element, Instance) else None
            title = f"{path} · {block.name}" if block else path
            return _inner(title, block.description if block else "", "", path, node.graph, level, {})
    known = dict.fromkeys([*(call.block.name for _, call in calls), *(path for path, _ in nodes)])
    raise UnknownName(_unknown(name, known, [network]))


def _inner(title: str, subtitle: str, figures: str, path: str, graph: Graph, level: Level, words: Words) -> Picture:
    body = body_of(graph, (f"{path}.",), level, words)
    outputs = _outputs(graph)
    given = _inputs(graph)
    inputs = ", ".join(map(form, given.values()))
    description = f"{title}: {inputs} to {', '.join(form(shape) for shape in outputs.values())}. {figures}"
    return Picture(title, subtitle, figures, description.strip(), _with_terminals(body, given, outputs))


def inside(graph: Graph, first: str = "") -> Picture:
    """The content of a body without a title, for a page that has the heading; paths are relative to the body.

    `first` is the name of its first input, if no block declares it.
    """
    body = body_of(graph, ("",), Level(), fused=not single(graph, {}))
    return Picture("", "", "", "", _with_terminals(body, _inputs(graph, first), _outputs(graph)))


def _inputs(graph: Graph, first: str = "") -> dict[str, Size]:
    """The shapes of a body's inputs by their names."""
    declared = graph.block.inputs if graph.block is not None else ()
    names = (first or next(iter(declared), "input"), *graph.further)
    return dict(zip(names, graph.in_shapes, strict=True))


def _outputs(graph: Graph) -> dict[str, Size]:
    return {name or "output": shape for name, shape in graph.outputs.items()}


def _with_terminals(body: Body, inputs: dict[str, Size], outputs: dict[str, Size]) -> Body:
    """The body with boxes for its inputs and outputs."""
    items: list[Item] = [*(Terminal(*given) for given in inputs.items()), *body.items]
    edges = [Edge(BEGIN, at, shape) for at, shape in enumerate(inputs.values())]
    names = iter(outputs.items())
    for edge in (part for whole in body.edges for part in _by_input(whole, body.inputs, list(inputs.values()))):
        target = edge.target + len(inputs)
        if edge.target == END:
            items.append(Terminal(*next(names)))
            target = len(items) - 1
            edge = edge._replace(label="")  # the terminal shows it
            edges.append(Edge(target, END, edge.shape))
        edges.append(edge._replace(source=edge.source + len(inputs), target=target))
    return Body(items, edges, results=body.results)


def _by_input(edge: Edge, names: Sequence[str | None], shapes: Sequence[Size]) -> Iterator[Edge]:
    """An edge, or one for each of the inputs that it carries: their sources count backwards from the first item."""
    if edge.source != BEGIN:
        yield edge
        return
    for at, name in enumerate(names):
        uses = tuple([(None, slot) for output, slot in edge.uses if output == name])
        if uses:
            yield Edge(at - len(names), edge.target, shapes[at], "", uses)
