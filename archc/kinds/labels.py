"""How arguments are written in a layer's short form: `3×3 conv, 192, /2`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Written:
    """An argument's value that is shown as the expression that gives it."""

    value: Any
    text: str


def text(value: Any) -> str:
    """A value as a number, or as it is written: `0.5`, `64`, `width * 2`."""
    if isinstance(value, Written):
        return value.text
    return f"{value:g}" if isinstance(value, float) else str(value)


def value_of(value: Any) -> Any:
    """What an argument amounts to, however it is written."""
    if isinstance(value, Written):
        return value.value
    return tuple(map(value_of, value)) if isinstance(value, tuple) else value


def over(stride: Any, sign: str = "/") -> str:
    """`, /2` for a stride of 2; nothing for 1."""
    same = isinstance(stride, tuple) and len(set(map(value_of, stride))) == 1
    shown = text(stride[0]) if same else listed(stride)
    return "" if shown == "1" else f", {sign}{shown}"


def window(size: Any, rank: int = 2) -> str:
    """`3×3`, also for a size given once; `1×7`."""
    sides = items(size) if isinstance(value_of(size), tuple) else (size,) * rank
    return "×".join("·" if value_of(side) is None else text(side) for side in sides)


def listed(value: Any, between: str = "×") -> str:
    """The elements of a list, or the value itself."""
    return between.join(map(text, value)) if isinstance(value, tuple) else text(value)


def items(value: Any) -> tuple[Any, ...]:
    """The elements of a list; those of a parameter are `name[0]`, `name[1]`, …."""
    if isinstance(value, Written) and value.text.isidentifier():
        return tuple(Written(item, f"{value.text}[{i}]") for i, item in enumerate(value.value))
    return tuple(value_of(value) if isinstance(value, Written) else value)
