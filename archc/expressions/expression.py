"""`$name` and `$(width * 2)`: bounded arithmetic over parameters, parsed with an allow-list, never `eval`."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from archc.expressions.symbol import Level, Symbol, Value, also_of, binary, names_of, plain, text_of
from archc.limits import MAX_COMPOSED, MAX_EXPONENT, MAX_EXPRESSION, MAX_INTEGER, how_to_raise
from archc.problems import Mark

_NAME = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}
_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
}
CONSTANTS = {"true": True, "false": False}


def _round(value: float, *digits: int) -> float:
    if digits and abs(digits[0]) > MAX_EXPONENT:
        raise ExpressionError("E0213", f"`round` takes up to {MAX_EXPONENT} digits", how_to_raise("MAX_EXPONENT"))
    return round(value, *digits)  # as in Python a float where digits are given, be it 0


def _int(value: Any) -> int:
    if isinstance(value, str):
        raise TypeError("`int` takes a number")
    return int(value)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "int": _int,
    "len": len,
    "max": max,
    "min": min,
    "round": _round,
}
_LARGEST = MAX_INTEGER**2


class ExpressionError(Exception):
    """An expression that cannot be parsed or has no value; the message says why."""

    def __init__(self, code: str, message: str, help: str = "") -> None:
        self.code = code
        self.help = help
        super().__init__(message)


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """A parsed expression of a spec with its place."""

    tree: ast.expr
    text: str
    names: frozenset[str]
    mark: Mark

    def evaluate(self, scope: Mapping[str, Value]) -> Value:
        """The value under a scope; a Symbol where the scope holds symbols. Raises ExpressionError."""
        return evaluate(self.tree, scope)


def has_expression(value: Any) -> bool:
    """Whether a value is an expression, or a tuple that holds one."""
    return isinstance(value, Expression) or (isinstance(value, tuple) and any(map(has_expression, value)))


def is_expression(text: str) -> bool:
    """Whether a scalar is an expression as a whole (`$name` or `$(…)`)."""
    return text.startswith("$") and (_NAME.fullmatch(text) is not None or (text[1:2] == "(" and text.endswith(")")))


def parse_expression(text: str, mark: Mark) -> Expression:
    """Parse `$name` or `$(…)`. Raises ExpressionError."""
    body = text[1:]
    if body.startswith("("):
        body = body[1:-1].strip()
    tree, names = _parse(body)
    return Expression(tree, body, names, mark)


@lru_cache(maxsize=4096)
def _parse(body: str, longest: int = MAX_EXPRESSION) -> tuple[ast.expr, frozenset[str]]:
    if len(body) > longest:
        raise ExpressionError(
            "E0211", f"the expression is longer than {longest} characters", how_to_raise("MAX_EXPRESSION")
        )
    try:
        tree = ast.parse(body, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else "too complex"
        raise ExpressionError("E0211", f"`{body}` is no expression: {reason}") from None
    names: set[str] = set()
    for node in ast.walk(tree):
        _allow(node, names)
    return tree, frozenset(names - FUNCTIONS.keys() - CONSTANTS.keys())


def _allow(node: ast.AST, names: set[str]) -> None:
    match node:
        case ast.Constant(value=int() | float() | str()) | ast.IfExp() | ast.Load():
            pass
        case ast.Name(id=name):
            names.add(name)
        case ast.UnaryOp(op=ast.USub() | ast.Not()) | ast.BoolOp() | ast.boolop() | ast.unaryop():
            pass
        case ast.BinOp(op=op) if type(op) in _BINARY:
            pass
        case ast.Compare(ops=ops) if all(type(op) in _COMPARE for op in ops):
            pass
        case ast.operator() | ast.cmpop() | ast.Tuple() | ast.List() | ast.Subscript():
            pass
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name in FUNCTIONS:
            pass
        case ast.Call():
            known = ", ".join(sorted(FUNCTIONS))
            raise ExpressionError("E0211", f"`{ast.unparse(node)}`: only {known} can be called")
        case _:
            raise ExpressionError("E0211", f"`{ast.unparse(node)}` is not part of the expression language")


def evaluate_text(text: str, scope: Mapping[str, Value]) -> Value:
    """The value of an expression's text under a scope. Raises ExpressionError."""
    return evaluate(_parse(text, MAX_COMPOSED)[0], scope)


def hidden_names(value: Value) -> frozenset[str]:
    """The names that a value follows from and that its text does not read."""
    if type(value) is Symbol:
        try:
            return value.names - _parse(text_of(value), MAX_COMPOSED)[1] if value.names else value.names
        except ExpressionError:  # it is too long, and written as a number
            return value.names
    if isinstance(value, tuple | list):
        return frozenset().union(*map(hidden_names, value))
    return frozenset()


def evaluate(node: ast.expr, scope: Mapping[str, Value]) -> Value:
    """The value of a checked tree. Raises ExpressionError."""
    try:
        return _evaluate(node, scope)
    except ExpressionError:
        raise
    except ZeroDivisionError:
        raise ExpressionError("E0213", f"`{ast.unparse(node)}` divides by zero") from None
    except (TypeError, ValueError, IndexError, OverflowError) as error:
        raise ExpressionError("E0213", f"`{ast.unparse(node)}` has no value: {error}") from None
    except RecursionError:
        raise ExpressionError("E0213", "the expression is too complex: too many operations within each other") from None


def _evaluate(node: ast.expr, scope: Mapping[str, Value]) -> Value:
    match node:
        case ast.Name(id=name):
            if name in scope:
                return scope[name]
            if name in CONSTANTS:
                return CONSTANTS[name]
            raise ExpressionError("E0212", f"`{name}` is not known here")
        case ast.Constant(value=value):
            return _bounded(value)
        case ast.BinOp(left=left_node, op=op, right=right_node):
            return _binary(_evaluate(left_node, scope), _BINARY[type(op)], _evaluate(right_node, scope))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = _evaluate(operand, scope)
            _numbers("-", value)
            if isinstance(plain(value), int):
                return 0 - value
            return _keep(-plain(value), Level.UNARY, lambda: f"-{text_of(value, Level.UNARY)}", value)
        case ast.UnaryOp(operand=ast.Compare(left=left_node, ops=[ast.In()], comparators=[right_node])):
            return _evaluate(ast.Compare(left_node, [ast.NotIn()], [right_node]), scope)
        case ast.UnaryOp(operand=operand):
            value = _evaluate(operand, scope)
            return _keep(not plain(value), Level.NOT, lambda: f"not {text_of(value, Level.NOT)}", value)
        case ast.BoolOp(op=op, values=nodes):
            return _logic(isinstance(op, ast.And), nodes, scope)
        case ast.Compare(left=left_node, ops=ops, comparators=others):
            values = [_evaluate(part, scope) for part in (left_node, *others)]
            signs = [_COMPARE[type(op)] for op in ops]
            return _compare(values, signs)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            condition = _evaluate(test, scope)
            if type(condition) is not Symbol:
                return _evaluate(body if condition else orelse, scope)
            return _choice(condition, body, orelse, scope)
        case ast.Call(func=ast.Name(id=name), args=args):
            values = [_evaluate(arg, scope) for arg in args]
            value = _bounded(FUNCTIONS[name](*map(plain, values)))
            return _keep(value, Level.ATOM, lambda: f"{name}({', '.join(map(text_of, values))})", *values)
        case ast.Subscript(value=base_node, slice=index_node):
            base, index = _evaluate(base_node, scope), _evaluate(index_node, scope)
            items = base.value if type(base) is Symbol else base
            if not isinstance(items, tuple):
                raise TypeError("only a list has items")
            item = items[plain(index)]
            if names_of(index) or (type(base) is Symbol and type(item) is not Symbol):
                text = f"{text_of(base, Level.ATOM)}[{text_of(index)}]"
                return _keep(plain(item), Level.ATOM, lambda: text, base, index)
            return item
        case ast.Tuple(elts=nodes) | ast.List(elts=nodes):
            return tuple([_evaluate(item, scope) for item in nodes])
    raise ExpressionError("E0211", f"`{ast.unparse(node)}` is not part of the expression language")


def _keep(value: Any, level: Level, text: Any, *sources: Value) -> Value:
    names = frozenset().union(*(names_of(source) for source in sources))
    return Symbol.term(value, text(), level, names) if names else value


def _numbers(sign: str, *values: Value) -> None:
    for value in map(plain, values):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"`{sign}` takes numbers, not {value!r}")


def _bounded(value: Any) -> Any:
    if isinstance(value, int) and abs(value) > _LARGEST:
        help = how_to_raise("MAX_INTEGER")
        raise ExpressionError("E0213", "the result is beyond archc's bound for integers", help)
    if isinstance(value, float) and not math.isfinite(value):
        raise ExpressionError("E0213", "the result is not a finite number")
    if isinstance(value, complex):
        raise ExpressionError("E0213", "the result is a complex number")
    return value


def _binary(left: Value, sign: str, right: Value) -> Value:
    _numbers(sign, left, right)
    if sign == "**" and abs(plain(right)) > MAX_EXPONENT:
        raise ExpressionError("E0213", f"exponents go up to {MAX_EXPONENT}", how_to_raise("MAX_EXPONENT"))
    if type(left) is not Symbol and type(right) is not Symbol:
        return _bounded(binary(left, sign, right))
    match sign:
        case "+":
            result = left + right
        case "-":
            result = left - right
        case "*":
            result = left * right
        case "//" if type(left) is Symbol and plain(right) != 0:
            result = left // right
        case _:
            result = binary(left, sign, right)
    _bounded(plain(result))
    return result


_VALUELESS = (ExpressionError, ArithmeticError, TypeError, ValueError, IndexError)
"""What the part of an expression that is not needed may end in."""


def _logic(conjunction: bool, nodes: list[ast.expr], scope: Mapping[str, Value]) -> Value:
    # Short-circuit in value, but keep the whole text: the emitted condition serves other instances too.
    values = []
    result: Any = conjunction
    for node in nodes:
        if bool(result) != conjunction:
            try:
                values.append(_evaluate(node, scope))
            except _VALUELESS:
                return also_of(result, names_of(values))
            continue
        value = _evaluate(node, scope)
        values.append(value)
        result = plain(value)
    level = Level.AND if conjunction else Level.OR
    joined = " and " if conjunction else " or "
    return _keep(result, level, lambda: joined.join(text_of(v, Level(level + 1)) for v in values), *values)


def _compare(values: list[Value], signs: list[str]) -> Value:
    result = all(_holds(plain(values[i]), sign, plain(values[i + 1])) for i, sign in enumerate(signs))

    def text() -> str:
        parts = [text_of(values[0], Level.SUM)]
        for sign, value in zip(signs, values[1:], strict=True):
            parts += [sign, text_of(value, Level.SUM)]
        return " ".join(parts)

    return _keep(result, Level.COMPARE, text, *values)


def _holds(left: Any, sign: str, right: Any) -> bool:
    match sign:
        case "==":
            return bool(left == right)
        case "!=":
            return bool(left != right)
        case "<":
            return bool(left < right)
        case "<=":
            return bool(left <= right)
        case ">":
            return bool(left > right)
        case ">=":
            return bool(left >= right)
        case "in":
            return left in right
    return left not in right


def _choice(condition: Symbol, body: ast.expr, orelse: ast.expr, scope: Mapping[str, Value]) -> Value:
    chosen = _evaluate(body if condition else orelse, scope)
    try:
        other = _evaluate(orelse if condition else body, scope)
    except _VALUELESS:
        return also_of(chosen, condition.names)
    yes, no = (chosen, other) if condition else (other, chosen)
    text = f"{text_of(yes, Level.OR)} if {text_of(condition, Level.OR)} else {text_of(no)}"
    return Symbol.term(plain(chosen), text, Level.TERNARY, names_of(yes) | names_of(no) | condition.names)
