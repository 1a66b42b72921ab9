"""Positional arguments of a layer: the calls that they may mean."""

from __future__ import annotations

from typing import Any, Final

from archc.kinds import Kind
from archc.kinds.base import shown

_LARGEST_KERNEL: Final = 11
_FEWEST_FEATURES: Final = 4
"""With fewer channels, the first number is likely to be the number of image channels."""


def positional_readings(kind: type[Kind], values: list[Any]) -> list[dict[str, int]]:
    """The possible meanings of a list of arguments, as indexes by name, the likeliest first.

    The order is torch's, or the kind's. The two differ if torch's call starts with the input channels, which a spec
    omits.
    """
    fields = list(kind.model_fields)
    in_torch = [*kind.positional, *(name for name in fields if name not in kind.positional)]
    orders = [in_torch] if in_torch == fields else [in_torch, fields]
    if len(orders) == 2 and "kernel_size" in fields and len(values) > 1:
        if isinstance(values[1], int) and values[1] > _LARGEST_KERNEL:
            orders.pop()
        elif _begins_with_output(values):
            orders.reverse()
    found: list[dict[str, int]] = []
    same = values.index("same") if "same" in values and "padding" in fields else None
    for order in orders:
        if same is not None:  # it can only be the padding, wherever it is
            order = [name for name in order if name != "padding"]
            order.insert(same, "padding")
        if len(values) <= len(order):
            reading = {name: at for at, name in enumerate(order[: len(values)]) if name in fields}
            if reading not in found:
                found.append(reading)
    return found


def _begins_with_output(values: list[Any]) -> bool:
    """Return True if a convolution's list starts with the output channels and the kernel."""
    first, second = values[:2]
    if isinstance(second, list) or len(values) == 2:
        return True
    if not isinstance(second, int):
        return False
    return not (isinstance(first, int) and first <= _FEWEST_FEATURES and second > first)


def flow_text(arguments: dict[str, Any]) -> str:
    """Arguments as a spec writes them on one line."""
    return f"{{{', '.join(f'{name}: {_written(value)}' for name, value in arguments.items())}}}"


def _written(value: Any) -> str:
    if isinstance(value, str) and value.isascii() and value.removeprefix("$").isidentifier():
        return value
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return "null" if value is None else shown(value)
