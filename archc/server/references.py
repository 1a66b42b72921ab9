"""References to a name, and the edits that rename it.

A name belongs to its declaration, so its references are the places that lead to this declaration: in the document, and
in other specs of its folder, which may import or extend it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lsprotocol import types

from archc.graph import walk
from archc.library import folder_specs
from archc.problems import Mark
from archc.reading import Map
from archc.server.analysis import Analysis
from archc.server.definition import declaration
from archc.server.figures import called
from archc.server.names import INDEX, variables
from archc.server.places import Place, key_mark, place_at
from archc.server.slots import Role, slot_at
from archc.server.text import Text
from archc.server.walk import Word, places, words, written

Analyzed = Callable[[Path, str], Analysis | None]
"""Returns the analysis of another file, from the editor or the disk; None if a word doesn't occur there."""
Again = Callable[[Analysis, dict[str, str]], Analysis]
"""Returns the analysis of a file with other texts for files, by name."""


class CannotRename(Exception):
    """Raised if a name can't be changed; the message has the reason."""


class _Name(NamedTuple):
    """A name under the cursor: its text at the cursor, and its declaration."""

    word: Word
    declared: Mark
    text: str


def references(
    analysis: Analysis, offset: int, analyzed: Analyzed, *, declared: bool = True
) -> list[types.Location] | None:
    """The references to the name at a place, in the specs of its folder; None if there is no name.

    The declaration is included on request.
    """
    name = _name_at(analysis, offset)
    if name is None:
        return None
    found = []
    for each in _concerned(analysis, name, analyzed):
        for word, here in _uses(each, name):
            if declared or not here:
                found.append(types.Location(each.uri, each.text.range_of(word.start, word.end)))
    return found


def renamable(analysis: Analysis, offset: int) -> types.Range | None:
    """The range of the name at a place; None if there is no name that the author chose."""
    name = _name_at(analysis, offset)
    return None if name is None else analysis.text.range_of(name.word.start, name.word.end)


def rename(analysis: Analysis, offset: int, new: str, analyzed: Analyzed, again: Again) -> types.WorkspaceEdit | None:
    """The edits that rename the name at a place; None if there is no name.

    `again` analyzes a file with other texts. Raises CannotRename if the specs would have another meaning.
    """
    name = _name_at(analysis, offset)
    if name is None:
        return None
    edits: dict[str, list[types.TextEdit]] = {}
    texts: dict[str, str] = {}
    concerned = [each for each in _concerned(analysis, name, analyzed) if any(_uses(each, name))]
    if name.declared.source.name not in {each.name for each in concerned}:
        raise CannotRename(f"`{name.word.text}` is declared in `{Path(name.declared.source.name).name}`")
    for each in concerned:
        text = each.text.text
        for word, _ in reversed(list(_uses(each, name))):
            if word.text != name.word.text:
                raise CannotRename(f"`{word.text}` gets its name from an index: rename it by hand")
            text = text[: word.start] + new + text[word.end :]
            edit = types.TextEdit(each.text.range_of(word.start, word.end), new)
            edits.setdefault(each.uri, []).insert(0, edit)
        texts[each.name] = text
    for each in concerned:
        _check(each, again(each, texts))
    return types.WorkspaceEdit(changes=edits)


def _check(before: Analysis, after: Analysis) -> None:
    """Raise CannotRename if a file has another problem or another network than before."""
    known = [problem.code for problem in before.problems]
    for problem in after.problems:
        if problem.code not in known:
            raise CannotRename(problem.message)
        known.remove(problem.code)
    if _meaning(before) != _meaning(after):
        raise CannotRename("this name already has a meaning here, so the network would change")


def _meaning(analysis: Analysis) -> Any:
    network = analysis.network
    layers = [] if network is None else walk(network.graph)
    return [(each.kind, each.node.inputs, tuple(each.node.shapes.values()), each.node.shares) for each in layers]


# Names and their uses


def _name_at(analysis: Analysis, offset: int) -> _Name | None:
    place = place_at(analysis.root, *analysis.text.place(offset)) if analysis.root is not None else None
    if place is None:
        return None
    for word in words(place, analysis.text):
        declared = _declared(analysis, place, word) if word.start <= offset <= word.end else None
        if declared is not None:
            return _Name(word, declared, _text_of(declared, analysis).strip("\"'"))
    return None


def _declared(analysis: Analysis, place: Place, word: Word) -> Mark | None:
    """The declaration of a word; None for a keyword or a value."""
    root = analysis.root
    assert root is not None
    slot, above = slot_at(place.steps), slot_at(place.steps[:-1])
    first = next(iter(words(place, analysis.text))).start == word.start
    if "$" in str(written(place)):
        return variables(root, place, analysis.extended).get(word.text)
    if place.on_key:
        if above.role in (Role.ENTRIES, Role.BLOCKS, Role.INPUTS) or (
            above.role is Role.PARAMETERS and "extends" not in root
        ):
            return place.mark
        return None if above.role is Role.IMPORTS else declaration(analysis, place, word.text)
    if slot.role is Role.INITIALIZED:
        return _along(root, place, word, analysis.text)
    if slot.role is Role.INPUT or (slot.role is Role.OTHER and _names_turns(place)):
        return place.mark
    named = slot.role in (Role.ENTRY, Role.IMPORTED) or (slot.role is Role.REFERENCE and first)
    return declaration(analysis, place, word.text) if named else None


def _names_turns(place: Place) -> bool:
    """Return True if a value names a loop's variable."""
    key = next((step for step in reversed(place.steps) if isinstance(step, str)), "")
    return key in ("for", "index") and len(place.steps) - place.steps.index(key) <= 2


def _along(root: Map, place: Place, word: Word, text: Text) -> Mark | None:
    """The entry that a part of a layer's path names, through the bodies and blocks of the document."""
    node: Any = root
    blocks = root.get("blocks")
    for part in words(place, text):
        holder = next((node[key] for key in ("layers", "branches") if isinstance(node, Map) and key in node), None)
        if not isinstance(holder, Map) or part.text not in holder:
            return None
        if part.start == word.start:
            return key_mark(holder, part.text)
        node = holder[part.text]
        call = called(node)
        if isinstance(blocks, Map) and call is not None and call in blocks:
            node = blocks[call]
    return None


def _uses(analysis: Analysis, name: _Name) -> Iterator[tuple[Word, bool]]:
    """The places of a document that lead to a declaration, in order, and whether each is the declaration."""
    if analysis.root is None:
        return
    target = _key(name.declared)
    needle, several = _needle(name), "$" in name.text
    for place in places(analysis.root):
        if needle not in str(written(place)):
            continue
        for word in words(place, analysis.text):
            declared = _declared(analysis, place, word) if several or word.text == needle else None
            if declared is not None and _key(declared) == target:
                yield word, _key(place.mark) == target


def _text_of(mark: Mark, analysis: Analysis) -> str:
    """The text at a place in the document as analyzed; its source may already have the next text."""
    if mark.source.name != analysis.name:
        return mark.text
    text = analysis.text
    return text.text[text.mark_offset(mark.line, mark.column) : text.mark_offset(mark.end_line, mark.end_column)]


def _needle(name: _Name) -> str:
    """A text that every use of a name contains: the name, or its longest part without expressions."""
    return max(INDEX.split(name.text)[::2], key=len)


def _key(mark: Mark) -> tuple[str, int, int]:
    return (mark.source.name, mark.line, mark.column)


def _concerned(analysis: Analysis, name: _Name, analyzed: Analyzed) -> Iterator[Analysis]:
    """The document, and the specs of its folder that read the file with the declaration."""
    yield analysis
    if analysis.path is None:
        return
    home = Path(name.declared.source.name)
    for path in folder_specs(analysis.path.parent):
        other = analyzed(path, _needle(name)) if path != analysis.path else None
        if other is not None and (path == home or home in other.files):
            yield other
