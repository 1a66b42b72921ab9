"""YAML text to the located tree: YAML 1.2 scalars, places, and what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archc
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
        (f"a: 0x{'f' * 6000}", "E0203"), (f"a: 0o{'7' * 6000}", "E0203"),
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


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_named(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes("# é\ninput: [3, 8, 8]\n".encode(encoding))
    with pytest.raises(SpecError) as caught:
        read_file(path, "x.yaml")
    assert str(caught.value).splitlines() == [
        "error[E0102]: this is UTF-16 text", " --> x.yaml:1:1", "  = help: save the file as UTF-8",
    ]  # fmt: skip


def test_latin_1_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xef\xbb\xbfinput: [3, 8, 8]\nname: Caf\xe9\n")
    with pytest.raises(SpecError) as caught:
        read_file(path, "x.yaml")
    assert str(caught.value).splitlines() == [
        "error[E0102]: byte 0xe9 is not UTF-8 text",
        " --> x.yaml:2:10",
        "  |",
        "2 | name: Café",
        "  |          ^",
        "  |",
        "  = help: in Latin-1 it is `é`: save the file as UTF-8",
    ]


def test_fifos_and_devices_are_not_read(tmp_path: Path) -> None:
    """Nobody writes to the FIFO, and /dev/zero never ends."""
    fifo = tmp_path / "fifo.yaml"
    os.mkfifo(fifo)
    for path in (fifo, Path("/dev/zero")):
        with pytest.raises(SpecError, match="cannot be read: it is not a regular file"):
            read_file(path, path.name)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert dict(read_file(path, "bom.yaml")) == {"a": 1}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.text(max_size=5)
    | st.sampled_from(["😀", "a\n😀", "a \u2028 b", "\x7f"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), JSON, max_size=4), st.booleans(), st.sampled_from([None, 1]))
def test_json_is_read_as_it_was_written(value: dict[str, Any], ascii: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii, indent=indent)
    assert json.dumps(read_text(text, "x.json")) == json.dumps(value)
    late = json.dumps(value, ensure_ascii=ascii, indent=indent, separators=(",", "\n : "))
    assert json.dumps(read_text(late, "x.json")) == json.dumps(value)


def test_places_in_json_are_those_of_its_text() -> None:
    root = read_text('{"\\ud83d\\ude00": "\\\\ud83d\\\\ude00", "b"\n: [1, "\\ud83d\\ude00"]}', "x.json")
    assert dict(root) == {"😀": "\\ud83d\\ude00", "b": [1, "😀"]}
    assert root.values_at["😀"][1:] == (1, 18, 1, 34)
    assert root.keys_at["b"][1:] == (1, 36, 1, 39)
    assert root.values_at["b"][1:] == (2, 3, 2, 22)
    assert root["b"].items_at[1][1:] == (2, 7, 2, 21)


NBSP = "\u00a0"
LOOKALIKES = {
    f"input:{NBSP}[3, 8, 8]\nlayers: [relu]": "line 1, column 7 has a no-break space (U+00A0): write a plain space",
    f"input: [3, 8, 8]\nlayers:\n{NBSP}{NBSP}a: relu": "there is a no-break space (U+00A0): write a plain space",
    f"input: [3, 8, 8]\nlayers: [relu{NBSP}]": "there is a no-break space (U+00A0): write a plain space",
    f"input: [3, 8, 8]\nlayers:\n  -{NBSP}relu": "there is a no-break space (U+00A0): write a plain space",
    f"input: [3, 8, {NBSP}8]\nlayers: [relu]": "there is a no-break space (U+00A0): write a plain space",
    f"input: [3, 8, 8]\nlayers: [{{linear:{NBSP}{{out_features: 1}}}}]":
        "line 2, column 18 has a no-break space (U+00A0): write a plain space",
    "input：[3, 8, 8]\nlayers: [relu]": "line 1, column 6 has a full-width colon (U+FF1A): write `:`",
    "input: [3, 8, 8]\nlayers：\n  a: relu": "line 2, column 7 has a full-width colon (U+FF1A): write `:`",
    "input: [3, 8, 8]\nlayers: {a: relu， b: relu}": "line 2, column 17 has a full-width comma (U+FF0C): write `,`",
    "input: [3, 8, 8]\nlayers: [\u200brelu]": "there is a zero width space (U+200B): remove it",
}  # fmt: skip


@pytest.mark.parametrize("text", LOOKALIKES)
def test_what_looks_like_yaml_is_named(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        archc.loads(text)
    assert LOOKALIKES[text] in [problem.help for problem in caught.value.problems]


def test_texts_may_hold_any_character() -> None:
    text = f"description: 网络：一，二{NBSP}%\ninput: [3, 8, 8]\nlayers: [relu]\n"
    assert archc.loads(text).network.spec.description == f"网络：一，二{NBSP}%"


@pytest.mark.parametrize(
    "expression",
    ["$(max(a, b))", "$(max(a, min(3, b)) * 2)", "$(c[0])", "$(max(a, c[0]))", "$(max(a, [1, 2][0]))", "$({1: 2}[1])"],
)
@pytest.mark.parametrize("place", ["[flatten, {linear: %s}]", "[flatten, {linear: {out_features: %s, bias: true}}]"])
def test_an_expression_that_brackets_cut_is_named(expression: str, place: str) -> None:
    text = f"input: [3, 8, 8]\narguments: {{a: 1, b: 2, c: [1]}}\nlayers: {place % expression}"
    with pytest.raises(SpecError) as caught:
        archc.loads(text)
    (problem,) = caught.value.problems
    assert (problem.code, problem.help) == ("E0211", f"quote it: `'{expression}'`")


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
