"""Guards: constructors raise a ValueError for arguments that archc rejects but PyTorch would accept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from archc.expressions import Binary, Compare, Const, Logic, Name, equal_where, lift
from archc.kinds import Kind
from archc.plan.plan import Guard


def guards(kind: Kind) -> Iterator[Guard]:
    """The guards of a layer."""
    if kind.__dict__.get("padding") == "same":
        yield from _odd_kernel(kind)


def under(when: Any, found: Iterable[Guard]) -> Iterator[Guard]:
    """Guards for layers that only exist if a condition is true."""
    for guard in found:
        condition = both(when, guard.when)
        match guard.refused:
            case Compare((left, right), ("!=",)) if _equal(left, right, condition):
                continue
        yield guard._replace(when=condition)


def both(one: Any, other: Any) -> Any:
    """The conjunction of two conditions; None means no condition."""
    if one is None or other is None:
        return other if one is None else one
    return Logic("and", (lift(one), lift(other)))


def _equal(one: Any, other: Any, condition: Any) -> bool:
    return equal_where(one, other, True if condition is None else condition, True)


def _odd_kernel(kind: Kind) -> Iterator[Guard]:
    """P = d(k - 1)/2 must be an integer, because PyTorch pads more on one side otherwise."""
    kernel, dilation = lift(kind.__dict__["kernel_size"]), lift(kind.__dict__.get("dilation", 1))
    if not (isinstance(dilation, Const) and type(dilation.value) is int and dilation.value % 2):
        return
    for size in getattr(kernel, "items", (kernel,)):
        if isinstance(size, Name) and size.form == "integer":
            even = Compare((Binary(size, "%", Const(2)), Const(0)), ("==",))
            yield Guard(even, "`padding: same` needs an odd kernel size")
