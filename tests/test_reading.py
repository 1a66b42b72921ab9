"""YAML text to the located tree: YAML 1.2 scalars, places, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archc.limits import MAX_FILE_BYTES, MAX_YAML_DEPTH
from archc.problems import SpecError
from archc.reading import Map, Seq, read_file, read_text
from archc.reading.scalars import plain_scalar


def code_of(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        read_text(text, "x.yaml")
    (problem,) = caught.value.problems
    return problem.code


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("0755", 755), ("0o755", 493), ("0x1F", 31), ("3:30", "3:30"),
        ("1e-3", 0.001), ("1_000", "1_000"), ("-.5", -0.5), (".inf", float("inf")), ("-.inf", -float("inf")),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None), ("+12", 12), ("1.", 1.0), ("-", "-"),
        (".", "."), ("1.2.3", "1.2.3"), ("2001-01-01", "2001-01-01"), ("=", "="), ("None", "None"),
    ],
)  # fmt: skip
def test_plain_scalars_are_read_as_yaml_1_2(text: str, value: Any) -> None:
    found = plain_scalar(text)
    assert found == value
    assert type(found) is type(value)


@given(st.one_of(st.integers(-(10**30), 10**30), st.floats(allow_nan=False), st.booleans(), st.none()))
def test_values_survive_being_written_and_read(value: Any) -> None:
    """Numbers, truth values and null, written as YAML writes them, are read back the same."""
    text = {True: "true", False: "false", None: "null"}.get(value) if value in (True, False, None) else None
    text = text if type(value) in (bool, type(None)) and text else repr(value).replace("inf", ".inf")
    assert plain_scalar(text) == value
    assert type(plain_scalar(text)) is type(value)


def test_every_key_and_value_knows_its_place() -> None:
    root = read_text("a: 1\nb:\n  - x\n  - {c: [é, 'd e']}\n", "x.yaml")
    assert root.keys_at["a"][1:] == (1, 1, 1, 2)
    assert root.values_at["a"][1:] == (1, 4, 1, 5)
    seq = root["b"]
    assert isinstance(seq, Seq)
    assert seq.items_at[0][1:] == (3, 5, 3, 6)
    inner = seq[1]
    assert isinstance(inner, Map)
    assert inner.keys_at["c"][1:] == (4, 6, 4, 7)
    assert inner.values_at["c"][1:] == (4, 9, 4, 19)
    assert inner["c"].items_at[1][1:] == (4, 13, 4, 18)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "E0103"), ("# only\n", "E0103"), ("3", "E0103"), ("- a", "E0103"), ("a: [", "E0104"),
        ("a: 1\na: 2", "E0105"),
        ("a: &x 1", "E0106"), ("a: *x", "E0106"), ("<<: {a: 1}", "E0106"), ("a: !!str 1", "E0106"),
        ("a: 1\n---\nb: 2", "E0106"), ("? [a]\n: 1", "E0104"), ("a\0b", "E0102"), (f"a: {'9' * 5000}", "E0203"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, code: str) -> None:
    assert code_of(text) == code


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "a:\n "])
def test_deep_nesting_is_refused_without_recursion(opening: str) -> None:
    """100,000 levels: one clear problem; a composer would overflow the stack."""
    text = "".join(" " * i + "a:\n" for i in range(2000)) if "\n" in opening else opening * 100_000
    assert code_of(text) == "E0107"
    assert code_of("[" * (MAX_YAML_DEPTH + 1) + "]" * (MAX_YAML_DEPTH + 1)) == "E0107"


def test_a_quoted_merge_key_is_a_key() -> None:
    assert dict(read_text('"<<": 1', "x.yaml")) == {"<<": 1}


def test_duplicate_keys_are_all_reported() -> None:
    with pytest.raises(SpecError) as caught:
        read_text("a: 1\na: 2\nb: {c: 1, c: 2}\n", "x.yaml")
    assert [(p.code, p.mark and p.mark.line) for p in caught.value.problems] == [("E0105", 2), ("E0105", 3)]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Missing, a folder, binary, too large, no permission: one problem each that names the file."""
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"a: 1\nb: \xff\xfe\x00")
    large = tmp_path / "large.yaml"
    with large.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    for path, code in [
        (tmp_path / "missing.yaml", "E0101"),
        (tmp_path, "E0101"),
        (binary, "E0102"),
        (large, "E0108"),
    ]:
        with pytest.raises(SpecError) as caught:
            read_file(path, path.name)
        (problem,) = caught.value.problems
        assert problem.code == code
        assert problem.file == path.name
    with pytest.raises(SpecError) as caught:
        read_file(binary, "b")
    assert caught.value.problems[0].mark is not None
    assert caught.value.problems[0].mark[1:3] == (2, 4)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert dict(read_file(path, "bom.yaml")) == {"a": 1}


def test_the_pure_parser_gives_the_same_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the C library the events come from ruamel.yaml's own parser: same values, same places."""
    text = "a: [1, é, {b: no, c: }]\nd:\n  - 'x y'\n  - 1e-3\n"
    fast = read_text(text, "x.yaml")
    monkeypatch.setitem(sys.modules, "_ruamel_yaml", None)
    slow = read_text(text, "x.yaml")
    assert dict(fast) == dict(slow)
    assert {k: m[1:] for k, m in fast.values_at.items() if k == "a"} == {
        k: m[1:] for k, m in slow.values_at.items() if k == "a"
    }
    assert [m[1:] for m in fast["d"].items_at] == [m[1:] for m in slow["d"].items_at]
    assert code_of("a: [") == "E0104"


@given(st.text(max_size=200))
def test_no_text_causes_anything_but_a_tree_or_problems(text: str) -> None:
    """Any text is read, or answered by problems with places inside it."""
    problems = []
    try:
        read_text(text, "x.yaml")
    except SpecError as error:
        problems = error.problems
    assert all(str(SpecError([problem])) for problem in problems)


def test_half_of_a_character_is_no_text() -> None:
    """What Python's and editors' strings can hold, and no file."""
    with pytest.raises(SpecError) as caught:
        read_text("a: 1\nb: \ud800\n", "x.yaml")
    (problem,) = caught.value.problems
    assert (problem.code, problem.mark and problem.mark.line) == ("E0102", 2)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x85", "\u2028"])
def test_lines_end_where_the_parser_ends_them(end: str) -> None:
    """The excerpt is the line of the fault, whatever ends the lines before it."""
    mark = read_text(f"a: 1{end}b: {{c: 2}}{end}", "x.yaml")["b"].values_at["c"]
    assert (mark.line, mark.source.line(mark.line)) == (2, "b: {c: 2}")
