"""The parser of `$name` and `$(width * 2)`: an allow-list over Python's grammar."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from keyword import kwlist
from typing import Any

from archc.expressions.printing import text_of
from archc.expressions.tree import (
    FUNCTIONS,
    VALUELESS,
    Binary,
    Call,
    Choice,
    Compare,
    Const,
    Expr,
    ExpressionError,
    Item,
    Items,
    Logic,
    Name,
    Slice,
    Unary,
    bounded,
    free_names,
)
from archc.limits import MAX_EXPRESSION, how_to_raise
from archc.problems import Mark
from archc.problems.suggest import nearest

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
_CONSTANTS = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """A parsed expression of a spec, with its text and location."""

    tree: Expr
    text: str
    names: frozenset[str]
    mark: Mark

    def evaluate(self, scope: Mapping[str, Any]) -> Any:
        """Evaluate with the values of a scope. Raises ExpressionError."""
        try:
            return self.tree.evaluate(scope)
        except ExpressionError:
            raise
        except ZeroDivisionError:
            raise ExpressionError("E0213", f"`{text_of(self.tree)}` divides by zero") from None
        except RecursionError:
            message = "the expression is too complex: too many nested operations"
            raise ExpressionError("E0213", message) from None
        except VALUELESS as error:
            strings = [name for name in sorted(self.names) if isinstance(scope.get(name), str)]
            if strings and isinstance(error, TypeError):
                reason, help = f"`{strings[0]}` is the string {scope[strings[0]]!r}", "write a number where it is given"
            else:
                reason, help = str(error), ""
            raise ExpressionError("E0213", f"`{text_of(self.tree)}` has no value: {reason}", help) from None


def has_expression(value: Any) -> bool:
    """Return True if a value is an expression, or a tuple that contains one."""
    return isinstance(value, Expression) or (isinstance(value, tuple) and any(map(has_expression, value)))


def tree_of(value: Any) -> Any:
    """Replace the expressions in a value of a spec by their trees."""
    if isinstance(value, tuple):
        return tuple(map(tree_of, value))
    return value.tree if isinstance(value, Expression) else value


def is_expression(text: str) -> bool:
    """Return True if a whole scalar is an expression (`$name` or `$(…)`)."""
    return text.startswith("$") and (_NAME.fullmatch(text) is not None or (text[1:2] == "(" and text.endswith(")")))


def parse_expression(text: str, mark: Mark) -> Expression:
    """Parse `$name` or `$(…)`. Raises ExpressionError."""
    body = text[1:]
    if body.startswith("("):
        body = body[1:-1].strip()
    tree, names = _parse(body)
    return Expression(tree, body, names, mark)


@lru_cache(maxsize=4096)
def _parse(body: str) -> tuple[Expr, frozenset[str]]:
    if body.isidentifier() and body.isascii() and body not in _CONSTANTS and body not in _KEYWORDS:
        return Name(body), frozenset({body})
    if len(body) > MAX_EXPRESSION:
        message = f"the expression is longer than {MAX_EXPRESSION} characters"
        raise ExpressionError("E0211", message, how_to_raise("MAX_EXPRESSION"))
    try:
        tree = _tree(ast.parse(body, mode="eval").body)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        reason, help = "too complex", ""
        if isinstance(error, SyntaxError):
            reason = error.msg
            help = "write it as in Python, for example `$(2 * width)` or `$(depth > 1 and wide)`"
            taken = next((word for word in re.findall(r"\w+", body) if word in _KEYWORDS - _WORDS), None)
            if taken:
                help = f"`{taken}` is a Python keyword, so it cannot be a name"
        raise ExpressionError("E0211", f"`{body}` is not a valid expression: {reason}", help) from None
    return tree, frozenset(free_names(tree))


_KEYWORDS = frozenset(kwlist)
_WORDS = frozenset({"None", "True", "False", "and", "for", "if", "else", "in", "not", "or"})
"""The keywords that an expression can contain."""


def _tree(node: ast.expr) -> Expr:
    match node:
        case ast.Name(id=name):
            return Const(_CONSTANTS[name]) if name in _CONSTANTS else Name(name)
        case ast.Constant(value=int() | float() | str() as value):
            return Const(bounded(value))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return Binary(_tree(left), _BINARY[type(op)], _tree(right))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            negated = _tree(operand)
            number = isinstance(negated, Const) and type(negated.value) in (int, float)
            return Const(-negated.value) if isinstance(negated, Const) and number else Unary("-", negated)
        case ast.UnaryOp(op=ast.Not(), operand=ast.Compare(left=left, ops=[ast.In()], comparators=[right])):
            return Compare((_tree(left), _tree(right)), ("not in",))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return Unary("not", _tree(operand))
        case ast.BoolOp(op=op, values=values):
            return Logic("and" if isinstance(op, ast.And) else "or", tuple(map(_tree, values)))
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _COMPARE for op in ops):
            return Compare(tuple(map(_tree, (left, *others))), tuple(_COMPARE[type(op)] for op in ops))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return Choice(_tree(test), _tree(body), _tree(orelse))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
            return Call(name, tuple(map(_tree, args)))
        case ast.Call():
            known = ", ".join(sorted(FUNCTIONS))
            near = nearest(node.func.id, list(FUNCTIONS)) if isinstance(node.func, ast.Name) else ""
            help = f"did you mean `{near}`?" if near else ""
            raise ExpressionError("E0211", f"`{ast.unparse(node)}`: only {known} can be called", help)
        case ast.Subscript(value=base, slice=ast.Slice(lower=start, upper=stop, step=None)):
            ends = [Const(None) if end is None else _tree(end) for end in (start, stop)]
            return Slice(_tree(base), *ends)
        case ast.Subscript(value=base, slice=index):
            return Item(_tree(base), _tree(index))
        case ast.Tuple(elts=items) | ast.List(elts=items):
            return Items(tuple(map(_tree, items)))
    raise ExpressionError("E0211", f"`{ast.unparse(node)}` is not part of the expression language")
