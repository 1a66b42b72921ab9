"""Shapes in plans: channels and sizes as numbers or expressions, of one rank or of two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archc.expressions import (
    Binary,
    Choice,
    Expr,
    Name,
    Unary,
    either,
    equal_where,
    free_names,
    lift,
    lower,
    substitute,
    walk,
)
from archc.kinds import Alternatives, Join, Kind
from archc.kinds import Call as TorchCall
from archc.kinds.arithmetic import Numbered
from archc.kinds.axes import DIMENSIONS
from archc.plan.plan import (
    Layer,
    Shape,
)


class Inexpressible(Exception):
    """Raised if a value has no expression in the class's arguments."""


def layer_plan(kind: Kind, inputs: tuple[Shape, ...]) -> Layer:
    """The calls of a layer, for all ranks that its input may have."""
    for shapes in _ranks(inputs):
        try:
            calls, function = kind.call(shapes), kind.function(shapes)
        except (IndexError, TypeError, ValueError):
            continue  # the spec isn't valid for that rank
        cases = ((None, calls),) if isinstance(calls, TorchCall) else tuple(calls)
        if len(inputs) == 1 and len(_ranks(inputs)) > 1:
            cases = _by_rank(kind, inputs[0], cases)
        return Layer(type(kind), cases, function, kind.infix, False)
    raise Inexpressible("a layer has no rank to work on")


def _by_rank(kind: Kind, shape: Shape, cases: Any) -> Any:
    """The calls of a layer whose input has one of two ranks; arguments that differ become choices."""
    (condition, yes, no) = shape
    found = []
    for side in (yes, no):
        if isinstance(side, Alternatives):
            raise Inexpressible("the rank depends on two conditions")
        try:
            found.append(kind.call((side,)))
        except (IndexError, TypeError, ValueError):
            return cases
    if found[0] == found[1]:
        return cases
    return ((condition, found[0]), (None, found[1]))


def output_shapes(kind: Kind, inputs: tuple[Shape, ...]) -> Any:
    """The shapes of a layer's outputs by name."""
    for shape in inputs:
        if isinstance(shape, Alternatives):
            sides = []
            for truth in (True, False):
                try:
                    sides.append(output_shapes(kind, tuple(decided(one, shape[0], truth) for one in inputs)))
                except (IndexError, TypeError, ValueError):
                    continue
            if len(sides) == 1:
                return sides[0]
            if not sides:
                raise Inexpressible("a layer has no rank to work on")
            return {name: merged(shape[0], sides[0][name], sides[1][name]) for name in sides[0]}
    found = kind.output(inputs)
    if isinstance(found, Numbered):
        return Numbered(lambda part: _simple(found[str(part)]))
    by_name = found if isinstance(found, dict) else {None: found}
    return {name: _simple(shape) for name, shape in by_name.items()}


def shortest(kind: Kind, inputs: tuple[Shape, ...], shape: Shape) -> Shape:
    """The shape of a join: where all inputs must be equal, the shortest expression.

    Unknown sizes are assumed to be equal, because comparing them usually needs the arguments.
    """
    if any(isinstance(one, Alternatives) for one in (*inputs, shape)):
        return shape
    assert isinstance(kind, Join)
    dims = list(shape)
    for at in kind.equal_axes(len(shape)):
        if at == 0 and kind.broadcasts:
            continue
        sizes = [one[at] for one in inputs if not kind.broadcasts or lower(lift(one[at])) != 1]
        if sizes:
            dims[at] = min(sizes, key=lambda size: lift(size).size)
    return tuple(dims)


def rearranged(size: Any) -> Any:
    """A size with its sums and products computed as far as they are known; channels and sizes are integers."""
    if not isinstance(size, Expr):
        return size
    match size:
        case Binary(left, "+", right):
            return rearranged(left) + rearranged(right)
        case Binary(left, "-", right):
            return rearranged(left) - rearranged(right)
        case Binary(left, "*", right):
            return rearranged(left) * rearranged(right)
        case Binary(left, "//", right):
            return rearranged(left) // rearranged(right)
        case Unary("-", operand):
            return -rearranged(operand)
        case Choice(condition, yes, no):
            return either(condition, rearranged(yes), rearranged(no))
    return lower(size)


def merged(condition: Any, yes: Shape, no: Shape) -> Shape:
    """The shape of a value that depends on a condition."""
    if condition is None:
        return yes
    condition = lower(lift(condition))
    if not isinstance(condition, Expr):
        return yes if condition else no
    yes, no = decided(yes, condition, True), decided(no, condition, False)
    if isinstance(yes, Alternatives) or isinstance(no, Alternatives) or len(yes) != len(no):
        return yes if yes is no else Alternatives((condition, yes, no))
    return tuple(simplified(either(condition, one, other)) for one, other in zip(yes, no, strict=True))


def alike(shape: Shape, other: Shape, condition: Any) -> Shape:
    """A shape, with another's expressions for dimensions that are equal if a condition is true.

    Unknown sizes are assumed to be equal.
    """
    if isinstance(shape, Alternatives) or isinstance(other, Alternatives) or len(shape) != len(other):
        return shape
    pairs = zip(shape, other, strict=True)
    return tuple(
        own if equal_where(one, own, condition, True) or (at and lower(lift(own)) != 1) else one
        for at, (one, own) in enumerate(pairs)
    )


def decided(shape: Shape, condition: Expr, truth: bool) -> Shape:
    """A shape, given that a condition is true or false."""
    if not isinstance(shape, Alternatives):
        return shape
    own, yes, no = shape
    if Unary("not", own) == condition or Unary("not", condition) == own:
        return decided(no if truth else yes, condition, truth)
    if own == condition:
        return decided(yes if truth else no, condition, truth)
    return Alternatives((own, decided(yes, condition, truth), decided(no, condition, truth)))


def channels_of(shape: Shape) -> Any:
    """The channels (or features) of a value of any rank."""
    if isinstance(shape, Alternatives):
        return either(shape[0], channels_of(shape[1]), channels_of(shape[2]))
    return shape[0]


def merged_size(condition: Any, yes: Any, no: Any) -> Any:
    """One dimension of `merged`."""
    return yes if condition is None else either(condition, yes, no)


def simplified(size: Any) -> Any:
    """A size without names as a number, except for a product, which shows its factors."""
    if isinstance(size, Expr) and not free_names(size) and not (isinstance(size, Binary) and size.sign == "*"):
        return substitute(size, {})
    return size


def _simple(shape: Shape) -> Shape:
    if isinstance(shape, Alternatives):
        return Alternatives((shape[0], _simple(shape[1]), _simple(shape[2])))
    return tuple(map(simplified, shape))


def expanded(size: Any) -> Any:
    """A size with locals replaced by their definitions, if known."""
    names = {n.name: n.definition for n in walk(lift(size)) if type(n) is Name and n.definition is not None}
    return expanded(substitute(size, names)) if names else size


def _ranks(inputs: tuple[Shape, ...]) -> list[tuple[Shape, ...]]:
    """The inputs, once for each rank that one of them may have."""
    for shape in inputs:
        if isinstance(shape, Alternatives):
            sides = [tuple(decided(one, shape[0], truth) for one in inputs) for truth in (True, False)]
            return [found for side in sides for found in _ranks(side)]
    return [inputs]


def lifted(shape: Shape) -> Shape:
    """A shape whose numbers are constants, so that their products show the factors."""
    if isinstance(shape, Alternatives):
        return Alternatives((shape[0], lifted(shape[1]), lifted(shape[2])))
    return tuple(map(lift, shape))


def rank_of(shape: Shape) -> int:
    """The number of dimensions of a shape; of two ranks, the first."""
    return rank_of(shape[1]) if isinstance(shape, Alternatives) else len(shape)


def dimensions(shape: Shape) -> tuple[str, ...]:
    """The names of the elements of a shape."""
    return DIMENSIONS[len(shape)]


def sizes(inputs: Sequence[str], shapes: Sequence[Shape]) -> dict[str, Any]:
    """The dimensions of the inputs of a class by the names of its arguments: `in_channels`, `skip_height`."""
    prefixes = ("in", *inputs[1:])
    return {
        f"{prefix}_{dimension}": size
        for prefix, shape in zip(prefixes, shapes, strict=True)
        for dimension, size in zip(dimensions(shape), shape, strict=True)
    }


def replaced(shape: Shape, changed: dict[int, Any]) -> Shape:
    """A shape with other sizes for some dimensions."""
    return tuple(changed.get(at, size) for at, size in enumerate(shape))
