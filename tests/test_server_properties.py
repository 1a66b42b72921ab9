"""Properties of the server's features, called as functions: on whole specs, half ones, and ruins of specs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsprotocol import types

import archc
from archc.kinds import KINDS
from archc.library import bundled, families
from archc.reading import Map, Seq, read_text
from archc.server.analysis import Analysis, analyse
from archc.server.completion import completions
from archc.server.definition import definition
from archc.server.diagnostics import diagnostics, fixes
from archc.server.folding import folding
from archc.server.hints import hints
from archc.server.hover import hover
from archc.server.links import links
from archc.server.names import INDEX
from archc.server.places import key_mark, value_mark
from archc.server.references import references, renamable
from archc.server.signature import signature
from archc.server.slots import Role, slot_at
from archc.server.symbols import symbols
from archc.server.text import Text
from archc.server.tokens import tokens

SPECS = bundled()
FAMILIES = list(families())
"""The first of each: the others are much the same text."""
SMALL = ["alexnet", "googlenet", "small_convnet", "vgg11"]


@cache
def text_of(name: str) -> str:
    return SPECS[name].read_text("utf-8")


def understood(name: str, text: str) -> Analysis:
    """A text that stands in a spec's place, in a folder of its like."""
    path = SPECS[name]
    return analyse(path.as_uri(), path, Text(text))


def answers(analysis: Analysis, offset: int) -> None:
    """Everything that an editor can ask of a place."""
    text = analysis.text
    at = text.position(offset)
    assert text.offset(at) == offset or text.text[offset - 1 : offset + 1] == "\r\n"
    hover(analysis, offset)
    definition(analysis, offset)
    completions(text, offset, analysis)
    fixes(analysis, offset, offset)
    hints(analysis, 0, len(text.text))
    signature(text, offset, analysis)
    for use in references(analysis, offset, lambda path, word: None) or ():
        assert 0 <= text.offset(use.range.start) < text.offset(use.range.end) <= len(text.text)
    renamable(analysis, offset)
    links(analysis)
    for fold in folding(analysis):
        assert 0 <= fold.start_line < fold.end_line <= text.whole.end.line
    assert all(number >= 0 for number in tokens(analysis).data)
    for found in diagnostics(analysis):
        assert 0 <= text.offset(found.range.start) <= text.offset(found.range.end) <= len(text.text)
    inside(symbols(analysis), text.whole)


def inside(found: list[types.DocumentSymbol], whole: types.Range) -> None:
    """Each symbol lies in the one around it, and its name in it: the protocol asks for that."""
    for symbol in found:
        assert whole.start <= symbol.range.start <= symbol.selection_range.start
        assert symbol.selection_range.end <= symbol.range.end <= whole.end
        inside(list(symbol.children or ()), symbol.range)


SNIPPETS = ["", "\n", " ", "  ", "{", "}", "[", "]", ":", ": ", ",", "$", "$(", ")", "'", '"', "#", "- "]
SNIPPETS += ["&a", "*a", "!!x"]
SNIPPETS += ["layers:", "from: ", "repeat: 3", "{conv2d: {", "<<: ", "---\n"]
SNIPPETS += ["𝒳", "\t", "\r", "\0", "\u2028", "\x85", "\ue000"]


@settings(max_examples=settings().max_examples * 5)
@given(st.data())
def test_no_text_and_no_place_is_too_strange(data: st.DataObject) -> None:
    """Bundled specs with pieces cut out and put in, asked at any place: an answer or none, but never an error."""
    name = data.draw(st.sampled_from(sorted(SPECS)), "spec")
    text = text_of(name)
    for _ in range(data.draw(st.integers(1, 4), "changes")):
        start = data.draw(st.integers(0, len(text)), "start")
        end = min(len(text), start + data.draw(st.integers(0, 40), "length"))
        text = text[:start] + data.draw(st.sampled_from(SNIPPETS), "instead") + text[end:]
    answers(understood(name, text), data.draw(st.integers(0, len(text)), "place"))


@settings(max_examples=settings().max_examples * 3)
@given(st.data())
def test_the_server_says_what_check_says(data: st.DataObject) -> None:
    """Of a spec with pieces cut out and put in, the problems are those of `check`, in the same order."""
    text = text_of(data.draw(st.sampled_from(SMALL), "spec"))
    for _ in range(data.draw(st.integers(1, 4), "changes")):
        start = data.draw(st.integers(0, len(text)), "start")
        end = min(len(text), start + data.draw(st.integers(0, 40), "length"))
        text = text[:start] + data.draw(st.sampled_from(SNIPPETS), "instead") + text[end:]
    found = analyse("untitled:1", None, Text(text), ours=True).problems
    try:
        archc.loads(text)
        checked: list[archc.Problem] = []
    except archc.SpecError as error:
        checked = error.problems
    assert [(one.code, one.message, one.mark and one.mark[1:]) for one in found] == [
        (one.code, one.message, one.mark and one.mark[1:]) for one in checked
    ]


@given(st.text(), st.data())
def test_any_text_is_answered(text: str, data: st.DataObject) -> None:
    answers(understood("vgg11", text), data.draw(st.integers(0, len(text)), "place"))
    answers(understood("vgg11", f"layers: {text}"), data.draw(st.integers(0, len(text)), "place"))


@given(st.text(alphabet="aä→𝒳\n\r\x85\u2028 ", max_size=40), st.sampled_from(["utf-8", "utf-16", "utf-32"]))
def test_places_there_and_back(text: str, encoding: str) -> None:
    """Each character has a place as the editor counts, and one as marks count, and both lead back to it."""
    lines = Text(text, encoding)
    for offset in range(len(text) + 1):
        if text[offset - 1 : offset + 1] != "\r\n":  # within a line's end is no place
            assert lines.offset(lines.position(offset)) == offset
            assert lines.mark_offset(*lines.place(offset)) == offset
    assert lines.offset(types.Position(0, 10**6)) == len(re.split("[\n\r]", text)[0])


OWN = (Role.ENTRIES, Role.PARAMETERS, Role.BLOCKS, Role.REFERENCES, Role.OTHER)
"""What holds keys that the author of a spec makes up."""
GIVEN = (Role.ENTRY, Role.REFERENCE, Role.JOIN, Role.FILE, Role.IMPORTED, Role.INITIALIZED, Role.INITIALIZER)
"""What is a word that the language gives, or the spec itself elsewhere."""
WORD = re.compile(r"\$?[a-zA-Z]\w*(\.yaml)?")


def words(node: Any, steps: tuple[Any, ...] = ()) -> Iterator[tuple[str, Any]]:
    """The words of a spec that the language or the spec itself gives, with their marks."""
    pairs = node.items() if isinstance(node, Map) else enumerate(node) if isinstance(node, Seq) else ()
    for step, value in pairs:
        here = (*steps, step)
        if isinstance(step, str) and slot_at(steps).role not in OWN:
            yield step, key_mark(node, step)
        if isinstance(value, str) and WORD.fullmatch(value) and (slot_at(here).role in GIVEN or "$" in value):
            yield value, value_mark(node, step)
        yield from words(value, here)


def is_turn(word: str, label: str) -> bool:
    """Whether a word names an entry of one turn of a loop, which is offered with its index: `side1` of `side$i`."""
    parts = re.split(r"\$(?:\w+|\([^)]*\))", label)
    return len(parts) > 1 and re.fullmatch(r"\d+".join(map(re.escape, parts)), word) is not None


@pytest.mark.parametrize("name", FAMILIES)
def test_what_was_written_would_have_been_offered(name: str) -> None:
    """Behind the first letter of each word of each spec, with the rest of the spec there and with it still to come."""
    text = text_of(name)
    analysis = understood(name, text)
    for word, mark in words(analysis.root):
        offset = analysis.text.mark_offset(mark.line, mark.column) + 1
        for now in (text, text[:offset]):
            labels = [item.label for item in completions(Text(now), offset, analysis)]
            assert word in labels or any(is_turn(word, label) for label in labels), (word, mark[1:3], labels)


@pytest.mark.parametrize("name", FAMILIES)
def test_an_accepted_completion_is_what_was_written(name: str) -> None:
    """Choosing a word that stands there already changes nothing: no second colon, no half of it left."""
    text = text_of(name)
    analysis = understood(name, text)
    for word, mark in words(analysis.root):
        offset = analysis.text.mark_offset(mark.line, mark.column) + 1
        for item in completions(analysis.text, offset, analysis):
            if item.label == word and isinstance(item.text_edit, types.TextEdit) and word not in KINDS:
                start, end = (analysis.text.offset(at) for at in (item.text_edit.range.start, item.text_edit.range.end))
                after = text[:start] + re.sub(r"\$\{\d\}", "", item.text_edit.new_text) + text[end:]
                assert after == text or after.startswith(text[:start] + "{"), (word, mark[1:3])


@pytest.mark.parametrize("name", SPECS)
def test_the_outline_has_the_shapes_of_the_summary(name: str) -> None:
    """Of each layer in the network's own chain; a spec that extends another has no layers of its own."""
    outline = {symbol.name: symbol.detail or "" for symbol in symbols(understood(name, text_of(name)))}
    if "extends:" in text_of(name):
        return
    for row in archc.load(name).summary().layers:
        if "." not in row.path and row.path in outline:
            assert outline[row.path].split() == [row.kind, "×".join(map(str, row.output))]


@pytest.mark.parametrize("name", SPECS)
def test_names_lead_to_their_declarations(name: str) -> None:
    """Each block that is used, each reference and each name of an expression."""
    text = text_of(name)
    analysis = understood(name, text)
    for word, mark in words(analysis.root):
        offset = analysis.text.mark_offset(mark.line, mark.column) + 1
        called, named = word in analysis.blocks, word.startswith("$") and word != "$in_channels"
        if not (called or named):
            continue
        found = definition(analysis, offset)
        assert found is not None, (word, mark[1:3])
        other = read_text(Path(found.uri.removeprefix("file://")).read_text("utf-8"), "x").mark.source
        start = found.range.start
        assert (other.line(start.line + 1) or "")[start.character :].startswith(word.removeprefix("$"))


def test_an_expression_within_a_name_is_found() -> None:
    assert INDEX.findall("conv$i") == ["i"]
    assert INDEX.findall("a$(i + 1)_$k") == ["(i + 1)", "k"]
