"""A text that is read again after each change: the tree is that of a new reading, and what did not change is kept."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archc.library import bundled
from archc.problems import Problems, SpecError
from archc.reading import Map, Rereader, Seq, read_text

TEXTS = [bundled()[name].read_text("utf-8") for name in ("googlenet", "vgg16", "densenet121")]
TEXTS += [
    "a: 1\nlist:\n- {b: 2}\n- - c\n  - |\n    text\n\n- d: |+\n    kept\n\n  e: # nothing\n\n  f: 'two\n    lines'\n",
    "a:\n  b: plain\n   goes on\n  c: {d: 1,\n    e: 2}\n  # a comment\n  g:\n    - h\n    -\n      i: j\n    # end",
    "a: 1\r\nb:\r\n  c: 2\r\n  d: 3\x85  e: 4\u2028  f: 5\r\nlast: >\r\n  x\r\n",
]
PIECES = [
    "",
    "\n",
    " ",
    "  ",
    "x",
    "x: 1\n",
    "  x: 1\n",
    "    x: [1,\n",
    "- ",
    "# ",
    ": ",
    "|\n",
    "'",
    "{",
    "}",
    "]",
    "\r",
]
PIECES += ["---\n", "...\n", "%", "\t", "? ", "&a ", "\ufeff", "\0", "\ud800", "\x85", "\n\n    # deep\n", "$(f(1, 2))"]


def everything(node: Any) -> Any:
    """A tree with each of its marks, and the lines that they show."""

    def place(mark: Any) -> Any:
        return (*mark[1:], mark.text, mark.source.text)

    if isinstance(node, Map):
        rows = [
            (key, place(node.keys_at[key]), everything(each), place(node.values_at[key])) for key, each in node.items()
        ]
        return ("map", place(node.mark), rows)
    if isinstance(node, Seq):
        return (
            "seq",
            place(node.mark),
            [(everything(each), place(at)) for each, at in zip(node, node.items_at, strict=True)],
        )
    return (type(node), node)


def read(reader: Any, text: str) -> Any:
    """The tree of a text, with the keys that stand twice; or what is wrong with it."""
    faults = Problems()
    try:
        tree = everything(reader(text, "x.yaml", faults=faults))
    except SpecError as error:
        return [(each.code, each.message, each.mark and each.mark[1:]) for each in error.problems]
    return tree, [(each.code, each.message, each.mark and each.mark[1:]) for each in faults.sorted()]


@settings(max_examples=settings().max_examples * 5)
@given(st.data())
def test_a_reading_again_is_a_reading(data: st.DataObject) -> None:
    """Pieces cut out and put in, one after the other, most of them at lines: tree, marks and problems are the same."""
    text = data.draw(st.sampled_from(TEXTS), "text")
    rereader = Rereader()
    assert read(rereader.read, text) == read(read_text, text)
    for _ in range(data.draw(st.integers(1, 4), "edits")):
        lines = text.split("\n")
        line = data.draw(st.integers(0, len(lines) - 1), "line")
        start = len("\n".join(lines[:line])) + (line > 0) + data.draw(st.integers(0, len(lines[line])), "column")
        length = data.draw(st.sampled_from([0, 0, 1, 3, len(lines[line]) + 1, 60]), "length")
        text = text[:start] + data.draw(st.sampled_from(PIECES), "instead") + text[start + length :]
        assert read(rereader.read, text) == read(read_text, text)


EDITS = {
    "a letter": ("conv2: {", "convo: {", True),
    "an entry less": ("  conv2: {BasicConv2d: {out_channels: 64, kernel_size: 1}}\n", "", False),
    "an entry more": ("  conv2: {", "  relu: relu\n  conv2: {", False),
    "an entry on lines": ("  conv2: {", "  more:\n    layers:\n      - relu\n  conv2: {", False),
}


@pytest.mark.parametrize("name", EDITS)
def test_what_did_not_change_is_kept(name: str) -> None:
    """The nodes above the edit; those below it too if no line was added. The others are never read."""
    before, after, below = EDITS[name]
    assert TEXTS[0].count(before) == 1
    rereader, faults = Rereader(), Problems()
    old = rereader.read(TEXTS[0], "x.yaml", faults)
    new = rereader.read(TEXTS[0].replace(before, after), "x.yaml", faults)
    assert new is not old
    assert new["blocks"] is old["blocks"]
    assert new["layers"]["conv1"] is old["layers"]["conv1"]
    assert (new["layers"]["fc"] is old["layers"]["fc"]) == below
