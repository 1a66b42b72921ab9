"""The blocks of a file: each is declared by name, then parsed; none may contain itself.

A block may read the arguments of its file's network. It then has them as arguments, which each of its calls in that
file passes on; for a network of another file, they have the values of this file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from archc.expressions import free_names, tree_of
from archc.kinds import KINDS
from archc.kinds.axes import DIMENSIONS
from archc.language.header import BlockKeys
from archc.language.initialization import parse_init
from archc.language.names import class_name_fault
from archc.language.parse import ENTRY_KEYS, Parser
from archc.language.spec import Block, BlockCall, Body, ChosenCall, Entry, LayerCall, Parameter, Share, Splice
from archc.language.validate import meant
from archc.limits import MAX_BLOCK_DEPTH
from archc.problems import Problem, Problems
from archc.reading import Map, Seq


def parse_blocks(node: Map, parser: Parser, network: dict[str, Parameter]) -> list[Block]:
    """Declare every block of a file, then parse the bodies, because blocks may use later ones.

    `network` are the arguments of the file's network. Returns the declared blocks.
    """
    blocks = node.get("blocks")
    if not isinstance(blocks, Map):
        return []
    declared: list[tuple[Block, Map]] = []
    asked: dict[str, set[str]] = {}
    parser.around = frozenset(network)
    for name, keys in blocks.items():
        mark = blocks.keys_at[name]
        fault = class_name_fault(name)
        if name in KINDS:
            fault = f"`{name}` is a layer type"
        elif name in ENTRY_KEYS:
            fault = f"`{name}` is a key of entries"
        if fault:
            parser.report("E0208", f"a block cannot be named `{name}`: {fault}", mark)
            if name in KINDS:
                parser.blocks[name] = Block(name, {}, "", mark, is_valid=False)
            if name in KINDS or name in ENTRY_KEYS:
                continue
        if name in parser.blocks:
            parser.report("E0209", f"the block `{name}` is also imported", mark, help="rename one of them")
            continue
        if not isinstance(keys, Map):
            parser.blocks[name] = Block(name, {}, "", mark, is_valid=False)
            continue
        keys = meant(keys, BlockKeys)
        parser.asked = asked[name] = set()
        description = keys.get("description")
        block = Block(name, {}, description if isinstance(description, str) else "", mark)
        block.inputs = parser.inputs(keys.get("inputs"))
        names = keys.get("inputs")
        block.is_valid = names is None or (isinstance(names, Seq) and len(block.inputs) == len(names))
        block.parameters = parser.parameters(keys.get("arguments"), frozenset(block.channels), required=True)
        parser.blocks[name] = block
        block.known = parser.blocks
        declared.append((block, keys))
    for block, keys in declared:
        parser.asked = asked[block.name]
        parser.block(block, keys)
        block.init = parse_init(keys.get("init"), parser, frozenset(block.parameters) | {"in_channels"})
        for path, at in ((path, at) for rule in block.init for path, at in rule.path_marks.items()):
            help = "name a type of layer, such as `linear`; rules for single layers belong to the network"
            parser.report("E0222", f"a block's rule cannot name the layer `{path}`", at, help=help)
    parser.around = frozenset()
    found = [block for block, _ in declared]
    refuse_circles(found, parser.problems)
    _inherit(found, network, asked)
    words = {word for dimensions in DIMENSIONS.values() for word in dimensions}
    for block in found:
        for name, mark in list(block.inputs.items())[1:]:
            for size in sorted(block.parameters.keys() & {f"{name}_{dimension}" for dimension in words}):
                message = f"the argument `{size}` has the name of a dimension of the input `{name}`"
                parser.report("E0209", message, mark, help="rename one of them")
    return found


def _inherit(blocks: list[Block], network: dict[str, Parameter], asked: dict[str, set[str]]) -> None:
    """Give blocks the network's arguments that they read, directly or through the blocks that they call."""
    every = [block.name for block in blocks]
    calls = {
        block.name: every if any(chosen_calls(block.body)) else [call.block.name for call in _block_calls(block.body)]
        for block in blocks
    }
    count = -1
    while count != (count := sum(map(len, asked.values()))):
        for name, names in asked.items():
            for other in calls[name]:
                names |= asked.get(other, set())
            for parameter in reversed(network.values()):  # its default may depend on these
                if parameter.name in names:
                    names |= free_names(tree_of(parameter.default))
    for block in blocks:
        given = {name: replace(network[name], inherited=True) for name in network if name in asked[block.name]}
        block.parameters = given | block.parameters


def hand_down(body: Body | None, blocks: list[Block], parser: Parser) -> None:
    """Let the calls of a file's blocks pass on the network's arguments that these inherit.

    `body` is the network's. A name that shadows one of them where it is passed on is reported.
    """
    own = set(map(id, blocks))

    def visit(entries: tuple[Entry | Splice, ...], hidden: frozenset[str]) -> None:
        for entry in entries:
            if isinstance(entry, Splice):
                visit(entry.entries, hidden.union(entry.variables, [entry.index] if entry.index else ()))
            elif isinstance(entry.element, Body):
                visit(entry.element.entries, hidden)
            elif isinstance(entry.element, BlockCall) and id(entry.element.block) in own:
                parser.hand_down(entry.element, hidden)

    for each, names in ((body, []), *((block.body, block.own) for block in blocks)):
        visit(each.entries if each else (), frozenset(names))


def refuse_circles(blocks: list[Block], problems: Problems) -> None:
    """Report blocks that contain themselves, one problem per cycle, and remove their bodies."""
    calls = {block: {call.block: call for call in _block_calls(block.body)} for block in blocks}
    done: set[Block] = set()

    def visit(block: Block, trail: list[Block]) -> None:
        if block in trail:
            circle = trail[trail.index(block) :]
            text = " → ".join(each.name for each in [*circle, block])
            help = "use `repeat` for repetition; a block cannot contain itself"
            mark = calls[circle[-1]][block].mark
            problems.add(Problem("E0214", f"a block contains itself: {text}", mark, help=help))
            for inner in circle:
                inner.body = None
            return
        if block in done or len(trail) > MAX_BLOCK_DEPTH or block not in calls:
            return
        for inner in calls[block]:
            visit(inner, [*trail, block])
        done.add(block)

    for block in blocks:
        visit(block, [])


def _block_calls(body: Body | None) -> Iterator[BlockCall]:
    for element in elements_of(body):
        if isinstance(element, BlockCall):
            yield element
        elif isinstance(element, ChosenCall):
            yield from (call for _, call in element.calls() if isinstance(call, BlockCall))


def chosen_calls(body: Body | None) -> Iterator[ChosenCall]:
    """The layers and blocks of a body that an expression names."""
    return (element for element in elements_of(body) if isinstance(element, ChosenCall))


def elements_of(body: Body | None) -> Iterator[LayerCall | BlockCall | ChosenCall]:
    """The layers and blocks of a body and its nested bodies; those of loops once."""
    waiting: list[Entry | Splice] = list(body.entries) if body else []
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, Splice):
            waiting += entry.entries
        elif isinstance(entry.element, Body):
            waiting += entry.element.entries
        elif entry.element is not None and not isinstance(entry.element, Share):
            yield entry.element
