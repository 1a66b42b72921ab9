"""Numbers, shapes and names as text."""

from __future__ import annotations

from collections.abc import Sequence

from archc.graph import Network
from archc.inference import graph_cost, network_outputs


def form(shape: tuple[int, ...]) -> str:
    """`64×112×112`."""
    return "×".join(map(str, shape))


def engineering(count: int) -> str:
    """`1.498 G`: a count with three decimals and its prefix."""
    for size, prefix in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.3f} {prefix}"
    return str(count)


def counted(count: int, thing: str) -> str:
    """`1 problem`, `2 problems`."""
    return f"{count} {thing}" if count == 1 else f"{count:,} {thing}s"


def figures(network: Network) -> str:
    """One line of what matters: input, outputs, parameters, multiply-adds."""
    cost = graph_cost(network.graph)
    outputs = ", ".join(form(shape) for shape in network_outputs(network).values())
    training = ""
    if cost.training_parameters != cost.parameters:
        training = f" ({cost.training_parameters:,} with auxiliary heads)"
    macs = f"{engineering(cost.macs)} multiply-adds"
    return f"{form(network.input)} → {outputs}, {cost.parameters:,} parameters{training}, {macs}"


def mebibytes(size: int) -> str:
    """`25.3 MiB`, `812 KiB`: bytes in three digits with their unit."""
    if size < 1000:
        return f"{size} B"
    amount, unit = size / 2**10, "KiB"
    for larger in ("MiB", "GiB", "TiB", "PiB"):
        if amount < 1000:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.{0 if amount >= 100 else 1 if amount >= 10 else 2}f} {unit}"


def aligned(rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset(), *, ruled: bool = False) -> str:
    """Rows of one length in columns, those of `right` set right; `ruled` draws a line below the first."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    if ruled:
        lines.insert(1, "  ".join("─" * width for width in widths))
    return "\n".join(lines)


_CONTROL = dict.fromkeys((*range(32), *range(127, 160)), "�")


def printable(text: str) -> str:
    """A text of a spec's as a terminal may show it: nothing in it moves the cursor or changes colours."""
    return text.translate(_CONTROL)


_MARKS = {ord(mark): f"\\{mark}" for mark in "\\`*_[]|#~"} | {ord("<"): "&lt;", ord(">"): "&gt;", ord("&"): "&amp;"}


def markdown(text: str) -> str:
    """A text as itself in markdown: no mark-up, no HTML."""
    return text.translate(_MARKS)
