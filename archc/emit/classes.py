"""From the graph to the classes of the source: one a block, its instances merged, never one an instance."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import combinations, groupby
from pathlib import PurePath
from typing import Any, NamedTuple

from archc.emit.fixed import Fixed, fixed
from archc.emit.naming import Names
from archc.emit.template import (
    IN_COMPREHENSIONS,
    Attribute,
    Chain,
    Different,
    Item,
    Loop,
    Make,
    MakeClass,
    Scope,
    Step,
    Template,
    merge,
    signature,
)
from archc.expressions import (
    ExpressionError,
    Symbol,
    evaluate_text,
    has_expression,
    hidden_names,
    names_of,
    plain,
    text_of,
)
from archc.graph import Graph, Instance, Network, Node, Ref
from archc.kinds import Call, Kind, form
from archc.language.names import class_name_fault
from archc.language.spec import Block
from archc.problems import Source


class ClassParameter(NamedTuple):
    """A constructor argument; `values` are those that the instances give it."""

    name: str
    values: tuple[Any, ...]
    default: Any
    required: bool


@dataclass(slots=True, eq=False)
class ClassDef:
    """A class of the emitted source."""

    name: str
    template: Template
    parameters: tuple[ClassParameter, ...]
    description: str
    root: bool = False
    structural: frozenset[str] = frozenset()
    """Names that decided the structure and of which no `if` or loop is left, or that a literal follows from: other
    values do not fit."""


@dataclass(slots=True)
class _Use:
    """A body in use: its graph, and what it would be called if it has no name of its own."""

    graph: Graph
    hint: str
    outer: str


@dataclass(slots=True)
class _Plan:
    classes: list[ClassDef] = field(default_factory=list)
    by_graph: dict[int, ClassDef] = field(default_factory=dict)
    names: Names = field(default_factory=Names)
    fixed: dict[int, Fixed] = field(default_factory=dict)
    blocks: dict[int, str] = field(default_factory=dict)  # by the body of a block: the name of its class


def plan_classes(networks: Sequence[Network]) -> list[ClassDef]:
    """The classes of a network, those that others use first and the network's own last.

    `networks` are the network itself and, behind it, the same with other values of its parameters, all of
    which its class is to serve. Raises Different if it cannot.
    """
    plan = _Plan()
    plan.names.taken |= {networks[0].spec.name, *IN_COMPREHENSIONS}
    uses = _Uses(id(networks[0].graph.body))
    for network in networks:
        uses.gather(network.graph, "", network.spec.name)
    order = uses.order()
    for body in order:
        plan.names.taken |= uses.found[body][0].graph.scope.keys()  # an argument would hide a class of its name
    _name_blocks([uses.found[body][0].graph for body in order], networks[0].spec.source, plan)
    for body in order:
        if body != uses.root:
            _define(uses.found[body], plan)
    graphs = [use.graph for use in uses.found[uses.root]]
    spec = networks[0].spec
    template = merge(
        [_template(graph, plan, shapes=True) for graph in graphs], [_plain(graph.scope) for graph in graphs]
    )
    parameters = _network_parameters(networks, template)
    structural = _structural(graphs, template, plan)
    plan.classes.append(ClassDef(spec.name, template, parameters, spec.description, True, structural))
    return plan.classes


class _Uses:
    """Every body that becomes a class, with its instances; equal graphs count once."""

    def __init__(self, root: int) -> None:
        self.root = root
        self.found: dict[int, list[_Use]] = {}
        self.needs: dict[int, list[int]] = {}  # by body: the bodies whose classes it uses
        self.seen: set[int] = set()

    def gather(self, graph: Graph, hint: str, outer: str, user: int | None = None) -> None:
        """Note a graph and those below it; `user` is the body whose class will hold them."""
        body = id(graph.body)
        named = not graph.sequential or graph.block is not None or body == self.root
        if named:
            if user is not None:
                self.needs[user].append(body)
            user = body
        if id(graph) in self.seen:
            return
        self.seen.add(id(graph))
        if named:
            self.found.setdefault(body, []).append(_Use(graph, hint, outer))
            self.needs.setdefault(body, [])
        for node in graph.nodes:
            below = node.graph
            if below is None or not node.present:
                continue
            name = node.name if not node.name.isdigit() else f"{hint}_{node.name}"
            owner = below.block.name if below.block else outer
            self.gather(below, name, owner, user)

    def order(self) -> list[int]:
        """The bodies, each after those that it uses: an instance may use what another leaves out."""
        done: dict[int, None] = {}

        def visit(body: int) -> None:
            if body not in done:
                for needed in self.needs[body]:
                    visit(needed)
                done[body] = None

        visit(self.root)
        return list(done)


def _plain(scope: Scope) -> Scope:
    return {name: plain(value) for name, value in scope.items()}


def _define(uses: list[_Use], plan: _Plan) -> None:
    """Classes for the instances of one body: as few as serve them all."""
    scopes = [_plain(use.graph.scope) for use in uses]
    templates = [_template(use.graph, plan) for use in uses]
    groups = _groups(templates, scopes)
    if len(groups) > 1:
        # Instances that differ in how often something repeats may share a class with a loop.
        looped = [_template(use.graph, plan, loops=True) for use in uses]
        fewer = _groups(looped, scopes)
        if len(fewer) < len(groups):
            groups = [(members, _with_loops(members, looped, templates, scopes)) for members, _ in fewer]
    names = _class_names(uses, [members for members, _ in groups], plan)
    for (group, template), name in zip(groups, names, strict=True):
        block = uses[group[0]].graph.block
        graphs = [uses[m].graph for m in group]
        template = _written_out(template, graphs, [scopes[m] for m in group], plan)
        parameters = _parameters(template, [scopes[m] for m in group], block)
        structural = _structural(graphs, template, plan)
        made = ClassDef(name, template, parameters, block.description if block else "", structural=structural)
        plan.classes.append(made)
        for member in group:
            plan.by_graph[id(uses[member].graph)] = made


def _written_out(template: Template, graphs: list[Graph], scopes: list[Scope], plan: _Plan) -> Template:
    """A class with the values of names that a literal or an unrolled loop follows from: as arguments they would lie."""
    kept = {text_of(value) for value in _decisions(template.attributes)}
    names = _literal(graphs, template, plan) | _unrolled(graphs, kept)
    values = {name: value for name, value in scopes[0].items() if name in names}
    settled = {name for name, value in values.items() if all(same(scope[name], value) for scope in scopes)}
    if not settled:
        return template
    scope = {name: value if name in settled else Symbol.parameter(value, name) for name, value in scopes[0].items()}

    def write(part: Any) -> Any:
        if type(part) is Symbol and part.names & settled:
            turns = {name: Symbol.parameter(0, name) for name in part.names - scope.keys()}
            try:
                return evaluate_text(text_of(part), {**scope, **turns})
            except ExpressionError:
                return part
        if isinstance(part, tuple) and not isinstance(part, Ref):
            items = [write(item) for item in part]
            return type(part)(*items) if hasattr(part, "_fields") else tuple(items)
        return [write(item) for item in part] if isinstance(part, list) else part

    written = write(template)
    assert isinstance(written, Template)
    return written


def same(value: Any, other: Any) -> bool:
    """Whether two plain values are equal, and of one type."""
    return type(value) is type(other) and bool(value == other)


def _unrolled(graphs: Iterable[Graph], kept: set[str]) -> frozenset[str]:
    """The names that rows, names and counts follow from which a class has written out."""
    found: set[str] = set()
    for graph in graphs:
        found |= graph.decided
        for node in graph.nodes:
            if node.turn is not None and text_of(node.turn.times) not in kept:
                found |= names_of(node.turn.times)
            if isinstance(node.element, Graph) and node.element.sequential:
                found |= _unrolled([node.element], kept)
    return frozenset(found)


def _structural(graphs: list[Graph], template: Template, plan: _Plan) -> frozenset[str]:
    """The names of a class's scope that its structure or a literal follows from, where the class does not decide."""
    kept = {text_of(value) for value in _decisions(template.attributes)}
    found: set[str] = {name for name in _literal(graphs, template, plan) if not name.startswith("#")}
    waiting = list(graphs)
    while waiting:
        graph = waiting.pop()
        found |= graph.decided
        for node in graph.nodes:
            for value in (node.when, node.turn and node.turn.times):
                if names_of(value) and text_of(value) not in kept:
                    found |= names_of(value)
            below = node.graph
            if below is None:
                continue
            made = plan.by_graph.get(id(below))
            if made is None:
                waiting.append(below)  # a chain within the class
            elif isinstance(node.element, Instance):
                given = {**node.element.arguments, "in_channels": node.element.in_channels}
                found |= frozenset().union(*(names_of(given[name]) for name in made.structural))
            else:
                found |= made.structural
    return frozenset(found)


def _literal(graphs: list[Graph], template: Template, plan: _Plan) -> frozenset[str]:
    """The names that a literal of a class follows from."""
    return hidden_names([*values_of(template)]).union(*(fixed(graph, plan.fixed).literals for graph in graphs))


def _decisions(attributes: Iterable[Attribute | Loop]) -> Iterator[Any]:
    """The conditions and counts that a class reads when it is constructed."""
    for attribute in attributes:
        if isinstance(attribute, Loop):
            yield attribute.times
            for row in attribute.rows:
                yield from _decisions(row)
            continue
        if attribute.conditional:
            yield attribute.when
        if isinstance(attribute.item, Chain):
            yield from _decisions(attribute.item.attributes)


def _with_loops(members: list[int], looped: list[Template], flat: list[Template], scopes: list[Scope]) -> Template:
    """A group's template with the turns of each loop made one row; written out where they cannot be."""
    try:
        merged = merge([looped[m] for m in members], [scopes[m] for m in members])
    except Different:
        merged = flat[members[0]]
    assert isinstance(merged, Template)
    return merged


def _groups(templates: list[Template], scopes: list[Scope]) -> list[tuple[list[int], Template]]:
    """The instances that one class can serve together, with what that class says.

    Of templates that read alike one is looked at: whether its expressions give its values.
    """
    alike: dict[Any, list[int]] = {}
    for i, template in enumerate(templates):
        alike.setdefault(signature(template), []).append(i)
    groups: list[tuple[list[int], Template]] = []
    for same in alike.values():
        for position, (group, _) in enumerate(groups):
            members = [*group, *same]
            try:
                merged = merge([templates[m] for m in members], [scopes[m] for m in members])
            except Different:
                continue
            groups[position] = (members, merged)
            break
        else:
            alone = templates[same[0]]
            with suppress(Different):  # a loop of unequal turns, which is written out
                alone = merge([alone], [scopes[same[0]]])
            groups.append((same, alone))
    return groups


# Names


def _class_names(uses: list[_Use], groups: list[list[int]], plan: _Plan) -> list[str]:
    block = uses[0].graph.block
    if block is not None:
        suffixes = [""] if len(groups) == 1 else _telling(uses, groups)
        own = plan.blocks[id(uses[0].graph.body)]
        return [own if not suffix else plan.names.take(own + suffix) for suffix in suffixes]
    bases = [_base(uses[group[0]], plan) for group in groups]
    if len(set(bases)) == len(groups):  # each has a name of its own, as the entries of a loop have
        return [plan.names.take(base) for base in bases]
    return [plan.names.take(bases[0] + suffix) for suffix in _telling(uses, groups)]


def _base(use: _Use, plan: _Plan) -> str:
    """What the class of a body without a name is called: as its entry, or that with the class around it."""
    base = _camel(use.hint) or "Part"
    return use.outer + base if base in plan.names.taken or class_name_fault(base) else base


def _name_blocks(graphs: list[Graph], spec: Source, plan: _Plan) -> None:
    """A block's name is its own: what has no name of its own is called otherwise.

    Of several blocks of one name, which imported files bring along, the spec's own keeps it; another one is called
    after its file as well.
    """
    blocks = [(id(graph.body), graph.block) for graph in graphs if graph.block is not None]
    for body, block in sorted(blocks, key=lambda pair: pair[1].mark.source is not spec):
        longer = _camel(PurePath(block.mark.source.name).stem) + block.name
        second = block.name in plan.blocks.values() and not class_name_fault(longer)
        plan.blocks[body] = plan.names.take(longer if second else block.name)


_LONG_ENDING = 40
"""A class's name does not grow by more."""


def _telling(uses: list[_Use], groups: list[list[int]]) -> list[str]:
    """Endings for the classes of one block, from the entries or the arguments that make them differ."""
    absent = [{tuple(node.name for node in uses[m].graph.nodes if not node.present) for m in group} for group in groups]
    named = not any(name.isdigit() for found in absent for names in found for name in names)
    if named and all(len(found) == 1 for found in absent) and len(set.union(*absent)) == len(groups):
        endings = ["".join(f"Without{_camel(name)}" for name in next(iter(found))) for found in absent]
        if len(set(endings)) == len(endings) and all(len(ending) < _LONG_ENDING for ending in endings):
            return endings
    scopes = [_plain(use.graph.scope) for use in uses]
    candidates = [name for name in scopes[0] if name != "in_channels"] + ["in_channels"]
    for size in (1, 2):  # a name of more is no name
        for names in combinations(candidates, size):
            values = [{tuple(scopes[m].get(name) for name in names) for m in group} for group in groups]
            if all(len(found) == 1 for found in values) and len(set.union(*values)) == len(groups):
                endings = [
                    "".join(_ending(n, v, alone=size == 1) for n, v in zip(names, next(iter(found)), strict=True))
                    for found in values
                ]
                if len(set(endings)) == len(endings):
                    return endings
    sizes = ["x".join(map(str, uses[group[0]].graph.in_shapes[0][1:])) for group in groups]
    if all(sizes) and len(set(sizes)) == len(sizes):
        return [f"At{size}" for size in sizes]
    return ["", *(str(i) for i in range(2, len(groups) + 1))]


def _ending(name: str, value: Any, *, alone: bool) -> str:
    match value:
        case True:
            return f"With{_camel(name)}"
        case False:
            return f"Without{_camel(name)}"
        case str():
            return _camel(value)
        case tuple():
            return re.sub(r"[^A-Za-z0-9]+", "x", str(value)).strip("x")
    number = re.sub(r"[^A-Za-z0-9]+", "_", str(value)).strip("_")
    return number if alone else f"{_camel(name)}{number}"


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name))


# Parameters


def _parameters(template: Template, scopes: list[Scope], block: Block | None) -> tuple[ClassParameter, ...]:
    """The names that the class reads, the required ones first."""
    free = _free(template)
    found = []
    for name in scopes[0]:
        if name not in free:
            continue
        default: Any = None
        required = True
        if block is not None and name in block.parameters:
            parameter = block.parameters[name]
            required = (
                parameter.required
                or (name == "padding" and parameter.default == "same")  # a number by then, of each call
                or has_expression(parameter.default)
            )
            # A default that no instance has was never looked at.
            required = required or not any(same(scope[name], parameter.default) for scope in scopes)
            default = None if required else parameter.default
        values = tuple(scope[name] for scope in scopes)
        found.append(ClassParameter(name, values, default, required))
    first = [parameter for parameter in found if parameter.name == "in_channels"]
    rest = [parameter for parameter in found if parameter.name != "in_channels"]
    return (*first, *(p for p in rest if p.required), *(p for p in rest if not p.required))


def _network_parameters(networks: Sequence[Network], template: Template) -> tuple[ClassParameter, ...]:
    free = _free(template)
    return tuple(
        ClassParameter(name, tuple(plain(n.parameters[name]) for n in networks), plain(value), required=False)
        for name, value in networks[0].parameters.items()
        if name in free
    )


def _free(template: Template) -> frozenset[str]:
    return frozenset().union(*(names_of(value) for value in values_of(template)))


def values_of(part: Any) -> Iterator[Any]:
    """Every value that the emitted class reads."""
    match part:
        case Template():
            yield from values_of(part.attributes)
            yield from values_of(part.steps)
        case Attribute():
            if part.present:
                yield from values_of(part.item)
                if part.conditional:
                    yield part.when
        case Loop():
            yield part.times
            for row in part.rows:
                yield from values_of(row)
        case Make():
            yield from part.call.positional
            yield from (value for _, value in part.call.keywords)
        case MakeClass():
            yield from (value for _, value in part.arguments)
        case Chain():
            yield from values_of(part.attributes)
        case Step():
            if part.present and part.function is not None:
                yield from part.function.positional
                yield from (value for _, value in part.function.keywords)
        case tuple():
            for item in part:
                yield from values_of(item)


# Templates


def _template(graph: Graph, plan: _Plan, *, shapes: bool = False, loops: bool = False) -> Template:
    attributes = _attributes(graph, plan, shapes, loops)
    steps = tuple(_step(node, graph) for node in graph.nodes) if not graph.sequential else ()
    results = tuple(graph.results.items()) if not graph.sequential else ()
    return Template(graph.form, graph.sequential, attributes, steps, graph.captures, results)


def _attributes(graph: Graph, plan: _Plan, shapes: bool, loops: bool) -> tuple[Attribute | Loop, ...]:
    """The children in order; with `loops`, the turns of a repeat in a list stay together."""
    found: list[Attribute | Loop] = []
    for splice, run in groupby(graph.nodes, lambda node: node.turn and node.turn.splice):
        nodes = list(run)
        if not (loops and splice and graph.form == "list"):
            found += [_attribute(node, plan, graph, shapes, loops) for node in nodes if needs_child(node, graph)]
            continue
        rows = [
            tuple(_attribute(node, plan, graph, shapes, loops) for node in row)
            for _, row in groupby(nodes, lambda node: node.turn and node.turn.number)
        ]
        assert nodes[0].turn is not None
        found.append(Loop(nodes[0].turn.times, tuple(rows), ""))
    return tuple(found)


def _function(node: Node, graph: Graph) -> Call | None:
    """The function that stands for a layer in `forward`; a head, and what acts under a condition, needs a child."""
    kind = node.element
    if graph.sequential or not isinstance(kind, Kind) or node.auxiliary:
        return None
    call = kind.function(node.in_shapes if kind.many else node.in_shapes[0])
    if call is None or (node.when is not None and call.target):
        return None
    # `forward` does not see the constructor's arguments: what reads one is a child.
    given = [*call.positional, *(value for _, value in call.keywords)]
    return None if any(names_of(value) for value in given) else call


def needs_child(node: Node, graph: Graph) -> bool:
    """Whether an entry is an attribute of its class; else it is an expression in `forward`."""
    kind = node.element
    return not (isinstance(kind, Kind) and (_infix(node) or (node.present and _function(node, graph) is not None)))


def _infix(node: Node) -> str:
    """The operator between a join's inputs; a head is a child, so that `forward` can skip it."""
    return node.element.infix if isinstance(node.element, Kind) and not node.auxiliary else ""


def _attribute(node: Node, plan: _Plan, graph: Graph, shapes: bool, loops: bool) -> Attribute:
    item = _item(node, plan, graph, shapes, loops) if node.present else None
    changed = shapes and None in node.shapes and node.shapes[None] != node.in_shapes[0]
    shape = form(node.shapes[None]).removeprefix("a vector of ") if changed else ""
    name = "" if graph.form == "list" else node.name  # a list's numbers follow from what is present
    return Attribute(name, item, node.when, node.present, False, node.auxiliary, shape)


def _item(node: Node, plan: _Plan, graph: Graph, shapes: bool, loops: bool) -> Item:
    element = node.element
    if isinstance(element, Kind):
        return Make(element.call(node.in_shapes if element.many else node.in_shapes[0]))
    below = element.graph if isinstance(element, Instance) else element
    if below.sequential and below.block is None:
        named = below.form == "mapping"
        return Chain(_attributes(below, plan, shapes, loops), named)
    target = plan.by_graph[id(below)]
    if isinstance(element, Instance):
        given = {**element.arguments, "in_channels": element.in_channels}
    else:
        given = graph.scope  # a nested body reads the names around it
    return MakeClass(target, tuple((parameter.name, given[parameter.name]) for parameter in target.parameters))


def _step(node: Node, graph: Graph) -> Step:
    kind = node.element
    many = isinstance(kind, Kind) and kind.many
    several = None not in node.shapes
    function = _function(node, graph) if node.present else None
    layer = isinstance(kind, Kind)
    return Step(node.name, node.inputs, function, _infix(node), many, several, layer, node.present, node.auxiliary)
