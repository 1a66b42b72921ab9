"""Expressions: values as Python computes them, texts that give the same value again, and the arithmetic of sizes."""

from __future__ import annotations

import math
import subprocess
import sys
import warnings
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from archc.emit.layout import document, statement
from archc.expressions import (
    Axis,
    Compare,
    Const,
    Expr,
    ExpressionError,
    Name,
    Text,
    choose,
    compare,
    either,
    equal,
    equal_where,
    free_names,
    is_expression,
    lift,
    operands,
    parse_expression,
    product_of,
    python_text,
    substitute,
    text_of,
    walk,
)
from archc.problems import Mark
from archc.problems.mark import Source

HERE = Mark(Source("spec.yaml", ""), 1, 1, 1, 1)

VALUES: dict[str, Any] = {
    "c1": 64, "c3": 128, "c5": 32, "pool": 32, "in_channels": 192, "stride": 1, "k": 3, "e": 4, "p": 0.2,
    "act": "relu", "pair": (1, 7), "flag": True,
}  # fmt: skip

FUNCTIONS: dict[str, Any] = {
    "abs": abs, "ceil": math.ceil, "int": int, "len": len, "max": max, "min": min, "round": round, "sum": sum,
}  # fmt: skip


def tree(text: str) -> Expr:
    return parse_expression(f"$({text})", HERE).tree


def value(text: str, scope: dict[str, Any]) -> Any:
    return parse_expression(f"$({text})", HERE).evaluate(scope)


def python(text: str, scope: dict[str, Any]) -> Any:
    with warnings.catch_warnings():  # of what is compiled and never run
        warnings.simplefilter("ignore", SyntaxWarning)
        return eval(text, {**FUNCTIONS}, scope)


def evaluated(thing: Any, scope: dict[str, Any]) -> Any:
    """The value of what the arithmetic of sizes built: a tree, or a number already. ExpressionError if it has none."""
    if not isinstance(thing, Expr):
        return thing
    try:
        return thing.evaluate(scope)
    except (ArithmeticError, TypeError, ValueError, IndexError) as error:
        raise ExpressionError("E0213", str(error)) from None


# Parsing and evaluation


@pytest.mark.parametrize(
    ("text", "whole"),
    [("$width", True), ("$(width * 2)", True), ("width", False), ("$width-2", False), ("$(a) + $(b", False)],
)
def test_an_expression_is_a_name_or_stands_in_parentheses(text: str, whole: bool) -> None:
    assert is_expression(text) is whole


def test_a_parsed_expression_knows_its_names_text_and_place() -> None:
    expression = parse_expression("$( max(c1, e * 8) if flag else act )", HERE)
    assert expression.text == "max(c1, e * 8) if flag else act"
    assert expression.names == {"c1", "e", "flag", "act"}
    assert expression.mark is HERE
    assert parse_expression("$c1", HERE).tree == Name("c1")
    assert parse_expression("$true", HERE).tree == Const(True)


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
        ("9" * 5000, "E0211"), ("2 ** 2 ** 9", "E0213"), ("round(p, 999)", "E0213"), ("1e300 * 1e300", "E0213"),
        ("None", "E0211"), ("3j", "E0211"), ("pair[::1]", "E0211"), ("not nobody", "E0212"),
    ],
)  # fmt: skip
def test_what_has_no_value_says_so(text: str, code: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        value(text, VALUES)
    assert caught.value.code == code


@pytest.mark.parametrize("text", ["k > 0 or {}", "not (k < 0 and {})", "true if k > 0 else {}"])
@pytest.mark.parametrize(
    "other", ["1e300 ** 2 > 1.0", "1 // 0", "pair[9]", "int(act) == 1", "act < 1", "2 ** 1000 > 1"]
)
def test_what_is_not_needed_may_have_no_value(text: str, other: str) -> None:
    """A part that Python would not compute may overflow, divide by zero, or be of the wrong type."""
    assert value(text.format(other), VALUES) is True
    assert substitute(tree(text.format(other)), VALUES) is True


@given(st.sampled_from(["round(p * 30, k)", "round(p * 30)", "round(c, k)", "-p", "-(p * 30)"]), st.integers(0, 3))
def test_values_have_pythons_types(text: str, k: int) -> None:
    """Also those that the expression's Python text gives: the source computes them anew."""
    scope = {"p": 0.2, "k": k, "c": 7}
    expected = python(text, scope)
    for found in (value(text, scope), python(python_text(tree(text)), scope), substitute(tree(text), scope)):
        assert found == expected
        assert type(found) is type(expected)


# Random expressions, as text

INTEGERS = st.recursive(
    st.one_of(st.sampled_from("abc"), st.integers(0, 40).map(str)),
    lambda inner: st.one_of(
        st.builds(lambda x, op, y: f"({x} {op} {y})", inner, st.sampled_from("+ - * // %".split()), inner),
        st.builds(lambda x: f"(-{x})", inner),
        st.builds(lambda f, x, y: f"{f}({x}, {y})", st.sampled_from(["min", "max"]), inner, inner),
        st.builds(lambda x, op, y, z: f"({x} if {x} {op} {y} else {z})", inner, st.sampled_from(["<", "=="]), inner, inner),  # noqa: E501
        st.builds(lambda x, y, z: f"({x} if {x} > 3 and not {y} <= 2 else {z})", inner, inner, inner),
    ),
    max_leaves=8,
)  # fmt: skip
"""Integers, over names that stand for positive ones."""

NAMED = st.fixed_dictionaries({name: st.integers(1, 30) for name in "abc"})

WORDS = ["relu", 'a"b', "it's", "\\", "é", ""]

ANYTHING = st.recursive(
    st.one_of(
        st.sampled_from(["a", "b", "f", "t", "s", "true", "false", "l", "l[1]", "-2", "0.5", "1e-05", "-0.0", "[3]"]),
        st.integers(0, 9).map(str),
        st.sampled_from(WORDS).map(repr),
    ),
    lambda inner: st.one_of(
        st.builds(lambda x, op, y: f"({x} {op} {y})", inner, st.sampled_from("+ - * / // % **".split()), inner),
        st.builds(lambda op, x: f"({op} {x})", st.sampled_from(["-", "not"]), inner),
        st.builds(lambda op, x, y, z: f"({x} {op} {y} {op} {z})", st.sampled_from(["and", "or"]), inner, inner, inner),
        st.builds(lambda x, op, y: f"({x} {op} {y})", inner, st.sampled_from("== != < <= > >=".split()), inner),
        st.builds(lambda x, one, y, other, z: f"({x} {one} {y} {other} {z})", inner, st.sampled_from(["==", "!=", "<"]), inner, st.sampled_from(["==", ">="]), inner),  # noqa: E501
        st.builds(lambda x, op, y, z: f"({x} {op} [{y}, {z}])", inner, st.sampled_from(["in", "not in"]), inner, inner),
        st.builds(lambda x, y, z: f"({x} if {y} else {z})", inner, inner, inner),
        st.builds(lambda f, x: f"{f}({x})", st.sampled_from(["abs", "ceil", "int", "len", "round", "sum"]), inner),
        st.builds(lambda x, y, z: f"[{x}, {y}][{z}]", inner, inner, inner),
        st.builds(lambda x, y, ends: f"[{x}, {y}, l][{ends}]", inner, inner, st.sampled_from(["a:", ":b", "a:b"])),
    ),
    max_leaves=10,
)  # fmt: skip
"""The whole language: numbers, truth values, texts and lists, whether they go together or not."""

SCOPES = st.fixed_dictionaries(
    {
        "a": st.integers(-3, 9),
        "b": st.integers(0, 3),
        "f": st.sampled_from([0.0, 0.5, -1.5, 2.0]),
        "t": st.booleans(),
        "s": st.sampled_from(WORDS),
        "l": st.sampled_from([(1, 2), (True, 0.5), ("relu", 3)]),
    }
)


def same(found: Any, expected: Any) -> bool:
    """Whether two values are equal, of one type, and of one sign where they are zero."""
    return type(found) is type(expected) and repr(found) == repr(expected)


@given(INTEGERS, NAMED)
def test_arithmetic_is_pythons(text: str, scope: dict[str, int]) -> None:
    """Evaluation, and the text printed for Python and for a spec, all give what Python gives."""
    try:
        expected = python(text, scope)
    except ZeroDivisionError:
        with pytest.raises(ExpressionError):
            value(text, scope)
        return
    assert value(text, scope) == expected
    assert python(python_text(tree(text)), scope) == expected
    assert value(text_of(tree(text)), scope) == expected
    assert free_names(tree(text)) <= scope.keys()


@settings(max_examples=settings().max_examples * 5)
@given(ANYTHING, SCOPES)
def test_a_printed_expression_is_the_same_expression(text: str, scope: dict[str, Any]) -> None:
    """As a spec writes it: the same tree again. As Python does: the same value, of the same type."""
    try:
        expected = value(text, scope)
    except ExpressionError as error:
        assume(error.code != "E0211")
        assert tree(text_of(tree(text))) == tree(text)
        return
    assert tree(text_of(tree(text))) == tree(text)
    assert same(python(python_text(tree(text)), scope), expected), python_text(tree(text))


@settings(max_examples=settings().max_examples * 5)
@given(ANYTHING, SCOPES, st.sets(st.sampled_from("abftsl")))
def test_evaluating_what_was_substituted_is_evaluating(text: str, scope: dict[str, Any], known: set[str]) -> None:
    """Some names first and the others later, all at once, or other names first: the value and its type stay."""
    try:
        expected = value(text, scope)
    except ExpressionError:
        assume(False)
    some = substitute(tree(text), {name: scope[name] for name in known})
    assert free_names(some) <= scope.keys() - known
    assert same(lift(some).evaluate(scope), expected)
    everything = lift(substitute(tree(text), scope))  # a part without names stays as it was written
    assert same(everything.evaluate({}), expected)
    renamed = substitute(tree(text), {name: Name(f"{name}_") for name in scope})
    assert same(lift(renamed).evaluate({f"{name}_": item for name, item in scope.items()}), expected)


def test_a_choice_that_is_known_is_made_and_its_other_side_forgotten() -> None:
    assert substitute(tree("a if flag else 1 // 0"), {"flag": True}) == Name("a")
    assert substitute(tree("flag and a > 2 and b > 2"), {"flag": True}) == tree("a > 2 and b > 2")
    assert substitute(tree("a > 2 or flag or b > 2"), {"flag": True}) == tree("a > 2 or true")
    assert substitute((tree("a"), (tree("a + 1"), 3)), {"a": 2}) == (2, (3, 3))
    assert substitute(tree("1 // (a - 1)"), {"a": 1}) == tree("1 // 0")  # whoever needs it finds out


@pytest.mark.parametrize(
    "text", ["x // 1", "x + 0", "0 + x", "x * 1", "x * 0", "x - x", "x + x", "--x", "not not x", "x * 2 * 3", "x ** 1"]
)
@pytest.mark.parametrize("number", [1.4, -0.0, 3])
def test_what_a_user_wrote_is_never_rearranged(text: str, number: float) -> None:
    """`x // 1` is another number if x is 1.4, and `-0.0 + 0` is 0.0."""
    shown = python_text(tree(text))
    assert shown == text.replace(" ** ", "**")
    assert python_text(substitute(tree(text), {"x": Name("y")})) == shown.replace("x", "y")
    assert same(substitute(tree(text), {"x": number}), python(text, {"x": number}))


# Printing


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("(k - 1) // 2", "(k - 1) // 2"),
        ("a - (b - c)", "a - (b - c)"),
        ("a - b - c", "a - b - c"),
        ("a * (b // c)", "a * (b // c)"),
        ("64 // (e * -2)", "64 // (e * -2)"),
        ("(-2) ** 2", "(-2) ** 2"),
        ("-2 ** 2", "-2**2"),
        ("2 ** -k", "2**-k"),
        ("(a ** b) ** c", "(a**b) ** c"),
        ("c1 ** 2", "c1**2"),
        ("min(c1, 64) ** 2", "min(c1, 64) ** 2"),
        ("pair[-stride] + k", "pair[-stride] + k"),
        ("(8, 16)[stride]", "(8, 16)[stride]"),
        ("[8]", "(8,)"),
        ("not c1 in (1, 2)", "c1 not in (1, 2)"),
        ("not (c1 == 1 and c3)", "not (c1 == 1 and c3)"),
        ("(a or b) and c", "(a or b) and c"),
        ("a or (b or c)", "a or (b or c)"),
        ("act == 'relu'", 'act == "relu"'),
        ("act == 'a\"b'", "act == 'a\"b'"),
        ("p == true", "p in (True,)"),
        ("p != false", "p not in (False,)"),
        ("a == true == b", "a in (True,) and True == b"),
        ("(a if b else c) if d else e", "(a if b else c) if d else e"),
        ("a if b else c if d else e", "a if b else c if d else e"),
        ("1 < k <= 5", "1 < k <= 5"),
        ("(1 < k) == flag", "(1 < k) == flag"),
    ],
)
def test_python_text(text: str, shown: str) -> None:
    assert python_text(tree(text)) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("p == true", "p == true"),
        ("[1, 2.50, 'a', true]", "[1, 2.5, 'a', true]"),
        ("c1**2", "c1 ** 2"),
        ("not c1 in (1, 2)", "c1 not in [1, 2]"),
    ],
)
def test_a_spec_writes_its_own_words(text: str, shown: str) -> None:
    assert text_of(tree(text)) == shown


@pytest.mark.parametrize(
    ("plain", "text"),
    [
        ((1, 7), "(1, 7)"), ((3,), "(3,)"), ("a\"b'\\\n", '"a\\"b\'\\\\\\n"'), (1e-5, "1e-05"), (float("inf"), 'float("inf")'),  # noqa: E501
        (True, "True"), (None, "None"), (-3, "-3"), ('say "a"', "'say \"a\"'"), ("é", '"\\u00e9"'),
    ],
)  # fmt: skip
def test_plain_values_are_written_as_literals(plain: Any, text: str) -> None:
    assert python_text(plain) == text
    assert eval(text) == plain


@given(st.lists(st.one_of(st.sampled_from(["layer", "_", "x1"]), INTEGERS, ANYTHING), min_size=1), SCOPES)
def test_a_computed_name_is_one_string(parts: list[str], scope: dict[str, Any]) -> None:
    """Texts and expressions side by side, whatever quotes the expressions hold."""
    scope = {**scope, "c": 3}
    try:
        name = Text(tuple([part if part in ("layer", "_", "x1") else tree(part) for part in parts]))
        expected = name.evaluate(scope)
    except (ExpressionError, ArithmeticError, TypeError, ValueError, IndexError):
        assume(False)
    assert python(python_text(name), scope) == expected


def test_the_element_of_an_axis_is_asked_for_in_the_source() -> None:
    """A parameter that may be a number or a pair: the source finds out."""
    text = python_text(Axis(Name("k"), 1))
    assert [python(text, {"k": k, "isinstance": isinstance, "tuple": tuple}) for k in (3, (3, 5))] == [3, 5]
    assert [Axis(Name("k"), 1).evaluate({"k": k}) for k in (3, (3, 5))] == [3, 5]


# The arithmetic of sizes

a, b, c = (Name(name, "integer") for name in "abc")


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (a + 1 - 1, "a"),
        (a + b + b + b, "a + b * 3"),
        (a - b - b - 3, "a - b * 2 - 3"),
        (a - (b - c), "a + c - b"),
        (64 - a, "64 - a"),
        (64 - a - b * 2, "64 - a - b * 2"),
        ((a - 1) // 2, "(a - 1) // 2"),
        ((a * 4 + 8) // 4, "a + 2"),
        (2 * (a + b), "2 * (a + b)"),
        (a * b, "a * b"),
        (-a, "-a"),
        (a - a, "0"),
        (a * 0, "0"),
        (a % 1, "0"),
        (100 // a, "100 // a"),
        (100 % a, "100 % a"),
        (a // 1, "a"),
    ],
)
def test_sizes_read_as_a_person_would_write_them(size: Any, shown: str) -> None:
    assert python_text(size) == shown


SIZES = st.recursive(
    st.one_of(st.sampled_from("abc"), st.integers(-4, 12).map(str)),
    lambda inner: st.builds(lambda x, op, y: f"({x} {op} {y})", inner, st.sampled_from("+ - * // %".split()), inner),
    max_leaves=9,
)
"""Texts that Python computes with trees for names, and with integers."""


@settings(max_examples=settings().max_examples * 5)
@given(SIZES, st.fixed_dictionaries({name: st.integers(-9, 30) for name in "abc"}))
def test_the_arithmetic_of_sizes_is_pythons(text: str, scope: dict[str, int]) -> None:
    """The tree that `+ - * // %` build has the value that Python's integers have, and so has its text."""
    try:
        expected = python(text, scope)
        size = python(text, {"a": a, "b": b, "c": c})
    except ZeroDivisionError:
        assume(False)
    assert evaluated(size, scope) == expected
    assert python(python_text(size), scope) == expected


def test_products_keep_their_factors_in_sight() -> None:
    assert product_of(256, 6, 6) == 9216
    assert python_text(product_of(a, 7, 7)) == "a * 7 * 7"
    assert python_text(product_of(a, 1, 1)) == "a"
    assert python_text(product_of(a + 1, 2)) == "(a + 1) * 2"


@pytest.mark.parametrize("sign", ["==", "!=", "<", "<=", ">", ">="])
def test_a_comparison_is_decided_where_both_sides_are_known(sign: str) -> None:
    assert compare(2, sign, 3) is python(f"2 {sign} 3", {})
    assert compare(a, sign, 3) == Compare((a, Const(3)), (sign,))


def test_a_choice_is_made_where_its_condition_is_known() -> None:
    assert choose(True, 1, a) == 1
    assert choose(Const(False), 1, a) is a
    assert choose(tree("a > 1"), b, Name("b")) is b
    assert choose(tree("a > 1"), 1, 2) == tree("1 if a > 1 else 2")


def test_an_expression_has_no_truth_value() -> None:
    with pytest.raises(TypeError, match="not a boolean"):
        bool(a)


# What is equal, whatever the names stand for


def assignments() -> Iterator[dict[str, int]]:
    for values in product((-3, -1, 0, 1, 2, 5), repeat=3):
        yield dict(zip("abc", values, strict=True))


def differ(one: Any, other: Any, scope: dict[str, int]) -> bool:
    """Whether both have a value, and these are not equal."""
    try:
        return bool(evaluated(one, scope) != evaluated(other, scope))
    except ExpressionError:
        return False


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a * (b - 1)", "a * b - a"),
        ("(a + b) * (a - b)", "a * a - b * b"),
        ("a + b - c", "b - c + a"),
        ("2 * a", "a + a"),
        ("a // 2 + a // 2", "2 * (a // 2)"),
        ("min(a, b) - min(a, b)", "0"),
    ],
)
def test_sums_and_products_are_equal_however_they_are_written(one: str, other: str) -> None:
    assert equal(tree(one), tree(other))


def test_a_local_equals_what_it_stands_for() -> None:
    hidden = Name("hidden", "integer", tree("a * b"))
    assert equal(hidden + a, tree("a * (b + 1)"))
    assert equal(tree("max(a * b, 1)"), lift(substitute(tree("max(hidden, 1)"), {"hidden": hidden})))
    assert not equal(Name("hidden"), tree("a * b"))


@given(INTEGERS, INTEGERS, st.sampled_from(["{0}", "{1}", "({0} + {1}) - {1}", "{0} * {1} // {1}", "({0}) + 0 * {1}"]))
def test_what_is_called_equal_never_differs(one: str, other: str, form: str) -> None:
    """For no integers, and however the two are alike."""
    left, right = tree(one), tree(form.format(one, other))
    if equal(left, right):
        assert [scope for scope in assignments() if differ(left, right, scope)] == []


CONDITIONS = st.recursive(
    st.one_of(
        st.builds(lambda x, op, y: f"{x} {op} {y}", st.sampled_from(["a", "b", "a + 1", "2 * b"]), st.sampled_from(["==", "!=", "<"]), st.sampled_from(["b", "c", "1", "a * 2"])),  # noqa: E501
    ),
    lambda inner: st.one_of(
        st.builds(lambda x, op, y: f"({x} {op} {y})", inner, st.sampled_from(["and", "or"]), inner),
        st.builds(lambda x: f"(not {x})", inner),
    ),
    max_leaves=3,
)  # fmt: skip

ALIKE = st.sampled_from(
    ["a", "b", "c", "1", "a * c", "b * c", "a - b", "0", "a + 1", "b + 1", "a * b", "a * 2", "2 * b"]
)


@given(CONDITIONS, ALIKE, ALIKE)
def test_one_of_two_is_the_value_of_the_condition(condition: str, yes: str, no: str) -> None:
    """`either` is `yes if condition else no` for all integers, also where it leaves one of them out."""
    found = either(tree(condition), tree(yes), tree(no))
    expected = tree(f"{yes} if {condition} else {no}")
    assert [scope for scope in assignments() if differ(found, expected, scope)] == []


@given(CONDITIONS, ALIKE, ALIKE, st.booleans())
def test_what_is_equal_under_a_condition_never_differs_under_it(text: str, yes: str, no: str, truth: bool) -> None:
    condition, one, other = tree(text), tree(yes), tree(no)
    if equal_where(one, other, condition, truth):
        fitting = [scope for scope in assignments() if condition.evaluate(scope) is truth]
        assert [scope for scope in fitting if differ(one, other, scope)] == []


def test_one_of_two_is_left_where_the_condition_says_that_they_are_equal() -> None:
    """`hidden if expand != 1 else in_channels` with hidden = in_channels * expand: a block's optional expansion."""
    assert either(tree("b != 1"), tree("a * b"), tree("a")) == tree("a * b")
    assert either(tree("b != 1 or a != c"), tree("c"), tree("a")) == tree("c")
    assert either(tree("a == b"), tree("a"), tree("b")) == tree("b")
    assert either(True, 1, 2) == 1
    assert python_text(either(tree("b > 1"), tree("c"), tree("a"))) == "c if b > 1 else a"


# Lines

LONG = st.recursive(
    st.sampled_from(["a_rather_long_name", "b", "another_name_with_words", "3", "0.5", "'relu'", "pair[1]", "(1, b)"]),
    lambda inner: st.one_of(
        st.builds(lambda x, op, y: f"({x} {op} {y})", inner, st.sampled_from("+ - * // %".split()), inner),
        st.builds(lambda x, op, y: f"({x} {op} {y})", inner, st.sampled_from(["==", "!=", "<", "in"]), inner),
        st.builds(lambda op, x: f"({op} {x})", st.sampled_from(["-", "not"]), inner),
        st.builds(lambda op, x: f"({f' {op} '.join(x)})", st.sampled_from(["and", "or"]), st.lists(inner, min_size=2)),
        st.builds(lambda x, y, z: f"({x} if {y} else {z})", inner, inner, inner),
        st.builds(lambda f, x: f"{f}({', '.join(x)})", st.sampled_from(["max", "int", "round"]), st.lists(inner, min_size=1, max_size=5)),  # noqa: E501
        st.builds(lambda x: f"[{', '.join(x)}]", st.lists(inner, min_size=2, max_size=4)),
    ),
    max_leaves=24,
)  # fmt: skip


def is_chain(thing: Expr) -> bool:
    """Whether it is a choice, or has several operators of one kind: the formatter breaks it at each of them."""
    return len(operands(thing)[1]) > 2


def test_lines_are_those_of_the_formatter(tmp_path: Path) -> None:
    """Random expressions, laid out at several indentations and behind several starts: `ruff format` changes none."""
    written: list[str] = []

    @settings(max_examples=settings().max_examples * 2)
    @given(LONG, st.sampled_from([4, 8, 12]), st.sampled_from(["value = ", "a_long_local_of_a_loop = ", "return "]))
    def draw(text: str, indent: int, before: str) -> None:
        assume(is_chain(tree(text)))
        around = ["def f():", *(f"{' ' * level}if True:" for level in range(4, indent, 4))]
        written.append("\n".join([*around, *statement(document(tree(text)), indent, before=before)]))

    draw()
    (tmp_path / "lines.py").write_text("\n\n\n".join(written) + "\n", "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "120", "--diff", "lines.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert len(written) >= settings().max_examples
    assert done.returncode == 0, done.stdout[:3000] + done.stderr[:3000]


def test_trees_are_walked_through_tuples() -> None:
    assert free_names((tree("a + b"), (3, tree("c")))) == {"a", "b", "c"}
    assert sum(1 for _ in walk(tree("a + b * 2"))) == 5
