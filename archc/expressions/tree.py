"""Expressions as immutable trees: the meaning of `$name` and `$(…)`, and arithmetic on sizes.

A tree is built once, when a spec is read. It can be evaluated, printed, and have names replaced. The operators `+ - *

%` build new integer expressions: sums collect equal terms, and constants are computed. They are for channels and sizes,
which are integers. Expressions of a spec's author are never simplified, because `x

1` or `x + 0` can change the value of a real number.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from archc.limits import MAX_EXPONENT, MAX_INTEGER, how_to_raise

Scope = Mapping[str, Any]
"""The value of each name: a number, a boolean, a string, None or a tuple of these."""


_NO_NAMES: frozenset[str] = frozenset()


class ExpressionError(Exception):
    """An expression that can't be parsed or evaluated; the message has the reason."""

    def __init__(self, code: str, message: str, help: str = "") -> None:
        self.code = code
        self.help = help
        super().__init__(message)


class Expr:
    """A node of an expression tree. Two trees are equal if they are written in the same way."""

    __slots__ = ("_hash", "_names", "_size")
    _hash: int
    _names: frozenset[str]
    _size: int

    @property
    def names(self) -> frozenset[str]:
        """The names that it reads; cached, because trees are immutable."""
        try:
            return self._names
        except AttributeError:
            found = _NO_NAMES.union(*[part.names for part in self.parts()])
            object.__setattr__(self, "_names", found)
            return found

    @property
    def size(self) -> int:
        """The number of nodes; cached."""
        try:
            return self._size
        except AttributeError:
            found = 1 + sum([part.size for part in self.parts()])
            object.__setattr__(self, "_size", found)
            return found

    def evaluate(self, scope: Scope) -> Any:
        """Evaluate. Raises ExpressionError, ArithmeticError, TypeError, ValueError or IndexError."""
        raise NotImplementedError

    def parts(self) -> tuple[Expr, ...]:
        """The subexpressions."""
        return ()

    def rebuild(self, parts: tuple[Expr, ...]) -> Expr:
        """The same operation with other subexpressions."""
        return self

    def __bool__(self) -> bool:
        raise TypeError("an expression is not a boolean: use `choose`, or evaluate it")

    def __add__(self, other: Any) -> Any:
        return _sum(self, other, 1)

    def __radd__(self, other: Any) -> Any:
        return _sum(other, self, 1)

    def __sub__(self, other: Any) -> Any:
        return _sum(self, other, -1)

    def __rsub__(self, other: Any) -> Any:
        return _sum(other, self, -1)

    def __neg__(self) -> Any:
        return _sum(0, self, -1)

    def __mul__(self, other: Any) -> Any:
        return _product(self, other)

    def __rmul__(self, other: Any) -> Any:
        return _product(other, self)

    def __floordiv__(self, other: Any) -> Any:
        return _quotient(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return Binary(lift(other), "//", self)

    def __mod__(self, other: Any) -> Any:
        return 0 if lift(other) == Const(1) else Binary(self, "%", lift(other))

    def __rmod__(self, other: Any) -> Any:
        return Binary(lift(other), "%", self)


@dataclass(frozen=True, slots=True, eq=False)
class Const(Expr):
    """A number, a boolean, a string or None. `1`, `1.0` and `True` are different constants."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return type(other) is Const and type(other.value) is type(self.value) and bool(other.value == self.value)

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))

    def evaluate(self, scope: Scope) -> Any:
        return self.value


@dataclass(frozen=True, slots=True)
class Name(Expr):
    """An argument, a local or a loop variable.

    `form` is `integer` or `pair` if all values of the name are known to have this form. `definition` is the value of a
    local in terms of other names.
    """

    name: str
    form: str = field(default="", compare=False)
    definition: Expr | None = field(default=None, compare=False)

    @property
    def names(self) -> frozenset[str]:
        return frozenset((self.name,))

    def evaluate(self, scope: Scope) -> Any:
        try:
            return scope[self.name]
        except KeyError:
            raise ExpressionError("E0212", f"unknown name `{self.name}`") from None


@dataclass(frozen=True, slots=True)
class Unary(Expr):
    """`-x` or `not x`."""

    sign: str
    operand: Expr

    def evaluate(self, scope: Scope) -> Any:
        value = self.operand.evaluate(scope)
        if self.sign == "not":
            return not value
        _numbers("-", value)
        return -value

    def parts(self) -> tuple[Expr, ...]:
        return (self.operand,)

    def rebuild(self, parts: tuple[Expr, ...]) -> Expr:
        return Unary(self.sign, *parts)


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}


@dataclass(frozen=True, slots=True)
class Binary(Expr):
    """Arithmetic on two numbers."""

    left: Expr
    sign: str
    right: Expr

    def evaluate(self, scope: Scope) -> Any:
        left, right = self.left.evaluate(scope), self.right.evaluate(scope)
        if not (type(left) is int and type(right) is int):
            _numbers(self.sign, left, right)
        if self.sign == "**" and abs(right) > MAX_EXPONENT:
            raise ExpressionError("E0213", f"exponents can be at most {MAX_EXPONENT}", how_to_raise("MAX_EXPONENT"))
        return bounded(_ARITHMETIC[self.sign](left, right))

    def parts(self) -> tuple[Expr, ...]:
        return (self.left, self.right)

    def rebuild(self, parts: tuple[Expr, ...]) -> Expr:
        return Binary(parts[0], self.sign, parts[1])


COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda left, right: left in right,
    "not in": lambda left, right: left not in right,
}


@dataclass(frozen=True, slots=True)
class Compare(Expr):
    """A chain of comparisons: `a < b <= c`."""

    operands: tuple[Expr, ...]
    signs: tuple[str, ...]

    def evaluate(self, scope: Scope) -> Any:
        values = [operand.evaluate(scope) for operand in self.operands]
        return all(
            bool(COMPARISONS[sign](left, right))
            for left, sign, right in zip(values, self.signs, values[1:], strict=False)
        )

    def parts(self) -> tuple[Expr, ...]:
        return self.operands

    def rebuild(self, parts: tuple[Expr, ...]) -> Expr:
        return Compare(parts, self.signs)


@dataclass(frozen=True, slots=True)
class Logic(Expr):
    """`a and b`, `a or b`: the value is that of the last evaluated operand."""

    word: str
    operands: tuple[Expr, ...]

    def evaluate(self, scope: Scope) -> Any:
        value: Any = None
        for operand in self.operands:
            value = operand.evaluate(scope)
            if bool(value) != (self.word == "and"):
                return value
        return value

    def parts(self) -> tuple[Expr, ...]:
        return self.operands

    def rebuild(self, parts: tuple[Expr, ...]) -> Expr:
        return Logic(self.word, parts)


@dataclass(frozen=True, slots=True)
class Choice(Expr):
    """`yes if condition else no`."""

    condition: Expr
    yes: Expr
    no: Expr

    def evaluate(self, scope: Scope) -> Any:
        return (self.yes if self.condition.evaluate(scope) else self.no).evaluate(scope)

    def parts(self) -> tuple[Expr, ...]:
        return (self.condition, self.yes, self.no)

    def rebuild(self, parts: tuple[Expr, ...]) -> Expr:
        return Choice(*parts)


def _round(value: float, *digits: int) -> float:
    if digits and abs(digits[0]) > MAX_EXPONENT:
        raise ExpressionError("E0213", f"`round` takes up to {MAX_EXPONENT} digits", how_to_raise("MAX_EXPONENT"))
    return round(value, *digits)  # like Python: a float if digits are given, even 0


def _int(value: Any) -> int:
    if isinstance(value, str):
        raise TypeError("`int` takes a number")
    return int(value)


def _ceil(value: float) -> int:
    _numbers("ceil", value)
    return math.ceil(value)


def _sum_of(values: tuple[Any, ...]) -> Any:
    if not isinstance(values, tuple):
        raise TypeError("`sum` takes a list")
    _numbers("sum", *values)
    return sum(values)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "ceil": _ceil,
    "int": _int,
    "len": len,
    "max": max,
    "min": min,
    "round": _round,
    "sum": _sum_of,
}


@dataclass(frozen=True, slots=True)
class Call(Expr):
    """A function call of the expression language."""

    function: str
    arguments: tuple[Expr, ...]

    def evaluate(self, scope: Scope) -> Any:
        return bounded(FUNCTIONS[self.function](*[argument.evaluate(scope) for argument in self.arguments]))

    def parts(self) -> tuple[Expr, ...]:
        return self.arguments

    def rebuild(self, parts: tuple[Expr, ...]) -> Expr:
        return Call(self.function, parts)


@dataclass(frozen=True, slots=True)
class Item(Expr):
    """`base[index]`, an element of a list."""

    base: Expr
    index: Expr

    def evaluate(self, scope: Scope) -> Any:
        items = self.base.evaluate(scope)
        index = self.index.evaluate(scope)
        if not isinstance(items, tuple):
            raise TypeError("only a list has items")
        return items[index]

    def parts(self) -> tuple[Expr, ...]:
        return (self.base, self.index)

    def rebuild(self, parts: tuple[Expr, ...]) -> Expr:
        if type(parts[0]) is Items and type(parts[1]) is Const and type(parts[1].value) is int:
            items = parts[0].items
            if -len(items) <= parts[1].value < len(items):
                return items[parts[1].value]
        return Item(*parts)


@dataclass(frozen=True, slots=True)
class Slice(Expr):
    """`base[start:stop]`, a part of a list; None is an omitted end."""

    base: Expr
    start: Expr
    stop: Expr

    def evaluate(self, scope: Scope) -> Any:
        items = self.base.evaluate(scope)
        if not isinstance(items, tuple):
            raise TypeError("only a list has items")
        return items[self.start.evaluate(scope) : self.stop.evaluate(scope)]

    def parts(self) -> tuple[Expr, ...]:
        return (self.base, self.start, self.stop)

    def rebuild(self, parts: tuple[Expr, ...]) -> Expr:
        ends = [lower(end) for end in parts[1:]]
        if type(parts[0]) is Items and not any(isinstance(end, Expr) for end in ends):
            return Items(parts[0].items[ends[0] : ends[1]])
        return Slice(*parts)


@dataclass(frozen=True, slots=True)
class Items(Expr):
    """A list of values."""

    items: tuple[Expr, ...]

    def evaluate(self, scope: Scope) -> Any:
        return tuple([item.evaluate(scope) for item in self.items])

    def parts(self) -> tuple[Expr, ...]:
        return self.items

    def rebuild(self, parts: tuple[Expr, ...]) -> Expr:
        return Items(parts)


@dataclass(frozen=True, slots=True)
class Axis(Expr):
    """The element for one axis of a value that is a number for all axes or a list with one per axis."""

    value: Expr
    index: int

    def evaluate(self, scope: Scope) -> Any:
        return axis(self.value.evaluate(scope), self.index)

    def parts(self) -> tuple[Expr, ...]:
        return (self.value,)

    def rebuild(self, parts: tuple[Expr, ...]) -> Expr:
        return lift(axis(parts[0], self.index))


@dataclass(frozen=True, slots=True)
class Text(Expr):
    """A name with values: strings and expressions in sequence."""

    pieces: tuple[str | Expr, ...]

    def evaluate(self, scope: Scope) -> Any:
        return "".join([piece if isinstance(piece, str) else str(piece.evaluate(scope)) for piece in self.pieces])

    def parts(self) -> tuple[Expr, ...]:
        return tuple([piece for piece in self.pieces if isinstance(piece, Expr)])

    def rebuild(self, parts: tuple[Expr, ...]) -> Expr:
        new = iter(parts)
        return Text(tuple([piece if isinstance(piece, str) else next(new) for piece in self.pieces]))


def _keep_hash(made: type[Expr]) -> None:
    """Cache the hash of a class's instances, because it visits all subexpressions."""
    compute = made.__hash__

    def kept(self: Expr) -> int:
        try:
            return self._hash
        except AttributeError:
            object.__setattr__(self, "_hash", compute(self))
            return self._hash

    setattr(made, "__hash__", kept)  # noqa: B010 - a type checker would not have it assigned


for _class in Expr.__subclasses__():
    _keep_hash(_class)


def axis(value: Any, index: int) -> Any:
    """The element for one axis: a number applies to all axes, and a list has one per axis."""
    if isinstance(value, Items):
        return lower(value.items[index])
    if isinstance(value, Choice):
        yes, no = axis(value.yes, index), axis(value.no, index)
        return Choice(value.condition, lift(yes), lift(no))
    if isinstance(value, Name) and value.form != "integer":
        return Item(value, Const(index)) if value.form == "pair" else Axis(value, index)
    if isinstance(value, Item | Axis):
        return Axis(value, index)
    return value[index] if isinstance(value, tuple) else value


# Values and trees


def lift(value: Any) -> Expr:
    """Convert a value to a tree: a constant, or a list of constants."""
    if isinstance(value, Expr):
        return value
    return Items(tuple(map(lift, value))) if isinstance(value, tuple | list) else Const(value)


def lower(expression: Expr) -> Any:
    """The value of a constant tree; any other tree is returned unchanged."""
    if type(expression) is Const:
        return expression.value
    if type(expression) is Items:
        items = tuple(map(lower, expression.items))
        return expression if any(isinstance(item, Expr) for item in items) else items
    return expression


def walk(value: Any) -> Iterator[Expr]:
    """Every node of a tree, or of the trees in a tuple."""
    if isinstance(value, tuple):
        for item in value:
            yield from walk(item)
    elif isinstance(value, Expr):
        stack = [value]
        while stack:
            node = stack.pop()
            yield node
            stack += node.parts()


def free_names(value: Any) -> frozenset[str]:
    """The names that a tree, or the trees in a tuple, read."""
    if isinstance(value, Expr):
        return value.names
    return _NO_NAMES.union(*map(free_names, value)) if isinstance(value, tuple) else _NO_NAMES


def substitute(value: Any, scope: Scope) -> Any:
    """Replace names in a tree by values or trees, and compute constants.

    This also applies to the elements of tuples. Returns a plain value if the result is constant.
    """
    if isinstance(value, tuple):
        return tuple([substitute(item, scope) for item in value])
    return lower(_substitute(value, scope)) if isinstance(value, Expr) else value


def _substitute(node: Expr, scope: Scope) -> Expr:
    if type(node) is Name:
        return lift(scope[node.name]) if node.name in scope else node
    if type(node) is Const:
        return node
    if type(node) is Choice or type(node) is Logic:
        return _decided(node, scope)
    before = node.parts()
    parts = tuple([_substitute(part, scope) for part in before])
    if all(new is old for new, old in zip(parts, before, strict=True)):
        return node  # even if it is constant, keep it as written
    new = node.rebuild(parts)
    if type(new) in (Const, Items) or any(isinstance(lower(part), Expr) for part in parts):
        return new
    try:
        return lift(new.evaluate({}))
    except VALUELESS:
        return new  # it has no value; evaluating it raises


def _decided(node: Choice | Logic, scope: Scope) -> Expr:
    """Resolve a choice or a logical chain as far as its conditions are known, like Python's short-circuiting."""
    if isinstance(node, Choice):
        condition = _substitute(node.condition, scope)
        known = lower(condition)
        if not isinstance(known, Expr):
            return _substitute(node.yes if known else node.no, scope)
        return Choice(condition, _substitute(node.yes, scope), _substitute(node.no, scope))
    kept: list[Expr] = []
    for position, operand in enumerate(node.operands):
        value = _substitute(operand, scope)
        last = position == len(node.operands) - 1
        known = lower(value)
        if not isinstance(known, Expr) and not last:
            if bool(known) == (node.word == "and"):
                continue
            kept.append(value)
            break
        kept.append(value)
    return kept[0] if len(kept) == 1 else Logic(node.word, tuple(kept))


VALUELESS = (ExpressionError, ArithmeticError, TypeError, ValueError, IndexError, RecursionError)
"""Exceptions that evaluation can raise."""

_LARGEST = MAX_INTEGER**2


def _numbers(sign: str, *values: Any) -> None:
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"`{sign}` takes numbers, not {value!r}")


def bounded(value: Any) -> Any:
    """Return the value if it is within archc's bounds. Raises ExpressionError."""
    if type(value) is int:
        if -_LARGEST <= value <= _LARGEST:
            return value
        help = how_to_raise("MAX_INTEGER")
        raise ExpressionError("E0213", "the result exceeds archc's limit for integers", help)
    if isinstance(value, float) and not math.isfinite(value):
        raise ExpressionError("E0213", "the result is not a finite number")
    if isinstance(value, complex):
        raise ExpressionError("E0213", "the result is a complex number")
    return value


# The arithmetic of sizes


def _sum(left: Any, right: Any, sign: int) -> Any:
    terms: dict[Expr, int] = {}
    constant = _collect(left, 1, terms) + _collect(right, sign, terms)
    return _total(terms, constant)


def _total(terms: dict[Expr, int], constant: int) -> Any:
    """The sum of terms with their factors, in natural order: positive terms come before negative ones."""
    terms = {term: count for term, count in terms.items() if count}
    first = constant > 0 and bool(terms) and all(count < 0 for count in terms.values())
    total: Expr | None = Const(constant) if first else None
    for term, count in sorted(terms.items(), key=lambda item: item[1] < 0):
        shown = term if abs(count) == 1 else Binary(term, "*", Const(abs(count)))
        if total is None:
            total = shown if count > 0 else Unary("-", shown)
        else:
            total = Binary(total, "+" if count > 0 else "-", shown)
    if total is None:
        return constant
    if constant and not first:
        total = Binary(total, "+" if constant > 0 else "-", Const(abs(constant)))
    return total


def _collect(value: Any, factor: int, terms: dict[Expr, int]) -> int:
    """Add a sum's terms, each with its integer factor; return the constant part."""
    match value:
        case int():
            return factor * value
        case Const(int(number)):
            return factor * number
        case Binary(left, "+" | "-" as sign, right):
            return _collect(left, factor, terms) + _collect(right, factor if sign == "+" else -factor, terms)
        case Unary("-", operand):
            return _collect(operand, -factor, terms)
        case Binary(left, "*", Const(int(number))) | Binary(Const(int(number)), "*", left):
            if not (isinstance(left, Binary) and left.sign in "+-"):
                return _collect(left, factor * number, terms)
    term = lift(value)
    terms[term] = terms.get(term, 0) + factor
    return 0


def _product(left: Any, right: Any) -> Any:
    left, right = (lower(side) if isinstance(side, Expr) else side for side in (left, right))
    for number, other in ((left, right), (right, left)):
        if type(number) is not int:
            continue
        if number in (0, 1):
            return other if number else 0
        terms: dict[Expr, int] = {}
        constant = _collect(other, number, terms)
        if not terms or (len(terms) == 1 and not constant):
            return _total(terms, constant)
    return Binary(lift(left), "*", lift(right))


def _quotient(left: Expr, right: Any) -> Any:
    right = lower(lift(right))
    if type(right) is int and right > 0:
        terms: dict[Expr, int] = {}
        constant = _collect(left, 1, terms)
        if all(count % right == 0 for count in (constant, *terms.values())):
            return _total({term: count // right for term, count in terms.items()}, constant // right)
    return Binary(left, "//", lift(right))


def choose(condition: Any, yes: Any, no: Any) -> Any:
    """`yes if condition else no`, resolved if the condition is known."""
    if type(condition) is not bool:
        condition = lower(lift(condition))
    if not isinstance(condition, Expr):
        return yes if condition else no
    return yes if lift(yes) == lift(no) else Choice(condition, lift(yes), lift(no))


def compare(left: Any, sign: str, right: Any) -> Any:
    """`left sign right`: a boolean, or a comparison if a side is an expression."""
    if type(left) is not int or type(right) is not int:
        left, right = lower(lift(left)), lower(lift(right))
    if isinstance(left, Expr) or isinstance(right, Expr):
        return Compare((lift(left), lift(right)), (sign,))
    return bool(COMPARISONS[sign](left, right))


def product_of(*factors: Any) -> Any:
    """A product that keeps its factors visible if one is a tree: `256 * 6 * 6` for a flattened feature map."""
    if not any(isinstance(factor, Expr) for factor in factors):
        return math.prod(factors)
    kept = [factor for factor in map(lift, factors) if factor != Const(1)]
    total: Expr = kept[0] if kept else Const(1)
    for factor in kept[1:]:
        total = Binary(total, "*", factor)
    return total
