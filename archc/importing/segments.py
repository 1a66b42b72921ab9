"""Finds the blocks of a network whose file has none: equal segments with one input and one output.

A network is a chain of operations and of segments in which it branches: from a value that all later ones depend on, to
the next such value. Segments with the same operations and wiring, whatever their numbers are, become instances of one
block. A convolution with its norm and activation is one part, if there are several of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from archc.importing.graph import Operation, Scope, SourceGraph

_WEIGHTED = {"conv2d": "Conv", "conv1d": "Conv", "conv3d": "Conv", "conv_transpose2d": "Deconv", "linear": "Linear"}
_NORMS = {"batch_norm1d", "batch_norm2d", "batch_norm3d"}
_ACTIVATIONS = {
    "relu": "ReLU",
    "relu6": "ReLU6",
    "leaky_relu": "LeakyReLU",
    "prelu": "PReLU",
    "elu": "ELU",
    "selu": "SELU",
    "gelu": "GELU",
    "silu": "SiLU",
    "mish": "Mish",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "hardswish": "Hardswish",
    "hardsigmoid": "Hardsigmoid",
}
_AFTER = {*_ACTIVATIONS, *_NORMS, "dropout", "local_response_norm"}
"""Layer types that belong to the segment before them, if all of its instances have them."""


class Atom(NamedTuple):
    """Operations that stay together: a single one, or one with its norm and activation."""

    operations: tuple[int, ...]
    kinds: tuple[str, ...]


@dataclass(slots=True)
class _Segment:
    """Consecutive atoms; `branching` if there is more than one way through them. `key` is equal for equal ones."""

    atoms: list[int]
    branching: bool
    key: Hashable = None
    title: str = ""
    path: str = ""


@dataclass(slots=True)
class _Network:
    """The atoms of a network with the atoms that each reads; -1 is the network's input."""

    operations: Sequence[Operation]
    atoms: list[Atom]
    reads: list[tuple[int, ...]] = field(default_factory=list)


def bound(graph: SourceGraph) -> SourceGraph:
    """Put each layer with weights into one part with the norm and activation that alone read it.

    Only parts that occur at least twice are made, and only of operations that are in no part yet.
    """
    readers: dict[int, list[int]] = defaultdict(list)
    for at, operation in enumerate(graph.operations):
        for value in operation.inputs:
            readers[value.operation].append(at)
    for value in graph.results.values():
        readers[value.operation].append(-1)
    chains = []
    for at, operation in enumerate(graph.operations):
        if operation.kind in _WEIGHTED and not operation.scopes:
            chain = [at]
            for kinds in (_NORMS, _ACTIVATIONS):
                following = readers[chain[-1]]
                if (
                    len(following) == 1
                    and following[0] == chain[-1] + 1
                    and graph.operations[following[0]].kind in kinds
                ):
                    chain.append(following[0])
            if len(chain) > 1:
                chains.append(chain)
    titles = [_unit_title([graph.operations[at].kind for at in chain]) for chain in chains]
    counts, numbers = Counter(titles), Counter[str]()
    operations = list(graph.operations)
    for chain, title in zip(chains, titles, strict=True):
        if counts[title] > 1:
            stem = _WEIGHTED[operations[chain[0]].kind].lower()
            numbers[stem] += 1
            path = operations[chain[0]].name or f"{stem}{numbers[stem]}"
            for at in chain:
                kind = operations[at].kind
                name = stem if kind in _WEIGHTED else "bn" if kind in _NORMS else kind
                operations[at] = replace(operations[at], name=name, scopes=(Scope(path, title),))
    return replace(graph, operations=tuple(operations))


def _unit_title(kinds: Sequence[str]) -> str:
    return "".join(_WEIGHTED.get(kind, "") or ("BN" if kind in _NORMS else _ACTIVATIONS[kind]) for kind in kinds)


def grouped(graph: SourceGraph, path_of: Callable[[Sequence[Operation]], str] | None = None) -> SourceGraph:
    """Put the operations of equal segments into parts with one title, within which equal operations have equal names.

    `path_of` may give a segment's name from those of its operations; otherwise it is the title's with a number.
    """
    if any(len(operation.scopes) > 1 for operation in graph.operations) or len(graph.inputs) != 1:
        return graph
    network = _network(graph)
    segments = _segments(network, {value.operation for value in graph.results.values()})
    blocks = _blocks(network, segments)
    operations = list(graph.operations)
    used: set[str] = {scope.path for operation in operations for scope in operation.scopes}
    numbers: Counter[str] = Counter()
    for segment in blocks:
        inside = [at for atom in segment.atoms for at in network.atoms[atom].operations]
        path = path_of([operations[at] for at in inside]) if path_of else ""
        while not path or path in used:
            stem = _snake(segment.title)
            numbers[stem] += 1
            path = f"{stem}{numbers[stem]}"
        used.add(path)
        _place(operations, network, segment, Scope(path, segment.title))
    return replace(graph, operations=tuple(operations))


def _place(operations: list[Operation], network: _Network, segment: _Segment, scope: Scope) -> None:
    counts: Counter[str] = Counter()
    for atom in segment.atoms:
        members = network.atoms[atom].operations
        if len(members) == 1:
            (at,) = members
            operations[at] = replace(operations[at], scopes=(scope,), name="")
            continue
        (unit,) = operations[members[0]].scopes
        stem = unit.path.rstrip("0123456789") if unit.path.rstrip("0123456789") in _STEMS else "conv"
        counts[stem] += 1
        inner = Scope(f"{scope.path}.{stem}{counts[stem]}", unit.title)
        for at in members:
            operations[at] = replace(operations[at], scopes=(scope, inner))


_STEMS = {"conv", "fc", "linear", "deconv"}


def _network(graph: SourceGraph) -> _Network:
    atoms: list[Atom] = []
    atom_of: dict[int, int] = {}
    operations = graph.operations
    for at, operation in enumerate(operations):
        before = operations[at - 1].scopes if at else ()
        if operation.scopes and operation.scopes == before:
            last = atoms.pop()
            atoms.append(Atom((*last.operations, at), (*last.kinds, operation.kind)))
        else:
            atoms.append(Atom((at,), (operation.kind,)))
        atom_of[at] = len(atoms) - 1
    network = _Network(operations, atoms)
    for number, atom in enumerate(atoms):
        values = [value.operation for at in atom.operations for value in operations[at].inputs]
        read = [atom_of[at] if at >= 0 else -1 for at in values]
        network.reads.append(tuple(source for source in read if source != number))
    return network


def _segments(network: _Network, results: set[int]) -> list[_Segment]:
    """The chain of atoms and branching segments: cuts are the values that everything after them depends on."""
    last = {source: number for number, read in enumerate(network.reads) for source in read}
    ends = {number for number, atom in enumerate(network.atoms) if results & set(atom.operations)}
    segments: list[_Segment] = []
    pending: list[int] = []
    live = {-1}
    for number, read in enumerate(network.reads):
        pending.append(number)
        live -= {source for source in read if last[source] == number and source not in ends}
        if number in last or number in ends:
            live.add(number)
        if live <= {number}:
            segments.append(_Segment(pending, len(pending) > 1))
            pending = []
    if pending:
        segments.append(_Segment(pending, False))  # what ends in several outputs is no block
    return segments


def _key(network: _Network, atoms: Sequence[int]) -> Hashable:
    """What equal segments have in common: their operations and their wiring."""
    places = {atom: at for at, atom in enumerate(atoms)}
    return tuple(
        (network.atoms[atom].kinds, tuple(places.get(source, -1) for source in network.reads[atom])) for atom in atoms
    )


def _blocks(network: _Network, chain: list[_Segment]) -> list[_Segment]:
    """The segments that occur at least twice, with what all of their instances have before or after them."""
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for at, segment in enumerate(chain):
        if segment.branching:
            segment.key = _key(network, segment.atoms)
            groups[segment.key].append(at)
    taken = {at for places in groups.values() if len(places) > 1 for at in places}
    blocks: list[_Segment] = []
    titles: dict[str, int] = {}
    for places in groups.values():
        if len(places) < 2:
            continue
        title = _title(network, chain[places[0]].atoms)
        titles[title] = titles.get(title, 0) + 1
        title = title if titles[title] == 1 else f"{title}{titles[title]}"
        before = _common(network, chain, places, -1, taken, set(_WEIGHTED) | _AFTER)
        after = _common(network, chain, places, 1, taken, _AFTER)
        for at in places:
            atoms = [atom for place in range(at - before, at + after + 1) for atom in chain[place].atoms]
            taken |= set(range(at - before, at + after + 1))
            blocks.append(_Segment(atoms, True, None, title))
    blocks.sort(key=lambda segment: segment.atoms[0])
    return blocks


def _common(
    network: _Network, chain: list[_Segment], places: list[int], step: int, taken: set[int], kinds: set[str]
) -> int:
    """The number of atoms before or after all instances of a segment that are the same and belong to no other."""
    count = 0
    while True:
        there = [at + step * (count + 1) for at in places]
        if not all(0 <= at < len(chain) and at not in taken for at in there) or len(set(there)) < len(there):
            return count
        found = {network.atoms[chain[at].atoms[0]].kinds for at in there}
        if len(found) > 1 or any(chain[at].branching for at in there) or next(iter(found))[0] not in kinds:
            return count
        if any(
            at + step * (count + 1) in {other + before for other in places for before in range(-count, count + 1)}
            for at in places
        ):
            return count
        count += 1


def _title(network: _Network, atoms: Sequence[int]) -> str:
    """What a person would call a branching segment, by its last join."""
    joins = [atom for atom in atoms if network.atoms[atom].kinds[-1] in ("add", "concat", "multiply")]
    if not joins:
        return "Block"
    join = joins[-1]
    kind, inputs = network.atoms[join].kinds[-1], network.reads[join]
    whole = len(set(inputs) - set(atoms)) > 0
    if kind == "add":
        return "Residual"
    if kind == "multiply":
        return "SqueezeExcitation" if whole else "Gate"
    if whole:
        return "DenseLayer"
    return "Inception" if len(inputs) > 2 else "Branches"


def _snake(title: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in title).strip("_")
