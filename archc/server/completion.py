"""Completions at the cursor: layer types, blocks, arguments, references, keys, files.

The text up to the cursor is parsed up to its first error, with a marker at the cursor that doesn't occur in specs. So
the place is known even while the document is incomplete.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from lsprotocol import types

from archc.expressions.tree import FUNCTIONS
from archc.graph import walk
from archc.kinds import KINDS
from archc.kinds.initializers import INITIALIZERS
from archc.language.initialization import initialized_kinds
from archc.language.load import Loader
from archc.language.parse import BODY, SHARE
from archc.library import bundled, folder_specs, named_file
from archc.problems import SpecError
from archc.reading import Map, Seq, read_beginning
from archc.server.analysis import Analysis
from archc.server.documentation import KEYS, argument_name, call_doc, defaults, initializer_doc, key_doc, words
from archc.server.figures import called, common_output, layers_of
from archc.server.markdown import content
from archc.server.names import references, variables
from archc.server.places import Place
from archc.server.recognition import is_spec
from archc.server.slots import Role, Slot, slot_at
from archc.server.text import Text

TRIGGERS: Final = [" ", "$", "{", "[", "."]
"""Characters after which an editor requests completions automatically."""

_TRUTH: Final = ("true", "false")
_CURSOR: Final = "\ue000"
_TOP = re.compile(r"(?m)^(\w+)[ \t]*:")
_TO_FILL = re.compile(r"\$\{\d\}")

Item = types.CompletionItemKind


class Candidate(NamedTuple):
    """A completion; `text` may contain `${1}`, places to fill in."""

    label: str
    text: str
    kind: types.CompletionItemKind
    documentation: str = ""
    detail: str = ""


class _Cursor(NamedTuple):
    """The context of the cursor: the key or value that starts there, and its surroundings on the line."""

    root: Map
    place: Place
    alone: bool
    named: bool
    """Whether a colon follows."""

    def key(self, label: str, value: str = "") -> str:
        """The text of a key."""
        return label if self.named else f"{label}: {value}"


def completions(
    text: Text, offset: int, analysis: Analysis, *, snippets: bool = True, markdown: bool = True
) -> list[types.CompletionItem]:
    """The completions at a place, the likeliest first; the analysis may be of the text before the last keystrokes."""
    if not analysis.ours and not is_spec(text.text) and not set(_TOP.findall(text.text)) <= KEYS[Role.SPEC].keys():
        return []  # another YAML file; an empty document can become a spec
    before = text.text[:offset]
    expression = _in_expression(before[before.rfind("\n") + 1 :])
    letters = r"\w*" if expression else r"[\w.$-]*"
    begun, rest = re.search(rf"{letters}\Z", before), re.match(letters, text.text[offset:])
    assert begun is not None
    assert rest is not None
    word, there = begun[0], text.range_of(begun.start(), offset + rest.end())
    cursor = _cursor(analysis.name, before, begun.start(), text.text[offset + rest.end() :])
    if cursor is None:
        return []
    if expression:
        found = _names(analysis, cursor, "", [*FUNCTIONS, *_TRUTH])
    elif word.startswith("$"):
        found = _names(analysis, cursor, "$")
    else:
        found = _of_key(analysis, cursor) if cursor.place.on_key else _of_value(analysis, cursor)
    return [_item(candidate, number, there, snippets, markdown) for number, candidate in enumerate(found)]


def cursor_at(name: str, text: Text, offset: int) -> _Cursor | None:
    """The context of the cursor, from the text before it; None in a comment, or if nothing can be parsed."""
    begun = re.search(r"[\w.$-]*\Z", text.text[:offset])
    assert begun is not None
    return _cursor(name, text.text[:offset], begun.start(), text.text[offset:])


def _in_expression(line: str) -> bool:
    begin = line.rfind("$(")
    inside = line[begin + 1 :]
    return begin >= 0 and inside.count("(") > inside.count(")")


def _cursor(name: str, before: str, begun: int, after: str) -> _Cursor | None:
    """The context of the cursor, from the text before it; None in a comment, or if nothing can be parsed."""
    line = before[before.rfind("\n", 0, begun) + 1 : begun]
    alone = not line.strip(" -")
    # A word alone on its line starts a key, so keys must precede it.
    for end in (":", "") if alone else ("", ":", "'", '"'):
        root = read_beginning(f"{before}{_CURSOR}{end}", name)
        place = None if root is None else _last(root)
        if root is not None and place is not None:
            return _Cursor(root, place, alone, after.lstrip(" ").startswith(":"))
    return None


def _last(root: Map) -> Place | None:
    """The last key or value of a tree, if it is the cursor's."""
    node: Any = root
    place = Place((), (), False)
    while isinstance(node, Map | Seq) and node:
        step: Any = next(reversed(node)) if isinstance(node, Map) else len(node) - 1
        place = Place((*place.steps, step), (*place.holders, node), isinstance(step, str) and _CURSOR in step)
        if place.on_key:
            return place
        node = node[step]
    return place if isinstance(node, str) and _CURSOR in node else None


def _item(
    candidate: Candidate, number: int, there: types.Range, snippets: bool, markdown: bool
) -> types.CompletionItem:
    snippet = snippets and "${" in candidate.text
    text = candidate.text if snippet else _TO_FILL.sub("", candidate.text)
    said = content(candidate.documentation, markdown=markdown) if candidate.documentation else None
    return types.CompletionItem(
        candidate.label,
        kind=candidate.kind,
        detail=candidate.detail or None,
        documentation=said,
        sort_text=f"{number:04}",
        filter_text=candidate.label,
        text_edit=types.TextEdit(there, text),
        insert_text_format=types.InsertTextFormat.Snippet if snippet else types.InsertTextFormat.PlainText,
    )


def _names(analysis: Analysis, cursor: _Cursor, sign: str, others: Iterable[str] = ()) -> Iterator[Candidate]:
    """The names that an expression can use."""
    for name in reversed(variables(cursor.root, cursor.place, analysis.extended)):
        if _CURSOR not in name:
            yield Candidate(f"{sign}{name}", f"{sign}{name}", Item.Variable)
    for name in others:
        yield Candidate(name, name, Item.Function if name in FUNCTIONS else Item.Constant)


# Keys


def _of_key(analysis: Analysis, cursor: _Cursor) -> Iterator[Candidate]:
    holder: Any = cursor.place.holders[-1]
    slot = slot_at(cursor.place.steps[:-1])
    given = set(holder)
    match slot.role:
        case Role.ENTRY:
            alone = called(holder) == cursor.place.steps[-1]
            if alone:
                yield from _calls(analysis, cursor)
            yield from _keys(KEYS[Role.ENTRY], given if alone else {*given, *BODY}, cursor)
        case Role.CALL:
            for name in defaults(slot.target, analysis.blocks):
                if name not in given:
                    said = key_doc(slot, name, analysis.blocks)
                    yield Candidate(name, cursor.key(name), Item.Property, said)
        case Role.FUNCTION if slot.target in INITIALIZERS:
            yield from _keys(dict.fromkeys(INITIALIZERS[slot.target].model_fields, ""), given, cursor)
        case Role.INITIALIZER:
            for name in INITIALIZERS:
                yield Candidate(name, cursor.key(name, "{${1}}"), Item.Function, initializer_doc(name))
        case Role.PARAMETERS if analysis.network is not None and "extends" in cursor.root:
            yield from _keys(dict.fromkeys(analysis.network.spec.parameters, ""), given, cursor)
        case Role.IMPORTS:
            for name in _files(analysis):
                yield Candidate(name, cursor.key(name, "[${1}]"), Item.File)
        case role if role in KEYS:
            yield from _keys(KEYS[role], given, cursor)


def _keys(known: dict[str, str], given: set[str], cursor: _Cursor) -> Iterator[Candidate]:
    for name, said in known.items():
        if name not in given:
            yield Candidate(name, cursor.key(name), Item.Keyword, said)


def _calls(analysis: Analysis, cursor: _Cursor) -> Iterator[Candidate]:
    """The blocks and layer types that an entry can call, with their required arguments."""
    only = cursor.alone and len(cursor.place.holders[-1]) == 1
    for name in (*analysis.blocks, *KINDS):
        if name in KINDS and KINDS[name].many:
            value = "[${1}, ${2}]"
        else:
            needed = [each for each, default in defaults(name, analysis.blocks).items() if default is None]
            value = ", ".join(f"{each}: ${{{number}}}" for number, each in enumerate(needed, 1))
            value = f"{{{value}}}" if value else ""
        if not cursor.place.on_key:
            text = f"{{{name}: {value}}}" if value else name
        else:
            text = name if only and not value else cursor.key(name, value)
        kind = Item.Class if name in analysis.blocks else Item.Function
        yield Candidate(name, text, kind, call_doc(name, analysis.blocks))


# Values


def _of_value(analysis: Analysis, cursor: _Cursor) -> Iterator[Candidate]:
    slot = slot_at(cursor.place.steps)
    match slot.role:
        case Role.ENTRY:
            yield from _calls(analysis, cursor)
        case Role.JOIN:
            for name, kind in KINDS.items():
                if kind.many and kind.most is None:
                    yield Candidate(name, name, Item.Function, call_doc(name, analysis.blocks))
        case Role.REFERENCE if cursor.place.steps[-1] == SHARE:
            yield from _shareable(analysis, cursor)
        case Role.REFERENCE:
            yield from _references(analysis, cursor)
        case Role.FLAG:
            yield from (Candidate(name, name, Item.Constant) for name in _TRUTH)
        case Role.CALL | Role.ARGUMENT:
            name = argument_name(slot, analysis.blocks)
            said = key_doc(Slot(Role.CALL, slot.target), name, analysis.blocks)
            for word in words(slot.target, name):
                yield Candidate(word, word, Item.EnumMember, said)
            yield from _names(analysis, cursor, "$")
        case Role.VALUE:
            yield from _names(analysis, cursor, "$")
        case Role.FILE:
            yield from (Candidate(name, name, Item.File) for name in _files(analysis))
        case Role.IMPORTED:
            for name, block in _blocks_of(analysis, slot.target).items():
                yield Candidate(name, name, Item.Class, call_doc(name, {name: block}))
        case Role.INITIALIZED:
            known = initialized_kinds()
            yield from (Candidate(name, name, Item.Function) for name in known)
            layers = [] if analysis.network is None else walk(analysis.network.graph)
            owned = (each for each in layers if not each.shared)
            yield from (Candidate(each.path, each.path, Item.Field) for each in owned if each.kind.kind in known)
        case Role.INITIALIZER:
            for name in INITIALIZERS:
                yield Candidate(name, f"{{{name}: {{${{1}}}}}}", Item.Function, initializer_doc(name))


def _references(analysis: Analysis, cursor: _Cursor) -> Iterator[Candidate]:
    """The entries above this one, the nearest first, and the body's own input."""
    for name, entry in reversed(references(cursor.place).items()):
        layers = layers_of(analysis, *entry)
        yield Candidate(name, name, Item.Field, detail=common_output(layers))
        for layer in layers[:1]:
            for output in layer.node.shapes:
                if output is not None:
                    yield Candidate(f"{name}.{output}", f"{name}.{output}", Item.Field)
    yield Candidate("input", "input", Item.Field, "The input of the enclosing layers.")


def _shareable(analysis: Analysis, cursor: _Cursor) -> Iterator[Candidate]:
    """The entries above this one in the same body, the nearest first; a join has no weights."""
    body = cursor.place.holders[-2]
    for name, (holder, key) in reversed(references(cursor.place).items()):
        target = called(holder[key]) if holder is body else None
        if holder is body and not (target is not None and target in KINDS and KINDS[target].many):
            yield Candidate(name, name, Item.Field, detail=common_output(layers_of(analysis, holder, key)))


def _files(analysis: Analysis) -> list[str]:
    """The other files of the document's folder, then the bundled specs."""
    beside = [] if analysis.path is None else folder_specs(analysis.path.parent)
    return [*(path.name for path in beside if path != analysis.path), *bundled()]


def _blocks_of(analysis: Analysis, file: str) -> dict[str, Any]:
    """The blocks that can be imported from a file."""
    path = named_file(file, None if analysis.path is None else analysis.path.parent)
    if path is None or path == analysis.path:
        return {}
    try:
        return Loader(analysis.read).blocks(analysis.read(path, file), (path,))
    except SpecError:
        return {}
