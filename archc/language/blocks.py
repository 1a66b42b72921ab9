"""The blocks of a file: each declared by name, then filled in; none may contain itself."""

from __future__ import annotations

from collections.abc import Iterator

from archc.kinds import KINDS
from archc.language.header import BlockKeys
from archc.language.names import class_name_fault
from archc.language.parse import Parser
from archc.language.spec import Block, BlockCall, Body, Entry, Splice
from archc.language.validate import meant
from archc.limits import MAX_BLOCK_DEPTH
from archc.reading import Map


def parse_blocks(node: Map, parser: Parser) -> None:
    """Declare every block of a file, then fill in the bodies: blocks may use later ones."""
    blocks = node.get("blocks")
    if not isinstance(blocks, Map):
        return
    declared: list[tuple[Block, Map]] = []
    for name, keys in blocks.items():
        mark = blocks.keys_at[name]
        fault = class_name_fault(name)
        if name in KINDS:
            fault = f"`{name}` is a layer kind"
        if fault:
            parser.report("E0208", f"a block cannot be called `{name}`: {fault}", mark)
            if name in KINDS:
                continue
        if name in parser.blocks:
            parser.report("E0209", f"the block `{name}` is also imported", mark, help="rename one of them")
            continue
        if not isinstance(keys, Map):
            parser.blocks[name] = Block(name, {}, "", mark, sound=False)
            continue
        keys = meant(keys, BlockKeys)
        parameters = parser.parameters(keys.get("parameters"), frozenset({"in_channels"}), required=True)
        description = keys.get("description")
        block = Block(name, parameters, description if isinstance(description, str) else "", mark)
        parser.blocks[name] = block
        declared.append((block, keys))
    for block, keys in declared:
        parser.block(block, keys)
    _refuse_circles([block for block, _ in declared], parser)


def _refuse_circles(blocks: list[Block], parser: Parser) -> None:
    """Report blocks that contain themselves, each circle once, and leave their bodies out."""
    calls = {block.name: {call.block.name: call for call in _block_calls(block.body)} for block in blocks}
    done: set[str] = set()

    def visit(name: str, trail: list[str]) -> None:
        if name in trail:
            circle = trail[trail.index(name) :]
            help = "what repeats is written with `repeat`; a block cannot nest in itself"
            text = " → ".join([*circle, name])
            parser.report("E0214", f"a block contains itself: {text}", calls[circle[-1]][name].mark, help=help)
            for inner in circle:
                parser.blocks[inner].body = None
            return
        if name in done or len(trail) > MAX_BLOCK_DEPTH or name not in calls:
            return
        for inner in calls[name]:
            visit(inner, [*trail, name])
        done.add(name)

    for block in blocks:
        visit(block.name, [])


def _block_calls(body: Body | None) -> Iterator[BlockCall]:
    waiting: list[Entry | Splice] = list(body.entries) if body else []
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, Splice):
            waiting += entry.entries
        elif isinstance(entry.element, Body):
            waiting += entry.element.entries
        elif isinstance(entry.element, BlockCall):
            yield entry.element
