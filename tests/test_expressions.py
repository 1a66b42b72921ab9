"""Expressions: values as Python computes them, and texts that give the same value again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archc.expressions import ExpressionError, Symbol, evaluate_text, names_of, plain, product_of, text_of
from archc.expressions.symbol import binary

VALUES: dict[str, Any] = {
    "c1": 64, "c3": 128, "c5": 32, "pool": 32, "in_channels": 192, "stride": 1, "k": 3, "e": 4, "p": 0.2,
    "act": "relu", "pair": (1, 7), "flag": True,
}  # fmt: skip
SYMBOLS = {name: Symbol.parameter(value, name) for name, value in VALUES.items()}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("c1 + c3 + c5 + pool", "c1 + c3 + c5 + pool"),
        ("c1 + 1 - 1", "c1"),
        ("in_channels + c1 + c1 + c1", "in_channels + c1 * 3"),
        ("c3 - c1 - c1 - 3", "c3 - c1 * 2 - 3"),
        ("c1 - (c3 - c5)", "c1 + c5 - c3"),
        ("(k - 1) // 2", "(k - 1) // 2"),
        ("e * (k - 1) // 2", "e * (k - 1) // 2"),
        ("(c1 * 4 + 8) // 4", "c1 + 2"),
        ("2 * (c1 + c3)", "2 * (c1 + c3)"),
        ("c1 * e", "c1 * e"),
        ("-c1", "-c1"),
        ("-p", "-p"),
        ("64 - c1", "64 - c1"),
        ("64 - c1 - c3 * 2", "64 - c1 - c3 * 2"),
        ("pair[stride]", "pair[stride]"),
        ("pair[-stride] + k", "pair[-stride] + k"),
        ("(8, 16)[stride]", "(8, 16)[stride]"),
        ("64 // (e * -2)", "64 // (-e * 2)"),
        ("c1 % (e * -3)", "c1 % (-e * 3)"),
        ("64 // -e", "64 // -e"),
        ("c1 ** 2", "c1**2"),
        ("min(c1, 64) ** 2", "min(c1, 64) ** 2"),
        ("stride != 1 or in_channels != c1 * 4", "stride != 1 or in_channels != c1 * 4"),
        ("not c1 in (1, 2)", "c1 not in (1, 2)"),
        ("not (c1 == 1 and c3)", "not (c1 == 1 and c3)"),
        ("c1 if stride == 1 else c3", "c1 if stride == 1 else c3"),
        ("pair[1] + 1", "pair[1] + 1"),
        ("act == 'relu'", 'act == "relu"'),
        ("max(8, (c1 + 4) // 8 * 8)", "max(8, (c1 + 4) // 8 * 8)"),
        ("int(c1 * 0.5)", "int(c1 * 0.5)"),
        ("p * 2 / 3", "p * 2 / 3"),
        ("1 < k <= 5", "1 < k <= 5"),
        ("c1 - c1", "0"),
        ("c1 * 0", "0"),
        ("flag and not false", "flag and True"),
    ],
)
def test_symbols_read_as_a_person_would_write_them(text: str, shown: str) -> None:
    """The text is the expected one, and evaluates to the same value."""
    value = evaluate_text(text, SYMBOLS)
    assert text_of(value) == shown
    assert plain(value) == evaluate_text(text, VALUES)
    assert plain(evaluate_text(text_of(value), VALUES)) == plain(value)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("nobody", "E0212"), ("1 / 0", "E0213"), ("c1 // 0", "E0213"), ("c1 % 0", "E0213"), ("2 ** 100", "E0213"),
        ("c1.value", "E0211"), ("().__class__", "E0211"), ("open('x')", "E0211"), ("lambda: 1", "E0211"),
        ("[c for c in pair]", "E0211"), ("c1 +", "E0211"), ("f'{c1}'", "E0211"), ("c1 := 3", "E0211"),
        ("act + 1", "E0213"), ("act * 99", "E0213"), ("pair[9]", "E0213"), ("c1[0]", "E0213"), ("-act", "E0213"),
        ("flag + 1", "E0213"), ("len(c1)", "E0213"), ("int(act)", "E0213"), ("(-8) ** 0.5", "E0213"), ("c1 & 3", "E0211"),  # noqa: E501
        ("max()", "E0213"), ("(" * 250 + "1" + ")" * 250, "E0211"), ("__import__('os')", "E0211"), ("~c1", "E0211"),
        ("9" * 400, "E0213"), ("c1 < act", "E0213"), ("max(1, key=2)", "E0211"), ("c1 is 3", "E0211"), ("b'x'", "E0211"),  # noqa: E501
    ],
)  # fmt: skip
@pytest.mark.parametrize("scope", [VALUES, SYMBOLS], ids=["plain", "symbolic"])
def test_what_has_no_value_says_so(text: str, code: str, scope: dict[str, Any]) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate_text(text, scope)
    assert caught.value.code == code


@pytest.mark.parametrize("text", ["k > 0 or {}", "not (k < 0 and {})", "true if k > 0 else {}"])
@pytest.mark.parametrize(
    "other", ["1e300 ** 2 > 1.0", "1 // 0", "pair[9]", "int(act) == 1", "act < 1", "2 ** 1000 > 1"]
)
def test_what_is_not_needed_may_have_no_value(text: str, other: str) -> None:
    """A part that Python would not compute may overflow, divide by zero, or be of the wrong type."""
    for scope in (VALUES, SYMBOLS):
        assert plain(evaluate_text(text.format(other), scope)) is True


NAMES = st.sampled_from(["a", "b", "c"])
TREES = st.recursive(
    st.one_of(NAMES, st.integers(0, 40).map(str)),
    lambda inner: st.one_of(
        st.builds(lambda x, op, y: f"({x} {op} {y})", inner, st.sampled_from("+ - * // %".split()), inner),
        st.builds(lambda x: f"(-{x})", inner),
        st.builds(lambda f, x, y: f"{f}({x}, {y})", st.sampled_from(["min", "max"]), inner, inner),
        st.builds(lambda x, op, y, z: f"({x} if {x} {op} {y} else {z})", inner, st.sampled_from(["<", "=="]), inner, inner),  # noqa: E501
        st.builds(lambda x, y, z: f"({x} if {x} > 3 and not {y} <= 2 else {z})", inner, inner, inner),
    ),
    max_leaves=8,
)  # fmt: skip


@given(TREES, st.integers(1, 30), st.integers(1, 30), st.integers(1, 30))
def test_arithmetic_is_pythons(tree: str, a: int, b: int, c: int) -> None:
    """Plain and symbolic evaluation and the symbol's own text all give what Python gives."""
    values = {"a": a, "b": b, "c": c}
    try:
        expected = eval(tree, {"min": min, "max": max}, values)
    except ZeroDivisionError:
        with pytest.raises(ExpressionError):
            evaluate_text(tree, values)
        return
    assert evaluate_text(tree, values) == expected
    symbolic = evaluate_text(tree, {name: Symbol.parameter(value, name) for name, value in values.items()})
    assert plain(symbolic) == expected
    assert plain(evaluate_text(text_of(symbolic), values)) == expected
    assert names_of(symbolic) <= values.keys()


@given(TREES, st.tuples(*[st.integers(1, 30)] * 3), st.tuples(*[st.integers(1, 30)] * 3))
def test_a_symbols_text_serves_other_values_too(tree: str, first: tuple[int, ...], second: tuple[int, ...]) -> None:
    """The expression found for one instance gives another instance's value: sums are never folded with values."""
    one, other = (dict(zip("abc", values, strict=True)) for values in (first, second))
    try:
        symbolic = evaluate_text(tree, {name: Symbol.parameter(value, name) for name, value in one.items()})
        expected = eval(tree, {"min": min, "max": max}, other)
        found = plain(evaluate_text(text_of(symbolic), other))
    except (ZeroDivisionError, ExpressionError):
        return
    assert found == expected


@given(st.integers(1, 9), st.integers(-9, 9).filter(bool), st.sampled_from(["//", "%", "*", "-"]), st.integers(1, 30))
def test_a_coefficient_of_any_sign_binds_as_it_should(a: int, factor: int, sign: str, b: int) -> None:
    values = {"a": a, "b": b}
    text = f"b {sign} (a * {factor})"
    symbolic = evaluate_text(text, {name: Symbol.parameter(value, name) for name, value in values.items()})
    assert eval(text_of(symbolic), {}, values) == plain(symbolic) == eval(text, {}, values)


@given(st.sampled_from(["round(p * 30, k)", "round(p * 30)", "round(c, k)", "-p", "-(p * 30)"]), st.integers(0, 3))
def test_values_have_pythons_types(text: str, k: int) -> None:
    """Also those that an expression's own text gives: the source computes them anew."""
    values = {"p": 0.2, "k": k, "c": 7}
    expected = eval(text, {"round": round}, values)
    for scope in (values, {name: Symbol.parameter(value, name) for name, value in values.items()}):
        found = evaluate_text(text, scope)
        again = eval(text_of(found), {"round": round}, values)
        assert (plain(found), again) == (expected, expected)
        assert type(plain(found)) is type(again) is type(expected)


def test_products_keep_their_factors_in_sight() -> None:
    assert text_of(product_of(256, 6, 6)) == "256 * 6 * 6"
    assert text_of(product_of(SYMBOLS["c1"], 7, 7)) == "c1 * 7 * 7"
    assert text_of(product_of(SYMBOLS["c1"], 1, 1)) == "c1"
    assert product_of(256, 1, 1) == 256
    assert text_of(product_of(binary(SYMBOLS["c1"], "+", 1), 2)) == "(c1 + 1) * 2"


def test_a_symbol_answers_as_its_value() -> None:
    symbol = SYMBOLS["c1"]
    assert (int(symbol), float(symbol), bool(symbol), hash(symbol)) == (64, 64.0, True, hash(64))
    assert [0][Symbol.parameter(0, "i")] == 0
    assert symbol > 3
    assert symbol >= 64
    assert symbol < 65
    assert symbol <= 64
    assert symbol != 63
    assert text_of(100 // symbol) == "100 // c1"
    assert text_of(100 % symbol) == "100 % c1"
    assert text_of(1 - symbol) == "1 - c1"
    assert repr(symbol) == "Symbol(64, 'c1')"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((1, 7), "(1, 7)"), ((3,), "(3,)"), ("a\"b\\\n", '"a\\"b\\\\\\n"'), (1e-5, "1e-05"), (float("inf"), 'float("inf")'),  # noqa: E501
        (True, "True"), (None, "None"), ([1, 2], "[1, 2]"), (-3, "-3"),
    ],
)  # fmt: skip
def test_plain_values_are_written_as_literals(value: Any, text: str) -> None:
    assert text_of(value) == text
