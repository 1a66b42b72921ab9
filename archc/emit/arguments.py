"""Which parameters of a network stay constructor arguments: those of which its class serves other values too.

That is tried, not deduced: the network is elaborated once more with another value, and where one class can say
both, the parameter stays. Otherwise (a kernel that a `flatten` behind it depends on) its value is written out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from archc.emit.classes import ClassDef, plan_classes
from archc.emit.template import Different
from archc.expressions import has_expression, names_of, plain
from archc.graph import Graph, Instance, Instances, Network, elaborate
from archc.language.spec import Parameter
from archc.problems import SpecError


def network_classes(network: Network) -> tuple[list[ClassDef], list[Network]]:
    """The classes of a network, and what they were made for: the network itself, and with other values."""
    known: Instances = {}
    resolved: frozenset[str] = frozenset()
    while True:
        base = elaborate(
            network.spec, network.declared, network.input, symbolic=True, resolved=resolved, instances=known
        )
        deciding = _deciding(base.graph, {})
        tried = {
            name: _with_others(base, name, resolved, known, ends=name in deciding)
            for name in _arguments(base, resolved)
        }
        # A text has no neighbours to try: it may stay in an expression, but not decide what there is.
        unfit = {name for name, others in tried.items() if not others and (name in deciding or _triable(base, name))}
        classes, networks, different = _served(base, {name: others for name, others in tried.items() if others})
        # An argument that the structure or a literal was read from would lie as well.
        unfit |= different | (classes[-1].structural & {parameter.name for parameter in classes[-1].parameters})
        if not unfit:
            return classes, networks
        resolved |= unfit


def _arguments(base: Network, resolved: frozenset[str]) -> list[str]:
    """The parameters that could stay arguments.

    Not those that decide what stands in a chain within the network: `*([…] if batch_norm else [])` behind every
    convolution of a VGG is no way to read it.
    """
    decided = resolved | _decided(base.graph)
    return [
        name
        for name, parameter in base.declared.items()
        if name not in decided and not has_expression(parameter.default)
    ]


def _decided(graph: Graph) -> frozenset[str]:
    """The names that the structure of the bodies within a body is read from, blocks apart."""
    found: frozenset[str] = frozenset()
    for node in graph.nodes:
        below = node.element
        if isinstance(below, Graph):
            found |= below.decided | _decided(below)
            found = found.union(*(names_of(inner.when) | names_of(inner.turn) for inner in below.nodes))
    return found


def _served(base: Network, others: dict[str, list[Network]]) -> tuple[list[ClassDef], list[Network], set[str]]:
    """The classes that serve a network and as many others as they can, these networks, and the names left out."""
    networks, different = [base, *(other for found in others.values() for other in found)], set[str]()
    try:
        return plan_classes(networks), networks, different
    except (Different, SpecError):
        networks = [base]
    classes = plan_classes(networks)
    for name, found in others.items():
        try:
            classes = plan_classes([*networks, *found])
            networks += found
        except (Different, SpecError):
            different.add(name)
    return classes, networks, different


def _triable(base: Network, name: str) -> bool:
    return any(True for _ in _others(plain(base.parameters[name])))


def _with_others(base: Network, name: str, resolved: frozenset[str], known: Instances, *, ends: bool) -> list[Network]:
    """The network with other values of one parameter, as far as these are sound: the nearest, and those at the ends.

    The `ends` are for a parameter that decides what there is (a count that can be 0, a width that is compared): one
    more or less may change nothing there.
    """
    mark = base.declared[name].mark
    value = plain(base.parameters[name])

    def sound(values: Iterable[Any]) -> Iterator[Network]:
        for other in values:
            declared = {**base.declared, name: Parameter(name, other, False, mark)}
            with suppress(SpecError):
                yield elaborate(base.spec, declared, base.input, symbolic=True, resolved=resolved, instances=known)

    nearest = list(islice(sound(_others(value)), 1))
    return [*nearest, *sound(_ends(value))] if ends else nearest


def _ends(value: Any) -> Iterator[Any]:
    """Values far from one: what a comparison with it or a count of it would turn on."""
    if type(value) is int:
        yield from dict.fromkeys(other for other in (0, 1, value // 4, value * 2 + 1) if other != value)
    elif type(value) is float:
        yield from (other for other in (0.0, 1.0) if other != value)


def _deciding(graph: Graph, known: dict[int, frozenset[str]]) -> frozenset[str]:
    """The names that it depends on whether or how often an entry is there, in all bodies below."""
    if id(graph) not in known:
        found: set[str] = set()
        for node in graph.nodes:
            found |= names_of(node.when) | names_of(node.turn and node.turn.times)
            element = node.element
            if isinstance(element, Graph):
                found |= _deciding(element, known)
            elif isinstance(element, Instance):
                given = {**element.arguments, "in_channels": element.in_channels}
                found.update(*(names_of(given.get(name)) for name in _deciding(element.graph, known)))
        known[id(graph)] = frozenset(found)
    return known[id(graph)]


def _others(value: Any) -> Iterator[Any]:
    """Other values of the same type: near ones (an odd one for an odd one), and multiples, for what it must divide.

    There are none of a text or of nothing.
    """
    match value:
        case bool():
            yield not value
        case int():
            yield from (value + 1, value + 2, value * 2, value * 4, value - 1) if value else (1, 2)
        case float():
            yield from (value / 2, value * 2) if value else (0.5,)
        case tuple():
            yield from zip(*map(_others, value), strict=False)
