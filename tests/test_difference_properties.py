"""What holds for the difference of any two networks: drawn specs, and known changes put into them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import archc
from archc import Architecture, Difference, SpecError
from archc.difference.change import Change
from archc.graph import walk
from archc.kinds.activation import LeakyReLU
from archc.reading import read_text
from archc.testing import Draft, dump, specs

pytestmark = pytest.mark.usefixtures("one_thread")

MARK = {"leaky_relu": {"negative_slope": 0.1234}}
"""A layer that no drawn spec has, and that fits wherever one tensor flows."""

Entries = list[Any] | dict[str, Any]


def told(difference: Difference) -> list[tuple[str | None, str | None, Change]]:
    """The changes with their whole paths, once for each use of a block."""
    return [
        (_whole(use.before, change.before), _whole(use.after, change.after), change)
        for section in difference.sections
        for use in section.uses
        for change in section.changes
    ]


def _whole(use: str, path: str | None) -> str | None:
    return None if path is None else f"{use}.{path}".strip(".")


def bodies(node: Any) -> Iterator[Entries]:
    """The chains of a spec."""
    if isinstance(node, dict):
        if isinstance(node.get("layers"), list | dict):
            yield node["layers"]
        for value in node.values():
            yield from bodies(value)
    elif isinstance(node, list):
        for value in node:
            yield from bodies(value)


def plain(node: Any) -> Any:
    """A drawn spec as data of its own, to be edited."""
    if isinstance(node, dict):
        return {str(key): plain(value) for key, value in node.items()}
    return [plain(value) for value in node] if isinstance(node, list) else node


def loaded(data: dict[str, Any]) -> Architecture:
    """A spec that an edit may have broken: then another one is drawn."""
    data.pop("expect", None)
    try:
        return archc.loads(dump(data))
    except SpecError:
        assume(False)
        raise


def marks(architecture: Architecture) -> set[str]:
    layers = walk(architecture.network.graph)
    return {layer.path for layer in layers if layer.kind == LeakyReLU(negative_slope=0.1234)}


@given(specs())
def test_a_network_does_not_differ_from_itself(draft: Draft) -> None:
    """Nothing is told, nothing differs, checkpoints load; and the reports say so."""
    found = archc.diff(draft.load(), draft.load())
    assert found.equal
    assert (found.settings, found.sections, list(found.layers())) == ([], [], [])
    assert found.state.loads
    assert not found.state.renamed
    assert "structurally equal" in str(found)
    assert found.to_dict()["equal"] is True


@st.composite
def edited(draw: st.DrawFn) -> tuple[Architecture, Architecture]:
    """A network, and the same with a layer more in one of its chains."""
    draft = draw(specs())
    data = plain(read_text(draft.text, "drawn.yaml"))
    before = loaded(dict(data))
    body = draw(st.sampled_from(list(bodies(data)) or [[]]))
    place = draw(st.integers(0, len(body)))
    if isinstance(body, list):
        body.insert(place, dict(MARK))
    else:
        entries = [*body.items()]
        entries.insert(place, ("marked", dict(MARK)))
        body.clear()
        body.update(entries)
    return before, loaded(data)


@given(edited())
def test_a_layer_that_came_is_all_that_is_told(pair: tuple[Architecture, Architecture]) -> None:
    """In whatever chain it stands, and however often that is used: no other change is told, in both directions."""
    before, after = pair
    assume(marks(after))
    found = told(archc.diff(before, after))
    assert {change.sort for _, _, change in found} == {"added"}
    assert sorted(path for _, path, _ in found if path) == sorted(marks(after))
    back = told(archc.diff(after, before))
    assert {change.sort for _, _, change in back} == {"removed"}
    assert sorted(path for path, _, _ in back if path) == sorted(marks(after))


@st.composite
def retuned(draw: st.DrawFn) -> tuple[Architecture, Architecture]:
    """A network, and the same with another argument of one entry, which changes no shape."""
    draft = draw(specs())
    data = plain(read_text(draft.text, "drawn.yaml"))
    before = loaded(dict(data))
    candidates = [
        (entry, kind)
        for entry in entries_of(data)
        for kind in ("batch_norm2d", "leaky_relu", "elu", "dropout", "conv2d", "linear")
        if kind in entry
    ]
    assume(candidates)
    entry, kind = draw(st.sampled_from(candidates))
    given = entry[kind] if isinstance(entry[kind], dict) else {}
    assume(entry[kind] is None or isinstance(entry[kind], dict))
    changes: dict[str, dict[str, Any]] = {
        "batch_norm2d": {"eps": 0.0625},
        "leaky_relu": {"negative_slope": 0.0625},
        "elu": {"alpha": 0.0625},
        "dropout": {"p": 0.0625},
        "conv2d": {"bias": given.get("bias") is False},
        "linear": {"bias": given.get("bias") is False},
    }
    # An expression that a plain value replaces is a change that is told, whether or not the value is the same.
    assume(not any(isinstance(given.get(argument), str) for argument in changes[kind]))
    entry[kind] = {**given, **changes[kind]}
    return before, loaded(data)


def entries_of(node: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in the bodies of a spec: entries are among them."""
    if isinstance(node, dict):
        yield node
        for key, value in node.items():
            if key not in ("init", "arguments"):
                yield from entries_of(value)
    elif isinstance(node, list):
        for value in node:
            yield from entries_of(value)


@given(retuned())
def test_an_argument_that_changed_is_all_that_is_told(pair: tuple[Architecture, Architecture]) -> None:
    """The layers told as changed are those whose arguments differ, and nothing but the argument is told of them."""
    before, after = pair
    differing = {
        one.path
        for one, other in zip(walk(before.network.graph), walk(after.network.graph), strict=True)
        if one.kind != other.kind
    }
    found = told(archc.diff(before, after))
    assert {(old, new) for old, new, _ in found} == {(path, path) for path in differing}
    for _, _, change in found:
        assert change.sort == "changed"
        assert len(change.arguments) == 1
        assert change.reads is None
        assert [change.moved, change.renamed, change.replaced] == [False, False, False]


def mirrored(value: Any) -> Any:
    """A document with the two sides exchanged, and without what is told of one side alone."""
    if isinstance(value, dict):
        names = {"before": "after", "after": "before", "missing": "unexpected", "unexpected": "missing"}
        names |= {"before_written": "after_written", "after_written": "before_written", "in_before": "in_after"}
        names |= {"in_after": "in_before"}
        return {names.get(name, name): mirrored(part) for name, part in value.items()}
    if isinstance(value, list):
        return [mirrored(part) for part in value]
    return {"added": "removed", "removed": "added"}.get(value, value) if isinstance(value, str) else value


def in_order(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def comparable(document: dict[str, Any], *, turn: bool) -> Any:
    """A document with its lists in an order that does not depend on the direction."""
    for setting in document["arguments"]:
        for name in ("changed", "added", "removed"):
            del setting[name]
    if turn:
        document = mirrored(document)
        state = document["state_dict"]
        state["renamed"] = {new: old for old, new in state["renamed"].items()}
        state["reshaped"] = {key: shapes[::-1] for key, shapes in state["reshaped"].items()}
        for layer in document["layers"]:
            for name in ("output", "parameters", "macs", "receptive_field"):
                layer[name] = layer[name][::-1]
        for section in document["sections"]:
            for change in section["changes"]:
                change["kind"] = change["kind"][::-1]
        if document["formula"]:
            for name in ("parameters", "macs"):
                document["formula"][name] = document["formula"][name][::-1]
    for section in document["sections"]:
        section["changes"].sort(key=in_order)
        section["uses"].sort(key=in_order)
    for name in ("sections", "layers", "arguments"):
        document[name].sort(key=in_order)
    return document


def assert_mirrored(one: Architecture, other: Architecture) -> None:
    there, back = archc.diff(one, other).to_dict(), archc.diff(other, one).to_dict()
    assert comparable(there, turn=False) == comparable(back, turn=True)


@given(specs(most=40), specs(most=40))
def test_both_directions_tell_the_same(one: Draft, other: Draft) -> None:
    assert_mirrored(one.load(), other.load())


@given(edited())
def test_both_directions_of_an_edit_tell_the_same(pair: tuple[Architecture, Architecture]) -> None:
    assert_mirrored(*pair)


@given(specs(most=40), specs(most=40))
def test_what_is_not_told_is_equal(one: Draft, other: Draft) -> None:
    """Two networks whose difference tells no change have the same layers, keys and figures."""
    found = archc.diff(one.load(), other.load())
    if found.sections or found.settings or found.input:
        assert not found.equal
        return
    assert list(found.layers()) == []
    assert found.before.figures == found.after.figures
    assert found.state.loads
