"""Properties of text: what a spec means does not depend on how it is written down."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

import archc
from archc.formatting import format_text
from archc.library import bundled
from archc.reading import read_file, read_text
from archc.testing import Draft, Folder, dump, folders, specs
from archc.testing.formula import Formula

MANY = settings().max_examples * 2


def as_read(node: Any) -> Any:
    """Plain data as it comes back from a text: formulas are text, tuples lists."""
    if isinstance(node, dict):
        return {str(key): as_read(item) for key, item in node.items()}
    if isinstance(node, list | tuple):
        return [as_read(item) for item in node]
    return node.text if isinstance(node, Formula) else node


@settings(max_examples=MANY)
@given(specs(shares=True))
def test_what_is_dumped_is_what_is_read(draft: Draft) -> None:
    """load(dump(spec)) is the spec, and dumping what was read gives the same text."""
    tree = read_text(draft.text, "spec.yaml")
    assert as_read(tree) == as_read(draft.data)
    assert dump(tree) == draft.text


def test_bundled_specs_mean_the_same_when_dumped() -> None:
    """The files that come with archc, read and dumped: the same source is emitted."""
    for name, path in bundled().items():
        tree = read_file(path, name)
        if "extends" not in tree and "import" not in tree:
            again = archc.loads(dump({"name": archc.load(name).name, **tree}))
            assert again.emit().replace("network.yaml", path.name) == archc.load(name).emit()


@settings(max_examples=MANY)
@given(specs(most=24))
def test_the_formatter_changes_no_meaning(draft: Draft) -> None:
    """A formatted spec reads as the same data and emits the same bytes; formatted again it stays as it is."""
    formatted = format_text(draft.text, "spec.yaml")
    assert as_read(read_text(formatted, "spec.yaml")) == as_read(draft.data)
    assert format_text(formatted, "spec.yaml") == formatted
    assert archc.loads(formatted).emit() == draft.load().emit()


@settings(max_examples=MANY)
@given(specs(most=24), st.randoms(use_true_random=False))
def test_comments_and_the_order_of_keys_change_no_byte(draft: Draft, random: Any) -> None:
    """Comments, blank lines and the order of arguments and of the file's keys: emission gives the same bytes."""
    shuffled = dump(_shuffled(draft.data, random, entries=False))
    commented = re.sub(r"(?m)$", lambda _: random.choice(["", "", "  # a comment: with [brackets]", "\n"]), shuffled)
    assert archc.loads(commented).emit() == draft.load().emit()


def _shuffled(node: Any, random: Any, *, entries: bool) -> Any:
    """The same data with the keys of its mappings in another order, except where the order means something."""
    if isinstance(node, list):
        return [_shuffled(item, random, entries=False) for item in node]
    if not isinstance(node, dict):
        return node
    items = [
        (key, _shuffled(item, random, entries=key in ("layers", "branches", "arguments", "blocks", "outputs")))
        for key, item in node.items()
    ]
    if not entries:
        random.shuffle(items)
    return dict(items)


@settings(max_examples=MANY)
@given(folders(specs(most=24)))
def test_a_spec_in_several_files_is_the_spec_in_one(folder: Folder) -> None:
    """Blocks that are imported and parameters that an extension gives: emission gives the same bytes."""
    assert folder.load().emit() == folder.draft.load().emit()


@settings(max_examples=MANY)
@given(specs(most=24))
def test_a_repeat_of_the_network_is_its_entries_by_hand(draft: Draft) -> None:
    """In the network's own list, `repeat` and the same entries written out emit the same bytes."""
    entries = draft.data.get("layers")
    assume(isinstance(entries, list))
    written = {**draft.data, "layers": [part for entry in entries for part in _written_out(entry)]}
    assert archc.loads(dump(written)).emit() == draft.load().emit()


def _written_out(entry: Any) -> list[Any]:
    if not isinstance(entry, dict) or type(entry.get("repeat")) is not int or {"index", "when"} & entry.keys():
        return [entry]
    rest = {key: item for key, item in entry.items() if key != "repeat"}
    return rest.get("layers", [rest]) * entry["repeat"]
