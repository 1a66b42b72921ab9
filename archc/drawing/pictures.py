"""What is asked for, as pictures: whole architectures, or one of their blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from archc.drawing.entries import Level, expression, size
from archc.drawing.labels import number
from archc.drawing.model import BEGIN, END, Body, Edge, Item, Picture, Terminal, form
from archc.drawing.view import body_of
from archc.graph import Graph, Instance, Network, elaborate
from archc.inference import graph_cost, network_outputs

if TYPE_CHECKING:
    from archc.architecture import Architecture


def pictures_of(
    architectures: Architecture | Iterable[Architecture],
    *,
    expand: Iterable[str] = (),
    depth: int = 1,
    everything: bool = False,
    block: str | None = None,
) -> list[Picture]:
    """A picture of each architecture. Raises LookupError for a name that is not there."""
    networks = [one.network for one in ([architectures] if hasattr(architectures, "network") else architectures)]
    level = Level(depth, frozenset(expand), everything)
    return [_block(network, block, level) if block else _whole(network, level) for network in networks]


def _whole(network: Network, level: Level) -> Picture:
    body = body_of(network.graph, ("",), level)
    outputs = network_outputs(network)
    cost = graph_cost(network.graph)
    shapes = ", ".join(form(shape) for shape in outputs.values())
    figures = (
        f"{form(network.input)} → {shapes} · {amount(cost.parameters)} parameters · {amount(cost.macs)} multiply-adds"
    )
    spec = network.spec
    description = f"{spec.name}: {figures}."
    return Picture(spec.name, spec.description, figures, description, _with_terminals(body, network.input, outputs))


def _block(network: Network, name: str, level: Level) -> Picture:
    symbolic = elaborate(network.spec, network.declared, network.input, symbolic=True)
    found = [(path, instance) for path, instance in _instances(symbolic.graph) if instance.block.name == name]
    if not found:
        raise LookupError(name)
    path, instance = found[0]
    arguments = ", ".join(
        f"{key} = {number(value)}" for key, value in instance.arguments.items() if key != "in_channels"
    )
    body = body_of(instance.graph, (f"{path}.",), level, expression, fused=True)
    which = f"as {path}, the first of {len(found)}" if len(found) > 1 else f"as {path}"
    figures = f"{which}: {arguments}" if arguments else which
    x = size(instance.graph.in_shapes[0])
    outputs = {key or "output": size(instance.graph.shape(ref)) for key, ref in instance.graph.results.items()}
    return Picture(name, instance.block.description, figures, f"{name}: {figures}", _with_terminals(body, x, outputs))


def _instances(graph: Graph, prefix: str = "") -> Iterator[tuple[str, Instance]]:
    for node in graph.nodes:
        if not node.present:
            continue
        if isinstance(node.element, Instance):
            yield prefix + node.name, node.element
        if node.graph is not None:
            yield from _instances(node.graph, f"{prefix}{node.name}.")


def _with_terminals(body: Body, x: tuple[int, ...], outputs: dict[str, Any]) -> Body:
    """The body between boxes for its input and its outputs."""
    items: list[Item] = [Terminal("input", x), *body.items]
    names = iter(outputs.items())
    edges = [Edge(BEGIN, 0, x)]
    for edge in body.edges:
        source = edge.source + 1
        if edge.target != END:
            edges.append(edge._replace(source=source, target=edge.target + 1))
            continue
        name, shape = next(names)
        items.append(Terminal(name, shape))
        edges += [edge._replace(source=source, target=len(items) - 1), Edge(len(items) - 1, END, shape)]
    return Body(items, edges)


def amount(count: int) -> str:
    """`6.62 M`."""
    for unit, sign in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= unit:
            return f"{count / unit:.3g} {sign}"
    return str(count)
