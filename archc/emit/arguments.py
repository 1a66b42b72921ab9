"""Which parameters of a network stay constructor arguments: those of which its class serves other values too.

That is tried, not deduced: the network is elaborated once more with another value, and where one class can say
both, the parameter stays. Otherwise (a kernel that a `flatten` behind it depends on) its value is written out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from archc.emit.classes import ClassDef, plan_classes
from archc.emit.template import Different
from archc.expressions import has_expression, names_of, plain
from archc.graph import Graph, Instances, Network, elaborate
from archc.language.spec import Parameter
from archc.problems import SpecError


def network_classes(network: Network) -> tuple[list[ClassDef], list[Network]]:
    """The classes of a network, and what they were made for: the network itself, and with other values.

    Raises SpecError where names clash.
    """
    known: Instances = {}
    resolved: frozenset[str] = frozenset()
    while True:
        base = elaborate(
            network.spec, network.declared, network.input, symbolic=True, resolved=resolved, instances=known
        )
        tried = {name: _with_another(base, name, resolved, known) for name in _to_try(base, resolved)}
        unfit = {name for name, other in tried.items() if other is None}
        classes, networks, different = _served(base, {name: other for name, other in tried.items() if other})
        # An argument that the structure was read from would lie as well.
        unfit |= different | (classes[-1].structural & {parameter.name for parameter in classes[-1].parameters})
        if not unfit:
            return classes, networks
        resolved |= unfit


def _to_try(base: Network, resolved: frozenset[str]) -> list[str]:
    """The parameters that have other values of the same type: numbers, flags, and tuples of these.

    Not those that decide what stands in a chain within the network: `*([…] if batch_norm else [])` behind every
    convolution of a VGG is no way to read it.
    """
    decided = resolved | _decided(base.graph)
    return [
        name
        for name, parameter in base.declared.items()
        if name not in decided and not has_expression(parameter.default) and list(_others(plain(base.parameters[name])))
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


def _served(base: Network, others: dict[str, Network]) -> tuple[list[ClassDef], list[Network], set[str]]:
    """The classes that serve a network and as many others as they can, these networks, and the names left out."""
    networks = [base, *others.values()]
    try:
        return plan_classes(networks), networks, set()
    except (Different, SpecError):
        networks, different = [base], set()
    classes = plan_classes(networks)
    for name, other in others.items():
        try:
            classes = plan_classes([*networks, other])
            networks.append(other)
        except (Different, SpecError):
            different.add(name)
    return classes, networks, different


def _with_another(base: Network, name: str, resolved: frozenset[str], known: Instances) -> Network | None:
    """The network with another value of one parameter; None where no other is sound."""
    mark = base.declared[name].mark
    for value in _others(plain(base.parameters[name])):
        declared = {**base.declared, name: Parameter(name, value, False, mark)}
        try:
            return elaborate(base.spec, declared, base.input, symbolic=True, resolved=resolved, instances=known)
        except SpecError:
            continue
    return None


def _others(value: Any) -> Iterator[Any]:
    """Other values of the same type: near ones (an odd one for an odd one), and multiples, for what it must divide."""
    match value:
        case bool():
            yield not value
        case int():
            yield from (value + 1, value + 2, value * 2, value * 4, value - 1) if value else (1, 2)
        case float():
            yield from (value / 2, value * 2) if value else (0.5,)
        case tuple():
            yield from zip(*map(_others, value), strict=False)
