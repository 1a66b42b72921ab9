"""A summary as text, Markdown and HTML."""

from __future__ import annotations

from html import escape

from archc.graph import Network
from archc.inference import Depth, Line, graph_cost, network_outputs
from archc.kinds import Kind
from archc.presentation.summary import Summary
from archc.text import engineering, extent, fitted, form, hanging, markdown, mebibytes, printable

_HEADER = ("name", "layer or block", "output", "parameters", "share", "multiply-adds", "share", "receptive field")
_RIGHT = frozenset({3, 4, 5, 6, 7})
"""The columns of numbers."""
_SPARE = (6, 4, 7)
"""The columns that are omitted on a narrow terminal, the first one first."""


def figures(network: Network) -> str:
    """One line with the input, outputs, parameters and multiply-adds."""
    cost = graph_cost(network.graph)
    outputs = ", ".join(form(shape) for shape in network_outputs(network).values())
    training = ""
    if cost.training_parameters != cost.parameters:
        training = f" ({cost.training_parameters:,} with auxiliary heads)"
    macs = f"{engineering(cost.macs)} multiply-adds"
    inputs = ", ".join(map(form, network.inputs.values()))
    return f"{inputs} → {outputs}, {cost.parameters:,} parameters{training}, {macs}"


def summary_text(summary: Summary, depth: Depth = "blocks", images: int = 1, width: int | None = None) -> str:
    """The summary as text, wrapped to a terminal's width if given; memory is for a batch of `images`."""
    rows = [_HEADER, *map(_cells, summary.outline(depth))]
    totals = _totals(summary, images)
    longest = max(len(name) for name, _ in totals) + 2
    below = "\n".join(hanging(name.ljust(longest), value, width) for name, value in totals)
    return "\n\n".join([hanging("", printable(_title(summary)), width), fitted(rows, _RIGHT, width, _SPARE), below])


def summary_markdown(summary: Summary, depth: Depth = "blocks", images: int = 1) -> str:
    """The summary as Markdown, for a pull request or a page."""
    rules = ("---:" if i in _RIGHT else "---" for i in range(len(_HEADER)))
    rows = [_HEADER, rules, *map(_cells, summary.outline(depth))]
    table = [f"| {' | '.join(row)} |" for row in rows]
    totals = [f"- {name.strip()}: {value}" if name else f"- {value}" for name, value in _totals(summary, images)]
    return "\n".join([f"## {markdown(printable(_title(summary)))}", "", *table, "", *totals])


def summary_html(summary: Summary, depth: Depth = "blocks", images: int = 1) -> str:
    """The summary as HTML, for a notebook: the table with the totals below it. Text of the spec is escaped."""
    head = "".join(_cell("th", text, i) for i, text in enumerate(_HEADER))
    body = "".join(
        f"<tr>{''.join(_cell('td', text, i) for i, text in enumerate(_cells(line)))}</tr>"
        for line in summary.outline(depth)
    )
    totals = "".join(
        f"<tr>{_cell('td', name, 0)}{_cell('td', value, 1)}</tr>" for name, value in _totals(summary, images)
    )
    return (
        f'<div class="archc-summary"><p><strong>{escape(_title(summary))}</strong></p>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"<table><tbody>{totals}</tbody></table></div>"
    )


def _cell(tag: str, text: str, column: int) -> str:
    return f'<{tag} style="text-align: {"right" if column in _RIGHT else "left"}">{escape(text)}</{tag}>'


def _cells(line: Line) -> tuple[str, ...]:
    """The cells of a row."""
    return (
        (line.path if line.count == 1 else f"{line.path} … {line.last}") + (" (training)" if line.training else ""),
        _what(line) if line.count == 1 else f"{line.count} × {_what(line)}",
        form(line.output),
        f"{line.parameters:,}" if line.parameters else "-",
        _share(line.parameter_share),
        engineering(line.macs) if line.macs else "-",
        _share(line.mac_share),
        extent(line.receptive_field),
    )


def _what(line: Line) -> str:
    """A layer as papers write it, or the name of a block, and the entry whose weights it uses."""
    element = line.node.element
    what = element.label(line.node.in_shapes) if isinstance(element, Kind) else line.kind
    return f"{what} (shared with {line.shares})" if line.shares else what


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _totals(summary: Summary, images: int) -> list[tuple[str, str]]:
    """The names and values of the totals below the table."""
    counted = f"{summary.parameters:,}"
    if summary.training_parameters != summary.parameters:
        counted += f"; {summary.training_parameters:,} in training, with the auxiliary heads"
    memory = summary.memory(images)
    weights, gradients = mebibytes(memory.weights), mebibytes(memory.gradients)
    inference = f"weights {weights} + values {mebibytes(memory.peak)} (most at {memory.peak_at})"
    training = f"weights {weights} + gradients {gradients} + kept for the backward pass {mebibytes(memory.kept)}"
    return [
        ("input", _listed(summary.inputs, "input")),
        ("output", _listed(summary.outputs, "output")),
        ("layers", f"{len(summary.layers):,}"),
        ("parameters", counted),
        ("multiply-adds", f"{engineering(summary.macs)} for one input ({summary.macs:,})"),
        *([("smallest input", form(summary.min_input))] if summary.min_input else []),
        ("memory", f"for a batch of {images:,}, in float32"),
        ("  inference", f"{mebibytes(memory.inference)} = {inference}"),
        ("  training", f"{mebibytes(memory.training)} = {training};"),
        ("", f"plus optimizer state: {gradients} for momentum, twice that for Adam"),
    ]


def _listed(shapes: dict[str, tuple[int, ...]], only: str) -> str:
    """Shapes with their names, but without that of an `only` one that has none."""
    return ", ".join(
        form(shape) if list(shapes) == [only] else f"{name} {form(shape)}" for name, shape in shapes.items()
    )


def _title(summary: Summary) -> str:
    """The name and the description of the network."""
    description = summary.network.spec.description.strip().partition("\n")[0]
    return f"{summary.name}: {description}" if description else summary.name
