"""Pictures as DOT, the language of Graphviz."""

from __future__ import annotations

from collections.abc import Iterator

from archc.drawing.model import Picture
from archc.drawing.style import INKS, ROLES
from archc.drawing.wiring import Cluster, Node, Wiring


def render_dot(pictures: list[Picture]) -> str:
    """The pictures as one directed graph; several pictures become clusters."""
    wiring = Wiring(pictures)
    ink, muted, line = (INKS[name][0] for name in ("ink", "muted", "line"))
    lines = [
        f"digraph {_text(' and '.join(cluster.title for cluster in wiring.clusters))} {{",
        '    graph [fontname="Helvetica", fontsize=12, style=rounded, color="#d3d9e2"]',
        f'    node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=11, fontcolor="{ink}"]',
        f'    edge [fontname="Helvetica", fontsize=9, color="{line}", fontcolor="{muted}"]',
    ]
    beside: _Beside = {}
    for arrow in wiring.arrows:
        if arrow.aside:
            beside.setdefault(arrow.source, []).append(arrow.target)
    for cluster in wiring.clusters:
        lines += _cluster(cluster, beside, 1) if len(wiring.clusters) > 1 else _content(cluster, beside, 1)
    for arrow in wiring.arrows:
        options = [f"label={_text(f' {arrow.label}')}"] if arrow.label else []
        options += ["style=dashed"] if arrow.aside else []
        attributes = f" [{', '.join(options)}]" if options else ""
        lines.append(f"    {arrow.source} -> {arrow.target}{attributes}")
    return "\n".join([*lines, "}"]) + "\n"


_Beside = dict[str, list[str]]
"""The auxiliary heads of each node, which DOT places next to it."""


def _cluster(cluster: Cluster, beside: _Beside, depth: int) -> Iterator[str]:
    indent = "    " * depth
    yield f"{indent}subgraph cluster_{cluster.id} {{"
    yield f"{indent}    label={_text(cluster.title)}"
    yield from _content(cluster, beside, depth + 1)
    yield f"{indent}}}"


def _content(cluster: Cluster, beside: _Beside, depth: int) -> Iterator[str]:
    indent = "    " * depth
    for item in cluster.content:
        if isinstance(item, Cluster):
            yield from _cluster(item, beside, depth)
            continue
        fill, ink = ROLES[item.role][0] if item.role in ROLES else (INKS["frame"][0], INKS["border"][0])
        dashed = ', style="rounded,filled,dashed"' if item.aside else ""
        label = _text("\n".join(item.lines))
        yield f'{indent}{item.id} [label={label}, fillcolor="{fill}", color="{ink}"{dashed}]'
    here = {item.id for item in cluster.content if isinstance(item, Node)}
    for source, heads in beside.items():
        if source in here and here.issuperset(heads):
            yield f"{indent}{{rank=same; {'; '.join([source, *heads])}}}"


def _text(text: str) -> str:
    """Quote a string; a line feed becomes the escape that centers a line."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{"".join(char for char in escaped if char.isprintable())}"'
